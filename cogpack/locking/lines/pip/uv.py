"""`uv pip install` lines are resolved by uv itself: what is there goes before newer versions, unless `-U` is given.

uv is told to take no sources, as for what a project requires; where it would build one, the line is run.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from cogpack.disk import DiskError
from cogpack.errors import InputError
from cogpack.lockfile import LockedWheel
from cogpack.locking.lines.pip.files import Said
from cogpack.locking.lines.pip.source import PipSource
from cogpack.locking.sources.beside import named_files
from cogpack.locking.sources.direct import DirectWheel
from cogpack.locking.wheels.indexes import uv_of
from cogpack.project import Project
from cogpack.resolve.pip import Asked, Package, Taste, UnforeseenError, applicable
from cogpack.resolve.wheels.compile import WheelQuestion
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.resolver import Resolved, pins_of, resolve_wheels
from cogpack.resolve.wheels.target import TargetPython
from cogpack.run_lines import PipInstall
from cogpack.session import Session


def check_uv(effect: PipInstall, before: Mapping[str, LockedWheel], *, indexed: bool) -> None:
    """Raise `UnforeseenError` of a line that only running it can tell. `indexed`: its files name indexes."""
    if "uv" not in before:
        raise UnforeseenError("no uv is among the wheels before it")
    plain = PipInstall(
        installer="uv",
        requirements=effect.requirements,
        options=msgspec.structs.replace(effect.options, pre=False),
        upgrade=effect.upgrade,
        dependencies=effect.dependencies,
        build_isolation=effect.build_isolation,
        environment=effect.environment,
    )
    if plain != effect or indexed:
        raise UnforeseenError("of uv's options, -U, --no-deps and indexes are known")


def uv_wheels(
    session: Session,
    project: Project,
    target: TargetPython,
    said: Said,
    asked: Sequence[Asked],
    indexes: Indexes,
    kept: Sequence[LockedWheel],
    built: Sequence[DirectWheel],
) -> Resolved:
    """Give all that uv chooses, what is there and stays among it. `kept`: what goes before newer versions; `built`: of
    sources that the line names."""
    own = {direct.wheel.name for direct in built}
    try:
        with named_files(built, session.cache) as lines:
            return resolve_wheels(
                WheelQuestion(
                    requirements=[
                        *(_line(one) for one in asked if canonicalize_name(one.requirement.name) not in own),
                        *lines,
                    ],
                    constraints=[str(one) for one in said.constraints],
                    dependencies=said.effect.dependencies,
                    root=project.root,
                    preferences=pins_of(kept),
                    built={direct.wheel.filename: direct.wheel for direct in built},
                ),
                uv_of(session, project, target, indexes),
            )
    except DiskError:
        raise
    except InputError as error:
        raise UnforeseenError(f"uv finds no wheels for it: {error.message:.300}") from None


def _line(asked: Asked) -> str:
    if asked.package is None or asked.package.file is None:
        return str(asked.requirement)
    extras = f"[{','.join(sorted(asked.requirement.extras))}]" if asked.requirement.extras else ""
    return f"{asked.requirement.name}{extras} @ {asked.package.file.url}"


def check_choice(
    chosen: Sequence[LockedWheel],
    asked: Sequence[Asked],
    source: PipSource,
    environment: Mapping[str, str],
    *,
    keeps: bool,
) -> None:
    """Raise `UnforeseenError` where uv would take a newer source, if it may build, or, with `keeps`, what is there."""
    direct = {one.package.name: one.package for one in asked if one.package}
    packages = {wheel.name: _package(wheel, source) for wheel in chosen if wheel.name not in direct}
    wanted = _wanted([one.requirement for one in asked], packages | direct, source, environment)
    for name, package in packages.items():
        if package.file is None:
            continue
        specifier = wanted.get(name, SpecifierSet())
        there = source.installed(name)
        if keeps and there is not None and specifier.contains(there.version, prereleases=True):
            raise UnforeseenError(f"{name} {there.version} is there, and no index has it")
        newest = next(applicable(source.offered(name), specifier, Taste()), None)
        if newest is not None and not newest.is_wheel and newest.version > package.version:
            raise UnforeseenError(f"{name} {newest.version} has no wheel for this Python: uv would build it")


def _package(wheel: LockedWheel, source: PipSource) -> Package:
    there = source.installed(wheel.name)
    if there is not None and there.version == Version(wheel.version):
        return there
    for candidate in source.offered(wheel.name):
        if candidate.offer.filename == wheel.filename:
            return Package(wheel.name, candidate.version, candidate.offer)
    raise UnforeseenError(f"{wheel.filename} is on no index of the line")


def _wanted(
    requirements: Iterable[Requirement],
    packages: Mapping[str, Package],
    source: PipSource,
    environment: Mapping[str, str],
) -> Mapping[str, SpecifierSet]:
    """Gather what is said of versions, by package, by all that is chosen with the extras that are wanted of it."""
    wanted: dict[str, SpecifierSet] = {}
    extras: dict[str, set[str]] = {}
    waiting = list(requirements)
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        wanted[name] = wanted.get(name, SpecifierSet()) & one.specifier
        new = set(map(canonicalize_name, one.extras)) - extras.get(name, set())
        if name not in packages or (name in extras and not new):
            continue
        own = source.metadata(packages[name])
        waiting += own.needed(environment, [*([] if name in extras else [""]), *sorted(new)])
        extras.setdefault(name, set()).update(new)
    return wanted
