"""Sources become wheels, each by its own backend; here by this machine's own Python, which takes no tree."""

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partialmethod
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
from support.sources import PYPROJECT, make_sdist, source_files
from support.wheels import make_wheel

from cogpack.errors import InputError
from cogpack.lockfile import IndexSource, LockedBuild, LockedToolkit, LockedWheel
from cogpack.lockfile.base_kinds import DebianBase, LockedDeb, SystemPackages
from cogpack.locking.wheels.building import Built, Ground, Source, WantsCompilerError, WantsWheelsError
from cogpack.notes import Code
from cogpack.planning.building import builder
from cogpack.planning.building.builder import SourceBuilder
from cogpack.planning.building.guest import NoRungError
from cogpack.planning.building.job import Done, Job
from cogpack.planning.building.requirements import BuildRequirements, pinned
from cogpack.planning.describing import find_described
from cogpack.progress import Silent, Task
from cogpack.requirements.parse import parse_requirements
from cogpack.resolve.wheels.sources import Neighbours
from cogpack.resolve.wheels.target import TargetPython
from cogpack.resolve.wheels.torch import TorchIndex
from cogpack.session import Session, Settings

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
NAME = "demo-1.0-py3-none-any.whl"
DEB = LockedDeb(name="a", version="1", arch="all", archive="debian", path="a.deb", size=1, sha256="0" * 64)
BASE = DebianBase(suite="trixie", arch="amd64", python=MINOR, glibc="2.41", releases=(), packages=(DEB,))
GROUND = Ground(base=BASE, interpreter=None, target=TargetPython(python=MINOR, glibc="2.41", arch="amd64"))


def no_rung(*_: object) -> NoReturn:
    raise NoRungError("no command can be run here", next_step="root helps")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(builder, "guest_environment", no_rung)
    (tmp_path / "project").mkdir()
    settings(tmp_path / "project", "{build_wheels: host}")
    return tmp_path / "project"


def settings(project: Path, text: str) -> None:
    (project / "cog.yaml").write_text(f"cogpack: {text}\npredict: predict.py:Predictor\n")
    (project / "predict.py").write_text("")


@pytest.fixture
def opened(project: Path, tmp_path: Path) -> Iterator[Session]:
    with Session(Settings(directory=project, cache=tmp_path / "cache", environment=dict(os.environ))) as session:
        yield session


def make(session: Session, *sources: Source) -> list[Built | InputError]:
    return list(SourceBuilder(session, find_described(session)).build(sources, GROUND))


def source(path: Path, **more: str) -> Source:
    return Source(title="demo 1.0", path=path, **more)  # type: ignore[arg-type]


def built(session: Session, one: Source) -> Built:
    (found,) = make(session, one)
    assert isinstance(found, Built), found
    return found


def fault(session: Session, one: Source) -> InputError:
    (found,) = make(session, one)
    assert isinstance(found, InputError)
    return found


def test_an_archive_and_a_directory_of_the_same_files_are_one_wheel(opened: Session, tmp_path: Path) -> None:
    files = source_files()
    directory = tmp_path / "checkout"
    directory.mkdir()
    for name, data in files.items():
        (directory / name).write_bytes(data)
    zipped, tarred = make_sdist(tmp_path / "a.zip", files, top=""), make_sdist(tmp_path / "a.gz", files)
    found = make(opened, source(directory), source(zipped), source(tarred, name="Demo", version="1.0"))
    first, *others = [one for one in found if isinstance(one, Built)]
    assert first.filename == "demo-1.0-py3-none-any.whl"
    assert (first.path.name, first.path.stat().st_size) == (first.sha256, first.size)
    assert [(one.sha256, one.requires, one.notes) for one in others] == [(first.sha256, (), ())] * 2
    assert sorted(path.name for path in directory.iterdir()) == ["backend.py", "pyproject.toml"]
    assert not list((opened.cache / "trees").iterdir())


def test_a_build_has_nothing_of_this_machines_environment(
    opened: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    backend = """
    FILES = {"demo.txt": "\\n".join(f"{k}={v}" for k, v in sorted(os.environ.items())).encode()}
    assert os.listdir(os.environ["HOME"]) == [] and os.umask(0o022) == 0o022
    """
    found = built(opened, source(make_sdist(tmp_path / "a.gz", source_files(backend))))
    text = found.path.read_bytes()
    assert b"secret" not in text
    assert b"SOURCE_DATE_EPOCH=315532800\n" in text
    assert b"PYTHONHASHSEED=0\n" in text


def test_a_build_with_the_compiler_of_cuda_is_told_where_it_is_and_for_which_gpus(
    opened: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr("cogpack.planning.building.job.usable_memory", lambda: 24 * 1024**3)
    toolkit = LockedToolkit(cuda="12.4", architectures="8.0;9.0+PTX", compiler="g++-13", environment=1)
    backend = 'FILES = {"demo.txt": "\\n".join(f"{k}={v}" for k, v in sorted(os.environ.items())).encode()}'
    one = source(make_sdist(tmp_path / "a.gz", source_files(backend)))
    builder = SourceBuilder(opened, find_described(opened))
    (found,) = builder.build([one], msgspec.structs.replace(GROUND, toolkit=toolkit))
    assert isinstance(found, Built)
    lines = found.path.read_bytes().split(b"\n")
    assert {b"CUDA_HOME=/usr/local/cuda", b"CXX=/usr/bin/g++-13", b"TORCH_CUDA_ARCH_LIST=8.0;9.0+PTX"} <= set(lines)
    assert any(line.startswith(b"PATH=") and line.endswith(b":/usr/local/cuda/bin") for line in lines)
    assert {
        b"FORCE_CUDA=1",
        b"CUDAARCHS=80-real;90",
        b"TCNN_CUDA_ARCHITECTURES=80;90",
        b"CUDA_ARCHITECTURES=80;90",
        b"NVCC_PREPEND_FLAGS=-ccbin /usr/bin/g++-13 -objtemp",
    } <= set(lines)
    assert b"MAX_JOBS=6" in lines, "as many compilers as there is memory for"
    for each in builder.build([one] * 3, msgspec.structs.replace(GROUND, toolkit=toolkit)):
        assert isinstance(each, Built)
        assert b"MAX_JOBS=2" in each.path.read_bytes().split(b"\n"), "of which each has its part"


def test_a_build_of_an_older_lock_has_the_environment_of_then() -> None:
    toolkit = LockedToolkit(cuda="12.4", architectures="8.0;9.0+PTX", compiler="g++-13")
    assert toolkit.build_variables == {
        "CUDA_HOME": "/usr/local/cuda",
        "CC": "/usr/bin/gcc-13",
        "CXX": "/usr/bin/g++-13",
        "NVCC_PREPEND_FLAGS": "-ccbin /usr/bin/g++-13",
        "TORCH_CUDA_ARCH_LIST": "8.0;9.0+PTX",
    }


def test_where_gpus_are_named_by_words_only_torch_is_told() -> None:
    toolkit = LockedToolkit(cuda="12.4", architectures="Ampere;Hopper", compiler="g++-13", environment=1)
    assert toolkit.build_variables["TORCH_CUDA_ARCH_LIST"] == "Ampere;Hopper"
    assert "CUDAARCHS" not in toolkit.build_variables


@pytest.mark.parametrize("isolated", [True, False])
def test_a_build_with_the_compiler_of_cuda_in_wheels_has_these(opened: Session, tmp_path: Path, isolated: bool) -> None:
    jobs: list[Job] = []

    class Recording(msgspec.Struct):
        pure = False

        def run(self, job: Job) -> Done:
            jobs.append(job)
            return Done(status=1, said=["ValueError: no"])

    toolkit = LockedToolkit(cuda="13.0", architectures="9.0", compiler="g++-14", wheels="cuda-toolkit[nvcc]==13.0.*")
    index = tmp_path / "index"
    index.mkdir()
    extra = ('nvidia-cuda-nvcc==13.0.88.*; extra == "nvcc"',)
    path = make_wheel(index, "cuda-toolkit", "13.0.2", requires=extra, extras=("nvcc",))
    digest = opened.store.take(path.name, [path.read_bytes()]).digest.removeprefix("sha256:")
    own = LockedWheel(
        name="cuda-toolkit", version="13.0.2", filename=path.name, sha256=digest, size=path.stat().st_size
    )
    make_wheel(index, "cuda-toolkit", "13.0.3", requires=extra, extras=("nvcc",))
    make_wheel(index, "nvidia-cuda-nvcc", "13.0.88")
    opened.environment |= {"UV_FIND_LINKS": str(index), "UV_DEFAULT_INDEX": index.as_uri()}
    one = source(make_sdist(tmp_path / "a.gz", source_files()))
    if not isolated:  # torch requires it, too
        there = Neighbours(wheels=(own,), address=lambda _: "")
        one = msgspec.structs.replace(one, isolated=False, neighbours=there)
    found = SourceBuilder(opened, find_described(opened))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "guest_environment", lambda *_: nullcontext(Recording()))
        (failed,) = found.build([one], msgspec.structs.replace(GROUND, toolkit=toolkit))
    assert isinstance(failed, InputError)
    assert [(job.installed, job.toolkit_of_wheels) for job in jobs] == [(("cuda-toolkit", "nvidia-cuda-nvcc"), True)]
    assert any("-13.0.2-" in wheel.filename for wheel in jobs[0].wheels) is not isolated, "that of the image"


@pytest.mark.parametrize("isolated", [True, False])
@pytest.mark.parametrize(("name", "laid"), [("torch", ["torch-2.0-py3-none-any.whl"]), ("numpy", [])])
def test_the_images_wheels_are_laid_for_all_sources_where_torch_is_among_them(
    opened: Session, tmp_path: Path, isolated: bool, name: str, laid: list[str]
) -> None:
    jobs: list[Job] = []

    class Recording:
        pure = False

        def run(self, job: Job) -> Done:
            jobs.append(job)
            return Done(status=1, said=("stopped",))

    pyproject = PYPROJECT.replace("requires = []", f'requires = ["{name}"]')
    one = source(make_sdist(tmp_path / "a.gz", source_files(pyproject=pyproject)))
    there = neighbours(opened, tmp_path, name)
    one = msgspec.structs.replace(one, isolated=isolated, neighbours=there)
    found = SourceBuilder(opened, find_described(opened))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "guest_environment", lambda *_: nullcontext(Recording()))
        patch.setattr(BuildRequirements, "resolve", lambda *_: there.wheels if isolated else ())
        found.build([one], GROUND)
    (job,) = jobs
    assert [wheel.filename for wheel in job.beside] == laid
    assert job.installed == (name,)


class Compiling(msgspec.Struct):
    """Is an environment where sources are compiled, if there is a compiler."""

    wheel: Path
    there: bool
    pure = False

    def run(self, job: Job) -> Done:
        said = ("building 'demo' extension", "error: command 'gcc' failed: No such file or directory")
        return Done(status=0, said=(), wheel=self.wheel) if self.there else Done(status=1, said=said)


def test_a_source_that_is_compiled_has_a_compiler_though_the_image_has_none(
    opened: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path, "demo")
    compiling_base = msgspec.structs.replace(BASE, system_packages=SystemPackages(packages=(DEB,), recommends=True))
    asked = []

    @contextmanager
    def guest(_: object, __: object, ground: Ground, ___: object) -> Iterator[Compiling]:
        asked.append(ground.base)
        yield Compiling(wheel, there=ground.base == compiling_base)

    monkeypatch.setattr(builder, "guest_environment", guest)
    one = source(make_sdist(tmp_path / "a.gz", source_files()))
    made = SourceBuilder(opened, find_described(opened))
    ground = msgspec.structs.replace(GROUND, compiling=lambda: compiling_base)
    (found,) = made.build([one], ground)
    assert isinstance(found, Built)
    assert (found.compiled, [note.code for note in found.notes]) == (True, [Code.BUILD_COMPILER])
    (refused,) = made.build([one], GROUND)
    assert isinstance(refused, InputError)
    assert "gcc" in refused.next_step, "where nothing can be decided"
    build = LockedBuild(wheel=NAME, source=IndexSource(filename="demo-1.0.tar.gz", sha256="0" * 64, size=1))
    assert made.rebuild(one, (), ground.of_build(msgspec.structs.replace(build, compiled=True))).sha256 == found.sha256
    assert ground.of_build(build) == ground
    assert asked == [BASE, compiling_base, BASE, compiling_base]


def test_neither_the_date_nor_the_order_of_a_set_is_in_a_wheel(opened: Session, tmp_path: Path) -> None:
    backend = """
    import time
    moments = [time.asctime(), time.ctime(), time.strftime("%Y"), time.gmtime().tm_year, time.localtime().tm_year]
    FILES = {"demo.txt": f"{moments} {time.gmtime(0).tm_year} {set('abcdefgh')} {hash('a')}".encode()}
    """
    one = source(make_sdist(tmp_path / "a.gz", source_files(backend)))
    first, second = make(opened, one, one)
    assert first == second
    assert isinstance(first, Built)
    date = "'Tue Jan  1 00:00:00 1980'"
    assert f"[{date}, {date}, '1980', 1980, 1980] 1970 ".encode() in first.path.read_bytes()


def test_all_that_can_not_be_built_is_told_beside_what_can(opened: Session, tmp_path: Path) -> None:
    broken = source_files("def build_wheel(*_): print('a' * 3); raise SystemExit('it is broken')")
    found = make(
        opened,
        source(make_sdist(tmp_path / "a.gz", broken)),
        source(make_sdist(tmp_path / "b.gz", source_files())),
        source(make_sdist(tmp_path / "c.gz", source_files()), version="2.0"),
        source(make_sdist(tmp_path / "d.gz", source_files()), subdirectory="gone"),
    )
    assert [one.message if isinstance(one, InputError) else one.filename for one in found] == [
        "demo 1.0: can't be built: its build ended with 1\n  aaa\n  it is broken",
        "demo-1.0-py3-none-any.whl",
        "demo 1.0: its source builds demo 1.0, expected 2.0",
        "demo 1.0: can't be built: its build ended with 1\n  there is no directory gone in it",
    ]


def test_a_build_that_failed_is_no_longer_shown_as_one_that_goes_on(project: Path, tmp_path: Path) -> None:
    class Shown(Silent):
        open = 0

        def task(self, name: str, size: int | None, verb: str = "") -> Task:
            self.open += 1
            return self

        def done(self, outcome: str) -> None:
            self.open -= 1

    environment = Settings(directory=project, cache=tmp_path / "cache", environment=dict(os.environ))
    with Session(environment, (shown := Shown())) as session:
        fault(
            session, source(make_sdist(tmp_path / "a.gz", source_files("def build_wheel(*_): raise SystemExit('no')")))
        )
    assert not shown.open


def test_what_a_backend_requires_besides_is_resolved_and_it_is_asked_again(
    opened: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []

    def resolve(_: object, lines: list[str], __: object) -> tuple[LockedWheel, ...]:
        asked.append(tuple(lines))
        assert not list((opened.cache / "trees").glob("*/*/")), "the tree of the first try is gone"
        return ()

    monkeypatch.setattr(BuildRequirements, "resolve", resolve)
    more = "def get_requires_for_build_wheel(settings): return ['six>=1']"
    built(opened, source(make_sdist(tmp_path / "a.gz", source_files(more))))
    assert asked == [(), ("six>=1",)]
    evil = "def get_requires_for_build_wheel(settings): return ['--index-url https://evil.example']"
    assert "is no requirement" in fault(opened, source(make_sdist(tmp_path / "b.gz", source_files(evil)))).message


def test_what_the_project_pins_is_built_with_where_it_fits() -> None:
    lines = f"""
    Num_Py==1.23.5 --hash=sha256:{"0" * 64}
    torch[opt] == 2.1.0+cu118 ; python_version < '4'
    marked==1 ; python_version < '3'
    marked==2 ; python_version >= '3'
    extra==1 ; extra == 'x'
    a>=1
    b==1.*
    c==1,<2
    d===1.0-odd
    e==1,==2
    ./f-1.0-py3-none-any.whl
    """
    found = parse_requirements(lines, path="r.txt")
    more = parse_requirements("num-py==2\nconstrained==3\n", path="c.txt").required
    found = msgspec.structs.replace(found, constrained=more)
    environment = GROUND.target.environment()
    assert pinned(found, environment, None) == {
        "num-py": "1.23.5",
        "torch": "2.1.0+cu118",
        "marked": "2",
        "c": "1",
        "d": "1.0-odd",
        "constrained": "3",
    }
    found = parse_requirements("torch==2.1.0\ntorchvision==0.16.0+cpu\nnumpy==1\n", path="r.txt")
    labelled = ["2.1.0+cpu", "0.16.0+cpu", "1"]
    assert list(pinned(found, environment, TorchIndex("cpu")).values()) == labelled


def test_a_rebuild_has_what_it_was_built_with_and_nothing_else(opened: Session, tmp_path: Path) -> None:
    more = "def get_requires_for_build_wheel(settings): return ['gone-since==1']"
    one = source(make_sdist(tmp_path / "a.gz", source_files(more)))
    found = SourceBuilder(opened, find_described(opened)).rebuild(one, (), GROUND)
    assert found.filename == "demo-1.0-py3-none-any.whl"


def neighbours(session: Session, directory: Path, *names: str) -> Neighbours:
    """Give wheels that lie in the cache, each of a module."""
    found = []
    for name in names:
        path = make_wheel(directory, name, "2.0")
        artifact = session.store.take(path.name, [path.read_bytes()])
        sha256 = artifact.digest.removeprefix("sha256:")
        found.append(LockedWheel(name=name, version="2.0", filename=path.name, sha256=sha256, size=path.stat().st_size))
    return Neighbours(wheels=tuple(found), address=lambda _: "")


WANTS_TORCH = "import torch; FILES = {'demo.txt': torch.NAME.encode()}"


def test_a_source_that_imports_torch_without_asking_is_built_beside_the_images_own(
    opened: Session, tmp_path: Path
) -> None:
    one = source(make_sdist(tmp_path / "a.gz", source_files(WANTS_TORCH)))
    there = neighbours(opened, tmp_path, "torch", "einops")
    found = built(opened, msgspec.structs.replace(one, neighbours=there))
    assert [wheel.name for wheel in found.requires] == ["einops", "torch"]
    (note,) = found.notes
    assert note.text == "demo 1.0: built with the wheels of the image: its setup.py imports torch"
    error = fault(opened, msgspec.structs.replace(one, neighbours=neighbours(opened, tmp_path, "einops")))
    assert "wants torch, which is not among the image's wheels" in error.message
    assert isinstance(fault(opened, one), WantsWheelsError)


def test_a_source_that_says_in_its_own_words_that_it_has_no_torch_is_built_beside_the_images_own(
    opened: Session, tmp_path: Path
) -> None:
    catching = """
    try:
        import torch
    except ImportError:
        print("You have to install PyTorch first")
        raise SystemExit(1) from None
    """
    files = source_files(catching) | {"setup.py": b"try:\n    import torch\nexcept ImportError:\n    exit(1)\n"}
    one = source(make_sdist(tmp_path / "a.gz", files))
    assert isinstance(fault(opened, one), WantsWheelsError)
    found = built(opened, msgspec.structs.replace(one, neighbours=neighbours(opened, tmp_path, "torch")))
    assert [wheel.name for wheel in found.requires] == ["torch"]
    unsaid = source(make_sdist(tmp_path / "b.gz", source_files(catching)))
    assert "ended with 1" in fault(opened, unsaid).message, "whose setup.py tells of no torch"


def test_without_isolation_a_source_sees_the_images_wheels_and_what_it_asks_for_besides(
    opened: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[list[str], list[str]]] = []

    def resolve(_: object, lines: list[str], constraints: list[str]) -> tuple[LockedWheel, ...]:
        asked.append((lines, constraints))
        return neighbours(opened, tmp_path, "beside").wheels if lines else ()

    monkeypatch.setattr(BuildRequirements, "resolve", resolve)
    pyproject = PYPROJECT.replace("requires = []", 'requires = ["torch>=99", "beside"]')
    files = source_files("import beside, gone" + "\n" + WANTS_TORCH, pyproject=pyproject)
    open_source = msgspec.structs.replace(
        source(make_sdist(tmp_path / "a.gz", files)), neighbours=neighbours(opened, tmp_path, "torch"), isolated=False
    )
    error = fault(opened, open_source)
    assert "imports gone, which neither the image's wheels nor its pyproject.toml bring" in error.message
    assert error.next_step == "add what has gone to the requirements"
    assert asked == [(["beside"], ["torch==2.0"])]
    files = source_files("import beside" + "\n" + WANTS_TORCH, pyproject=pyproject)
    found = built(opened, msgspec.structs.replace(open_source, path=make_sdist(tmp_path / "b.gz", files)))
    assert [wheel.name for wheel in found.requires] == ["beside", "torch"]
    assert not found.notes


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        ("TAG = 'cp311-cp311-linux_x86_64'", "for one platform|for none of what Python"),
        ("FILES = {'../../x': b''}", "not a relative path"),
        ("def build_wheel(*_): return '../../../etc/passwd'", "no wheel, but 'passwd'"),
        ("def build_wheel(*_): return 'gone.whl'", "nothing that can be read"),
        (
            f"def build_wheel(d, *_): os.symlink('/etc/passwd', d + '/{NAME}'); return '{NAME}'",
            "nothing that can be read",
        ),
        (f"def build_wheel(d, *_): os.mkfifo(d + '/{NAME}'); return '{NAME}'", "nothing that can be read"),
    ],
)
def test_what_is_no_wheel_is_refused(opened: Session, tmp_path: Path, backend: str, why: str) -> None:
    error = fault(opened, source(make_sdist(tmp_path / "a.gz", source_files(backend))))
    assert re.search(why, error.message), error.message


def test_a_backend_lies_in_its_own_source(opened: Session, tmp_path: Path) -> None:
    files = source_files(pyproject=PYPROJECT.replace('["."]', '["../../.."]'))
    assert "backend-path ../../.. is not in it" in fault(opened, source(make_sdist(tmp_path / "a.gz", files))).message


def test_a_build_that_never_ends_is_stopped_and_leaves_nothing(project: Path, tmp_path: Path) -> None:
    settings(project, "{build_wheels: host, limits: {time: 1}}")
    own = f"{987654000000000 + os.getpid()}"  # others run this test, too
    forever = f"""
    import subprocess
    def build_wheel(*_):
        subprocess.Popen(["sleep", "{own}"])
        subprocess.run(["sleep", "{own}"])
    """
    with Session(Settings(directory=project, cache=tmp_path / "cache", environment=dict(os.environ))) as session:
        error = fault(session, source(make_sdist(tmp_path / "a.gz", source_files(forever))))
    assert "it ran longer than 1.0 s" in error.message
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # ended meanwhile
            assert own.encode() not in path.read_bytes()


def test_auto_runs_no_source_where_no_rung_is(project: Path, tmp_path: Path) -> None:
    settings(project, "{build_wheels: auto}")
    with Session(Settings(directory=project, cache=tmp_path / "cache", environment=dict(os.environ))) as session:
        with pytest.raises(InputError, match="no command can be run here") as told:
            make(session, source(make_sdist(tmp_path / "a.gz", source_files())))
    assert told.value.next_step == "root helps; or set cogpack: {build_wheels: host} if you trust the sources"


def test_never_says_so_of_each(project: Path, tmp_path: Path) -> None:
    settings(project, "{build_wheels: never}")
    with Session(Settings(directory=project, cache=tmp_path / "cache", environment=dict(os.environ))) as session:
        one = source(make_sdist(tmp_path / "a.gz", source_files()))
        found = make(session, one, one)
        assert [type(error) for error in found] == [InputError] * 2
        with pytest.raises(InputError, match=r"cogpack\.build_wheels is never"):
            SourceBuilder(session, find_described(session)).rebuild(one, (), GROUND)


@pytest.mark.parametrize("line", ["from torch.utils import cpp_extension", "import torch"])
@pytest.mark.parametrize("packed", [True, False])
def test_no_tree_is_laid_for_a_source_whose_setup_py_imports_torch_before_that_is_known(
    opened: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, packed: bool
) -> None:
    def laid(*_: object) -> NoReturn:
        pytest.fail("a tree is laid")

    files = {"setup.py": f"import os\n{line}\n".encode()}
    if packed:
        one = source(make_sdist(tmp_path / "a.gz", files))
    else:
        (tmp_path / "source").mkdir()
        (tmp_path / "source/setup.py").write_bytes(files["setup.py"])
        one = source(tmp_path / "source")
    monkeypatch.setattr(builder, "guest_environment", laid)
    assert isinstance(fault(opened, one), WantsWheelsError)


def test_a_setup_py_that_may_do_without_torch_is_tried_without(opened: Session, tmp_path: Path) -> None:
    files = source_files() | {"setup.py": b"try:\n    import torch\nexcept ImportError:\n    pass\nimport torchish\n"}
    assert built(opened, source(make_sdist(tmp_path / "a.gz", files))).filename == NAME


@pytest.mark.parametrize(
    "text",
    [
        '"""Usage:\n\nimport torch\n"""\n',
        "import torchish\nfrom torch_like import x\nfrom .torch import y\n",
        "print 'torch'\nimport torch\n",
        "import torch\0\n",
    ],
)
def test_a_setup_py_that_only_speaks_of_torch_waits_for_none(opened: Session, tmp_path: Path, text: str) -> None:
    files = source_files() | {"setup.py": text.encode()}
    assert built(opened, source(make_sdist(tmp_path / "a.gz", files))).filename == NAME


def test_a_source_that_lacks_a_compiler_is_not_one_that_wants_torch(opened: Session, tmp_path: Path) -> None:
    setup = b"try:\n    import torch\nexcept ImportError:\n    pass\n"
    said = "def build_wheel(*_): raise SystemExit(\"error: command 'gcc' failed: No such file or directory\")"
    files = source_files(said) | {"setup.py": setup}
    assert isinstance(fault(opened, source(make_sdist(tmp_path / "a.gz", files))), WantsCompilerError)
    header = "def build_wheel(*_): raise SystemExit('a.c:2:10: fatal error: portaudio.h: No such file or directory')"
    files = source_files(header) | {"setup.py": setup}
    assert "no portaudio.h" in fault(opened, source(make_sdist(tmp_path / "b.gz", files))).message


def test_a_setup_py_that_can_not_be_read_is_told(
    opened: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").mkdir()
    for name, data in (source_files() | {"setup.py": b"x"}).items():
        (tmp_path / "source" / name).write_bytes(data)

    def refusing(path: Path, *more: object, act: Any, **named: object) -> Any:
        if path.name == "setup.py":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return act(path, *more, **named)

    for name in ("read_bytes", "open"):
        monkeypatch.setattr(Path, name, partialmethod(refusing, act=getattr(Path, name)))
    error = fault(opened, source(tmp_path / "source"))
    assert error.message == f"{tmp_path}/source/setup.py: Permission denied"
