"""What a project requires by its place is required beside all else, as wheels that are there already; and so is what
the wheels of these sources require by its address (PEP 508, "URL"), which pip follows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from packaging.utils import InvalidSdistFilename, parse_sdist_filename

from cogpack.cache.scratch import scratch_directory
from cogpack.disk import DiskError, writing
from cogpack.errors import InputError, together
from cogpack.layers.wheels.outline import Outline
from cogpack.lockfile import LockedWheel
from cogpack.locking.sources.direct import DirectWheel, DirectWheels, SourceKey, source_key
from cogpack.locking.wheels.building import WantsWheelsError
from cogpack.locking.wheels.outlines import local_reader
from cogpack.requirements.model import VARIABLE, GitAddress, LocalPath, Requirements, SourceLine
from cogpack.requirements.paths import LineFaultError
from cogpack.requirements.sources import read_source
from cogpack.resolve.pip import UnforeseenError, read_metadata
from cogpack.resolve.wheels.sources import Neighbours
from cogpack.resolve.wheels.target import TargetPython

_MOST = 100
"""Sources that are required by their addresses, each of which may name others."""


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """Is what is required beside all else: `lines` that name the `wheels`, all `built` by file name; `overrides`:
    those of what some of these require by its address, `further`; `titles`: for people; `waiting`: for the wheels that
    they, or what they require so, are built among."""

    lines: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    wheels: tuple[DirectWheel, ...] = ()
    further: tuple[DirectWheel, ...] = ()
    titles: tuple[str, ...] = ()
    waiting: tuple[SourceLine, ...] = ()

    @property
    def built(self) -> Mapping[str, LockedWheel]:
        return {one.wheel.filename: one.wheel for one in (*self.wheels, *self.further)}

    @property
    def awaited(self) -> tuple[str, ...]:
        """Give the packages of what waits, as far as their names are known before they are built."""
        return tuple(name for name in map(_name, self.waiting) if name)

    def with_more(self, more: "Beside") -> "Beside":
        """Add what waited."""
        return Beside(
            lines=(*self.lines, *more.lines),
            overrides=(*self.overrides, *more.overrides),
            wheels=(*self.wheels, *more.wheels),
            further=(*self.further, *more.further),
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
    requirements: Requirements,
    environment: Mapping[str, str],
    scratch: Path,
    before: Beside | None = None,
    neighbours: Neighbours | None = None,
) -> Iterator[Beside]:
    """Make the wheels of sources that `lines` of the `requirements` name, and that these require, if there is who makes
    them. What can't be built is raised in the end, with what goes wrong within. `before`: what did not wait."""
    if direct is None or not lines:
        yield Beside()
        return
    lines, made = _made(direct, lines, requirements, neighbours)
    before = before or Beside()
    required = required_by(
        direct,
        [one for one in made if isinstance(one, DirectWheel)],
        environment,
        neighbours,
        named={
            **{one.wheel.name: one for one in before.wheels},
            **{line.name: one for line, one in zip(lines, made, strict=True) if isinstance(one, WantsWheelsError)},
        },
        before=before.further,
    )
    faults = [one for one in (*made, *required) if isinstance(one, InputError)]
    waiting: tuple[SourceLine, ...] = ()
    if neighbours is None:
        faults = [one for one in faults if not isinstance(one, WantsWheelsError)]
        late = any(isinstance(one, WantsWheelsError) for one in required)
        waiting = tuple(
            line
            for line, one in zip(lines, made, strict=True)
            if (late and any(_addressed(one, environment)) if isinstance(one, DirectWheel) else one not in faults)
        )
        required = [] if late else required
    wheels = tuple(
        one for line, one in zip(lines, made, strict=True) if isinstance(one, DirectWheel) and line not in waiting
    )
    there = {one.wheel for one in before.further}
    further = tuple(one for one in required if isinstance(one, DirectWheel) and one.wheel not in there)
    try:
        with named_files(wheels, scratch) as own, named_files(further, scratch) as overrides:
            yield Beside(
                lines=own,
                overrides=overrides,
                wheels=wheels,
                further=further,
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
    with scratch_directory(scratch, "wheels-") as place:
        found = []
        for one in wheels:
            link = place / one.wheel.filename
            with writing(link), suppress(FileExistsError):
                link.symlink_to(one.path)
            found.append(f"{one.wheel.name}{one.extras} @ {link.absolute().as_uri()}")
        yield tuple(dict.fromkeys(found))


def required_by(
    direct: DirectWheels,
    wheels: Sequence[DirectWheel],
    environment: Mapping[str, str],
    neighbours: Neighbours | None = None,
    *,
    named: Mapping[str, DirectWheel | InputError] = {},
    before: Sequence[DirectWheel] = (),
) -> list[DirectWheel | InputError]:
    """Answer for what these wheels require by its address, and what that requires so. Of a package that is one of
    `wheels`, or `named` besides, it is that one: who asks for those says where it comes from. Two wheels of one package
    are refused, as pip does, that of `before` among them."""
    waiting = list(wheels)
    asked = {**named, **{one.wheel.name: one for one in waiting}}
    asked.pop("", None)
    found: dict[SourceKey, DirectWheel | InputError] = {}
    faults: list[InputError] = []
    while waiting:
        lines = {source_key(line): line for one in waiting for line in _addressed(one, environment)}
        found |= {key: asked[line.name] for key, line in lines.items() if line.name in asked}
        new = {key: line for key, line in lines.items() if key not in found}
        if len(found) + len(new) > _MOST:
            line = next(iter(new.values()))
            text = f"{line.place}: requires {line.source}, and more than {_MOST} sources require each other so"
            faults.append(InputError(text, next_step=f"name {line.title} in the requirements by its version"))
            break
        made = dict(zip(new, direct.make(list(new.values()), neighbours), strict=True))
        found |= made
        waiting = [one for one in made.values() if isinstance(one, DirectWheel)]
    first = {one.wheel.name: one for one in reversed((*before, *wheels))}
    answers: list[DirectWheel | InputError] = []
    for one in found.values():
        if isinstance(one, DirectWheel) and (other := first.setdefault(one.wheel.name, one)).wheel != one.wheel:
            answers.append(_two(other, one))
        else:
            answers.append(one)
    return [*answers, *faults]


def _name(line: SourceLine) -> str:
    """Name the package of a line, by the name of its archive if by nothing else; "" where only its build tells."""
    if line.name or isinstance(line.source, GitAddress):
        return line.name
    path = line.source.path if isinstance(line.source, LocalPath) else unquote(urlsplit(line.source.bare).path)
    try:
        return parse_sdist_filename(path.rpartition("/")[2])[0]
    except InvalidSdistFilename:
        return ""


def _two(one: DirectWheel, other: DirectWheel) -> InputError:
    name, address = one.wheel.name, other.line.source
    return InputError(
        f"{other.line.place}: {name} is required by two addresses, {one.line.source} and {address}",
        next_step=f"name the one that is wanted: {name} @ {address}",
    )


def _made(
    direct: DirectWheels, lines: Sequence[SourceLine], requirements: Requirements, neighbours: Neighbours | None
) -> tuple[list[SourceLine], list[DirectWheel | InputError]]:
    """Make them; what only turned out by its build to be of a package that is built among the image's wheels, anew."""
    made = direct.make(lines, neighbours)
    known = [
        msgspec.structs.replace(line, name=one.wheel.name, isolated=False)
        if isinstance(one, DirectWheel) and line.isolated and not requirements.isolates(one.wheel.name)
        else line
        for line, one in zip(lines, made, strict=True)
    ]
    anew = [line for line in known if line not in lines]
    others = iter(direct.make(anew, neighbours))
    return known, [one if line in lines else next(others) for line, one in zip(known, made, strict=True)]


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
        with suppress(LineFaultError):
            path = f"{one.line.place}: {one.wheel.name}"
            line = read_source(str(requirement), editable=False, path=path, line=0)
            if line is not None and not isinstance(line.source, LocalPath):
                yield line
