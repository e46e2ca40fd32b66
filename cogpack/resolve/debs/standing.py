"""What is installed is chosen over a base: a new one, or one that a lock has, which is stood upon where it can be."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import msgspec

from cogpack.debian_version import version_key
from cogpack.errors import InputError
from cogpack.lockfile.base_kinds import DebianBase, LeftOut, LockedDeb
from cogpack.resolve.debs.archives.index import indexed
from cogpack.resolve.debs.bases import solve_base
from cogpack.resolve.debs.solving.request import parse_request
from cogpack.resolve.debs.solving.solver import solve
from cogpack.resolve.debs.solving.universe import DebCandidate, Universe

ReadControl: TypeAlias = Callable[[LockedDeb], bytes]
"""Gives the control file of a package, of which the archive has another version by now."""

_NO_INDEX = -1


class KeptBase(msgspec.Struct, frozen=True, kw_only=True):
    """Is the base of a lock. It is stood upon while the security archive has nothing newer of it; that of another lock,
    called `name`, in any case."""

    base: DebianBase
    name: str = ""
    read: ReadControl

    @property
    def shared(self) -> bool:
        return bool(self.name)


class ChosenDebs(msgspec.Struct, frozen=True, kw_only=True):
    """Is what there is: `base`, and in `solution` all that is installed, some of it perhaps in the place of what the
    base has. `kept`: whether it is the base that was there; `left_out`: what was recommended in vain."""

    base: Sequence[DebCandidate]
    solution: Sequence[DebCandidate]
    left_out: tuple[LeftOut, ...]
    kept: bool = False


def choose(
    universe: Universe,
    names: Sequence[str],
    requests: Sequence[str],
    *,
    debian: Universe,
    slim: bool = False,
    recommends: bool,
    kept: KeptBase | None,
    security: int,
) -> ChosenDebs:
    """Choose what `requests` need over a base with all of `names`, which is of `debian` alone, and may be `slim`.
    `security`: the number of that archive's index."""
    base: Sequence[DebCandidate] = ()
    if kept is not None and (kept.shared or not outdated(debian, kept.base.packages, security)):
        base = [_found(debian, deb) or _read(deb, kept.read) for deb in kept.base.packages]
        try:
            if not _moved(universe, base, requests):
                found = solve(universe, requests, base=base, recommends=recommends)
                return _chosen(base, base, found.packages, found.left_out, kept=True)
        except InputError:
            pass  # of newer packages, that need others of the base
    # By itself: it must be the same whatever is asked for.
    fresh = solve_base(debian, names, slim=slim)
    newer = _over(universe, fresh, requests, slim=slim, recommends=recommends)
    return msgspec.structs.replace(newer, base=base, kept=True) if kept is not None and kept.shared else newer


def outdated(universe: Universe, base: Iterable[LockedDeb], security: int) -> list[LockedDeb]:
    """Give those of which the security archive's index has a newer version."""
    return [deb for deb in base if any(_is_newer(one, deb, security) for one in universe.candidates(deb.name))]


def _is_newer(candidate: DebCandidate, deb: LockedDeb, index: int) -> bool:
    return candidate.index == index and version_key(candidate.package.version) > version_key(deb.version)


def _over(
    universe: Universe, base: Sequence[DebCandidate], requests: Sequence[str], *, slim: bool, recommends: bool
) -> ChosenDebs:
    """Choose over a base of the newest packages, of which requests may want one in another version."""
    moved = _moved(universe, base, requests)
    seen = solve_base(universe, [*moved, *(one.name for one in base)], slim=slim) if moved else base
    found = solve(universe, requests, base=seen, recommends=recommends)
    return _chosen(base, seen, found.packages, found.left_out)


def _chosen(
    base: Sequence[DebCandidate],
    seen: Sequence[DebCandidate],
    added: Sequence[DebCandidate],
    left_out: tuple[LeftOut, ...],
    *,
    kept: bool = False,
) -> ChosenDebs:
    solution = sorted([*seen, *added], key=lambda candidate: candidate.name)
    return ChosenDebs(base=base, solution=solution, left_out=left_out, kept=kept)


def _moved(universe: Universe, base: Sequence[DebCandidate], requests: Sequence[str]) -> list[str]:
    """Give the requests that want another version of a package of the base."""
    there = {candidate.name: candidate for candidate in base}
    return [
        one
        for one in requests
        if (wanted := parse_request(one)).version or wanted.suite
        if (found := universe.request(one)) != there.get(found.name, found)
    ]


def _found(universe: Universe, deb: LockedDeb) -> DebCandidate | None:
    return next((one for one in universe.candidates(deb.name) if one.package.sha256 == deb.sha256), None)


def _read(deb: LockedDeb, read: ReadControl) -> DebCandidate:
    package = indexed(read(deb), path=deb.path, size=deb.size, sha256=deb.sha256, where=f"package {deb.name}")
    return DebCandidate(package, _NO_INDEX)
