"""Packages of which there is source alone: uv weighs stand-ins of their versions, and what it chose is built."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
from packaging.version import Version
from support.fake_http import Answer, Request, serving
from support.wheels import make_wheel

from cogpack.config import Config
from cogpack.digest import Digest
from cogpack.errors import InputError, MismatchError, UnavailableError
from cogpack.lockfile import Decisions, IndexSource, LockedBuild, LockedWheel
from cogpack.lockfile.base_kinds import RegistryBase
from cogpack.locking.question import PlatformQuestion
from cogpack.locking.wheels.building import ANOTHER, Building, Built, Ground, Source
from cogpack.locking.wheels.built import BuiltWheels
from cogpack.locking.wheels.members import differing_members, member_marks
from cogpack.locking.wheels.source_archives import SourceArchives, open_sources
from cogpack.locking.wheels.stand_ins import write_stand_in
from cogpack.project import Project
from cogpack.requirements.model import LocalLinks, Options, Requirements
from cogpack.resolve.pip import Pages
from cogpack.resolve.wheels.compile import Uv, WheelQuestion, _run
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.resolver import Resolved, pins_of, resolve_wheels
from cogpack.resolve.wheels.sources import Neighbours
from cogpack.resolve.wheels.target import TargetPython
from cogpack.session import Session, Settings

TARGET = TargetPython(python="3.12", glibc="2.36", arch="amd64")
BASE = RegistryBase(
    reference="h.io/a:1",
    digest=Digest(f"sha256:{'ab' * 32}"),
    python="3.12",
    glibc="2.36",
    config="{}",
    interpreter="/usr/bin/python3.12",
    layers=(),
)
GROUND = Ground(base=BASE, interpreter=None, target=TARGET)
OLD_ABI = b"_ZN3c106detail14torchCheckFailEPKcS2_jRKSs"
"""A function of torch's smallest library."""
BACKEND = LockedWheel(name="hatchling", version="1", filename="hatchling-1-py3-none-any.whl", sha256="cd" * 32)


class FakeBuilder:
    """Builds wheels that require what it is told, and knows what it was asked for. `broken`: names that it can't."""

    def __init__(self, session: Session, directory: Path, requires: dict[str, tuple[str, ...]] | None = None) -> None:
        self.session = session
        self.directory = directory
        self.requires = requires or {}
        self.broken: set[str] = set()
        self.advice = "add gcc to system_packages"
        self.text = b"1"
        self.built: list[str] = []

    def build(self, sources: Sequence[Source], ground: Ground) -> list[Built | InputError]:
        assert ground == GROUND
        return [self._one(source) for source in sources]

    def rebuild(self, source: Source, requires: Sequence[LockedWheel], ground: Ground) -> Built:
        assert list(requires) == [BACKEND]
        found = self._one(source)
        assert isinstance(found, Built)
        return found

    def _one(self, source: Source) -> Built | InputError:
        assert source.path.read_bytes() == f"source of {source.title}".encode()
        self.built.append(source.title)
        if source.name in self.broken:
            return InputError(f"{source.title}: gcc: not found\n  beside neighbour", next_step=self.advice)
        files = {f"{source.name}.py": self.text}
        requires = self.requires.get(source.title, ())
        path = make_wheel(self.directory, source.name, source.version, files=files, requires=requires)
        found = self.session.store.take(path.name, [path.read_bytes()])
        kept = self.session.store.find(found)
        assert kept is not None
        return Built(
            filename=path.name,
            path=kept,
            sha256=found.digest[7:],
            size=found.size or 0,
            requires=(BACKEND,),
        )


class Place:
    """A directory of wheels and source archives, a session, and a builder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.links = root / "links"
        self.links.mkdir()
        self.session = Session(Settings(cache=root / "cache", environment={}))
        self.project = Mock(spec=Project)
        self.project.config.pack.exclude_newer = None
        self.builder = FakeBuilder(self.session, root / "made")
        self.pushed: dict[str, Path] = {}
        links = LocalLinks(directory=str(self.links), path="", line=0)
        found = Requirements(options=Options(no_index=True), local_links=(links,))
        self.indexes = Indexes.from_environment({}, found, root)

    @property
    def building(self) -> Building:
        return Building(builder=self.builder, pushed=lambda wheel: self.pushed.get(wheel.sha256))

    def source(self, name: str, version: str, end: str = ".tar.gz") -> str:
        data = f"source of {name} {version}".encode()
        (self.links / f"{name}-{version}{end}").write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    def question(self, kept: Decisions | None = None) -> PlatformQuestion:
        return PlatformQuestion(session=self.session, project=self.project, kept=kept, building=self.building)

    def resolve(self, *lines: str, kept: Decisions | None = None) -> Resolved:
        requirements = Mock(lines=lines, constraints=(), isolates=lambda _: True)
        with open_sources(self.question(kept), requirements, self.indexes, TARGET, GROUND) as sources:
            assert sources is not None
            found = resolve_wheels(
                WheelQuestion(
                    requirements=lines,
                    root=self.root,
                    preferences=pins_of(kept.required if kept else ()),
                    places=lambda text: [
                        f"requirements.txt:{at}" for at, name in ((1, "old"), (9, "neighbour")) if name in text
                    ],
                ),
                Uv(target=TARGET, indexes=self.indexes, cache=self.session.cache, metadata=self.session.metadata),
                sources=sources,
            )
            builds, requires = sources.builds_of(found.wheels)
        return msgspec.structs.replace(found, builds=builds, build_requirements=requires)


def decisions(found: Resolved) -> Decisions:
    return Decisions(
        base=BASE,
        wheels=found.wheels,
        clashes=(),
        builds=found.builds,
        build_requirements=found.build_requirements,
    )


def versions(found: Resolved) -> dict[str, str]:
    return {wheel.name: wheel.version for wheel in found.wheels}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.slow
def test_uv_chooses_among_all_versions_and_what_it_chose_is_built_and_pinned(place: Place) -> None:
    for version in ("1.0", "2.0", "3.0"):
        place.source("old", version)
    place.source("older", "1.0")
    make_wheel(place.links, "wants", requires=("old<3", "plain"))
    make_wheel(place.links, "plain", "1.0")
    make_wheel(place.links, "plain", "2.0")
    place.builder.requires = {"old 2.0": ("plain<2", "older"), "older 1.0": ()}
    found = place.resolve("wants")
    assert versions(found) == {"old": "2.0", "older": "1.0", "plain": "1.0", "wants": "1.0"}
    assert place.builder.built == ["old 2.0", "older 1.0"]  # no other version, and each once
    old = next(wheel for wheel in found.wheels if wheel.name == "old")
    (build, _) = found.builds
    assert (build.wheel, build.requires) == (old.filename, (BACKEND.filename,))
    assert isinstance(build.source, IndexSource)
    assert build.source.filename == "old-2.0.tar.gz"
    assert found.build_requirements == (BACKEND,)
    assert old.sha256 not in found.addresses  # nobody publishes it
    assert not list(place.session.cache.glob("sources-*"))


@pytest.mark.slow
def test_an_older_version_is_built_where_the_newest_can_not_hold_together_with_the_others(place: Place) -> None:
    for version in ("1.0", "2.0", "3.0"):
        place.source("old", version)
    make_wheel(place.links, "plain", "1.0")
    place.builder.requires = {"old 3.0": ("plain>1",), "old 2.0": ("plain>1",)}
    assert versions(place.resolve("old", "plain<2")) == {"old": "1.0", "plain": "1.0"}
    assert place.builder.built == ["old 3.0", "old 2.0", "old 1.0"]


@pytest.mark.slow
def test_what_was_built_is_kept_though_another_dependency_moves_and_nothing_builds_any_more(place: Place) -> None:
    place.source("old", "1.0")
    make_wheel(place.links, "plain", "1.0")
    before = place.resolve("old", "plain==1.0")
    place.source("old", "2.0")
    make_wheel(place.links, "plain", "2.0")
    place.builder.broken.add("old")
    after = place.resolve("old", "plain==2.0", kept=decisions(before))
    assert versions(after) == {"old": "1.0", "plain": "2.0"}
    assert after.builds == before.builds
    assert place.builder.built == ["old 1.0"]


@pytest.mark.slow
def test_all_that_cannot_be_built_is_one_error_with_file_line_and_reason(place: Place) -> None:
    place.source("old", "1.0")
    place.source("older", "1.0")
    place.builder.broken |= {"old", "older"}
    with pytest.raises(InputError) as caught:
        place.resolve("old", "older", "nowhere")
    nowhere, *others = (part.message for part in caught.value.parts)
    assert "nowhere was not found" in nowhere
    found = [message.partition("\n")[0] for message in others]
    assert found == [f"requirements.txt:1: {name} 1.0: gcc: not found" for name in ("old", "older")]


@pytest.mark.slow
def test_what_cannot_be_built_is_told_with_who_requires_it(place: Place) -> None:
    place.source("hidden", "1.0")
    place.builder.broken |= {"hidden"}
    make_wheel(place.links, "middle", "1.0", files={"middle.py": b""}, requires=("hidden",))
    make_wheel(place.links, "old", "1.0", files={"old.py": b""}, requires=("middle",))
    with pytest.raises(InputError) as caught:
        place.resolve("old")
    line, _, _ = caught.value.message.partition("\n")
    assert line == "requirements.txt:1: old requires middle, which requires hidden 1.0: gcc: not found"


@pytest.mark.slow
def test_why_nothing_can_be_built_is_told_where_uv_does_not_say_who_requires_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[Sequence[str]] = []

    def fails_to_tell(command: Sequence[str], *more: Any) -> tuple[bool, str]:
        commands.append(command)
        if "via.txt" in command:
            raise UnavailableError("uv found no answer", next_step="check the index")
        return _run(command, *more)

    monkeypatch.setattr("cogpack.resolve.wheels.compile._run", fails_to_tell)
    place.source("old", "1.0")
    place.builder.broken |= {"old"}
    make_wheel(place.links, "one", requires=("old",))
    with pytest.raises(InputError, match=r"old 1\.0: gcc: not found"):
        place.resolve("one")
    # None is there, a stand-in is, who requires it, and all else.
    assert ["via.txt" in command for command in commands] == [False, False, True, False]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("advice", "told"),
    [
        (ANOTHER, f"set build.python_version to 3.10 or 3.11, for which it has a wheel; or {ANOTHER}"),
        ("add gcc", "add gcc; or set build.python_version to 3.10 or 3.11, for which it has a wheel"),
    ],
)
def test_what_cannot_be_built_names_the_pythons_that_it_has_wheels_for(place: Place, advice: str, told: str) -> None:
    place.builder.advice = advice
    place.source("old", "1.0")
    place.builder.broken |= {"old"}
    for python in ("cp39", "cp310", "cp311"):
        wheel = make_wheel(place.links, "old", "1.0", files={"old.py": b""})
        wheel.rename(wheel.with_name(f"old-1.0-{python}-{python}-manylinux_2_17_x86_64.whl"))
    make_wheel(place.links, "old", "2.0", files={"old.py": b""})
    with pytest.raises(InputError) as caught:
        place.resolve("old==1.0")
    assert caught.value.next_step == told


@pytest.mark.slow
def test_a_requirement_with_hashes_takes_a_source_that_has_one_of_them(place: Place) -> None:
    right = place.source("old", "1.0")
    found = place.resolve(f"old==1.0 --hash=sha256:{right}")
    assert found.builds[0].source == IndexSource(filename="old-1.0.tar.gz", sha256=right, size=17)
    with pytest.raises(InputError, match="is none of the hashes named for it"):
        place.resolve(f"old==1.0 --hash=sha256:{'ab' * 32}")


def sources(place: Place, elsewhere: Mock | None = None, kept: Decisions | None = None) -> SourceArchives:
    there = place.root / "scratch"
    there.mkdir()
    return SourceArchives(
        place.question(kept), Requirements(), place.indexes, TARGET, GROUND, place=there, elsewhere=elsewhere or Mock()
    )


def test_versions_with_a_wheel_and_archives_that_cannot_be_unpacked_are_not_offered(place: Place) -> None:
    place.source("old", "1.0")
    place.source("old", "2.0")
    place.source("old", "3.0", ".tar.lz")
    make_wheel(place.links, "old", "2.0")
    found = sources(place)
    assert found.offer(["old"])
    assert [path.name for path in (place.root / "scratch").glob("*/*")] == ["old-1.0-py3-none-any.whl"]
    assert not found.offer(["old"])  # there is nothing more of it
    assert not found.offer(["nowhere"])


@pytest.mark.slow
def test_what_is_not_built_is_taken_in_an_older_version_that_has_a_wheel_and_one_without_the_hash_is_told(
    place: Place,
) -> None:
    files = {"torch/version.py": b"cuda = '12.4'\n", "torch/lib/libc10.so": OLD_ABI}
    make_wheel(place.links, "torch", "2.6.0", files=files)
    hashes = [place.source("flash_attn", version) for version in ("2.8.2", "2.8.3")]
    wheel = make_wheel(place.root / "made", "flash_attn", "2.8.2", tag="cp312-cp312-linux_x86_64")
    place.project.config = Config(gpu=True)

    def answer(request: Request) -> Answer:
        there = "/v2.8.2/" in request.path
        return (200, {"Content-Type": "application/zip"}, wheel.read_bytes()) if there else (404, {}, b"")

    with serving(answer) as server:
        mapped = {"COGPACK_URL_MAP": f"https://github.com/Dao-AILab/flash-attention/releases/download={server.url}"}
        with Session(Settings(cache=place.root / "cache", environment=mapped)) as place.session:
            found = place.resolve("torch", "flash-attn")
            assert versions(found)["flash-attn"] == "2.8.2+cu12torch2.6cxx11abifalse"
            sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
            with pytest.raises(InputError, match=f"has sha256:{sha256}, which is none of the hashes named") as caught:
                place.resolve("torch", f"flash-attn==2.8.2 --hash=sha256:{hashes[0]}")
            assert caught.value.next_step == f"if this is the file you mean, add --hash=sha256:{sha256}"
    assert place.builder.built == []


@pytest.mark.parametrize("version", ["1.0", "1.0+cu124"])
@pytest.mark.parametrize("looked_up", [True, False])
def test_the_source_is_offered_again_of_what_the_lock_has_of_elsewhere_and_nobody_has_any_more(
    place: Place, looked_up: bool, version: str
) -> None:
    place.source("old", "1.0")
    place.source("old", "2.0")
    wheel = LockedWheel(name="old", version=version, filename="old-1.0.whl", sha256="ab" * 32, url="https://h.io/o")
    elsewhere = Mock(kept=(wheel,), missed={})
    elsewhere.find.return_value, elsewhere.is_alone.return_value = None, False
    found = sources(place, elsewhere, Decisions(base=BASE, wheels=(wheel,), clashes=()))
    found.keep()
    (stand_in,) = place.root.glob("scratch/*/*.whl")
    chosen = hashlib.sha256(stand_in.read_bytes()).hexdigest()
    if looked_up:
        assert found.offer(["old"])
    assert found.build([chosen], lambda: Neighbours(wheels=(), address=str)) == {}
    if not looked_up:
        assert found.offer(["old"])
    there = sorted(path.name for path in place.root.glob("scratch/*/*.whl"))
    assert there == ["old-1.0-py3-none-any.whl", "old-2.0-py3-none-any.whl"]


def test_two_stand_ins_of_one_package_have_names_and_bytes_of_their_own(tmp_path: Path) -> None:
    one, two = (write_stand_in(tmp_path, "a-b", Version(version)) for version in ("1", "2.0rc1"))
    assert (one.name, two.name) == ("a_b-1-py3-none-any.whl", "a_b-2.0rc1-py3-none-any.whl")
    assert one.read_bytes() != two.read_bytes()
    again = tmp_path / "again"
    again.mkdir()
    assert write_stand_in(again, "a-b", Version("1")).read_bytes() == one.read_bytes()


def built(place: Place) -> tuple[BuiltWheels, LockedWheel]:
    """What a lock has that was made elsewhere."""
    data = b"source of old 1.0"
    place.source("old", "1.0")
    path = make_wheel(place.root / "elsewhere", "old", "1.0", files={"old.py": b"1", "other.py": b"2"})
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    wheel = LockedWheel(name="old", version="1.0", filename=path.name, sha256=sha256, size=path.stat().st_size)
    build = LockedBuild(
        wheel=wheel.filename,
        source=IndexSource(filename="old-1.0.tar.gz", sha256=hashlib.sha256(data).hexdigest(), size=len(data)),
        requires=(BACKEND.filename,),
        members=member_marks(path),
    )
    locked = Decisions(base=BASE, wheels=(wheel,), clashes=(), builds=(build,), build_requirements=(BACKEND,))
    pages = Pages(place.session.http, place.indexes)
    return BuiltWheels(place.session, place.project, locked, place.building, GROUND, lambda: pages), wheel


def test_a_wheel_that_the_registry_has_is_not_built_again(place: Place) -> None:
    wheels, wheel = built(place)
    place.pushed[wheel.sha256] = place.root / "elsewhere" / wheel.filename
    assert wheels.bring(wheel) == place.pushed[wheel.sha256]
    assert place.builder.built == []


def test_a_wheel_that_comes_out_otherwise_is_an_error_that_names_its_files(place: Place) -> None:
    wheels, wheel = built(place)
    place.builder.text = b"another"
    with pytest.raises(MismatchError, match=r"old 1\.0: built again of old-1\.0\.tar\.gz.* old\.py differ and 1 of"):
        wheels.bring(wheel)


def test_a_wheel_that_nobody_has_and_nobody_can_build_is_an_error_that_says_so(place: Place) -> None:
    wheels, wheel = built(place)
    (place.links / "old-1.0.tar.gz").write_bytes(b"another one")
    with pytest.raises(UnavailableError) as caught:
        wheels.bring(wheel)
    assert caught.value.message.startswith("old 1.0: neither cache nor registry has the wheel that the lock names")


def test_files_of_a_wheel_are_told_apart_by_name_mode_and_bytes(tmp_path: Path) -> None:
    def wheel(number: int, files: dict[str, bytes], executable: frozenset[str] = frozenset()) -> Path:
        return make_wheel(tmp_path / str(number), "a", files=files, executable=executable)

    marks = member_marks(wheel(0, {"a.py": b"1", "b.py": b"2"}))
    assert differing_members(wheel(1, {"b.py": b"2", "a.py": b"1"}), marks) == ([], 0)
    assert differing_members(wheel(2, {"a.py": b"1", "b.py": b"3"}), marks) == (["b.py"], 0)
    assert differing_members(wheel(3, {"a.py": b"1", "b.py": b"2", "c.py": b"2"}), marks) == (["c.py"], 0)
    assert differing_members(wheel(4, {"a.py": b"1"}), marks) == ([], 1)
    assert differing_members(wheel(5, {"a.py": b"1", "b.py": b"2"}, frozenset({"a.py"})), marks) == (["a.py"], 0)
