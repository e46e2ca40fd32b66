"""Sources that requirements name by their place: pinned, brought, built, kept."""

import hashlib
import io
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from support.building import FakeBuilder
from support.git_server import GitServer, git_server, plain_environment

from cogpack.digest import Digest
from cogpack.errors import InputError, MismatchError
from cogpack.lockfile import (
    BuildSource,
    Decisions,
    GitSource,
    LockedBuild,
    LockedInterpreter,
    LockedToolkit,
    LockedWheel,
    ProjectSource,
)
from cogpack.lockfile.base_kinds import DebianBase, DebianRelease, LockedDeb, SystemPackages
from cogpack.locking.sources.bring import Sources
from cogpack.locking.sources.direct import DirectWheel, DirectWheels
from cogpack.locking.wheels.building import Building, Ground
from cogpack.project import Project, find_project
from cogpack.resolve.wheels.target import TargetPython
from cogpack.session import Session, Settings

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git")

PACKAGE = b'[project]\nname = "pkg"\nversion = "1.0"\ndependencies = ["dep>=1"]\n'
DEB = LockedDeb(name="a", version="1", arch="all", archive="debian", path="a.deb", size=1, sha256="0" * 64)
BASE = DebianBase(suite="trixie", arch="amd64", python="3.13", glibc="2.41", releases=(), packages=(DEB,))
GROUND = Ground(base=BASE, interpreter=None, target=TargetPython(python="3.13", glibc="2.41", arch="amd64"))
BACKEND = LockedWheel(name="hatchling", version="1", filename="hatchling-1-py3-none-any.whl", sha256="cd" * 32)
SCM = b'[build-system]\nrequires = ["setuptools_scm"]\n[project]\nname = "pkg"\ndynamic = ["version"]\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """Serve `pkg`, with a history, tags and a submodule, and `scm`, whose version git says."""
    with git_server(tmp_path_factory.mktemp("served")) as found:
        found.commit("part", {"p.py": b"P = 1\n"})
        found.commit("pkg", {"pyproject.toml": PACKAGE, "pkg/__init__.py": b"", "run": b"#!/bin/sh\n", "link": "run"})
        found.git("pkg", "tag", "-a", "-m", "one", "v1")
        found.git("pkg", "update-ref", "refs/pull/7/head", "HEAD")
        found.commit(
            "pkg", {"sub/pyproject.toml": PACKAGE, "sub/pkg.py": b"", ".gitmodules": _MODULE}, at=1_700_000_001
        )
        part = found.git("part", "rev-parse", "HEAD")
        found.git("pkg", "update-index", "--add", "--cacheinfo", f"160000,{part},part")
        found.git("pkg", "commit", "-qm", "with a part", at=1_700_000_002)
        found.commit("scm", {"pyproject.toml": SCM, "pkg.py": b""})
        found.git("scm", "tag", "v0.9")
        found.commit("scm", {"a": b"a"}, at=1_700_000_001)
        found.git("scm", "tag", "-a", "-m", "x", "v1.1", at=1_700_000_001)
        found.commit("scm", {"b": b"b"}, at=1_700_000_002)
        found.commit("scm", {"c": b"c"}, at=1_700_000_003)
        found.commit("bare", {"pyproject.toml": SCM, "pkg.py": b""})
        found.commit("bare", {"a": b"a"})
        yield found


_MODULE = b'[submodule "part"]\n\tpath = part\n\turl = ../part\n'


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    environment = plain_environment(tmp_path) | {"COGPACK_TEST_TOKEN": "s3cr3t-token"}
    with Session(Settings(environment=environment, cache=tmp_path / "cache")) as found:
        yield found


def project_of(tmp_path: Path, *requirements: str, **files: bytes) -> Project:
    root = tmp_path / "project"
    text = "build:\n  python_version: '3.13'\n  python_requirements: requirements.txt\n"
    everything = {"cog.yaml": text.encode(), "requirements.txt": "\n".join(requirements).encode(), **files}
    for name, data in everything.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return find_project(root)


def pinned(session: Session, tmp_path: Path, requirement: str, **files: bytes) -> BuildSource:
    project = project_of(tmp_path, requirement, **files)
    (line,) = project.requirements().sources
    return Sources(session, project).pin(line)


def of_git(session: Session, tmp_path: Path, requirement: str) -> GitSource:
    found = pinned(session, tmp_path, requirement)
    assert isinstance(found, GitSource)
    return found


def made(session: Session, project: Project, kept: Decisions | None = None) -> tuple[DirectWheels, FakeBuilder]:
    builder = FakeBuilder(session.store)
    building = Building(builder=builder, pushed=lambda _: None)
    return DirectWheels(session, Sources(session, project), building, GROUND, kept), builder


def decisions(made: DirectWheel) -> Decisions:
    """Say what a lock has of a wheel, which `BACKEND` built."""
    return Decisions(
        base=BASE,
        wheels=(made.wheel,),
        clashes=(),
        builds=(msgspec.structs.replace(made.build, requires=(BACKEND.filename,)),),
        build_requirements=(BACKEND,),
    )


def one(session: Session, project: Project) -> DirectWheel:
    direct, _ = made(session, project)
    (found,) = direct.make(project.requirements().sources)
    assert isinstance(found, DirectWheel), found
    return found


def listed(path: Path) -> dict[str, tuple[bytes | str, int]]:
    return {
        file.relative_to(path).as_posix(): (str(file.readlink()), 0)
        if file.is_symlink()
        else (file.read_bytes(), file.stat().st_mode & 0o777)
        for file in path.rglob("*")
        if file.is_symlink() or file.is_file()
    }


def members(wheel: DirectWheel) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel.path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(
    ("revision", "means"),
    [("", "main"), ("@main", "main"), ("@v1", "v1^{commit}"), ("@refs/pull/7/head", "v1^{commit}")],
)
def test_what_a_revision_names_is_pinned_as_a_commit(
    server: GitServer, session: Session, tmp_path: Path, revision: str, means: str
) -> None:
    found = of_git(session, tmp_path, f"pkg @ git+{server.address}/pkg{revision}")
    assert found.commit == server.git("pkg", "rev-parse", means)
    assert (found.url, found.requested) == (f"{server.address}/pkg", revision[1:])


def test_a_commit_is_named_whole_or_by_its_beginning(server: GitServer, session: Session, tmp_path: Path) -> None:
    commit = server.git("pkg", "rev-parse", "main")
    for name in (commit, commit[:8]):
        assert of_git(session, tmp_path, f"git+{server.address}/pkg@{name}").commit == commit


def test_a_revision_that_is_not_there_is_told(server: GitServer, session: Session, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it has no commit, tag or branch never"):
        of_git(session, tmp_path, f"git+{server.address}/pkg@never")


def test_a_commit_is_written_as_git_writes_it(server: GitServer, session: Session, tmp_path: Path) -> None:
    project = project_of(tmp_path, f"git+{server.address}/pkg")
    sources = Sources(session, project)
    sources.bring(sources.pin(project.requirements().sources[0]), tmp_path / "ours")
    subprocess.run(
        ["git", "clone", "-q", "--recursive", f"{server.address}/pkg", str(tmp_path / "theirs")],
        env=plain_environment(tmp_path),
        check=True,
    )
    theirs = {path: what for path, what in listed(tmp_path / "theirs").items() if ".git" not in path.split("/")}
    assert listed(tmp_path / "ours") == theirs
    assert theirs["part/p.py"][0] == b"P = 1\n"


@pytest.mark.parametrize("revision", ["main", "main~1", "main~2", "v0.9"])
def test_a_source_that_asks_git_for_its_version_is_told(
    server: GitServer, session: Session, tmp_path: Path, revision: str
) -> None:
    commit = server.git("scm", "rev-parse", f"{revision}^{{commit}}")
    described = server.git("scm", "describe", "--tags", "--long", "--abbrev=9", commit)
    found = of_git(session, tmp_path, f"git+{server.address}/scm@{commit}")
    assert found.describe == described
    project = project_of(tmp_path, f"git+{server.address}/scm@{commit}")
    Sources(session, project).bring(found, tmp_path / "tree")
    assert f"describe-name: {described}\n" in (tmp_path / "tree/.git_archival.txt").read_text()


def test_nothing_is_written_through_a_link_of_the_repository(
    server: GitServer, session: Session, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    server.commit("led", {"pyproject.toml": SCM, "sub": str(tmp_path / "outside")})
    project = project_of(tmp_path, f"git+{server.address}/led#subdirectory=sub")
    sources = Sources(session, project)
    sources.bring(sources.pin(project.requirements().sources[0]), tmp_path / "tree")
    assert not list((tmp_path / "outside").iterdir())
    assert (tmp_path / "tree/.git_archival.txt").exists()


def test_without_a_tag_commits_are_counted(server: GitServer, session: Session, tmp_path: Path) -> None:
    commit = server.git("bare", "rev-parse", "main")
    assert of_git(session, tmp_path, f"git+{server.address}/bare").describe == f"0.0-2-g{commit[:9]}"


def test_a_login_goes_to_the_server_and_nowhere_else(session: Session, tmp_path: Path) -> None:
    with git_server(tmp_path / "closed") as server:
        server.commit("pkg", {"pyproject.toml": PACKAGE, "pkg.py": b""})
        server.secret = "bWU6czNjcjN0LXRva2Vu"
        address = server.address.replace("//", "//me:${COGPACK_TEST_TOKEN}@")
        found = one(session, project_of(tmp_path, f"pkg @ git+{address}/pkg"))
        assert "s3cr3t" not in msgspec.json.encode(found.build).decode()
        assert found.build.source == GitSource(
            url=f"{server.address}/pkg", commit=server.git("pkg", "rev-parse", "main")
        )
        configs = list((tmp_path / "cache").rglob("config"))
        assert configs
        assert not any("s3cr3t" in path.read_text() for path in configs)


def test_the_same_requirement_keeps_its_commit_and_its_wheel(
    server: GitServer, session: Session, tmp_path: Path
) -> None:
    project = project_of(tmp_path, f"pkg @ git+{server.address}/pkg@main")
    direct, builder = made(session, project)
    (first,) = direct.make(project.requirements().sources)
    assert isinstance(first, DirectWheel)
    kept = decisions(first)
    server.requests.clear()
    direct, builder = made(session, project, kept)
    (second,) = direct.make(project.requirements().sources)
    assert isinstance(second, DirectWheel)
    assert (second.wheel, second.path, second.requires) == (first.wheel, first.path, (BACKEND,))
    assert not builder.built
    assert not server.requests
    assert direct.builds([first.wheel]) == kept.builds


@pytest.mark.parametrize("line", ["./dist/pkg-1.0.tar.gz", "./lib", "-e ./lib"])
def test_a_wheel_that_nobody_has_is_built_again_with_the_wheels_of_the_lock_and_held_to_it(
    session: Session, tmp_path: Path, line: str
) -> None:
    files = {"dist/pkg-1.0.tar.gz": _archive(), "lib/pyproject.toml": PACKAGE, "lib/pkg.py": b""}
    project = project_of(tmp_path, line, **files)
    first = one(session, project)
    kept = decisions(first)
    with Session(Settings(environment={}, cache=tmp_path / "other")) as elsewhere:
        direct, builder = made(elsewhere, project, kept)
        (found,) = direct.make(project.requirements().sources)
        assert isinstance(found, DirectWheel)
        assert (found.wheel, found.build, found.requires) == (first.wheel, kept.builds[0], (BACKEND,))
        assert builder.with_these == [(BACKEND,)]
    moved = msgspec.structs.replace(first.wheel, sha256="ab" * 32)
    direct, _ = made(session, project, msgspec.structs.replace(kept, wheels=(moved,)))
    with pytest.raises(MismatchError, match="the lock pins sha256:abab") as caught:
        direct.make(project.requirements().sources)
    assert caught.value.message.startswith("requirements.txt:1: pkg 1.0: built again of ./")


def test_machine_code_of_another_base_is_built_anew_of_the_same_commit(
    server: GitServer, session: Session, tmp_path: Path
) -> None:
    project = project_of(tmp_path, f"pkg @ git+{server.address}/pkg@main")
    first = one(session, project)
    name = "pkg-1.0-cp313-cp313-linux_x86_64.whl"
    before = decisions(first)
    compiled = msgspec.structs.replace(
        before,
        wheels=(msgspec.structs.replace(first.wheel, filename=name),),
        builds=(msgspec.structs.replace(before.builds[0], wheel=name),),
    )
    server.requests.clear()
    for kept, anew in ((compiled, 0), (msgspec.structs.replace(compiled, base=_with_more(BASE)), 1)):
        direct, builder = made(session, project, kept)
        (found,) = direct.make(project.requirements().sources)
        assert isinstance(found, DirectWheel)
        assert (len(builder.built), builder.with_these) == (anew, [])
        assert found.build.source == first.build.source
    assert not server.requests


@pytest.mark.parametrize(
    ("tags", "same", "other"),
    [
        ("py3-none-any", True, True),
        ("py2.py3-none-any", True, True),
        ("cp313-none-any", True, True),
        ("cp313-cp313-linux_x86_64", True, False),
        ("cp38-abi3-manylinux_2_28_x86_64", True, False),
        ("py3-none-linux_x86_64", True, False),
        ("cp312-cp312-linux_x86_64", False, False),
        ("cp312-none-any", False, False),
        ("cp313-cp313-linux_aarch64", False, False),
    ],
)
def test_what_was_built_fits_the_target_and_machine_code_the_base_and_interpreter_too(
    tags: str, same: bool, other: bool
) -> None:
    wheel = LockedWheel(name="pkg", version="1.0", filename=f"pkg-1.0-{tags}.whl", sha256="0" * 64)
    kept = Decisions(base=BASE, wheels=(wheel,), clashes=())
    interpreter = LockedInterpreter(version="3.13.1", url="https://e.x/a", sha256="0" * 64)
    assert GROUND.still_fits(wheel, kept) == same
    assert GROUND.still_fits(wheel, msgspec.structs.replace(kept, base=_with_more(BASE))) == other
    assert GROUND.still_fits(wheel, msgspec.structs.replace(kept, interpreter=interpreter)) == other


def test_what_was_compiled_beside_the_base_fits_the_compiler_that_the_lock_names() -> None:
    def compiler(version: str, date: str) -> SystemPackages:
        deb = msgspec.structs.replace(DEB, name="gcc", version=version)
        release = DebianRelease(archive="debian", suite="trixie", date=date, sha256="0" * 64, signed_by="0" * 40)
        return SystemPackages(packages=(deb,), releases=(release,))

    name = "pkg-1.0-cp313-cp313-linux_x86_64.whl"
    wheel = LockedWheel(name="pkg", version="1.0", filename=name, sha256="0" * 64)
    pure = msgspec.structs.replace(wheel, filename="pkg-1.0-py3-none-any.whl")
    source = ProjectSource(path="pkg", digest=Digest("sha256:" + "0" * 64))
    builds = tuple(LockedBuild(wheel=one.filename, source=source, compiled=True) for one in (wheel, pure))
    other = msgspec.structs.replace(wheel, name="other", filename=name.replace("pkg", "other"))
    kept = Decisions(
        base=BASE,
        wheels=(wheel, other),
        replaced=(pure,),
        clashes=(),
        builds=(*builds, LockedBuild(wheel=other.filename, source=source)),
        build_compiler=compiler("1", "monday"),
    )

    def fit(compiler: SystemPackages | None) -> list[bool]:
        base = msgspec.structs.replace(BASE, system_packages=compiler) if compiler else None
        ground = msgspec.structs.replace(GROUND, compiling=(lambda: base) if base else None)
        return [ground.still_fits(one, kept) for one in (wheel, other, pure)]

    assert fit(compiler("1", "monday")) == [True, True, True]
    assert fit(compiler("1", "tuesday")) == [True, True, True], "of later Releases the same packages"
    assert fit(compiler("2", "monday")) == [False, True, True]
    assert fit(None) == [False, True, True]


def test_what_was_compiled_in_another_environment_is_built_anew() -> None:
    name = "torch_scatter-2.1.2-cp313-cp313-linux_x86_64.whl"
    wheel = LockedWheel(name="torch-scatter", version="2.1.2", filename=name, sha256="0" * 64)
    old = LockedToolkit(cuda="12.4", architectures="8.0", compiler="g++-13")
    new = msgspec.structs.replace(old, environment=1)
    for kept, here, same in ((old, old, True), (new, new, True), (old, new, False)):
        before = Decisions(base=BASE, wheels=(wheel,), clashes=(), toolkit=kept)
        ground = msgspec.structs.replace(GROUND, toolkit=here)
        assert ground.still_fits(wheel, before) is same


def _with_more(base: DebianBase) -> DebianBase:
    """Give it with a system package."""
    return msgspec.structs.replace(base, system_packages=SystemPackages(packages=(DEB,)))


def test_an_archive_is_pinned_by_what_it_holds(session: Session, tmp_path: Path, server: GitServer) -> None:
    project = project_of(tmp_path, "./dist/pkg-1.0.tar.gz", **{"dist/pkg-1.0.tar.gz": _archive()})
    found = one(session, project)
    digest = f"sha256:{hashlib.sha256(_archive()).hexdigest()}"
    assert found.build.source == ProjectSource(path="dist/pkg-1.0.tar.gz", digest=digest)  # type: ignore[arg-type]
    assert (found.wheel.name, found.wheel.version, found.wheel.path, found.wheel.url) == ("pkg", "1.0", None, None)
    assert project.inputs()["dist/pkg-1.0.tar.gz"] == digest.encode()


def test_an_archive_has_a_hash_that_its_line_names(session: Session, tmp_path: Path) -> None:
    project = project_of(tmp_path, f"./pkg-1.0.tar.gz --hash=sha256:{'0' * 64}", **{"pkg-1.0.tar.gz": _archive()})
    direct, _ = made(session, project)
    (found,) = direct.make(project.requirements().sources)
    assert isinstance(found, InputError)
    assert found.message.startswith("requirements.txt:1: ./pkg-1.0.tar.gz has sha256:")


def test_a_directory_is_built_of_a_copy_without_what_dockerignore_leaves_out(session: Session, tmp_path: Path) -> None:
    files = {
        "lib/pyproject.toml": PACKAGE,
        "lib/pkg/__init__.py": b"",
        "lib/data/x": b"x",
        ".dockerignore": b"lib/data",
    }
    project = project_of(tmp_path, "./lib", **files)
    before = listed(project.root)
    direct, builder = made(session, project)
    (found,) = direct.make(project.requirements().sources)
    assert isinstance(found, DirectWheel)
    assert builder.seen == [{"pyproject.toml", "pkg", "pkg/__init__.py"}]
    assert listed(project.root) == before
    assert not list((tmp_path / "cache").glob("source-*"))


def test_any_file_of_a_directory_is_an_input_but_of_an_editable_one_what_tells_of_it(tmp_path: Path) -> None:
    files = {"lib/pyproject.toml": PACKAGE, "lib/pkg/__init__.py": b"", "lib/pkg/deep/code.py": b"1"}

    def digest(line: str) -> bytes:
        return project_of(tmp_path, line).inputs()["lib/"]

    project_of(tmp_path, "", **files)
    lines = ("./lib", "-e ./lib")
    first = [digest(line) for line in lines]
    project_of(tmp_path, "", **{"lib/pkg/deep/code.py": b"2"})
    second = [digest(line) for line in lines]
    assert (second[0] != first[0], second[1] == first[1]) == (True, True)
    project_of(tmp_path, "", **{"lib/pyproject.toml": PACKAGE + b"\n"})
    assert digest("-e ./lib") != first[1]


@pytest.mark.parametrize(
    ("code", "root"), [("lib/pkg/__init__.py", "/src/lib"), ("lib/src/pkg/__init__.py", "/src/lib/src")]
)
def test_an_editable_directory_is_led_to_where_the_image_has_it(
    session: Session, tmp_path: Path, code: str, root: str
) -> None:
    found = one(session, project_of(tmp_path, "-e ./lib", **{"lib/pyproject.toml": PACKAGE, code: b""}))
    inside = members(found)
    assert inside["__editable__.pkg-1.0.pth"].decode() == f"{root}\n"
    assert "pkg/__init__.py" not in inside
    assert b"Requires-Dist: dep>=1" in inside["pkg-1.0.dist-info/METADATA"]
    assert b"pkg/__init__.py" not in inside["pkg-1.0.dist-info/RECORD"]


def test_an_editable_repository_brings_its_files_along(server: GitServer, session: Session, tmp_path: Path) -> None:
    found = one(session, project_of(tmp_path, f"-e git+{server.address}/pkg#egg=pkg"))
    inside = members(found)
    assert inside["__editable__.pkg-1.0.pth"] == b"/opt/venv/src/pkg\n"
    assert inside["pkg-1.0.data/data/src/pkg/part/p.py"] == b"P = 1\n"
    assert found.build.source == of_git(session, tmp_path, f"-e git+{server.address}/pkg#egg=pkg")


def test_all_that_cant_be_built_is_told_together_each_with_its_line(
    server: GitServer, session: Session, tmp_path: Path
) -> None:
    lines = ("./a", f"git+{server.address}/pkg@never", f"other @ git+{server.address}/pkg", "./b")
    project = project_of(tmp_path, *lines, **{"a/setup.py": b"", "b/pyproject.toml": PACKAGE, "b/pkg.py": b""})
    direct, _ = made(session, project)
    found = direct.make(project.requirements().sources)
    told = [one.message.splitlines()[0] if isinstance(one, InputError) else one.wheel.name for one in found]
    assert told == [
        "requirements.txt:1: ./a: nothing says how it is built",
        f"requirements.txt:2: {server.address}/pkg: it has no commit, tag or branch never",
        f"requirements.txt:3: other is what the line names, and git+{server.address}/pkg is pkg",
        "pkg",
    ]


def _archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in {"pkg-1.0/pyproject.toml": PACKAGE, "pkg-1.0/pkg.py": b""}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()
