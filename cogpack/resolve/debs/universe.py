"""The packages that could be installed, of a suite, its updates and its security archive, and what requests mean."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

import msgspec

from cogpack.errors import InputError
from cogpack.resolve.debs.index import DebianIndex, IndexedPackage
from cogpack.resolve.debs.relation import Relation, parse_relations
from cogpack.resolve.debs.renamed import RENAMED
from cogpack.resolve.debs.version import version_key

_PRIORITIES = {name: rank for rank, name in enumerate(("required", "important", "standard", "optional", "extra"))}
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

    @property
    def rank(self) -> tuple[bool, int]:
        """Sort those first that apt takes rather than others which provide the same name."""
        return not self.package.essential, _PRIORITIES.get(self.package.priority, len(_PRIORITIES))

    def provided(self, name: str) -> Iterator[Relation]:
        """Give what it says to provide of this name, once for each version."""
        if name in self.package.provides:
            yield from (group[0] for group in parse_relations(self.package.provides) if group[0].name == name)


class Universe:
    """Holds all packages that could be installed, newest version first. `suites`: the name of each index."""

    def __init__(self, indexes: Sequence[DebianIndex], suites: Sequence[str] = ()) -> None:
        self._indexes = indexes
        self._suites = suites
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

    def providers(self, name: str) -> Collection[str]:
        """Name the packages of which some version provides `name`, in the order of the indexes."""
        return dict.fromkeys(provider for index in self._indexes for provider in index.providers(name))

    def request(self, request: str) -> Candidate:
        """Find what the user's "name", "name=version" or "name/suite" means: that package, or the only one that
        provides the name."""
        name, equals, version = request.partition("=")
        name, slash, suite = name.partition("/")
        found = self.candidates(name)
        if found and equals:
            return self._of_version(name, version)
        if found and slash:
            return self._of_suite(name, suite)
        if found:
            return found[0]
        newest = filter(None, map(self.newest, self.providers(name)))
        providers = sorted((one for one in newest if any(one.provided(name))), key=lambda one: one.rank)
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

    def _of_version(self, name: str, version: str) -> Candidate:
        """Take the newest of that version, in which * and ? stand for others as in apt."""
        found = self.candidates(name)
        exact = None if set(version) & set("*?") else version_key(version)
        for candidate in found:
            own = candidate.package.version
            if version_key(own) == exact if exact else fnmatchcase(own, version):
                return candidate
        have = ", ".join(candidate.package.version for candidate in found)
        raise InputError(
            f"build.system_packages: {name} has no version {version}; the archive has {have}",
            next_step=f"write {name}={found[0].package.version}, or {name} alone for the newest",
        )

    def _of_suite(self, name: str, suite: str) -> Candidate:
        found = self.candidates(name)
        for candidate in found:
            if self._suites[candidate.index] == suite:
                return candidate
        have = dict.fromkeys(self._suites[candidate.index] for candidate in found)
        raise InputError(
            f"build.system_packages: {name} is not in {suite}, but in {' and '.join(have)}",
            next_step=f"write {name}/{next(iter(have))}, or {name} alone for the newest",
        )

    def successors(self, request: str) -> Sequence[str]:
        """Name what took the place of a package that Debian has dropped; nothing of one that is there, or never was."""
        if request not in RENAMED or self.candidates(request) or self.providers(request):
            return ()
        return [name for name in RENAMED[request] if self.candidates(name)]

    def essential(self) -> list[str]:
        return sorted({name for index in self._indexes for name in index.essential} - _NEVER)

    def names(self) -> Iterator[str]:
        for index in self._indexes:
            yield from index.names()


def _close(name: str, names: Iterable[str]) -> list[str]:
    # A typo seldom hits the first letter, and comparing with all 65,000 names takes seconds.
    similar = sorted({other for other in names if other[:1] == name[:1] and abs(len(other) - len(name)) <= 3})
    return get_close_matches(name, similar, n=3, cutoff=0.7)
