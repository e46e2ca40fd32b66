"""The solver chooses which packages to install, as apt-get does over a machine that has our base.

Each package that is taken brings what it needs before the next is looked at, and what it recommends after that. Of
alternatives the first is taken that can be; a real package before those that provide its name; of these one of a higher
priority. What a request can't do without is bound: it makes others leave that were one choice of several. A package
that can't be had after all is barred, and what only it brought is not installed. Nothing else is taken back, and other
architectures are out of its scope. A base of ours stays as it is; of another one, a package may be upgraded: where a
request names it, where something needs a newer one, and where an upgraded one breaks it or leaves its needs unmet.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from cogpack.debian_version import version_key
from cogpack.errors import InputError
from cogpack.lockfile.base_kinds import LeftOut
from cogpack.resolve.debs.solving.chosen import ChosenPackages, exclude
from cogpack.resolve.debs.solving.relation import Group
from cogpack.resolve.debs.solving.request import parse_request
from cogpack.resolve.debs.solving.universe import DebCandidate, Universe

_Asking: TypeAlias = Generator[DebCandidate, bool, bool]
"""Yields packages that are to be taken, is sent whether they were, and returns whether its own was."""


class Solution(msgspec.Struct, frozen=True):
    """Holds what is installed beside the base, sorted by name, and what was recommended in vain."""

    packages: tuple[DebCandidate, ...]
    left_out: tuple[LeftOut, ...] = ()


def solve(
    universe: Universe,
    requests: Sequence[str],
    *,
    base: Sequence[DebCandidate] = (),
    recommends: bool = False,
    upgrades: bool = False,
) -> Solution:
    """Choose the packages to install for `requests` (as `Request` has them) where `base` is. `upgrades`: packages of
    that may be upgraded, and are in the solution then."""
    return _Solver(universe, base, recommends=recommends, upgrades=upgrades).solve(requests)


class _Solver:
    def __init__(self, universe: Universe, base: Sequence[DebCandidate], *, recommends: bool, upgrades: bool) -> None:
        self._universe = universe
        self._recommends = recommends
        self._upgrades = upgrades
        self._upgraded: dict[str, DebCandidate] = {}
        """What packages of the base were before, by name; they are not among `_base` any more."""
        self._tried: set[tuple[str, str]] = set()
        self._base = {candidate.name for candidate in base}
        self._requested: dict[str, DebCandidate] = {}
        self._there = ChosenPackages()
        self._chosen = self._there.packages
        self._bound = set(self._base)
        self._underway: set[str] = set()
        self._barred: dict[str, str] = {}
        for candidate in base:
            self._there.choose(candidate)

    def solve(self, requests: Sequence[str]) -> Solution:
        for request in requests:
            self._request(request)
        for candidate in list(self._requested.values()):
            self._run(candidate)
        self._mend()
        while siblings := self._siblings():
            for candidate in siblings:
                self._run(candidate)
            self._mend()
        kept = self._wanted()
        return Solution(
            tuple(self._chosen[name] for name in sorted(kept)),
            tuple(self._left_out(kept)) if self._recommends else (),
        )

    def _request(self, request: str) -> None:
        candidate = self._universe.request(request)
        name = candidate.name
        before = self._chosen.get(name)
        wanted = parse_request(request)
        if before is not None and name in self._base and self._is_newer(candidate, before):
            self._requested[name] = candidate
            return
        if before is not None and not wanted.suite and wanted.allows(before.package.version):
            return
        if before is not None and before != candidate:
            if self._upgrades and name in self._base:
                there, asked = before.package.version, candidate.package.version
                raise InputError(
                    f"build.system_packages: {name} is in the base as {there}, and asked for as {asked}",
                    next_step=f"ask for {name} alone, or choose a base that has no newer one",
                )
            raise InputError(
                f"build.system_packages: {name} is asked for as {before.package.version} "
                f"and as {candidate.package.version}",
                next_step="keep one of the two",
            )
        if before is None:
            for rival in self._there.rivals(candidate):
                raise InputError(
                    f"build.system_packages: {name} and {rival.name} can't be installed together",
                    next_step="remove one of the two",
                )
            self._there.choose(candidate)
            self._bound.add(name)
            self._requested[name] = candidate

    # What of the base is upgraded

    def _is_newer(self, candidate: DebCandidate, there: DebCandidate) -> bool:
        return self._upgrades and version_key(candidate.package.version) > version_key(there.package.version)

    def _upgrade_of(self, name: str) -> DebCandidate | None:
        """Give the newer version of a package of the base, if there is one."""
        newest = self._universe.newest(name) if name in self._base else None
        return newest if newest and self._is_newer(newest, self._chosen[name]) else None

    def _upgrade(self, candidate: DebCandidate) -> None:
        self._base.discard(candidate.name)
        self._there.drop(old := self._chosen[candidate.name])
        self._upgraded[candidate.name] = old
        self._there.choose(candidate)

    def _siblings(self) -> list[DebCandidate]:
        """Give newer versions of packages of the base that were built with one that is taken: apt takes them along."""
        if not self._upgrades:
            return []
        built = {self._chosen[name].source for name in self._wanted()} - self._tried
        self._tried |= built
        newer = map(self._upgrade_of, sorted(self._base)) if built else ()
        return [candidate for candidate in newer if candidate is not None and candidate.source in built]

    def _recommended(self, candidate: DebCandidate) -> Sequence[Group]:
        """Give what it recommends, of an upgraded one what its old version did not."""
        if not self._recommends:
            return ()
        old = self._upgraded.get(candidate.name)
        return [group for group in candidate.recommends if old is None or group not in old.recommends]

    # What could be

    def _candidate(self, name: str) -> DebCandidate | None:
        """Give what would be installed of that name: the version that is there or asked for, else the newest."""
        if name in self._barred:
            return None
        return self._chosen.get(name) or self._universe.newest(name)

    def _options(self, group: Group) -> list[DebCandidate]:
        """Give those that would satisfy it, in the order in which they are tried."""
        found: dict[str, DebCandidate] = {}
        for relation in group:
            real = self._candidate(relation.name)
            if real is not None and relation.allows(real.package.version):
                found.setdefault(real.name, real)
            elif (newer := self._upgrade_of(relation.name)) is not None and relation.allows(newer.package.version):
                found.setdefault(newer.name, newer)
            providers = [
                candidate
                # apt has the last of the index first, where nothing else tells them apart
                for candidate in map(self._candidate, reversed([*self._universe.providers(relation.name)]))
                if candidate is not None
                and candidate.name != relation.name
                and any(map(relation.allows_provided, candidate.provided(relation.name)))
            ]
            for candidate in sorted(providers, key=lambda one: (one.name not in self._bound, one.rank)):
                found.setdefault(candidate.name, candidate)
        return list(found.values()) or list(self._older(group))

    def _older(self, group: Group) -> Iterator[DebCandidate]:
        """Give the versions that apt would not think of, which a package in an older version may want."""
        for relation in group:
            if relation.name not in self._barred and relation.name not in self._chosen:
                for candidate in self._universe.candidates(relation.name):
                    if relation.allows(candidate.package.version):
                        yield candidate
                        break

    # What is taken

    def _run(self, candidate: DebCandidate, *, firm: bool = False) -> bool:
        """Take it and what it needs. `firm`: nobody leaves for it."""
        stack = [self._take(candidate, firm=firm)]
        answer: bool | None = None
        while stack:
            try:
                asked = next(stack[-1]) if answer is None else stack[-1].send(answer)
            except StopIteration as end:
                stack.pop()
                answer = bool(end.value)
            else:
                stack.append(self._take(asked, firm=firm))
                answer = None
        return bool(answer)

    def _take(self, candidate: DebCandidate, *, firm: bool) -> _Asking:
        name = candidate.name
        bound = name in self._bound
        if name in self._base and self._is_newer(candidate, self._chosen[name]):
            if any(not self._there.meets(group) and not self._options(group) for group in candidate.needs):
                return False
            self._upgrade(candidate)
        if self._chosen.get(name, candidate) != candidate or name in self._barred:
            return False
        if (name in self._chosen and not bound) or name in self._base:
            return True
        for group in candidate.needs:
            if not self._there.meets(group) and not self._options(group):
                self._barred[name] = self._missing(candidate, group)
                return False
        for rival in self._there.rivals(candidate):
            if (newer := self._upgrade_of(rival.name)) and not exclude(candidate, newer) and (yield newer):
                continue
            if firm or rival.name in self._bound or rival.name in self._underway:
                if not bound:
                    return False
            else:
                self._there.drop(rival)
        if bound:
            self._bar_rivals(candidate)
        if name not in self._chosen:
            self._there.choose(candidate)
        self._underway.add(name)
        try:
            for group in candidate.needs:
                if not (yield from self._satisfy(group, bound=bound)) and not bound:
                    if name in self._chosen:
                        self._there.drop(candidate)
                    self._barred[name] = self._missing(candidate, group)
                    return False
            for group in self._recommended(candidate):
                yield from self._satisfy(group, bound=False)
        finally:
            self._underway.discard(name)
        return True

    def _satisfy(self, group: Group, *, bound: bool) -> _Asking:
        """Take one of the group; one of whom a `bound` package has no choice is bound as well."""
        met = self._there.meets(group)
        if met and not bound:
            return True
        options = self._options(group)
        if bound and len(options) == 1 and options[0].name not in self._bound:
            if options[0].name not in self._chosen:
                self._there.choose(options[0])
            self._bound.add(options[0].name)
            return (yield options[0])
        if met:
            return True
        for option in options:
            if (yield option):
                return True
        return False

    def _bar_rivals(self, candidate: DebCandidate) -> None:
        for relation in candidate.excludes:
            for rival in self._options((relation,)):
                if rival.name != candidate.name and rival.name not in self._chosen:
                    self._barred[rival.name] = f"{rival.name} can't be installed beside {candidate.name}"

    # What is left to do

    def _mend(self) -> None:
        """See to packages whose needs have left since."""
        while (broken := self._broken()) is not None:
            candidate, group = broken
            if any(self._run(option, firm=True) for option in self._options(group)):
                continue
            if (newer := self._upgrade_of(candidate.name)) and self._run(newer):
                continue
            if candidate.name in self._bound:
                raise InputError(
                    f"build.system_packages: {self._missing(candidate, group)}",
                    next_step="remove one of the packages that exclude each other, or its version",
                )
            self._there.drop(candidate)
            self._barred[candidate.name] = self._missing(candidate, group)

    def _broken(self) -> tuple[DebCandidate, Group] | None:
        for name, candidate in self._chosen.items():
            if name in self._base:
                for group in candidate.needs if self._upgraded else ():
                    if self._concerns_upgraded(group) and not self._there.meets(group):
                        return candidate, group
            else:
                for group in candidate.needs:
                    if not self._there.meets(group):
                        return candidate, group
                if name in self._bound:
                    for rival in self._there.rivals(candidate):
                        raise InputError(
                            f"build.system_packages: {name} and {rival.name} can't be installed together",
                            next_step="remove one of the packages that need them",
                        )
        return None

    def _concerns_upgraded(self, group: Group) -> bool:
        """Tell whether an upgraded package may have met it before: the base may be broken elsewhere, as images are."""
        return any(
            relation.name in self._upgraded
            or any(True for old in self._upgraded.values() for _ in old.provided(relation.name))
            for relation in group
        )

    def _wanted(self) -> set[str]:
        """Name the packages that something needs or recommends; others came for one that was given up."""
        found: set[str] = set()
        queue = [*self._requested.values(), *(self._chosen[name] for name in self._upgraded)]
        while queue:
            candidate = queue.pop()
            if candidate.name in found or candidate.name in self._base:
                continue
            found.add(candidate.name)
            for group in (*candidate.needs, *self._recommended(candidate)):
                queue += [one for relation in group for one in self._there.meeting(relation)]
        return found

    def _left_out(self, kept: Iterable[str]) -> Iterator[LeftOut]:
        for name in sorted(kept):
            for group in self._chosen[name].recommends:
                if not self._there.meets(group):
                    yield LeftOut(name, _shown(group), self._reason(group))

    def _missing(self, candidate: DebCandidate, group: Group) -> str:
        package = candidate.package
        return f"{package.name} {package.version} needs {_shown(group)}: {self._reason(group)}"

    def _reason(self, group: Group) -> str:
        reasons: dict[str, None] = {}
        for relation in group:
            taken = self._chosen.get(relation.name)
            if relation.name in self._barred:
                reasons[self._barred[relation.name]] = None
            elif taken is not None:
                reasons[f"{taken.name} is taken as {taken.package.version}"] = None
            elif found := [
                one for one in self._universe.candidates(relation.name) if relation.allows(one.package.version)
            ]:
                for rival in self._there.rivals(found[0]):
                    reasons[f"{relation.name} can't be installed beside {rival.name}"] = None
        return "; ".join(reasons) or "no package of the suite is that"


def _shown(group: Group) -> str:
    return " | ".join(map(str, group))
