"""NVIDIA's compiler comes as packages of an archive: beside the base where wheels are built, or in the image."""

import shutil
from collections.abc import Iterator

import pytest
from support import building, plain
from support.debian_archive import Signer
from support.debian_mirror import Archive, stanza, trusted
from support.nvidia import nvidias
from support.wheels import make_wheel
from support.world import CLOSED, Project, World, ok

from cogpack.config.parse import parse_config
from cogpack.errors import InputError
from cogpack.lockfile import Decisions, LockedToolkit
from cogpack.lockfile.base_kinds import SystemPackages
from cogpack.lockfile.text import parse_lock
from cogpack.locking.wheels.building import Ground


@pytest.fixture
def grounds(monkeypatch: pytest.MonkeyPatch) -> list[Ground]:
    """Give the grounds that sources were built over."""
    found: list[Ground] = []

    building.install(monkeypatch, lambda _, ground: found.append(ground))
    return found


@pytest.fixture
def archive(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    with trusted(world.directory / "mirror", monkeypatch) as made:
        made.fill()
        for name in ("g++-12", "g++-13", "g++-14", "ninja-build", "libpython3.13-dev"):
            made.add(name, files={f"usr/share/doc/{name}/copyright": name})
        made.finish()
        yield made


@pytest.fixture
def nvidia(archive: Archive) -> Signer:
    return nvidias(archive)


def make(world: World, archive: Archive, nvidia: Signer, where: str, requirements: str) -> Project:
    for version, cuda in (("2.6.0", "12.4"), ("2.7.1", "12.6")):
        make_wheel(world.wheels, "torch", version, files={"torch/version.py": f"cuda = {cuda!r}\n".encode()})
    made = world.project(requirements=f"--no-index\n{requirements}")
    made.write("keys/p.asc", str(nvidia.certificate))
    made.write("src/pyproject.toml", '[project]\nname = "ops"\nversion = "1.0"\n[tool.wants]\ntorch = true\n')
    made.write(
        "cog.yaml",
        'build:\n  gpu: true\n  python_version: "3.13"\n  python_requirements: requirements.txt\n'
        'predict: "predict.py:Predictor"\ncogpack:\n  apt:\n'
        f"    - {{uri: {archive.host}/compute/cuda/repos/ubuntu2204/x86_64, suites: [./], key: keys/p.asc}}\n"
        f"  cuda_toolkit: {where}\n",
    )
    return made


def decided(project: Project) -> Decisions:
    return parse_lock((project.root / "cogpack.lock").read_bytes()).platforms["linux/amd64"]


def test_the_compiler_of_torchs_cuda_is_where_wheels_are_built_and_not_in_the_image(
    world: World, archive: Archive, nvidia: Signer, grounds: list[Ground]
) -> None:
    project = make(world, archive, nvidia, "build", "torch==2.6.0\n./src\n")
    environment = {"COGPACK_DEBIAN_MIRROR": archive.url}
    ok(project.cogpack("push", project.target(), **environment))
    found = decided(project)
    ground = grounds[-1]
    assert found.toolkit
    assert ground == Ground(base=found.build_base, interpreter=None, target=ground.target, toolkit=found.toolkit), (
        "which the lock has, for who builds it again"
    )
    assert (found.toolkit.cuda, found.toolkit.compiler) == ("12.4", "g++-13")
    assert found.toolkit.architectures.startswith("7.0;7.5;")
    names = {deb.name for deb in ground.base.system_packages.packages}
    assert names >= {"cuda-minimal-build-12-4", "libcublas-dev-12-4", "g++-13", "ninja-build"}
    assert not ground.base.system_packages.compiler, "which names what nobody asked for"
    assert not found.base.system_packages.packages
    assert not [path for path in world.files("me/model", "v1") if "cuda-12.4" in path]
    project.write("requirements.txt", "--no-index\ntorch==2.7.1\n./src\n")
    ok(project.cogpack("lock", **environment))
    moved = decided(project)
    assert moved.toolkit
    assert (moved.toolkit.cuda, grounds[-1].toolkit) == ("12.6", moved.toolkit)
    assert moved.base == found.base
    built = len(grounds)
    make_wheel(world.wheels, "beside")
    project.write("requirements.txt", "--no-index\ntorch==2.7.1\n./src\nbeside\n")
    ok(project.cogpack("lock", **environment))
    assert (decided(project).toolkit, len(grounds)) == (moved.toolkit, built)


def test_an_empty_machine_has_the_compiled_wheel_from_the_registry_and_no_compiler(
    world: World, archive: Archive, nvidia: Signer, grounds: list[Ground]
) -> None:
    make_wheel(world.wheels, "plain", "1.0")
    project = make(world, archive, nvidia, "build", "torch==2.6.0\nplain\n./src\n")
    ok(project.cogpack("push", project.target(), COGPACK_DEBIAN_MIRROR=archive.url))
    first = decided(project)

    def compiled() -> str:
        layers = ok(project.cogpack("inspect", "--json", project.target())).json["layers"]
        (digest,) = (layer["digest"] for layer in layers if layer["built"])
        return str(digest)

    digest = compiled()
    make_wheel(world.wheels, "plain", "2.0")
    project.write("requirements.txt", "--no-index\ntorch==2.6.0\nplain>=2\n./src\n")
    shutil.rmtree(world.directory / "cache")
    del grounds[:], archive.seen[:]
    ok(project.cogpack("push", project.target()))
    moved = decided(project)
    assert (moved.builds, moved.toolkit, compiled()) == (first.builds, first.toolkit, digest)
    assert (grounds, archive.seen) == ([], [])


def versions(packages: SystemPackages | None) -> dict[str, str]:
    assert packages
    return {deb.name: deb.version for deb in packages.packages}


def test_the_compiler_for_builds_comes_beside_what_the_lock_pins_and_is_the_same_whatever_the_archive_has_by_then(
    world: World, archive: Archive, nvidia: Signer, grounds: list[Ground]
) -> None:
    for name in ("tool", "lib"):
        archive.add(name, depends="lib" if name == "tool" else "", files={f"usr/share/{name}": "1"})
    archive.finish()
    project = make(world, archive, nvidia, "build", "torch==2.6.0\n./src\n")
    project.write("src/pyproject.toml", '[project]\nname = "ops"\nversion = "1.0"\n')
    text = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", text.replace("  gpu: true\n", "  gpu: true\n  system_packages: [tool]\n"))
    environment = {"COGPACK_DEBIAN_MIRROR": archive.url}
    ok(project.cogpack("build", "-o", "../first", **environment))
    before, first = (project.root / "cogpack.lock").read_bytes(), decided(project)
    assert versions(first.base.system_packages) == {"lib": "1", "tool": "1"}

    archive.fill()
    for name in ("g++-12", "g++-13", "g++-14", "ninja-build", "libpython3.13-dev", "tool", "lib"):
        archive.add(name, version="2", files={f"usr/share/{name}": "2"})
    archive.finish()
    away = {"COGPACK_DEBIAN_MIRROR": CLOSED}
    ok(project.cogpack("lock", **away))
    assert (project.root / "cogpack.lock").read_bytes() == before, "what is pinned is asked of nobody"
    (build,) = first.builds
    (wheel,) = (wheel for wheel in first.wheels if wheel.filename == build.wheel)
    for path in (world.directory / "cache").rglob(f"*{wheel.sha256}*"):
        path.unlink()
    del grounds[:]
    ok(project.cogpack("build", "-o", "../built", **away))
    assert [ground.base for ground in grounds] == [first.build_base], "and built with again"

    project.write("requirements.txt", "--no-index\ntorch==2.7.1\n./src\n")
    ok(project.cogpack("lock", **environment))
    moved = decided(project)
    assert moved.base == first.base
    assert moved.toolkit
    assert (
        versions(moved.toolkit.packages).items() >= {"lib": "1", "tool": "1", "g++-13": "2", "ninja-build": "2"}.items()
    )
    assert "cuda-minimal-build-12-6" in versions(moved.toolkit.packages)
    assert "cuda-minimal-build-12-4" not in versions(moved.toolkit.packages)


def test_an_upgrade_of_the_system_takes_security_updates_of_the_compiler_and_builds_anew_with_these_alone(
    world: World, archive: Archive, nvidia: Signer, grounds: list[Ground]
) -> None:
    project = make(world, archive, nvidia, "build", "torch==2.6.0\n./src\n")
    environment = {"COGPACK_DEBIAN_MIRROR": archive.url}
    ok(project.cogpack("lock", **environment))
    first, built = decided(project), len(grounds)
    archive.fill()
    for name in ("g++-12", "g++-13", "g++-14", "ninja-build", "libpython3.13-dev"):
        archive.add(name, version="2", files={f"usr/share/{name}": "2"})
    archive.finish()
    ok(project.cogpack("lock", "--upgrade-system", **environment))
    assert (decided(project), len(grounds)) == (first, built), "the Releases are others, and what is no security update"

    for security, moved in ((stanza("g++-13", "3"), []), (stanza("g++-13", "3") + stanza("libc6", "9"), ["libc6"])):
        archive.finish(security)
        done = ok(project.cogpack("lock", "--upgrade-system", **environment))
        found = decided(project)
        assert found.toolkit
        assert versions(found.toolkit.packages).items() >= {"g++-13": "3", "ninja-build": "1"}.items()
        assert [deb.name for deb in found.base.installed if deb.version == "9"] == moved
        assert ("moved    g++-13 1 -> 3" in done.err) == (not moved)
        assert len(grounds) > built
        assert grounds[-1].base == found.build_base
        built = len(grounds)


def test_the_compiler_of_cuda_13_comes_in_wheels_and_of_no_archive_of_nvidias(
    world: World, archive: Archive, grounds: list[Ground]
) -> None:
    make_wheel(world.wheels, "torch", "2.11.0", files={"torch/version.py": b"cuda = '13.0'\n"})
    made = world.project(requirements="--no-index\ntorch==2.11.0\n./src\n")
    made.write("src/pyproject.toml", '[project]\nname = "ops"\nversion = "1.0"\n[tool.wants]\ntorch = true\n')
    made.write(
        "cog.yaml",
        'build:\n  gpu: true\n  python_version: "3.13"\n  python_requirements: requirements.txt\n'
        'predict: "predict.py:Predictor"\ncogpack: {cuda_toolkit: build}\n',
    )
    ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    found = decided(made)
    assert found.toolkit
    assert (found.toolkit.cuda, found.toolkit.compiler) == ("13.0", "g++-14")
    assert found.toolkit.wheels.startswith("cuda-toolkit[cccl,crt,cublas,cudart,")
    assert found.toolkit.wheels.endswith(",nvcc,nvml,nvrtc,nvtx,nvvm,profiler]==13.0.*")
    assert grounds[-1].toolkit == found.toolkit
    assert {deb.name for deb in grounds[-1].base.system_packages.packages} == {
        "g++-14",
        "libpython3.13-dev",
        "ninja-build",
    }
    made.write("cog.yaml", (made.root / "cog.yaml").read_text().replace("build}", "image}"))
    failed = made.cogpack(
        "lock", COGPACK_DEBIAN_MIRROR=archive.url, COGPACK_URL_MAP=f"https://developer.download.nvidia.com={CLOSED}"
    )
    assert failed.code == 5, "which the image has of NVIDIA's archive"


def test_the_compiler_in_the_image_is_found_by_torch_and_the_shell(
    world: World, archive: Archive, nvidia: Signer
) -> None:
    project = make(world, archive, nvidia, "image", "torch==2.6.0\n")
    text = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", f"{text}environment: ['TORCH_CUDA_ARCH_LIST=9.0']\n")
    environment = {"COGPACK_DEBIAN_MIRROR": archive.url}
    ok(project.cogpack("push", project.target(), **environment))
    found = decided(project)
    assert found.toolkit == LockedToolkit(cuda="12.4", architectures="9.0", compiler="g++-13", environment=1)
    assert found.build_base == found.base
    assert "usr/local/cuda-12.4/bin/nvcc" in world.files("me/model", "v1")
    digest = world.manifest("me/model", "v1")["config"]["digest"]
    variables = plain.get(f"http://{world.registry}/v2/me/model/blobs/{digest}").json()["config"]["Env"]
    assert {"CUDA_HOME=/usr/local/cuda", "CXX=/usr/bin/g++-13", "TORCH_CUDA_ARCH_LIST=9.0"} <= set(variables)
    assert "NVCC_PREPEND_FLAGS=-ccbin /usr/bin/g++-13" in variables
    assert "LIBRARY_PATH=/usr/local/cuda/lib64/stubs" in variables, "by which -lcuda is found, which the driver has"
    (path,) = (one for one in variables if one.startswith("PATH="))
    assert path.startswith("PATH=/opt/venv/bin:/usr/local/cuda/bin:")
    before = (project.root / "cogpack.lock").read_bytes()
    ok(project.cogpack("lock", COGPACK_DEBIAN_MIRROR="http://127.0.0.1:9"))
    assert (project.root / "cogpack.lock").read_bytes() == before, "no archive is asked for what is pinned"
    assert b"\nenvironment = 1\n" in before
    project.write("cogpack.lock", before.decode().replace("\nenvironment = 1\n", "\n"))
    ok(project.cogpack("push", "--locked", project.target(), **environment))
    digest = world.manifest("me/model", "v1")["config"]["digest"]
    old = plain.get(f"http://{world.registry}/v2/me/model/blobs/{digest}").json()["config"]["Env"]
    assert set(variables) - set(old) == {"LIBRARY_PATH=/usr/local/cuda/lib64/stubs"}, "as before, of an older lock"
    ok(project.cogpack("lock", COGPACK_DEBIAN_MIRROR="http://127.0.0.1:9"))
    assert (project.root / "cogpack.lock").read_bytes() == before, "a new one decides anew"


@pytest.mark.parametrize("where", ["build", "image"])
def test_what_the_security_archive_has_is_taken_below_the_compiler_too(
    world: World, archive: Archive, nvidia: Signer, grounds: list[Ground], where: str
) -> None:
    project = make(world, archive, nvidia, where, "torch==2.6.0\n./src\n")
    environment = {"COGPACK_DEBIAN_MIRROR": archive.url}
    ok(project.cogpack("lock", **environment))
    first = decided(project)
    archive.finish(stanza("libc6", "2.41-12+deb13u1"))
    if where == "build":
        project.write("requirements.txt", "--no-index\ntorch==2.7.1\n./src\n")
        ok(project.cogpack("lock", **environment))
        found = decided(project)
        assert found.base == first.base, "another torch alone moves no base"
        assert grounds[-1].base == found.build_base
    ok(project.cogpack("lock", "--upgrade-system", **environment))
    found = decided(project)
    assert [deb.version for deb in found.base.installed if deb.name == "libc6"] == ["2.41-12+deb13u1"]
    assert grounds[-1].base == found.build_base, "which the lock has, for who builds it again"
    assert found.toolkit
    assert first.toolkit
    assert found.toolkit.compiler == first.toolkit.compiler


@pytest.mark.parametrize("text", ["8.0,9.0", "80", "8.0;", "9.0 +PTX", ";" * 3])
def test_architectures_that_torch_cannot_read_are_refused_where_they_stand(text: str) -> None:
    config = f"cogpack: {{cuda_toolkit: build}}\nenvironment: ['TORCH_CUDA_ARCH_LIST={text}']\n".encode()
    with pytest.raises(InputError, match=r"^cog.yaml:2:15: environment\[0\]: .* reads no architectures of GPUs in"):
        parse_config(config)


@pytest.mark.parametrize("text", ["9.0", "8.0;9.0a+PTX", "7.5 8.0;12.0f", "Ampere;Kepler+Tesla", ""])
def test_architectures_are_written_as_torch_reads_them(text: str) -> None:
    config = f"cogpack: {{cuda_toolkit: build}}\nenvironment: ['TORCH_CUDA_ARCH_LIST={text}']\n".encode()
    assert dict(parse_config(config).environment) == {"TORCH_CUDA_ARCH_LIST": text}


def test_what_no_toolkit_can_be_for_is_told(world: World, archive: Archive, nvidia: Signer) -> None:
    environment = {"COGPACK_DEBIAN_MIRROR": archive.url}
    project = make(world, archive, nvidia, "build", "six\n")
    make_wheel(world.wheels, "six")
    failed = project.cogpack("lock", **environment)
    assert (failed.code, "follows from torch, and none is among the requirements" in failed.err) == (2, True)
    make_wheel(world.wheels, "torch", "2.5.0", files={"torch/version.py": b"cuda = '11.8'\n"})
    project.write("requirements.txt", "--no-index\ntorch==2.5.0\n")
    failed = project.cogpack("lock", **environment)
    assert failed.code == 2
    assert "the compiler of CUDA 11.8 takes GCC up to 11, and the base has 12 and later" in failed.err
    make_wheel(world.wheels, "torch", "2.7.0", files={"torch/version.py": b"cuda = '12.8'\n"})
    project.write("requirements.txt", "--no-index\ntorch==2.7.0\n")
    failed = project.cogpack("lock", **environment)
    assert failed.code == 2
    (told,) = (line for line in failed.err.splitlines() if "error: " in line)
    assert "cogpack.cuda_toolkit: there is no compiler of CUDA 12.8: " in told
    assert told.endswith("/compute/cuda/repos/ubuntu2204/x86_64 has 12.4, 12.6")
    assert "take a torch for one of these" in failed.err


def test_what_a_lock_has_of_a_toolkit_makes_none_where_a_fresh_one_would_not(
    world: World, archive: Archive, nvidia: Signer
) -> None:
    environment = {"COGPACK_DEBIAN_MIRROR": archive.url}
    project = make(world, archive, nvidia, "build", "torch==2.6.0\n")
    ok(project.cogpack("lock", **environment))
    make_wheel(world.wheels, "torch", "2.8.0", files={"torch/version.py": b"cuda = None\n"})
    project.write("requirements.txt", "--no-index\ntorch==2.8.0\n")
    failed = project.cogpack("lock", **environment)
    assert failed.code == 2
    assert "cog.yaml:9:17: cogpack.cuda_toolkit: torch-2.8.0-py3-none-any.whl is for no CUDA" in failed.err
    make_wheel(world.wheels, "six")
    project.write("requirements.txt", "--no-index\nsix\n")
    failed = project.cogpack("lock", **environment)
    assert (failed.code, "follows from torch, and none is among the requirements" in failed.err) == (2, True)
    text = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", text.replace("gpu: true", 'gpu: true\n  cuda: "12.6.3"'))
    ok(project.cogpack("lock", **environment))
    found = decided(project).toolkit
    assert found
    assert found.cuda == "12.6"


def test_the_torch_that_torchvision_wants_tells_the_cuda(world: World, archive: Archive, nvidia: Signer) -> None:
    project = make(world, archive, nvidia, "build", "torchvision\n")
    make_wheel(world.wheels, "torchvision", "0.21.0", requires=("torch==2.6.0",))
    text = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", text.replace("gpu: true", 'gpu: true\n  cuda: "12.6.3"'))
    ok(project.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    found = decided(project).toolkit
    assert found
    assert found.cuda == "12.4"


def test_a_torch_that_is_a_file_of_the_project_tells_the_cuda(
    world: World, archive: Archive, nvidia: Signer, grounds: list[Ground]
) -> None:
    project = make(world, archive, nvidia, "build", "x\n")
    (wheel,) = world.wheels.glob("torch-2.6.0-*.whl")
    wheel.rename(project.root / wheel.name)
    project.write("requirements.txt", f"--no-index\n./{wheel.name}\n./src\n")
    ok(project.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    assert {ground.toolkit.cuda for ground in grounds if ground.toolkit} == {"12.4"}


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (
            "from torch.utils.cpp_extension import load\n\nload(name='x', sources=[])\n",
            "predict.py:3:1: starts nvcc",
        ),
        ("import torch.utils.cpp_extension\ntorch.utils.cpp_extension.load_inline()\n", "predict.py:2:1: starts nvcc"),
        ("from torch.utils import cpp_extension as c\nc.load()\n", "predict.py:2:1: starts nvcc"),
        ("import deepspeed\n", "predict.py:1:8: imports deepspeed, which compiles"),
    ],
)
def test_what_compiles_for_a_gpu_when_it_runs_is_proposed_the_compiler(
    world: World, archive: Archive, source: str, why: str
) -> None:
    make_wheel(world.wheels, "deepspeed")
    project = world.project(requirements="--no-index\ndeepspeed\n")
    project.write(
        "cog.yaml",
        'build:\n  gpu: true\n  python_version: "3.13"\n  python_requirements: requirements.txt\n'
        'predict: "predict.py:Predictor"\n',
    )
    predict = (project.root / "predict.py").read_text()
    project.write("predict.py", source + predict)
    told = ok(project.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url)).err
    assert why in told
    assert "and the image has no nvcc: set cogpack: {cuda_toolkit: image}" in told
