"""Versions that go together by what their publishers wrote, and break for sure, are resolved again with the bound that
is missing, and so are those that have no more what sources import: pip and Cog take the newest, and the model fails as
soon as it is loaded. What a project pins stays, and is told."""

from collections.abc import Callable, Sequence
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
    while bound := next(broken_bounds(versions := _versions(resolved), python, tried, imported), None):
        tried.add(bound)
        try:
            found = resolve([*(one.needs for one in held), bound.needs])
        except InputError:
            continue
        held[bound] = versions[bound.name]
        resolved = found
    told: dict[str, list[str]] = {}
    for bound, before in held.items():
        if bound.name in versions and bound in broken_bounds({**versions, bound.name: before}, python, (), imported):
            who = f"{bound.package} {versions[bound.package]}" if bound.package in versions else bound.package
            whys = told.setdefault(bound.name, [f"{bound.name} {versions[bound.name]} instead of {before}: "])
            whys.append(f"{who} {bound.why}")
    notes = [Note(Code.BOUND_ADDED, text + "; ".join(whys)) for text, *whys in told.values()]
    pinned: dict[tuple[str, str], str] = {}
    for bound in broken_bounds(versions, python, (), imported):
        who = f"{bound.package} {versions[bound.package]}" if bound.package in versions else bound.package
        pinned.setdefault((bound.name, bound.package), f"{bound.name} {versions[bound.name]} stays: {who} {bound.why}")
    notes += [Note(Code.BOUND_BROKEN, text) for text in pinned.values()]
    return msgspec.structs.replace(resolved, notes=(*resolved.notes, *notes))


def _versions(resolved: "Resolved") -> dict[str, str]:
    return {wheel.name: wheel.version for wheel in resolved.wheels}
