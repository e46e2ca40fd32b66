"""What names its source is built before anything is resolved: then its wheel is one of those that are chosen among.

What the lock has of the same requirement is kept, commit and all: no server is asked for it again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec
from packaging.utils import parse_wheel_filename

from cogpack.cache.scratch import scratch_directory
from cogpack.disk import DiskError
from cogpack.errors import CogpackError, InputError
from cogpack.lockfile import BuildSource, Decisions, GitSource, IndexSource, LockedBuild, LockedWheel, ProjectSource
from cogpack.locking.sources.bring import Sources
from cogpack.locking.sources.editable import leading_wheel
from cogpack.locking.wheels.building import Building, Built, Ground, Source, WantsWheelsError
from cogpack.locking.wheels.members import member_marks
from cogpack.locking.wheels.outlines import wheel_artifact
from cogpack.locking.wheels.rebuilt import built_again
from cogpack.requirements.model import ArchiveAddress, DirectAddress, SourceLine
from cogpack.resolve.wheels.sources import Neighbours
from cogpack.session import Session

T = TypeVar("T")
SourceKey: TypeAlias = tuple[bool, DirectAddress, tuple[str, ...], bool]

_NONE = Neighbours(wheels=(), address=str)
"""Beside these nothing fits that is compiled against torch."""
_YOURSELF = "build a wheel (pip wheel --no-deps), put it into the project and name it: ./wheels/NAME.whl"


class DirectWheel(msgspec.Struct, frozen=True, kw_only=True):
    """Is a wheel that takes the place of what `line` names. `path`: where it is; `requires`: the wheels of `build`."""

    line: SourceLine
    wheel: LockedWheel
    path: Path
    build: LockedBuild
    requires: tuple[LockedWheel, ...]

    @property
    def extras(self) -> str:
        return f"[{','.join(self.line.extras)}]" if self.line.extras else ""


class DirectWheels:
    """Has the wheels of sources that are named, each made once, over `ground`. `kept`: what the lock says already."""

    def __init__(
        self,
        session: Session,
        sources: Sources,
        building: Building | None,
        ground: Ground,
        kept: Decisions | None,
    ) -> None:
        self._session = session
        self._sources = sources
        self._building = building
        self.ground = ground
        self._kept = kept
        self._made: dict[SourceKey, DirectWheel | InputError] = {}
        self._of_indexes: dict[str, DirectWheel | InputError] = {}

    @property
    def can_build(self) -> bool:
        """Tell whether there is who builds."""
        return self._building is not None

    def make(self, lines: Sequence[SourceLine], neighbours: Neighbours | None = None) -> list[DirectWheel | InputError]:
        """Answer for each line, in their order: with its wheel, or with why there is none. Without the `neighbours`
        that it will have, a source that can only be built among them is a `WantsWheelsError`."""
        new = {source_key(line): line for line in lines if not self._holds(line, neighbours)}
        kept = {key: self._as_kept(line, neighbours) for key, line in new.items()}
        self._made |= {key: found for key, found in kept.items() if found is not None}
        missing = [line for key, line in new.items() if kept[key] is None]
        if missing:
            self._made |= zip(map(source_key, missing), self._built(missing, neighbours), strict=True)
        return [_of(self._made[source_key(line)], line) for line in lines]

    def make_of_index(self, source: Source, pin: IndexSource, place: str) -> DirectWheel | InputError:
        """Answer for an archive that an index has, and which is here: with the wheel that the lock has of it, where it
        is had and fits, or with one that is built now, once. `place`: who asks for it, for people."""
        found = self._of_indexes.get(pin.sha256)
        if found is None or (isinstance(found, DirectWheel) and not _fits(found.wheel, found.requires, source)):
            line = SourceLine(name=source.name, source=ArchiveAddress(url=pin.filename), path=place, line=0)
            kept = self._kept_of_index(source, pin, line)
            found = self._attempted(line, partial(self._new, source, pin)) if kept is None else kept
            self._of_indexes[pin.sha256] = found
        return found

    def _kept_of_index(self, source: Source, pin: IndexSource, line: SourceLine) -> DirectWheel | None:
        kept = self._kept
        build = next((build for build in kept.builds if build.source == pin), None) if kept else None
        if kept is None or build is None:
            return None
        wheel = kept.known_wheels[build.wheel]
        requires, path = self._requires(build), self._had(wheel)
        if path is None or not self.ground.still_fits(wheel, kept) or not _fits(wheel, requires, source):
            return None
        return DirectWheel(line=line, wheel=wheel, path=path, build=build, requires=requires)

    def _new(self, source: Source, pin: IndexSource, line: SourceLine) -> DirectWheel:
        if self._building is None:
            raise InputError(f"{line.title}: no wheel is built of it", next_step=_YOURSELF)
        (built,) = self._building.builder.build([source], self.ground)
        if isinstance(built, InputError):
            raise built
        return self._finished(pin, source, built, line)

    def _holds(self, line: SourceLine, neighbours: Neighbours | None) -> bool:
        """Tell whether what was made of it before still holds."""
        made = self._made.get(source_key(line))
        if isinstance(made, DirectWheel):
            return neighbours is None or neighbours.fit(made.wheel, made.requires)
        return made is not None and not isinstance(made, WantsWheelsError)

    def _as_kept(self, line: SourceLine, neighbours: Neighbours | None) -> DirectWheel | InputError | None:
        """Give what the lock has of it: had, or built again as it was, never with the build requirements of today."""
        if (build := self._kept_build(line)) is None or self._kept is None:
            return None
        wheel = self._kept.known_wheels[build.wheel]
        if not self.ground.still_fits(wheel, self._kept):
            return None
        requires = self._requires(build)
        if neighbours is None and not _NONE.fit(wheel, requires):
            return WantsWheelsError(f"{line.title}: it is built against torch, which is not known yet")
        if neighbours is not None and not neighbours.fit(wheel, requires):
            return None
        path = self._attempted(line, lambda line: self._kept_file(wheel, build, line.name))
        if path is None or isinstance(path, InputError):
            return path
        return DirectWheel(line=line, wheel=wheel, path=path, build=build, requires=requires)

    def kept_file(self, wheel: LockedWheel) -> Path | None:
        """Give the file of a wheel that the lock has of a source that was named, or, where it is had, of an index's;
        None of any other."""
        builds = self._kept.builds if self._kept else ()
        build = next((one for one in builds if one.wheel == wheel.filename), None)
        if build is None:
            return None
        return self._had(wheel) if isinstance(build.source, IndexSource) else self._kept_file(wheel, build)

    def _kept_file(self, wheel: LockedWheel, build: LockedBuild, name: str = "") -> Path | None:
        """Give the file, had or built again as it was; None where nobody builds."""
        building = self._building
        if (path := self._had(wheel)) is not None or building is None:
            return path

        def act() -> Built:
            with ExitStack() as stack:
                source = self._brought(stack, build.source, name)
                requires = self._requires(build)
                for one in requires:
                    self.kept_file(one)
                built = building.builder.rebuild(source, requires, self.ground.of_build(build))
                return finished(self._session, build.source, source, built)

        return built_again(wheel, build, act)

    def _requires(self, build: LockedBuild) -> tuple[LockedWheel, ...]:
        pool = {one.filename: one for one in (self._kept.build_requirements if self._kept else ())}
        return tuple(pool[filename] for filename in build.requires)

    def _had(self, wheel: LockedWheel) -> Path | None:
        """Find a wheel of the lock that need not be built again."""
        artifact = wheel_artifact(wheel)
        if self._session.store.find(artifact) is not None:
            return self._session.store.verified(artifact, tuple)[0]
        return self._building.pushed(wheel) if self._building else None

    def _kept_build(self, line: SourceLine) -> LockedBuild | None:
        """Find what the lock has of the same requirement."""
        builds = self._kept.builds if self._kept else ()
        return next((build for build in builds if self._sources.says(build.source, line)), None)

    def _built(self, lines: Sequence[SourceLine], neighbours: Neighbours | None) -> Iterator[DirectWheel | InputError]:
        if self._building is None or not self._sources.may_be_built:
            yield from (InputError(f"{line.title}: no wheel is built of it", next_step=_YOURSELF) for line in lines)
            return
        with ExitStack() as stack:
            pins = [self._attempted(line, self._pin) for line in lines]
            trees = [
                pin
                if isinstance(pin, InputError)
                else self._attempted(line, partial(self._brought_of, stack, pin, neighbours))
                for line, pin in zip(lines, pins, strict=True)
            ]
            sources = [tree for tree in trees if not isinstance(tree, InputError)]
            built = iter(self._building.builder.build(sources, self.ground) if sources else ())
            for line, pin, source in zip(lines, pins, trees, strict=True):
                if isinstance(pin, InputError):
                    yield pin
                elif isinstance(source, InputError):
                    yield source
                elif isinstance(found := next(built), InputError):
                    yield found
                else:
                    yield self._attempted(line, partial(self._finished, pin, source, found))

    def builds(self, wheels: Iterable[LockedWheel]) -> tuple[LockedBuild, ...]:
        """Say what those of `wheels` were built of that were made here, now or when the lock was made."""
        there = {(wheel.filename, wheel.sha256) for wheel in wheels}
        found: dict[str, LockedBuild] = {}
        if kept := self._kept:
            before = kept.known_wheels
            found |= {one.wheel: one for one in kept.builds if (one.wheel, before[one.wheel].sha256) in there}
        for one in self._wheels():
            if (one.wheel.filename, one.wheel.sha256) in there:
                found[one.wheel.filename] = one.build
        return tuple(build for _, build in sorted(found.items()))

    def requirements(self, wheels: Iterable[LockedWheel]) -> tuple[LockedWheel, ...]:
        """Give all wheels that these builds took."""
        pool = {wheel.filename: wheel for wheel in (self._kept.build_requirements if self._kept else ())}
        pool |= {wheel.filename: wheel for one in self._wheels() for wheel in one.requires}
        wanted = {filename for build in self.builds(wheels) for filename in build.requires}
        return tuple(pool[filename] for filename in sorted(wanted))

    def _wheels(self) -> Iterator[DirectWheel]:
        made = (*self._made.values(), *self._of_indexes.values())
        return (one for one in made if isinstance(one, DirectWheel))

    def built_with(self, wheel: LockedWheel) -> DirectWheel | None:
        """Find one that is compiled against `wheel`."""
        own = (one for one in self._wheels() if not _NONE.fit(one.wheel, one.requires))
        return next((one for one in own if wheel in one.requires), None)

    def _attempted(self, line: SourceLine, act: Callable[[SourceLine], T]) -> T | InputError:
        try:
            return act(line)
        except DiskError:
            raise
        except InputError as error:
            return error
        except CogpackError as error:
            error.message = f"{line.place}: {error.message}"
            raise

    def _pin(self, line: SourceLine) -> BuildSource:
        kept = self._kept_build(line)
        return kept.source if kept else self._sources.pin(line)

    def _brought(self, stack: ExitStack, pin: BuildSource, name: str) -> Source:
        scratch = stack.enter_context(scratch_directory(self._session.cache, "source-"))
        return source_of(pin, self._sources.bring(pin, scratch / "tree"), name=name)

    def _brought_of(
        self, stack: ExitStack, pin: BuildSource, neighbours: Neighbours | None, line: SourceLine
    ) -> Source:
        if neighbours is None and not line.isolated:
            raise WantsWheelsError(f"{line.title}: it is built among the image's wheels, which are not known yet")
        source = self._brought(stack, pin, line.name)
        return msgspec.structs.replace(source, neighbours=neighbours, isolated=line.isolated)

    def _finished(self, pin: BuildSource, source: Source, built: Built, line: SourceLine) -> DirectWheel:
        for note in built.notes:
            self._session.progress.note(note)
        built = finished(self._session, pin, source, built)
        name, version, _, _ = parse_wheel_filename(built.filename)
        return DirectWheel(
            line=line,
            wheel=LockedWheel(
                name=name, version=str(version), filename=built.filename, sha256=built.sha256, size=built.size
            ),
            path=built.path,
            build=LockedBuild(
                wheel=built.filename,
                source=pin,
                requires=tuple(one.filename for one in built.requires),
                members=member_marks(built.path),
                compiled=built.compiled,
            ),
            requires=built.requires,
        )


def source_of(pin: BuildSource, path: Path, *, name: str = "", version: str = "") -> Source:
    """Say what a wheel is to be built of, which is here at `path`."""
    subdirectory = None if isinstance(pin, ProjectSource | IndexSource) else pin.subdirectory
    title = f"{name} of {pin}" if name else str(pin)
    return Source(title=title, path=path, subdirectory=subdirectory or "", name=name, version=version)


def finished(session: Session, pin: BuildSource, source: Source, built: Built) -> Built:
    """Give the wheel that is kept of one that was built: that of `-e` leads to its source."""
    if not (isinstance(pin, ProjectSource | GitSource) and pin.editable):
        return built
    artifact = session.store.take(built.filename, leading_wheel(built.path, built.filename, pin, source.path))
    assert artifact.size is not None
    sha256 = artifact.digest.removeprefix("sha256:")
    path = session.store.verified(artifact, tuple)[0]
    return msgspec.structs.replace(built, path=path, sha256=sha256, size=artifact.size)


def _fits(wheel: LockedWheel, requires: Sequence[LockedWheel], source: Source) -> bool:
    return source.neighbours is None or source.neighbours.fit(wheel, requires)


def source_key(line: SourceLine) -> SourceKey:
    return line.editable, line.source, line.hashes, line.isolated


def _of(made: DirectWheel | InputError, line: SourceLine) -> DirectWheel | InputError:
    """Say the same for another line of the same source."""
    if isinstance(made, WantsWheelsError):
        return made
    if isinstance(made, InputError):
        return InputError(f"{line.place}: {made.message}", next_step=made.next_step)
    if line.name and made.wheel.name != line.name:
        return InputError(
            f"{line.place}: {line.name} is what the line names, and {line.source} is {made.wheel.name}",
            next_step="correct the name",
        )
    return msgspec.structs.replace(made, line=line)
