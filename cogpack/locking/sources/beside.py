"""What a project requires by its place is required beside all else, as wheels that are there already; and so is what
the wheels of these sources require by its address (PEP 508, "URL"), which pip follows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from cogpack.disk import DiskError, writing
from cogpack.errors import InputError, together
from cogpack.layers.wheels import Outline
from cogpack.lockfile import LockedWheel
from cogpack.locking.sources.direct import DirectWheel, DirectWheels, SourceKey, source_key
from cogpack.locking.wheels.building import WantsWheelsError
from cogpack.locking.wheels.outlines import local_reader
from cogpack.requirements import Requirements, SourceLine
from cogpack.requirements.model import VARIABLE, LocalPath
from cogpack.requirements.sources import SourceFaultError, read_source
from cogpack.resolve.pip import UnforeseenError, read_metadata
from cogpack.resolve.wheels import Neighbours, TargetPython


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """Is what is required beside all else: `lines` that name the wheels, which are `built`, by file name; `overrides`:
    those of what some of these require by its address; `titles`: for people; `waiting`: for the wheels that they are
    built among."""

    lines: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    built: Mapping[str, LockedWheel] = {}
    titles: tuple[str, ...] = ()
    waiting: tuple[SourceLine, ...] = ()

    def with_more(self, more: "Beside") -> "Beside":
        """Add what waited."""
        return Beside(
            lines=(*self.lines, *more.lines),
            overrides=(*self.overrides, *more.overrides),
            built={**self.built, **more.built},
            titles=self.titles,
        )


def named_sources(requirements: Requirements, target: TargetPython) -> tuple[SourceLine, ...]:
    """Give the lines that name a source of the image."""
    environment = target.environment()
    return tuple(
        msgspec.structs.replace(line, isolated=line.isolated and requirements.isolates(line.name))
        for line in requirements.sources
        if line.applies(environment)
    )


@contextmanager
def beside(
    direct: DirectWheels | None,
    lines: Sequence[SourceLine],
    environment: Mapping[str, str],
    scratch: Path,
    neighbours: Neighbours | None = None,
) -> Iterator[Beside]:
    """Make the wheels of sources that `lines` name, and that these require, if there is who makes them. What can't be
    built is raised in the end, with what goes wrong within."""
    if direct is None or not lines:
        yield Beside()
        return
    made = direct.make(lines, neighbours)
    waiting = tuple(line for line, one in zip(lines, made, strict=True) if isinstance(one, WantsWheelsError))
    if neighbours is not None:
        waiting = ()
    wheels = [one for one in made if not isinstance(one, InputError)]
    required = required_by(direct, wheels, environment, neighbours)
    faults = [
        one for one in made if isinstance(one, InputError) and not (waiting and isinstance(one, WantsWheelsError))
    ]
    faults += [one for one in required if isinstance(one, InputError)]
    further = [one for one in required if not isinstance(one, InputError)]
    try:
        with named_files(wheels, scratch) as named, named_files(further, scratch) as overrides:
            yield Beside(
                lines=named,
                overrides=overrides,
                built={one.wheel.filename: one.wheel for one in (*wheels, *further)},
                titles=tuple(line.title for line in lines),
                waiting=waiting,
            )
    except DiskError:
        raise
    except InputError as error:
        raise together([*faults, error]) from error
    if faults:
        raise together(faults)


@contextmanager
def named_files(wheels: Iterable[DirectWheel], scratch: Path) -> Iterator[tuple[str, ...]]:
    """Give lines that require these wheels, which have their own names there for as long."""
    with writing(scratch):
        directory = TemporaryDirectory(prefix="wheels-", dir=scratch)
    with directory as place:
        found = []
        for one in wheels:
            link = Path(place) / one.wheel.filename
            with writing(link), suppress(FileExistsError):
                link.symlink_to(one.path)
            found.append(f"{one.wheel.name}{one.extras} @ {link.absolute().as_uri()}")
        yield tuple(dict.fromkeys(found))


def required_by(
    direct: DirectWheels,
    wheels: Iterable[DirectWheel],
    environment: Mapping[str, str],
    neighbours: Neighbours | None = None,
) -> list[DirectWheel | InputError]:
    """Answer for what these wheels require by its address, and what that requires so. Of a package that is one of
    `wheels` it is that one: who asks for those says where it comes from."""
    waiting = list(wheels)
    asked = {one.wheel.name: one for one in waiting}
    found: dict[SourceKey, DirectWheel | InputError] = {}
    while waiting:
        lines = {source_key(line): line for one in waiting for line in _addressed(one, environment)}
        found |= {key: asked[line.name] for key, line in lines.items() if line.name in asked}
        new = {key: line for key, line in lines.items() if key not in found}
        made = dict(zip(new, direct.make(list(new.values()), neighbours), strict=True))
        found |= made
        waiting = [one for one in made.values() if isinstance(one, DirectWheel)]
    return list(found.values())


def _addressed(one: DirectWheel, environment: Mapping[str, str]) -> Iterator[SourceLine]:
    """Give the sources that a wheel requires by their address. One with `${NAME}` in it is none: who wrote the wheel
    does not choose which variables of this machine go to which server."""
    read, size = local_reader(one.path)
    try:
        metadata = read_metadata(Outline(one.wheel.filename, read, size).metadata())
    except UnforeseenError:  # who resolves it says what is wrong with it
        return
    for requirement in metadata.needed(environment, one.line.extras):
        if not requirement.url or VARIABLE.search(requirement.url):
            continue
        requirement.marker = None
        with suppress(SourceFaultError):
            path = f"{one.line.place}: {one.wheel.name}"
            line = read_source(str(requirement), editable=False, path=path, line=0)
            if line is not None and not isinstance(line.source, LocalPath):
                yield line
