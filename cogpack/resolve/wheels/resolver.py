"""What is required becomes locked wheels."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import Version

from cogpack.config.model import PLAIN_TORCH_INDEX
from cogpack.disk import DiskError
from cogpack.errors import InputError, UnavailableError, together
from cogpack.lockfile import LockedBuild, LockedWheel
from cogpack.notes import Note
from cogpack.progress import SILENT, Progress
from cogpack.resolve.wheels.chosen import Chosen, hashes_of
from cogpack.resolve.wheels.compile import compile_lock, way_to
from cogpack.resolve.wheels.elsewhere import is_elsewhere
from cogpack.resolve.wheels.failures import AddressDeniedError, AddressError, BlamedError
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.local import for_uv
from cogpack.resolve.wheels.sources import Sources
from cogpack.resolve.wheels.target import TargetPython
from cogpack.resolve.wheels.torch import BUILT

if TYPE_CHECKING:
    from packaging.pylock import Package

_MOST_FAULTS = 32
"""Runs of uv, less than a second each, to find all that must change."""


class Resolved(msgspec.Struct, frozen=True):
    """Holds `wheels` by name; `addresses`: where each was found, by its sha256, with credentials: not to be shown or
    kept.

    `notes`: what one should know of what was chosen; `torch_index`: where torch is from, where there is one; `builds`
    and `build_requirements`: as in `Decisions`.
    """

    wheels: tuple[LockedWheel, ...]
    addresses: Mapping[str, str]
    notes: tuple[Note, ...] = ()
    torch_index: str | None = None
    builds: tuple[LockedBuild, ...] = ()
    build_requirements: tuple[LockedWheel, ...] = ()


def resolve_wheels(
    requirements: Sequence[str],
    *,
    constraints: Sequence[str],
    overrides: Sequence[str] = (),
    root: Path,
    target: TargetPython,
    indexes: Indexes,
    exclude_newer: str | None,
    preferences: Sequence[LockedWheel],
    seeds: Mapping[str, str] = {},
    optional: Mapping[str, Note] = {},
    dependencies: bool = True,
    built: Mapping[str, LockedWheel] = {},
    cache: Path,
    metadata: Path,
    sources: Sources | None = None,
    places: Callable[[str], Sequence[str]] = lambda _: (),
    title: str = "",
    progress: Progress = SILENT,
) -> Resolved:
    """Choose the wheels that fulfil `requirements` (lines; `./x.whl` relative to `root`).

    `overrides`: lines that count in place of what others require of their packages;
    `preferences`: pins that are kept where they still fit; `seeds`: versions, by name, that go before them;
    `optional`: names that are required, too, unless nothing fits with them: then each is told by its note;
    not `dependencies`: what these require is not asked for;
    `built`: wheels by file name that lines name by `file:`, and nobody else has; `cache`: for a scratch directory;
    `metadata`: uv's own cache, which decides hashes; `title`: what the user is told that is resolved. Where a line
    names hashes, the wheel has one of them.
    `places` gives the lines, as `file:line`, that a text is about. `sources`: what there is of packages that only have
    source.

    `InputError` when nothing fits, or only source is there and can't be built, of all packages together that are at
    fault alone; `UnavailableError` and `DeniedError` from the indexes.
    """
    task = progress.task(title or f"wheels for Python {target.python}", None, "resolve")
    lines = [indexes.expanded(for_uv(line, root)) for line in requirements]
    faults: list[InputError] = []
    without: list[str] = []
    of_torch = indexes.torch.names(lines, target.environment()) if indexes.torch else []
    soft = dict(optional)
    left_out: list[Note] = []

    kept = {
        wheel.name: wheel.version
        for wheel in preferences
        if not wheel.path and (not wheel.url or is_elsewhere(wheel.name, Version(wheel.version)))
    } | dict(seeds)

    def compiled(
        preferred: Mapping[str, str] = kept, via: dict[str, tuple[str, ...]] | None = None
    ) -> "tuple[list[Package], list[Note]]":
        return compile_lock(
            [*lines, *soft],
            constraints,
            target=target,
            indexes=indexes.with_directories(sources.directories) if sources else indexes,
            exclude_newer=exclude_newer,
            preferences=preferred.items(),
            cache=cache,
            metadata=metadata,
            without=without,
            overrides=overrides,
            of_torch=of_torch,
            via=via,
            more=() if dependencies else ("--no-deps",),
        )

    def requirers(packages: "Sequence[Package]") -> dict[str, tuple[str, ...]]:
        via: dict[str, tuple[str, ...]] = {}
        with suppress(UnavailableError):  # what failed is told all the same
            compiled({one.name: str(one.version) for one in packages if one.version}, via)
        return via

    def leave_out(names: Collection[str]) -> bool:
        found = [soft.pop(name) for name in names if name in soft]
        left_out.extend(found)
        return bool(found)

    chosen = Chosen(requirements, constraints, root=root, target=target, indexes=indexes, built=built, sources=sources)
    while True:
        try:
            packages, notes = compiled()
            further = sorted({canonicalize_name(one.name) for one in packages if one.archive is None} & BUILT)
            if indexes.torch is not None and not set(of_torch).issuperset(further):
                of_torch = sorted({*of_torch, *further})  # others require it
                continue
            failed = sources.build(hashes_of(packages), partial(chosen.neighbours, packages)) if sources else None
            if failed is None:
                break
            via = requirers(packages) if failed else {}
            faults += (_at(error, places, way_to(name, via)) for name, error in failed.items())
            without += failed
        except BlamedError as error:
            # Looked for one by one: uv tells of the first, and a project may have many.
            if leave_out(error.packages):
                continue  # who else requires one is told then
            new = [name for name in error.packages if name not in without]
            if new and sources and (sources.offer(new) or sources.relax()):
                continue
            known = [why for name in new if sources and (why := sources.why_not(name))]
            faults += (_at(one, places) for one in known or [error])
            without += new
            if not new or len(faults) == _MOST_FAULTS:
                raise together(faults) from error
        except DiskError:
            raise
        except InputError as error:
            if (sources and sources.relax()) or leave_out(tuple(soft)):
                continue
            raise together([*faults, _at(error, places)]) from error
        except (AddressError, AddressDeniedError) as error:
            raise type(error)(_placed(error.message, places), next_step=error.next_step) from error
        except UnavailableError as error:
            raise _torch_away(error, indexes) from error
    found = []
    for package in packages:
        try:
            found.append(chosen.wheel(package))
        except InputError as error:
            faults.append(_at(error, places))
    if faults:
        raise together(faults)
    task.done("resolved")
    return Resolved(
        tuple(sorted((wheel for wheel, _ in found), key=lambda wheel: wheel.name)),
        {wheel.sha256: indexes.authorised(address) for wheel, address in found if address},
        (*left_out, *(Note(note.code, _placed(note.text, places)) for note in notes)),
    )


def _at(error: InputError, places: Callable[[str], Sequence[str]], way: str = "") -> InputError:
    return InputError(_placed(way + error.message, places), next_step=error.next_step)


def _torch_away(error: UnavailableError, indexes: Indexes) -> UnavailableError:
    if indexes.torch is None or indexes.torch.address not in error.message:
        return error
    return UnavailableError(
        error.message,
        next_step="reach it, or a copy of it by COGPACK_URL_MAP; or take torch from where all other packages come "
        f"from: cogpack: {{torch_index: {PLAIN_TORCH_INDEX}}} in cog.yaml",
    )


def _placed(text: str, places: Callable[[str], Sequence[str]]) -> str:
    """Begin `text` with the lines that it is about; below its own line is what others said."""
    lines = ", ".join(places(text.partition("\n")[0]))
    return f"{lines}: {text}" if lines else text
