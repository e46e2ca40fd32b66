"""torch comes from the index that cog.yaml asks for, and from no other, whoever answers."""

import hashlib
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.index import index
from support.wheels import make_wheel
from support.world import CLOSED, Project, World, ok

PYTORCH = "https://download.pytorch.org/whl"
pytestmark = pytest.mark.slow


@contextmanager
def served(world: World, *names: str) -> Iterator[dict[str, str]]:
    """An index of all packages, with torch for CUDA in it, and one of PyTorch's, by the name of its directory."""
    plain = world.wheels
    for name in ("torch", "numpy"):
        make_wheel(plain, name, "2.1.0")
    make_wheel(plain, "accelerate", "1.0", requires=("torch>=2",))
    with index(plain, uploaded="2026-01-01T00:00:00Z") as (all_, _):
        rules = []
        with _each([world.directory / name for name in names]) as found:
            rules = [f"{PYTORCH}/{name}={url}/simple" for name, url in zip(names, found, strict=True)]
            yield {"UV_DEFAULT_INDEX": f"{all_.url}/simple", "COGPACK_URL_MAP": " ".join(rules), "UV_FIND_LINKS": ""}


@contextmanager
def _each(directories: list[Path]) -> Iterator[list[str]]:
    if not directories:
        yield []
        return
    label = directories[0].name
    make_wheel(directories[0], "torch", f"2.1.0+{label}", requires=("numpy",))
    make_wheel(directories[0], "numpy", "1.0")
    with index(directories[0]) as (fake, _), _each(directories[1:]) as others:
        yield [fake.url, *others]


def project(world: World, lines: str, config: str = "") -> Project:
    made = world.project(files={"requirements.txt": lines})
    if config:
        made.write("cog.yaml", (made.root / "cog.yaml").read_text().replace("build:\n", f"build:\n{config}"))
    return made


def locked(made: Project) -> tuple[dict[str, str], Any]:
    lock = tomllib.loads((made.root / "cogpack.lock").read_text())["platforms"]["linux/amd64"]
    return {wheel["name"]: wheel["version"] for wheel in lock["wheels"]}, lock.get("torch_index")


def test_without_a_gpu_torch_is_for_cpu_also_where_another_package_brings_it(world: World) -> None:
    with served(world, "cpu") as places:
        direct = project(world, "torch==2.1.0\n")
        ok(direct.cogpack("push", direct.target(), **places))
        assert "opt/venv/lib/python/site-packages/torch.py" in world.files("me/model", "v1")
        wheels, index_ = locked(direct)
        assert (wheels["torch"], wheels["numpy"], index_) == ("2.1.0+cpu", "2.1.0", "cpu")
        brought = project(world, "accelerate\n")
        ok(brought.cogpack("lock", "--upgrade", **places))
        assert locked(brought)[0]["torch"] == "2.1.0+cpu"


def test_cuda_of_cog_yaml_chooses_the_build_and_a_release_time_hides_none(world: World) -> None:
    with served(world, "cu118") as places:
        made = project(world, "torch==2.1.0\n", "  gpu: true\n  cuda: '11.8'\n")
        made.write("cog.yaml", (made.root / "cog.yaml").read_text() + "  exclude_newer: 2026-02-01\n")
        said = ok(made.cogpack("lock", **places)).err
    wheels, index_ = locked(made)
    assert (wheels["torch"], index_) == ("2.1.0+cu118", "cu118")
    assert "build.cuda" not in said


def test_an_index_that_is_away_is_no_reason_to_take_another_and_the_way_out_is_told(world: World) -> None:
    with served(world) as places:
        places |= {"COGPACK_URL_MAP": f"{PYTORCH}={CLOSED}/whl", "UV_HTTP_RETRIES": "0"}
        made = project(world, "torch==2.1.0+cu118\n", "  gpu: true\n")
        done = made.cogpack("lock", **places)
        assert done.code == 5
        assert f"{PYTORCH}/cu118/torch/" in done.err
        assert "cogpack: {torch_index: pypi}" in done.err
        made.write("cog.yaml", (made.root / "cog.yaml").read_text() + "  torch_index: pypi\n")
        said = ok(made.cogpack("lock", **places)).err
    assert locked(made) == ({"cog": "0.23.1", "coglet": "0.23.1", "pip": "26.0", "torch": "2.1.0"}, "pypi")
    assert "note: requirements.txt:1: torch==2.1.0+cu118 is taken from the index pypi: cog.yaml:" in said


def test_another_cuda_than_the_one_asked_for_is_an_error_where_cog_yaml_says_so(world: World) -> None:
    make_wheel(world.wheels, "nvidia-cuda-runtime-cu12", "12.8.90")
    made = world.project(config="  cuda: strict\n", requirements="nvidia-cuda-runtime-cu12\n")
    made.write("cog.yaml", (made.root / "cog.yaml").read_text().replace("build:\n", "build:\n  cuda: '12.1'\n"))
    done = made.cogpack("lock")
    assert done.code == 2
    assert "build.cuda: 12.1 is asked for, and what was taken is CUDA 12.8.90 (nvidia-cuda-runtime-cu12)" in done.err
    assert not (made.root / "cogpack.lock").exists()


@pytest.mark.parametrize(("gpu", "line"), [(False, "--pre\ntorch"), (True, "torch==2.9.0.dev20260101+cu130")])
def test_a_build_of_a_night_comes_from_the_index_that_is_named_and_is_pinned(
    world: World, gpu: bool, line: str
) -> None:
    night = Path(shutil.copytree(world.wheels, world.directory / "night"))
    make_wheel(night, "numpy", "2.1.0")
    make_wheel(night, "torch", "2.9.0.dev20260101+cu130", requires=("numpy",))
    with served(world) as places, index(night) as (fake, _):
        places |= {"COGPACK_URL_MAP": f"{PYTORCH}/nightly={fake.url} {PYTORCH}={CLOSED}/whl", "UV_HTTP_RETRIES": "0"}
        lines = f"--extra-index-url {PYTORCH}/nightly/simple\n{line}\n"
        made = project(world, lines, f"  gpu: {str(gpu).lower()}\n")
        said = ok(made.cogpack("push", made.target(), **places)).err
        wheels, index_ = locked(made)
        assert (wheels["torch"], wheels["numpy"], index_) == ("2.9.0.dev20260101+cu130", "2.1.0", None)
        assert f"{PYTORCH}/nightly/simple: such wheels are deleted after a time; cogpack fetch -o DIR keeps" in said
        ok(made.cogpack("fetch", "-o", "../depot", **places))
        (night / "torch-2.9.0.dev20260101+cu130-py3-none-any.whl").unlink()
        fresh = {"COGPACK_CACHE_DIR": str(world.directory / "another-cache")}
        ok(made.cogpack("build", "-o", "../layout", "--offline", "../depot", **fresh))


def test_a_lock_that_says_nothing_of_torchs_index_is_used_as_it_is(world: World) -> None:
    with served(world) as places:
        places |= {"COGPACK_URL_MAP": f"{PYTORCH}={CLOSED}/whl", "UV_HTTP_RETRIES": "0"}
        torch = (world.wheels / "torch-2.1.0-py3-none-any.whl").read_bytes()
        made = project(world, f"torch==2.1.0 --hash=sha256:{hashlib.sha256(torch).hexdigest()}\n")
        ok(made.cogpack("lock", **places))
        lock = (made.root / "cogpack.lock").read_text()
        made.write("cogpack.lock", lock.replace('torch_index = "pypi"\n', ""))
        assert "torch_index" not in (made.root / "cogpack.lock").read_text()
        ok(made.cogpack("push", "--locked", made.target(), **places))
    assert "opt/venv/lib/python/site-packages/torch.py" in world.files("me/model", "v1")
