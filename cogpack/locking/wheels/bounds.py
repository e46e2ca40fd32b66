"""Versions that go together by what their publishers wrote, and break for sure, are resolved again with the bound that
is missing, and so are those that have no more what sources import: pip and Cog take the newest, and the model fails as
soon as it is loaded. What a project pins stays, and is told."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from cogpack.errors import InputError
from cogpack.notes import Code, Note
from cogpack.resolve.wheels.bounds import Bound, broken_bounds

if TYPE_CHECKING:
    from cogpack.resolve.wheels.resolver import Resolved


def within_bounds(
    resolve: Callable[[Sequence[str]], "Resolved"], python: str, imported: Callable[[str], str]
) -> "Resolved":
    """Give what `resolve` finds for `python` with constraints of ours: those with which it finds something, each told
    by a note, as what breaks all the same is. `imported`: tells where sources import a module, "" where they don't."""
    held: dict[Bound, str] = {}
    tried: set[Bound] = set()
    resolved = resolve(())
    while bounds := _one_of_each(broken_bounds(versions := _versions(resolved), python, tried, imported)):
        before = {bound: versions[bound.name] for bound in bounds}
        found = _tried(resolve, [*held, *bounds])
        if bounds[1:] and not (found and _all_hold(before, _versions(found), python, imported)):
            # One of them can't be kept, or another makes it needless: the first decides what is asked next.
            before = {bounds[0]: versions[bounds[0].name]}
            found = _tried(resolve, [*held, bounds[0]])
        tried |= before.keys()
        if found:
            held |= before
            resolved = found
    told: dict[str, list[str]] = {}
    for bound, was in held.items():
        if _all_hold({bound: was}, versions, python, imported):
            who = f"{bound.package} {versions[bound.package]}" if bound.package in versions else bound.package
            whys = told.setdefault(bound.name, [f"{bound.name} {versions[bound.name]} instead of {was}: "])
            whys.append(f"{who} {bound.why}")
    notes = [Note(Code.BOUND_ADDED, text + "; ".join(whys)) for text, *whys in told.values()]
    pinned: dict[tuple[str, str], str] = {}
    for bound in broken_bounds(versions, python, (), imported):
        who = f"{bound.package} {versions[bound.package]}" if bound.package in versions else bound.package
        pinned.setdefault((bound.name, bound.package), f"{bound.name} {versions[bound.name]} stays: {who} {bound.why}")
    notes += [Note(Code.BOUND_BROKEN, text) for text in pinned.values()]
    return msgspec.structs.replace(resolved, notes=(*resolved.notes, *notes))


def _one_of_each(bounds: Iterable[Bound]) -> list[Bound]:
    """Give the first, which is the strictest, of those of one package to another: what they need, all need at once."""
    found: dict[tuple[str, str], Bound] = {}
    for bound in bounds:
        found.setdefault((bound.name, bound.package), bound)
    return [*found.values()]


def _tried(resolve: Callable[[Sequence[str]], "Resolved"], bounds: Iterable[Bound]) -> "Resolved | None":
    try:
        return resolve([bound.needs for bound in bounds])
    except InputError:
        return None


def _all_hold(
    before: Mapping[Bound, str], versions: Mapping[str, str], python: str, imported: Callable[[str], str]
) -> bool:
    """Tell whether each is needed beside `versions`: whether the version that it moved would break there."""
    return all(
        bound.name in versions and bound in broken_bounds({**versions, bound.name: was}, python, (), imported)
        for bound, was in before.items()
    )


def _versions(resolved: "Resolved") -> dict[str, str]:
    return {wheel.name: wheel.version for wheel in resolved.wheels}
