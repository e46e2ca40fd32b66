"""The solver chooses which packages to install: greedily, as apt does without Recommends.

It takes the newest version of each package, and what Pre-Depends and Depends name; of alternatives the first that
exists and clashes with nothing taken so far; a real package before one that provides its name. It never goes back on a
choice; Recommends and other architectures are out of its scope. On Debian's archive this gives apt's own set for all
but a few percent of requests, and a valid one for the rest.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

import msgspec

from cogpack.errors import InputError
from cogpack.resolve.debs.index import DebianIndex, IndexedPackage
from cogpack.resolve.debs.relation import Relation, parse_relations
from cogpack.resolve.debs.renamed import RENAMED
from cogpack.resolve.debs.version import version_key

_PRIORITIES = {"required": 0, "important": 1}
# bookworm's init-system-helpers prefers the converter of live systems, which drags in all of perl; a tree that is
# merged from the start wants `usr-is-merged`.
_NEVER = frozenset({"usrmerge"})


class Candidate(msgspec.Struct, frozen=True):
    """Says of a package from which of the universe's indexes it came."""

    package: IndexedPackage
    index: int

    @property
    def name(self) -> str:
        return self.package.name


class Universe:
    """Holds all packages that could be installed: of the suite and its updates, newest version first."""

    def __init__(self, indexes: Sequence[DebianIndex]) -> None:
        self._indexes = indexes
        self._candidates: dict[str, list[Candidate]] = {}

    def candidates(self, name: str) -> list[Candidate]:
        found = self._candidates.get(name)
        if found is None:
            found = [
                Candidate(package, number)
                for number, index in enumerate(self._indexes)
                for package in index.packages(name)
                if name not in _NEVER
            ]
            # Stable: of equal versions the one of the first index.
            found.sort(key=lambda candidate: version_key(candidate.package.version), reverse=True)
            self._candidates[name] = found
        return found

    def newest(self, name: str) -> Candidate | None:
        found = self.candidates(name)
        return found[0] if found else None

    def providers(self, relation: Relation) -> list[Candidate]:
        """Give the newest versions that provide it: required before important before the rest, then in index order."""
        names = dict.fromkeys(name for index in self._indexes for name in index.providers(relation.name))
        found = [
            candidate
            for candidate in map(self.newest, names)
            if candidate is not None and _provides(candidate.package, relation)
        ]
        return sorted(found, key=lambda candidate: _PRIORITIES.get(candidate.package.priority, 2))

    def request(self, request: str) -> Candidate:
        """Find what the user's "name" or "name=version" means: that package, or the only one that provides the name."""
        name, equals, version = request.partition("=")
        found = self.candidates(name)
        if equals:
            wanted = version_key(version)
            for candidate in found:
                if version_key(candidate.package.version) == wanted:
                    return candidate
            if found:
                have = ", ".join(candidate.package.version for candidate in found)
                raise InputError(
                    f"build.system_packages: {name} has no version {version}; the archive has {have}",
                    next_step=f"write {name}={found[0].package.version}, or {name} alone for the newest",
                )
        if found:
            return found[0]
        providers = self.providers(Relation(name))
        if len(providers) == 1:
            return providers[0]
        if providers:
            names = ", ".join(provider.name for provider in providers[:8])
            raise InputError(
                f"build.system_packages: {name} is a virtual package, provided by {names}",
                next_step="name one of them",
            )
        close = _close(name, self.names())
        raise InputError(
            f"build.system_packages: Debian has no package {name!r:.80}",
            next_step=f"did you mean {' or '.join(close)}?" if close else "look it up on packages.debian.org",
        )

    def successors(self, request: str) -> Sequence[str]:
        """Name what took the place of a package that Debian has dropped; nothing of one that is there, or never was."""
        if request not in RENAMED or self.candidates(request) or self.providers(Relation(request)):
            return ()
        return [name for name in RENAMED[request] if self.candidates(name)]

    def essential(self) -> list[str]:
        return sorted({name for index in self._indexes for name in index.essential} - _NEVER)

    def names(self) -> Iterator[str]:
        for index in self._indexes:
            yield from index.names()


def solve(universe: Universe, requests: Sequence[str]) -> list[Candidate]:
    """Choose the packages to install for `requests` ("name" or "name=version"), sorted by name."""
    solution = _Solution(universe)
    for request in requests:
        solution.take_request(request)
    solution.complete()
    return sorted(solution.taken.values(), key=lambda candidate: candidate.name)


class _Solution:
    """Grows by what is taken, and remembers what that provides and excludes."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        self.taken: dict[str, Candidate] = {}
        self._provided: dict[str, list[tuple[Relation, Candidate]]] = {}
        self._conflicts: dict[str, list[tuple[Relation, Candidate]]] = {}
        self._queue: deque[Candidate] = deque()

    def take_request(self, request: str) -> None:
        candidate = self._universe.request(request)
        before = self.taken.get(candidate.name)
        if before is not None:
            if "=" in request and before != candidate:
                raise InputError(
                    f"build.system_packages: {candidate.name} is asked for as {before.package.version} "
                    f"and as {candidate.package.version}",
                    next_step="keep one of the two",
                )
            return
        clash = self._clash(candidate)
        if clash is not None:
            raise InputError(
                f"build.system_packages: {candidate.name} and {clash.name} can't be installed together",
                next_step="remove one of the two",
            )
        self._take(candidate)

    def complete(self) -> None:
        """Take what the taken ones need, until nothing is missing."""
        while self._queue:
            candidate = self._queue.popleft()
            for field in (candidate.package.pre_depends, candidate.package.depends):
                for group in parse_relations(field):
                    if not any(self._satisfied(relation) for relation in group):
                        self._take(self._choose(group, candidate))

    def _choose(self, group: Iterable[Relation], dependent: Candidate) -> Candidate:
        reasons: list[str] = []
        for relation in group:
            for candidate in self._choices(relation):
                if candidate.name in self.taken:
                    reasons.append(f"{candidate.name} is taken as {self.taken[candidate.name].package.version}")
                    continue
                clash = self._clash(candidate)
                if clash is None:
                    return candidate
                reasons.append(f"{candidate.name} clashes with {clash.name}")
        wanted = " | ".join(map(str, group))
        why = "; ".join(reasons) or "no package of the suite is that"
        raise InputError(
            f"build.system_packages: {dependent.name} {dependent.package.version} needs {wanted}: {why}",
            next_step="remove one of the packages that exclude each other, or its version",
        )

    def _choices(self, relation: Relation) -> Iterator[Candidate]:
        for candidate in self._universe.candidates(relation.name):
            if relation.allows(candidate.package.version):
                yield candidate
        yield from self._universe.providers(relation)

    def _take(self, candidate: Candidate) -> None:
        package = candidate.package
        self.taken[package.name] = candidate
        for group in parse_relations(package.provides):
            self._provided.setdefault(group[0].name, []).append((group[0], candidate))
        for relation in _negative(package):
            self._conflicts.setdefault(relation.name, []).append((relation, candidate))
        self._queue.append(candidate)

    def _satisfied(self, relation: Relation) -> bool:
        taken = self.taken.get(relation.name)
        if taken is not None and relation.allows(taken.package.version):
            return True
        return any(relation.allows_provided(provided) for provided, _ in self._provided.get(relation.name, ()))

    def _clash(self, candidate: Candidate) -> Candidate | None:
        """Find a taken package that `candidate` conflicts with or breaks, or the other way round."""
        package = candidate.package
        for relation in _negative(package):
            taken = self.taken.get(relation.name)
            if taken is not None and taken.name != package.name and relation.allows(taken.package.version):
                return taken
            for provided, provider in self._provided.get(relation.name, ()):
                if provider.name != package.name and relation.allows_provided(provided):
                    return provider
        for relation, owner in self._conflicts.get(package.name, ()):
            if owner.name != package.name and relation.allows(package.version):
                return owner
        for group in parse_relations(package.provides):
            for relation, owner in self._conflicts.get(group[0].name, ()):
                if owner.name != package.name and relation.allows_provided(group[0]):
                    return owner
        return None


def _negative(package: IndexedPackage) -> Iterator[Relation]:
    for field in (package.conflicts, package.breaks):
        for group in parse_relations(field):
            yield from group


def _provides(package: IndexedPackage, relation: Relation) -> bool:
    return any(
        group[0].name == relation.name and relation.allows_provided(group[0])
        for group in parse_relations(package.provides)
    )


def _close(name: str, names: Iterable[str]) -> list[str]:
    # A typo seldom hits the first letter, and comparing with all 65,000 names takes seconds.
    similar = sorted({other for other in names if other[:1] == name[:1] and abs(len(other) - len(name)) <= 3})
    return get_close_matches(name, similar, n=3, cutoff=0.7)
