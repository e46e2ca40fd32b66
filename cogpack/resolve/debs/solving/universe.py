"""The packages that could be installed, of a suite, its updates and its security archive, and what requests mean."""

from collections.abc import Collection, Iterator, Sequence

import msgspec

from cogpack.debian_version import version_key
from cogpack.errors import InputError
from cogpack.resolve.debs.archives.index import IndexedPackage, PackageIndex
from cogpack.resolve.debs.names.elsewhere import advice
from cogpack.resolve.debs.names.renamed import RENAMED, transitions
from cogpack.resolve.debs.names.suggest import suggestions
from cogpack.resolve.debs.solving.relation import Group, Relation, parse_relations
from cogpack.resolve.debs.solving.request import Request, parse_request

_PRIORITIES = {name: rank for rank, name in enumerate(("required", "important", "standard", "optional", "extra"))}
# bookworm's init-system-helpers prefers the converter of live systems, which drags in all of perl; a tree that is
# merged from the start wants `usr-is-merged`.
_NEVER = frozenset({"usrmerge"})


class DebCandidate(msgspec.Struct, frozen=True):
    """Says of a package from which of the universe's indexes it came."""

    package: IndexedPackage
    index: int

    @property
    def name(self) -> str:
        return self.package.name

    @property
    def source(self) -> tuple[str, str]:
        """Give name and version of the source that it was built from (deb-src-control(5), "Source")."""
        name, _, version = self.package.source.partition(" ")
        return name or self.name, version.strip("() ") or self.package.version

    @property
    def rank(self) -> tuple[bool, int]:
        """Sort those first that apt takes rather than others which provide the same name."""
        return not self.package.essential, _PRIORITIES.get(self.package.priority, len(_PRIORITIES))

    @property
    def needs(self) -> tuple[Group, ...]:
        return parse_relations(self.package.pre_depends) + parse_relations(self.package.depends)

    @property
    def recommends(self) -> tuple[Group, ...]:
        return parse_relations(self.package.recommends)

    @property
    def excludes(self) -> Iterator[Relation]:
        for field in (self.package.conflicts, self.package.breaks):
            for group in parse_relations(field):
                yield from group

    def provided(self, name: str) -> Iterator[Relation]:
        """Give what it says to provide of this name, once for each version."""
        if name in self.package.provides:
            yield from (group[0] for group in parse_relations(self.package.provides) if group[0].name == name)


class Universe:
    """Holds all packages that could be installed, newest version first. `suites`: the name of each index.

    `reluctant`: numbers of indexes whose packages come last, however new they are (`NotAutomatic`: apt_preferences(5)).
    """

    def __init__(
        self, indexes: Sequence[PackageIndex], suites: Sequence[str] = (), reluctant: Collection[int] = ()
    ) -> None:
        self._indexes = indexes
        self._suites = suites
        self._reluctant = reluctant
        self._candidates: dict[str, list[DebCandidate]] = {}

    def candidates(self, name: str) -> list[DebCandidate]:
        found = self._candidates.get(name)
        if found is None:
            found = [
                DebCandidate(package, number)
                for number, index in enumerate(self._indexes)
                for package in index.packages(name)
                if name not in _NEVER
            ]
            # Stable: of equal versions the one of the first index.
            found.sort(
                key=lambda one: (one.index not in self._reluctant, version_key(one.package.version)), reverse=True
            )
            self._candidates[name] = found
        return found

    def newest(self, name: str) -> DebCandidate | None:
        found = self.candidates(name)
        return found[0] if found else None

    def providers(self, name: str) -> Collection[str]:
        """Name the packages of which some version provides `name`, in the order of the indexes."""
        return dict.fromkeys(provider for index in self._indexes for provider in index.providers(name))

    def request(self, text: str) -> DebCandidate:
        """Find what the user's request (as `Request` has them) means: that package, or the only one that provides the
        name."""
        wanted = parse_request(text)
        name = wanted.name
        found = self.candidates(name)
        if found and wanted.version:
            return self._of_version(wanted)
        if found and wanted.suite:
            return self._of_suite(name, wanted.suite)
        if found:
            return found[0]
        providers = self._providing(name)
        if len(providers) == 1:
            return providers[0]
        if providers:
            names = ", ".join(provider.name for provider in providers[:8])
            raise InputError(
                f"build.system_packages: {name} is a virtual package, provided by {names}",
                next_step="name one of them",
            )
        step = advice(name)
        if step is None:
            close = suggestions(name, self._indexes)
            step = f"did you mean {' or '.join(close)}?" if close else "look it up on packages.debian.org"
        raise InputError(f"build.system_packages: Debian has no package {name!r:.80}", next_step=step)

    def _providing(self, name: str) -> list[DebCandidate]:
        newest = filter(None, map(self.newest, self.providers(name)))
        return sorted((one for one in newest if any(one.provided(name))), key=lambda one: one.rank)

    def _of_version(self, wanted: Request) -> DebCandidate:
        found = self.candidates(wanted.name)
        for candidate in found:
            if wanted.allows(candidate.package.version):
                return candidate
        have = ", ".join(candidate.package.version for candidate in found)
        later = " or later" if wanted.sign == ">=" else ""
        raise InputError(
            f"build.system_packages: {wanted.name} has no version {wanted.version}{later}; the archive has {have}",
            next_step=f"write {wanted.name}={found[0].package.version}, or {wanted.name} alone for the newest",
        )

    def _of_suite(self, name: str, suite: str) -> DebCandidate:
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
        """Name what is taken for a package that the suite has under another name; nothing of one that is there, or
        never was."""
        if self.candidates(request) or len(self._providing(request)) == 1:
            return ()
        return [name for name in RENAMED.get(request, transitions(request)) if self.candidates(name)]

    def essential(self) -> list[str]:
        return sorted({name for index in self._indexes for name in index.essential} - _NEVER)
