"""Sources that a pip line names become wheels before it is resolved: repositories, archives, directories of clones."""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from cogpack.errors import InputError
from cogpack.lockfile import LockedClone
from cogpack.locking.sources.beside import required_by
from cogpack.locking.sources.direct import DirectWheel, DirectWheels
from cogpack.requirements.model import GitAddress, SourceLine
from cogpack.requirements.paths import LineFaultError
from cogpack.requirements.sources import read_source
from cogpack.resolve.pip import UnforeseenError
from cogpack.resolve.wheels.sources import Neighbours
from cogpack.run_lines import PipInstall, PipRequirement
from cogpack.run_lines.effects import within

_ERROR = re.compile(r"\s*(?:error|fatal error|[A-Za-z_.]*(?:Error|Exception))\b.*: ")


_OF_COMPILERS = frozenset(
    {"CC", "CFLAGS", "CMAKE_BUILD_PARALLEL_LEVEL", "CPPFLAGS", "CUDACXX", "CUDA_HOME", "CUDA_PATH", "CXX", "CXXFLAGS"}
    | {"LDFLAGS", "MAKEFLAGS", "MAX_JOBS", "NVCC_APPEND_FLAGS", "NVCC_PREPEND_FLAGS", "TCNN_CUDA_ARCHITECTURES"}
    | {"TORCH_CUDA_ARCH_LIST"}
)
"""Variables that say by what, for which GPUs and how fast is compiled."""


def source_lines(effect: PipInstall, clones: Sequence[LockedClone], place: str) -> Mapping[PipRequirement, SourceLine]:
    """Give what a line names by its source, as requirements files have it; of a clone, the commit that it has.

    `clones`: those of earlier lines; `place`: of the line, for people.
    """
    return {one: _line(one, clones, place) for one in effect.requirements if one.is_source}


def make_wheels(
    direct: DirectWheels | None,
    effect: PipInstall,
    lines: Mapping[PipRequirement, SourceLine],
    neighbours: Neighbours,
    environment: Mapping[str, str],
) -> tuple[Mapping[PipRequirement, DirectWheel], tuple[DirectWheel, ...]]:
    """Have them built, where need be among the wheels before the line, and what they require by its address, which is
    given second; `UnforeseenError` where only running it can tell what comes of it."""
    if not lines:
        return {}, ()
    first = next(iter(lines))
    if direct is None or not direct.can_build:
        raise UnforeseenError(f"{first} is a source: {effect.installer} would build it")
    check_environment(effect, str(first))  # before anything is built
    found: dict[PipRequirement, DirectWheel] = {}
    wanted = [msgspec.structs.replace(line, isolated=effect.build_isolation) for line in lines.values()]
    made_of = direct.make(wanted, neighbours)
    for (requirement, line), made in zip(lines.items(), made_of, strict=True):
        if isinstance(made, InputError):
            raise UnforeseenError(brief(made.message.removeprefix(f"{line.place}: ")))
        check_environment(effect, str(requirement), made.wheel.filename)
        found[requirement] = made
    further = found.values() if effect.dependencies else ()
    return found, _required(direct, further, neighbours, environment)


def check_environment(effect: PipInstall, built: str, wheel: str = "-none-any.whl") -> None:
    """Raise `UnforeseenError` of a line that hands a variable of its own to what is `built` for it, unless that only
    says how is compiled, and the `wheel` that came of it has nothing that was."""
    for name, _ in effect.environment:
        if name not in _OF_COMPILERS and not name.startswith(("PIP_", "UV_")):
            raise UnforeseenError(f"{name} is handed to the build of {built}")
        if name in _OF_COMPILERS and not wheel.endswith("-none-any.whl"):
            raise UnforeseenError(f"{name} is handed to the build of {built}, which is compiled")


def _required(
    direct: DirectWheels,
    built: Iterable[DirectWheel],
    neighbours: Neighbours,
    environment: Mapping[str, str],
) -> tuple[DirectWheel, ...]:
    found: dict[str, DirectWheel] = {}
    for made in required_by(direct, tuple(built), environment, neighbours):
        if isinstance(made, InputError):
            raise UnforeseenError(brief(made.message))
        found.setdefault(made.wheel.name, made)
    return tuple(found.values())


def brief(message: str) -> str:
    """Give the first line of what went wrong, and, of a build's last words, the one that names the error."""
    first, *others = message.splitlines()
    named = [line.strip() for line in others if _ERROR.match(line)]
    return f"{first}: {named[-1]:.200}" if named else first


def _line(requirement: PipRequirement, clones: Sequence[LockedClone], place: str) -> SourceLine:
    if tree := requirement.tree:
        clone = next(one for one in clones if within(tree, f"/{one.directory}"))
        extras = requirement.text.partition("[")[2].rstrip("]").split(",")
        return SourceLine(
            source=GitAddress(
                url=clone.url,
                revision=clone.commit,
                subdirectory=tree.removeprefix(f"/{clone.directory}").lstrip("/"),
                clone=clone.directory,
            ),
            extras=tuple(sorted(filter(None, map(str.strip, extras)))),
            editable=requirement.is_editable,
            path=place,
            line=0,
        )
    try:
        line = read_source(requirement.text, editable=requirement.is_editable, path=place, line=0)
    except LineFaultError as fault:
        raise UnforeseenError(str(fault.args[0])) from None
    if line is None:
        raise UnforeseenError(f"{requirement} names nothing that can be built here")
    return line
