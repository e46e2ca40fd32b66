"""Wheels that no index has are taken from where their publishers have them, for the torch of the image."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from support.fake_http import Answer, Fake, Request, serving
from support.wheels import make_wheel
from support.world import Project, World, ok

from cogpack.lockfile import Decisions, Lock
from cogpack.lockfile.text import parse_lock

OLD = b"\x7fELF _ZN3c106detail14torchCheckFailEPKcS2_jRKSs\0"
NEW = b"\x7fELF _ZN3c106detail14torchCheckFailEPKcS2_jRKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE\0"
RELEASES = "https://github.com/Dao-AILab/flash-attention/releases/download"


class Pages:
    """Serves files by path. `asked`: paths, in order."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def answer(self, request: Request) -> Answer:
        path = unquote(request.path)
        self.asked.append(path)
        if path not in self.files:
            return 404, {}, b""
        kind = "text/html" if path.endswith(".html") else "application/octet-stream"
        return 200, {"Content-Type": kind}, self.files[path]

    def release(self, directory: Path, torch: str, version: str = "2.8.3") -> None:
        """Have a wheel of flash-attn, which its publisher renames when it is built."""
        wheel = make_wheel(
            directory / torch, "flash_attn", version, tag="cp313-cp313-linux_x86_64", requires=("torch", "einops")
        )
        name = wheel.name.replace(version, f"{version}+{torch}")
        self.files[f"/v{version}/{name}"] = wheel.read_bytes()


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def fake(pages: Pages) -> Iterator[Fake]:
    with serving(pages.answer) as found:
        yield found


@pytest.fixture
def mapped(fake: Fake) -> dict[str, str]:
    return {"COGPACK_URL_MAP": f"{RELEASES}={fake.url} https://data.pyg.org/whl={fake.url}"}


def torch(world: World, version: str, cuda: str, library: bytes) -> None:
    files = {"torch/version.py": f"cuda: Optional[str] = {cuda!r}\n".encode(), "torch/lib/libc10.so": library}
    make_wheel(world.wheels, "torch", version, files=files)


def make(world: World, name: str, requirements: str, *run: str) -> Project:
    make_wheel(world.wheels, "einops")
    lines = "".join(f"    - {line}\n" for line in run)
    text = (
        'build:\n  gpu: true\n  python_version: "3.13"\n  python_requirements: requirements.txt\n'
        + (f"  run:\n{lines}" if lines else "")
        + f'predict: "predict.py:Predictor"\ncogpack:\n  base: {world.registry}/base/python:v1\n'
    )
    return world.project(name, {"cog.yaml": text}, requirements=f"--no-index\n{requirements}")


def decided(project: Project) -> Decisions:
    lock: Lock = parse_lock((project.root / "cogpack.lock").read_bytes())
    return lock.platforms["linux/amd64"]


def flash(project: Project) -> Any:
    return next(wheel for wheel in decided(project).wheels if wheel.name == "flash-attn")


def test_the_wheel_of_a_release_is_taken_for_the_torch_that_is_resolved_and_its_cxx_abi(
    world: World, pages: Pages, mapped: dict[str, str]
) -> None:
    torch(world, "2.6.0", "12.4", OLD)
    torch(world, "2.7.1", "12.8", NEW)
    (world.wheels / "flash_attn-2.8.3.tar.gz").write_bytes(b"a source")
    for built_for in ("cu12torch2.6cxx11abiFALSE", "cu12torch2.7cxx11abiTRUE"):
        pages.release(world.directory, built_for)
    project = make(world, "e1", "torch==2.6.0\nflash-attn==2.8.3 --no-build-isolation\n")
    pushed = ok(project.cogpack("push", project.target(), **mapped))
    wheel = flash(project)
    assert wheel.url == f"{RELEASES}/v2.8.3/{wheel.filename}"
    assert "+cu12torch2.6cxx11abiFALSE-cp313-" in wheel.filename
    assert wheel.first_use
    assert not decided(project).builds
    assert {one.name for one in decided(project).wheels} >= {"einops"}, "which its own metadata requires"
    assert "for torch 2.6 for CUDA 12.4 with the old C++ ABI, https://github.com/" in pushed.err
    assert "the lock pins what came now" in pushed.err
    assert any("flash_attn-2.8.3.dist-info/METADATA" in path for path in world.files("me/e1", "v1"))
    before = (project.root / "cogpack.lock").read_bytes()
    pages.asked.clear()
    make_wheel(world.wheels, "beside")
    project.write("requirements.txt", "--no-index\ntorch==2.6.0\nflash-attn==2.8.3\nbeside\n")
    ok(project.cogpack("lock", **mapped))
    assert flash(project) == wheel
    assert not pages.asked, "what the lock has is kept"
    project.write("requirements.txt", "--no-index\ntorch==2.7.1\nflash-attn\n")
    ok(project.cogpack("lock", **mapped))
    assert "+cu12torch2.7cxx11abiTRUE-" in flash(project).filename
    assert before != (project.root / "cogpack.lock").read_bytes()


def test_a_pip_line_takes_the_wheel_of_a_release(world: World, pages: Pages, mapped: dict[str, str]) -> None:
    torch(world, "2.6.0", "12.4", OLD)
    (world.wheels / "flash_attn-2.8.3.tar.gz").write_bytes(b"a source")
    pages.release(world.directory, "cu12torch2.6cxx11abiFALSE")
    line = "FLASH_ATTENTION_SKIP_CUDA_BUILD=TRUE pip install --no-index flash-attn --no-build-isolation"
    project = make(world, "e2", "torch==2.6.0\n", line)
    ok(project.cogpack("push", project.target(), **mapped))
    assert flash(project).first_use
    assert not decided(project).sandboxed
    project.write("requirements.txt", "--no-index\ntorch==2.6.0\n# the same\n")
    pages.asked.clear()
    ok(project.cogpack("lock", **mapped))
    assert not pages.asked


def test_a_page_of_links_has_wheels_for_its_torch(
    world: World, pages: Pages, mapped: dict[str, str], tmp_path: Path
) -> None:
    torch(world, "2.6.1", "12.4", OLD)
    (world.wheels / "torch_scatter-2.1.2.tar.gz").write_bytes(b"a source")
    names = ["torch_scatter-2.1.2+pt26cu124-cp313-cp313-linux_x86_64.whl"]
    names += [names[0].replace("cp313", "cp312"), names[0].replace("2.1.2", "2.1.1")]
    wheel = make_wheel(tmp_path, "torch_scatter", "2.1.2+pt26cu124", tag="cp313-cp313-linux_x86_64")
    pages.files[f"/{names[0]}"] = wheel.read_bytes()
    links = "".join(f'<a href="{name.replace("+", "%2B")}">{name}</a>' for name in names)
    pages.files["/torch-2.6.0+cu124.html"] = links.encode()
    project = make(world, "e3", "torch\ntorch-scatter\n")
    ok(project.cogpack("lock", **mapped))
    (found,) = (one for one in decided(project).wheels if one.name == "torch-scatter")
    assert (found.filename, found.version) == (names[0], "2.1.2+pt26cu124")


def test_what_no_release_has_is_named_with_all_that_it_would_have_to_fit(
    world: World, pages: Pages, mapped: dict[str, str]
) -> None:
    torch(world, "2.6.0", "12.4", OLD)
    (world.wheels / "flash_attn-2.8.3.tar.gz").write_bytes(b"a source")
    project = make(world, "e4", "torch\nflash-attn==2.8.3\n")
    failed = project.cogpack("lock", **mapped)
    assert failed.code == 2
    assert "requirements.txt:4: flash-attn 2.8.3: there is no wheel of it for torch 2.6 for CUDA 12.4" in failed.err
    project.write("requirements.txt", "--no-index\nflash-attn\n")
    failed = project.cogpack("lock", **mapped)
    assert (failed.code, "add torch" in failed.err) == (2, True)
