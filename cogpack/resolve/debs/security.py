"""What is locked is taken on to what the security archive has by now, and to nothing else.

Versions that the archives have dropped since are kept by what the lock says of them. It does not say what they need:
so all packages that are locked stay, and what newer ones need besides is added.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cogpack.debian_version import version_key
from cogpack.errors import InputError
from cogpack.http import Http
from cogpack.lockfile.base_kinds import DebianBase, DebianRelease, LockedDeb
from cogpack.resolve.debs.archives.archive import Archive
from cogpack.resolve.debs.archives.index import IndexedPackage, PackageIndex
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.suites import Suite, SuiteReader, indexes_of
from cogpack.resolve.debs.bases import solve_base
from cogpack.resolve.debs.resolver import Brought, Examine
from cogpack.resolve.debs.solving.chains import chains, dependents
from cogpack.resolve.debs.solving.request import parse_request
from cogpack.resolve.debs.solving.solver import solve
from cogpack.resolve.debs.solving.universe import Candidate, Universe
from cogpack.seal import Seal


def upgrade_security(
    kept: DebianBase,
    requests: Sequence[str],
    *,
    http: Http,
    cache: Path,
    seal: Seal,
    mirror: DebianMirror,
    examine: Examine,
    archives: Sequence[Archive] = (),
    now: datetime | None = None,
) -> DebianBase:
    """Give `kept` with newer packages of the security archive. `requests`: those of cog.yaml; one that names a version
    or a suite stays; `archives`: beside Debian's, of which all stays. The rest is as `resolve_debs` has it."""
    over = kept.system_packages
    task = http.progress.task(f"Debian {kept.suite}-security", None, "resolve")
    now, seen = now or datetime.now(UTC), (*kept.releases, *over.releases)
    reader = SuiteReader(arch=kept.arch, http=http, cache=cache, seal=seal, task=task, now=now, seen=seen)
    debians = reader.debian(kept.suite, mirror)
    suites = [*debians, *reader.read(archives)]
    fixed = {wanted.name for wanted in map(parse_request, requests) if wanted.version or wanted.suite}
    try:
        base, above = _solved(kept, suites, len(debians), fixed)
    except InputError as error:
        raise unfitting(error) from error
    task.done("resolved")
    own = tuple(locked_again(one, suites, kept.packages) for one in base)
    packages = tuple(locked_again(one, suites, over.packages) for one in above)
    if (own, packages) == (kept.packages, over.packages):
        return kept
    new = [deb for deb in packages if deb not in over.packages]
    ways = chains([*base, *above], [deb.name for deb in packages if deb.requested], {one.name for one in base})
    named = {*over.dpkg, *examine([Brought(deb, ways.get(deb.name, (deb.name,))) for deb in new], {})}
    left = dependents([*base, *above], named) & {deb.name for deb in packages}
    return msgspec.structs.replace(
        kept,
        releases=releases_after(kept.releases, suites, kept.packages, own, lambda suite: suite.locked),
        packages=own,
        system_packages=msgspec.structs.replace(
            over,
            releases=releases_after(over.releases, suites, over.packages, packages, lambda suite: suite.locked),
            packages=packages,
            dpkg=tuple(sorted(left)),
        ),
    )


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

    def candidates(self, name: str) -> list[Candidate]:
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

    def _remembered(self, deb: LockedDeb, others: Sequence[Candidate]) -> Candidate:
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
        return Candidate(package, self._archives.index(deb.archive))


def _solved(
    kept: DebianBase, suites: Sequence[Suite], debians: int, fixed: Collection[str]
) -> tuple[Sequence[Candidate], Sequence[Candidate]]:
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


def locked_again(candidate: Candidate, suites: Sequence[Suite], kept: Sequence[LockedDeb]) -> LockedDeb:
    """Lock a package; why it is there has not changed."""
    package = candidate.package
    before: Mapping[str, LockedDeb] = {deb.name: deb for deb in kept}
    old = before.get(package.name)
    return LockedDeb(
        name=package.name,
        version=package.version,
        arch=package.arch,
        archive=suites[candidate.index].archive.name,
        path=package.path,
        size=package.size,
        sha256=package.sha256,
        essential=package.essential,
        requested=old is not None and old.requested,
        recommended=old is not None and old.recommended,
    )


def releases_after(
    before: Sequence[DebianRelease],
    suites: Sequence[Suite],
    was: Sequence[LockedDeb],
    packages: Sequence[LockedDeb],
    locked: Callable[[Suite], DebianRelease],
) -> tuple[DebianRelease, ...]:
    """List the Releases that packages came from: those of before as long as the new ones lack something of them.
    `locked` writes one down."""
    found: list[DebianRelease] = []
    for archive in dict.fromkeys(one.archive.name for one in suites):
        own = [deb for deb in packages if deb.archive == archive]
        new = [one for one in suites if one.archive.name == archive]
        old = [release for release in before if release.archive == archive]
        listed = {package.sha256 for deb in own for one in new for package in one.index.packages(deb.name)}
        if set(own) <= set(was):
            found += old
        elif {deb.sha256 for deb in own} <= listed:
            found += map(locked, new)
        else:
            found += [*old, *map(locked, new)]
    return tuple(dict.fromkeys(found)) if packages else ()
