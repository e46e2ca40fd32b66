"""Requests for packages are resolved over an image that others made, with what its own archives have now."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cogpack.debian_version import version_key
from cogpack.errors import InputError, together
from cogpack.http import Http
from cogpack.lockfile.base_kinds import DebianRelease, LockedDeb, Present, SystemPackages
from cogpack.resolve.debs.archives.archive import Archive, locked_archive
from cogpack.resolve.debs.archives.suites import Suite, SuiteReader, indexes_of
from cogpack.resolve.debs.names.elsewhere import of_wheels
from cogpack.resolve.debs.over.installed import Installed, InstalledIndex
from cogpack.resolve.debs.over.more import laid_before, with_more
from cogpack.resolve.debs.resolver import Brought, Examine, faults, locked, misnamed, placed, renewed
from cogpack.resolve.debs.security import security_indexes
from cogpack.resolve.debs.solving.chains import chains, dependents
from cogpack.resolve.debs.solving.request import is_request, parse_request
from cogpack.resolve.debs.solving.solver import Solution, solve
from cogpack.resolve.debs.solving.universe import Candidate, Universe
from cogpack.seal import Seal


class ImagePackages(msgspec.Struct, frozen=True, kw_only=True):
    """Is what an image has of packages. `name`: of the image; `where`: likewise, with the place that names it;
    `archives`: those that its apt asks; `installed`: by name, those of the architecture `arch`."""

    name: str
    where: str
    arch: str
    archives: Sequence[Archive]
    installed: Mapping[str, Installed]

    def noted(self, deb: LockedDeb) -> LockedDeb:
        """Note in `deb` of which version it takes the place, if the image has one."""
        there = self.installed.get(deb.name)
        return msgspec.structs.replace(deb, instead_of=there.version) if there else deb

    def count(self, suites: Sequence[Suite]) -> int:
        """Tell how many of `suites` are of its own archives, which come first."""
        return sum(one.archive in self.archives for one in suites)


def resolve_over(
    image: ImagePackages,
    requests: Sequence[str],
    *,
    http: Http,
    cache: Path,
    seal: Seal,
    places: Mapping[str, str] = {},
    unasked: Collection[str] = (),
    recommends: bool = False,
    archives: Sequence[Archive] = (),
    examine: Examine | None = None,
    upgraded: Collection[str] = (),
    seen: Sequence[DebianRelease] = (),
    instead: Mapping[str, Sequence[str]] = {},
    optional: Collection[str] = (),
    kept: SystemPackages | None = None,
    now: datetime | None = None,
) -> SystemPackages:
    """Choose what the user's `requests` (as `Request` has them) need over `image`; arguments as `resolve_debs` has
    them. What the image has stays as it is, unless a request names it, or something needs a newer one, or it is one of
    `upgraded`, of which the image's security archive still has a newer one. `instead`: by request, names of which the
    first will do that there is, where there is none of that name; `optional`: requests that are left out where there is
    no such package; `kept`: packages over the image that stay as what it has does, and are given with the new ones."""
    if wrong := [misnamed(request, places) for request in requests if not is_request(request)]:
        raise together(wrong)
    task = http.progress.task(f"{image.name}: {', '.join(requests)}", None, "resolve")
    now = now or datetime.now(UTC)
    reader = SuiteReader(arch=image.arch, http=http, cache=cache, seal=seal, task=task, now=now, seen=seen)
    suites = reader.read([*image.archives, *archives])
    there = InstalledIndex(image.installed.values(), where=image.where)
    indexes, names, reluctant = indexes_of(suites)
    universe = Universe([*indexes, there], [*names, "base"], reluctant)
    requests = [next(filter(universe.candidates, (one, *instead.get(one, ()))), one) for one in requests]
    requests = [one for one in requests if one not in optional or _is_there(universe, one)]
    requests = [one for one in requests if not of_wheels(one) or universe.candidates(parse_request(one).name)]
    laid = laid_before(kept, suites) if kept else {}
    base = [Candidate(package, len(suites)) for package in there.all() if package.name not in laid]
    base += laid.values()
    whose = f"the archives of {image.name} have"
    requests, places = renewed(universe, requests, places, whose, http.progress, unasked)
    if wrong := list(faults(universe, requests, places)):
        raise together(wrong)
    try:
        fixes = newer_of_security(universe, filter(image.installed.__contains__, upgraded), image, suites)
        new = [one for one in requests if universe.request(one).name not in laid]
        found = solve(universe, [*new, *fixes], base=base, recommends=recommends, upgrades=True)
    except InputError as error:
        raise placed(error, requests, places) from error
    task.done("resolved")
    chosen, dpkg = _system_packages(image, suites, universe, base, found, requests, places, recommends, examine, kept)
    if kept:
        chosen = with_more(kept, chosen, suites, release_with_keys)
    return msgspec.structs.replace(chosen, dpkg=dpkg, archives=tuple(map(locked_archive, archives)))


def _is_there(universe: Universe, request: str) -> bool:
    return bool(universe.successors(request)) or not list(faults(universe, [request], {}))


def _system_packages(
    image: ImagePackages,
    suites: Sequence[Suite],
    universe: Universe,
    base: Sequence[Candidate],
    found: Solution,
    requests: Sequence[str],
    places: Mapping[str, str],
    recommends: bool,
    examine: Examine | None,
    over: SystemPackages | None,
) -> tuple[SystemPackages, tuple[str, ...]]:
    """Lock what was found, and name those that dpkg is to install, of these and of `over`: what needs one of them is
    among them."""
    new = {candidate.name for candidate in found.packages}
    kept = [candidate for candidate in base if candidate.name not in new]
    solution = [*kept, *found.packages]
    asked = {request: universe.request(request).name for request in requests}
    there = {candidate.name for candidate in kept}
    ways = chains(solution, asked.values(), there, recommends=recommends)
    recommended = (ways.keys() & new) - chains(solution, asked.values(), there).keys()
    requested = [candidate for candidate in found.packages if candidate.name in asked.values()]
    packages = tuple(
        image.noted(locked(one, suites[one.index].archive.name, requested, recommended)) for one in found.packages
    )
    named: Collection[str] = ()
    if examine:
        brought = [Brought(deb, ways.get(deb.name, (deb.name,)), image.installed.get(deb.name)) for deb in packages]
        named = examine(brought, {asked[request]: place for request, place in places.items() if request in asked})
    laid = {deb.name for deb in over.packages} if over else set()
    left = dependents(solution, {*named, *(over.dpkg if over else ())}) & (new | laid)
    versions = {candidate.name: candidate.package.version for candidate in kept}
    present = {name: versions[name] for name in asked.values() if name in versions}
    chosen = SystemPackages(
        releases=tuple(dict.fromkeys(map(release_with_keys, suites))) if packages else (),
        packages=packages,
        recommends=recommends and bool(requests),
        left_out=found.left_out,
        present=tuple(Present(name, version) for name, version in sorted(present.items())),
    )
    return chosen, tuple(sorted(left))


def newer_of_security(
    universe: Universe, names: Iterable[str], image: ImagePackages, suites: Sequence[Suite]
) -> list[str]:
    """Give those of `names`, packages that the image has, of which its security archive has a newer version."""
    security = security_indexes(suites[: image.count(suites)])
    return [
        name
        for name in names
        if any(
            one.index in security and version_key(one.package.version) > version_key(image.installed[name].version)
            for one in universe.candidates(name)
        )
    ]


def release_with_keys(suite: Suite) -> DebianRelease:
    """Lock a Release with the keys that the image has for it."""
    keyring = hashlib.sha256(suite.archive.keys.data).hexdigest()
    return msgspec.structs.replace(suite.locked, keyring=f"sha256:{keyring}")
