"""What is locked is taken on to what the security archive has by now, and to nothing else.

Versions that the archives have dropped since are kept by what the lock says of them. It does not say what they need:
so all packages that are locked stay, and what newer ones need besides is added.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cogpack.debian_version import version_key
from cogpack.errors import InputError
from cogpack.http import Http
from cogpack.lockfile.base_kinds import DebianBase, DebianRelease, LockedDeb
from cogpack.resolve.debs.archives.archive import Archive
from cogpack.resolve.debs.archives.index import IndexedPackage
from cogpack.resolve.debs.archives.mirror import SECURITY, DebianMirror
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
    reader = SuiteReader(arch=kept.arch, http=http, cache=cache, seal=seal, task=task, now=now or datetime.now(UTC))
    suites = [*reader.debian(kept.suite, mirror), *reader.read(archives)]
    fixed = {wanted.name for wanted in map(parse_request, requests) if wanted.version or wanted.suite}
    try:
        base, above = _solved(kept, suites, fixed)
    except InputError as error:
        raise InputError(
            f"what the security archive has does not go with what is locked: {error.message}",
            next_step="run cogpack lock --upgrade, which takes the newest of everything",
        ) from error
    task.done("resolved")
    own = tuple(_locked(one, suites, kept.packages) for one in base)
    packages = tuple(_locked(one, suites, over.packages) for one in above)
    if (own, packages) == (kept.packages, over.packages):
        return kept
    new = [deb for deb in packages if deb not in over.packages]
    ways = chains([*base, *above], [deb.name for deb in packages if deb.requested], {one.name for one in base})
    named = {*over.dpkg, *examine([Brought(deb, ways.get(deb.name, (deb.name,))) for deb in new], {})}
    left = dependents([*base, *above], named) & {deb.name for deb in packages}
    return msgspec.structs.replace(
        kept,
        releases=_releases(kept.releases, suites, kept.packages, own),
        packages=own,
        system_packages=msgspec.structs.replace(
            over,
            releases=_releases(over.releases, suites, over.packages, packages),
            packages=packages,
            dpkg=tuple(sorted(left)),
        ),
    )


class _Locked(Universe):
    """Has of packages that are locked no other versions than these, and newer ones of the security archive."""

    def __init__(self, suites: Sequence[Suite], kept: Sequence[LockedDeb], fixed: Collection[str]) -> None:
        super().__init__(*indexes_of(suites))
        self._kept = {deb.name: deb for deb in kept}
        self._fixed = fixed
        self._archives = [one.archive.name for one in suites]

    def candidates(self, name: str) -> list[Candidate]:
        found = super().candidates(name)
        if (deb := self._kept.get(name)) is None:
            return found
        same = [one for one in found if one.package.sha256 == deb.sha256]
        newer = [
            one
            for one in found
            if self._archives[one.index] == SECURITY
            and name not in self._fixed
            and version_key(one.package.version) > version_key(deb.version)
        ]
        return [*newer, *(same[:1] or [self._remembered(deb, found)])]

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
    kept: DebianBase, suites: Sequence[Suite], fixed: Collection[str]
) -> tuple[Sequence[Candidate], Sequence[Candidate]]:
    """Choose the base, and what lies over it."""
    own = [deb.name for deb in kept.packages]
    base = solve_base(_Locked(suites, kept.packages, ()), own, slim=kept.slim)
    names = [deb.name for deb in kept.system_packages.packages]
    if not names:
        return base, ()
    universe = _Locked(suites, kept.installed, fixed)
    seen = solve_base(universe, [one.name for one in base], slim=kept.slim)
    found = solve(universe, names, base=seen).packages
    there = sorted([*seen, *found], key=lambda candidate: candidate.name)
    return base, [candidate for candidate in there if candidate not in base]


def _locked(candidate: Candidate, suites: Sequence[Suite], kept: Sequence[LockedDeb]) -> LockedDeb:
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


def _releases(
    before: Sequence[DebianRelease], suites: Sequence[Suite], was: Sequence[LockedDeb], packages: Sequence[LockedDeb]
) -> tuple[DebianRelease, ...]:
    """List the Releases that packages came from: those of before as long as the new ones lack something of them."""
    found: list[DebianRelease] = []
    for archive in dict.fromkeys(one.archive.name for one in suites):
        own = [deb for deb in packages if deb.archive == archive]
        new = [one for one in suites if one.archive.name == archive]
        old = [release for release in before if release.archive == archive]
        listed = {package.sha256 for deb in own for one in new for package in one.index.packages(deb.name)}
        if set(own) <= set(was):
            found += old
        elif {deb.sha256 for deb in own} <= listed:
            found += (one.locked for one in new)
        else:
            found += [*old, *(one.locked for one in new)]
    return tuple(dict.fromkeys(found)) if packages else ()
