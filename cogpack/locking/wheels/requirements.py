"""What a project requires becomes wheels; what is wrong with it is told at once."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from cogpack.config import Config
from cogpack.errors import CogpackError, InputError, together
from cogpack.lockfile import LockedWheel
from cogpack.locking.question import PlatformQuestion
from cogpack.locking.wheels.building import Building
from cogpack.locking.wheels.indexes import indexes_of, uv_of
from cogpack.notes import Code, Note
from cogpack.oci import Platform
from cogpack.patterns import pattern
from cogpack.project import Project
from cogpack.requirements.model import Requirements
from cogpack.resolve.wheels.target import TargetPython
from cogpack.runtime import contract
from cogpack.session import Session
from cogpack.text import count_text

if TYPE_CHECKING:
    from cogpack.locking.sources.direct import DirectWheels
    from cogpack.resolve.wheels.resolver import Resolved
    from cogpack.resolve.wheels.sources import Neighbours


_SDK = pattern(r"\bcog(?:\[tracing\])?==")
_END = pattern(r"[\s\[=<>!~;@,(]")
"""Behind the name of a requirement."""

_NAMED = 3
"""Requirements that are named while they are resolved."""

_SETUPTOOLS = "79.0.1"
"""What comes with CPython 3.10 and 3.11 (ensurepip of 3.11.13), and so with Cog's images of these, where models import
its `pkg_resources`. Later ones of CPython have none."""
_WITHOUT_SETUPTOOLS = 12

_NEWEST_GLIBC = "2.41"
"""Of the bases that there are: what has no wheel for it has none for any."""


def resolve_requirements(
    question: PlatformQuestion,
    requirements: Requirements,
    target: TargetPython,
    direct: "DirectWheels | None" = None,
) -> "Resolved":
    """Resolve them, with those that every image has. What one should know of the choice is in the notes.

    `direct`: makes the wheels of those that name their source, and has the ground over which what indexes only have as
    source is built; without it, these are passed over, and what is answered only tells that there are sources.
    """
    from cogpack.locking.missing_imports import imported_at
    from cogpack.locking.shared_versions import shared_versions
    from cogpack.locking.sources.beside import beside, named_sources
    from cogpack.locking.wheels.bounds import within_bounds
    from cogpack.locking.wheels.cuda import with_cuda
    from cogpack.locking.wheels.source_archives import open_sources
    from cogpack.resolve.wheels.compile import WheelQuestion
    from cogpack.resolve.wheels.resolver import pins_of, resolve_wheels
    from cogpack.resolve.wheels.torch import BUILT, choose_torch, passing_notes

    session, project, kept = question.session, question.project, question.kept
    config = project.config
    shared = shared_versions(project)
    requirements = msgspec.structs.replace(requirements, constrained=(*requirements.constrained, *shared))
    chosen = choose_torch(config, requirements, target.arch)
    requirements = chosen.requirements
    indexes = indexes_of(session, project, requirements, chosen.index)
    environment = target.environment()
    with (
        beside(direct, named_sources(requirements, target), requirements, environment, session.cache) as named,
        open_sources(question, requirements, indexes, target, direct.ground if direct else None) as sources,
        ExitStack() as stack,
    ):
        preferences = kept.required if kept else ()
        own = _own(target.python)
        pinned = {wheel.name for wheel in preferences if not (wheel.url or wheel.path)}
        foremost = {name: version for name, version in own.items() if name not in pinned} | dict(question.seeds)

        def bounded(more: Sequence[str], bounds: Sequence[str]) -> "Resolved":
            return resolve_wheels(
                WheelQuestion(
                    requirements=[
                        *(*requirements.lines, *more, *named.lines),
                        *(contract.sdk_requirement(config), "coglet", "pip"),
                    ],
                    constraints=[*requirements.constraints, *bounds],
                    without=named.awaited,
                    overrides=named.overrides,
                    root=project.root,
                    preferences=pins_of(preferences) | foremost,
                    optional={name: _without(name, target.python) for name in own},
                    built=named.built,
                    places=partial(_places, config, requirements),
                ),
                uv_of(session, project, target, indexes),
                sources=sources,
                title=_title([*requirements.lines, *more, *named.titles], target.python),
                progress=session.progress,
            )

        imported = imported_at(project)

        def resolve(more: Sequence[str]) -> "Resolved":
            return within_bounds(partial(bounded, more), target.python, imported)

        resolved = with_cuda(config, resolve(()), resolve)
        if named.waiting:  # for what all else comes out as
            preferences = resolved.wheels
            there = _neighbours(project, resolved)
            waiting = beside(direct, named.waiting, requirements, environment, session.cache, named, there)
            named = named.with_more(stack.enter_context(waiting))
            resolved = with_cuda(config, resolve(()), resolve)
            _check_torch(there, resolved, direct)
        builds, requires = sources.builds_of(resolved.wheels) if sources else ((), ())
    notes = (*requirements.notes, *indexes.notes, *chosen.notes, *passing_notes(requirements))
    spoken_of = chosen.named or any(wheel.name in BUILT for wheel in resolved.wheels)
    return msgspec.structs.replace(
        resolved,
        notes=(*notes, *resolved.notes, *(sources.notes if sources else ())),
        torch_index=chosen.index if spoken_of else None,
        builds=builds,
        build_requirements=requires,
    )


def _own(python: str) -> Mapping[str, str]:
    """Give what an interpreter comes with, each in what version rather than another. Who has only wheels of their own
    may have none of these."""
    old = int(python.partition(".")[2]) < _WITHOUT_SETUPTOOLS
    return {"setuptools": _SETUPTOOLS} if old else {}


def _without(name: str, python: str) -> Note:
    return Note(
        Code.SETUPTOOLS_MISSING,
        f"no {name} that fits can be had, with which Python {python} comes in Cog's images: the image has none, and a "
        f"model that imports {name} or pkg_resources fails",
    )


def _neighbours(project: Project, resolved: "Resolved") -> "Neighbours":
    from cogpack.resolve.wheels.sources import Neighbours

    def address(wheel: LockedWheel) -> str:
        return str(project.root / wheel.path) if wheel.path else resolved.addresses.get(wheel.sha256) or wheel.url or ""

    return Neighbours(wheels=resolved.wheels, address=address)


def _check_torch(before: "Neighbours", resolved: "Resolved", direct: "DirectWheels | None") -> None:
    """Refuse that what a source was compiled against is moved by what it requires itself."""
    from cogpack.resolve.wheels.torch import BUILT

    assert direct is not None
    after = {wheel.name: wheel for wheel in resolved.wheels}
    for wheel in before.wheels:
        if wheel.name in BUILT and after.get(wheel.name) != wheel and (own := direct.built_with(wheel)):
            found = f"{wheel.name} {after[wheel.name].version}" if wheel.name in after else f"no {wheel.name}"
            raise InputError(
                f"{own.line.place}: {own.line.title} is compiled against {wheel.name} {wheel.version}, and {found} is "
                "chosen with what it requires",
                next_step=f"pin {wheel.name} to the version that it requires",
            )


def check_requirements(session: Session, project: Project, building: Building | None) -> None:
    """Raise an `InputError` of lines that can't be taken, together with all that could not be had of the others.

    Before any base is asked for: with what is wrong already, only more of it is looked for.
    """
    faults, others = project.faulty_requirements()
    if not faults:
        return
    platform = Platform.parse(project.config.pack.platforms[0])
    target = TargetPython(python=project.config.python_minor, glibc=_NEWEST_GLIBC, arch=platform.architecture)
    further: list[InputError] = []
    try:
        resolve_requirements(PlatformQuestion(session=session, project=project, building=building), others, target)
    except InputError as error:
        further.append(error)
    except CogpackError:  # no index at hand: then only what is known
        pass
    raise together([*faults, *further])


def _places(config: Config, requirements: Requirements, text: str) -> tuple[str, ...]:
    """Give the lines that `text` is about: of requirements, and that of the SDK's version."""
    own = [f"{config.places['build.sdk_version']}"] if config.sdk_version and _SDK.search(text) else []
    return (*requirements.places(text), *own)


def _title(lines: Sequence[str], python: str) -> str:
    """Give `5 requirements for Python 3.13: numpy, pillow, torch and 2 more`: the user's own, not those that Cog
    adds."""
    names = [_END.split(line.partition("#")[0].partition("?")[0].rpartition("/")[2])[0] for line in lines]
    if not names:
        return f"Cog's own wheels for Python {python}"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{count_text(len(names), 'requirement')} for Python {python}: {', '.join(names[:_NAMED])}{more}"
