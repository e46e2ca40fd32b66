"""What is locked is taken on to what the security archive has by now, and to nothing else.

Versions that the archives have dropped since are kept by what the lock says of them. It does not say what they need:
so all packages that are locked stay, and what newer ones need besides is added.
"""

from collections.abc import Collection, Sequence

import msgspec

from cogpack.debian_version import version_key
from cogpack.errors import InputError
from cogpack.lockfile.base_kinds import DebianBase, LockedDeb
from cogpack.resolve.debs.archives.archive import debian_archives
from cogpack.resolve.debs.archives.index import IndexedPackage, PackageIndex
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.suites import Suite, SuiteReader, indexes_of
from cogpack.resolve.debs.bases import solve_base
from cogpack.resolve.debs.found import FoundDebs
from cogpack.resolve.debs.question import DebQuestion
from cogpack.resolve.debs.solving.solver import solve
from cogpack.resolve.debs.solving.universe import DebCandidate, Universe


def upgrade_security(question: DebQuestion, reader: SuiteReader, kept: DebianBase, mirror: DebianMirror) -> DebianBase:
    """Give `kept` with newer packages of the security archive. What is asked for by a version or a suite stays, and so
    does all of the archives beside Debian's."""
    over = kept.system_packages
    task = reader.task(f"Debian {kept.suite}-security")
    reader = msgspec.structs.replace(reader, seen=kept.all_releases)
    debians = reader.read(debian_archives(kept.suite, mirror), task)
    suites = [*debians, *reader.read(question.archives, task)]
    try:
        base, above = _solved(kept, suites, len(debians), question.fixed)
    except InputError as error:
        raise unfitting(error) from error
    task.done("resolved")
    there = {one.name for one in base}
    found = FoundDebs(question=question, suites=suites, solution=[*base, *above], there=there)
    own = found.locked_again(base, kept.packages)
    packages = found.locked_again(above, over.packages)
    if (own, packages) == (kept.packages, over.packages):
        return kept
    releases = found.releases_after(kept.releases, kept.packages, own)
    over = found.taken_on(over, packages)
    return msgspec.structs.replace(kept, releases=releases, packages=own, system_packages=over)


def is_security(suite: str) -> bool:
    """Tell whether Debian or Ubuntu call those of their security archives so; up to buster, it is `buster/updates`."""
    return suite.endswith(("-security", "/updates"))


def security_indexes(suites: Sequence[Suite]) -> Collection[int]:
    """Number those of security archives."""
    return {number for number, one in enumerate(suites) if is_security(one.name)}


class LockedUniverse(Universe):
    """Has of packages that are `kept` no other versions than these, and newer ones of the `security` archives' indexes,
    by number, but of those that are `fixed`. `installed`: what there is of others, which stays as well."""

    def __init__(
        self,
        suites: Sequence[Suite],
        kept: Sequence[LockedDeb],
        fixed: Collection[str],
        *,
        security: Collection[int],
        installed: PackageIndex | None = None,
    ) -> None:
        indexes, names, reluctant = indexes_of(suites)
        there = [installed] if installed else []
        super().__init__([*indexes, *there], [*names, *("base" for _ in there)], reluctant)
        self._kept = {deb.name: deb for deb in kept}
        self._fixed = fixed
        self._archives = [one.archive.name for one in suites]
        self._security = security

    def candidates(self, name: str) -> list[DebCandidate]:
        found = super().candidates(name)
        deb = self._kept.get(name)
        there = [one for one in found if one.index == len(self._archives)]
        if deb is None and not there:
            return found
        version = deb.version if deb else there[0].package.version
        same = [one for one in found if one.package.sha256 == deb.sha256] if deb else there
        newer = [
            one
            for one in found
            if one.index in self._security
            and name not in self._fixed
            and version_key(one.package.version) > version_key(version)
        ]
        return [*newer, *same[:1]] if same or deb is None else [*newer, self._remembered(deb, found)]

    def _remembered(self, deb: LockedDeb, others: Sequence[DebCandidate]) -> DebCandidate:
        """Make one that no index has any more. What it provides is taken to be what other versions do."""
        package = IndexedPackage(
            name=deb.name,
            version=deb.version,
            arch=deb.arch,
            provides=others[0].package.provides if others else "",
            essential=deb.essential,
            path=deb.path,
            size=deb.size,
            sha256=deb.sha256,
        )
        return DebCandidate(package, self._archives.index(deb.archive))


def _solved(
    kept: DebianBase, suites: Sequence[Suite], debians: int, fixed: Collection[str]
) -> tuple[Sequence[DebCandidate], Sequence[DebCandidate]]:
    """Choose the base, and what lies over it. `debians`: how many of `suites` are Debian's, which come first."""
    own = [deb.name for deb in kept.packages]
    security = security_indexes(suites[:debians])
    base = solve_base(LockedUniverse(suites, kept.packages, (), security=security), own, slim=kept.slim)
    names = [deb.name for deb in kept.system_packages.packages]
    if not names:
        return base, ()
    universe = LockedUniverse(suites, kept.installed, fixed, security=security)
    seen = solve_base(universe, [one.name for one in base], slim=kept.slim)
    found = solve(universe, names, base=seen).packages
    there = sorted([*seen, *found], key=lambda candidate: candidate.name)
    return base, [candidate for candidate in there if candidate not in base]


def unfitting(error: InputError) -> InputError:
    return InputError(
        f"what the security archive has does not go with what is locked: {error.message}",
        next_step="run cogpack lock --upgrade, which takes the newest of everything",
    )
