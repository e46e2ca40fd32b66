"""Requests for packages are resolved against the current state of a Debian suite."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cogpack.errors import InputError, together
from cogpack.http import Http
from cogpack.lockfile.base_kinds import DebianBase, DebianRelease, LockedDeb, SystemPackages
from cogpack.notes import Code, Note
from cogpack.progress import Progress
from cogpack.resolve.debs.archives.archive import Archive, locked_archive
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.snapshot import Snapshot
from cogpack.resolve.debs.archives.suites import SuiteReader, indexes_of
from cogpack.resolve.debs.bases import base_names
from cogpack.resolve.debs.names.elsewhere import of_wheels
from cogpack.resolve.debs.over.installed import Installed
from cogpack.resolve.debs.solving.chains import chains, dependents
from cogpack.resolve.debs.solving.request import is_request, parse_request
from cogpack.resolve.debs.solving.universe import Candidate, Universe
from cogpack.resolve.debs.standing import KeptBase, choose, outdated
from cogpack.seal import Seal
from cogpack.text import count_text

_KEY = "build.system_packages"


class Brought(msgspec.Struct, frozen=True):
    """Says who brings a package that the base alone has not: `chain`, from the one that was asked for to itself, each
    because the one before it needs or recommends it. `old`: what it takes the place of in an image that others made."""

    deb: LockedDeb
    chain: tuple[str, ...]
    old: Installed | None = None


Examine = Callable[[Sequence[Brought], Mapping[str, str]], Collection[str]]
"""Looks at what was resolved before it counts, raises what is wrong with it, and names those that dpkg itself must
install. The second argument tells the place of each package that was asked for."""


def resolve_debs(
    *,
    suite: str,
    arch: str,
    requests: Sequence[str],
    http: Http,
    cache: Path,
    seal: Seal,
    mirror: DebianMirror,
    places: Mapping[str, str] = {},
    unasked: Collection[str] = (),
    slim: bool = False,
    recommends: bool = False,
    archives: Sequence[Archive] = (),
    examine: Examine | None = None,
    kept: KeptBase | None = None,
    snapshot: Snapshot | None = None,
    seen: Sequence[DebianRelease] = (),
    now: datetime | None = None,
) -> DebianBase:
    """Choose the base and what the user's `requests` (as `Request` has them) need, of `suite` for `arch`.

    `arch` is Debian's name of it ("amd64"). `places`: by request, where it stands, for errors; `unasked`: those that
    nobody wrote; `slim`: of the base there is only what Python needs; `recommends`: what they recommend comes, too;
    `archives`: have packages beside Debian's, for all but the base; `examine` looks at what was chosen; `kept`: is
    stood upon, where it can be; `snapshot`: all of Debian's is of that time, and not of the mirror's present; `seen`:
    the Releases of the lock that there was, whatever is kept of it; `now` dates the check of the Releases' age.
    """
    if wrong := [misnamed(request, places) for request in requests if not is_request(request)]:
        raise together(wrong)
    task = http.progress.task(f"Debian {suite}: {', '.join(['Python', *requests])}", None, "resolve")
    now = now or datetime.now(UTC)
    reader = SuiteReader(arch=arch, http=http, cache=cache, seal=seal, task=task, now=now, seen=seen)
    suites = reader.debian(suite, mirror, snapshot)
    debian, security = Universe(*indexes_of(suites)), len(suites) - 1
    releases = tuple(one.locked for one in suites)
    suites += reader.read(archives)
    universe = Universe(*indexes_of(suites))
    requests = [one for one in requests if not of_wheels(one) or universe.candidates(parse_request(one).name)]
    requests, places = renewed(universe, requests, places, f"Debian {suite} has", http.progress, unasked)
    if wrong := list(faults(universe, requests, places)):
        raise together(wrong)
    try:
        names = base_names(debian, slim=slim)
        chosen = choose(
            universe,
            names,
            requests,
            debian=debian,
            slim=slim,
            recommends=recommends,
            kept=kept,
            security=security,
        )
    except InputError as error:
        raise placed(error, requests, places) from error
    task.done("resolved")
    if kept and kept.shared and (old := outdated(debian, kept.base.packages, security)):
        text = f"{kept.name}: the security archive has newer versions of {count_text(len(old), 'package')} of its base"
        http.progress.note(Note(Code.BASE_OUTDATED, f"{text}, {old[0].name} among them: lock that one anew"))
    asked = {request: universe.request(request).name for request in requests}
    there = {candidate.name for candidate in chosen.base}
    ways = chains(chosen.solution, asked.values(), there, recommends=recommends)
    recommended = ways.keys() - chains(chosen.solution, asked.values(), there).keys()
    requested = [candidate for candidate in chosen.solution if candidate.name in asked.values()]
    added = [candidate for candidate in chosen.solution if candidate not in chosen.base]
    packages = tuple(locked(one, suites[one.index].archive.name, requested, recommended) for one in added)
    if kept and chosen.kept:
        own = tuple(
            msgspec.structs.replace(deb, requested=one in requested, recommended=False)
            for deb, one in zip(kept.base.packages, chosen.base, strict=True)
        )
    else:
        own = tuple(locked(one, suites[one.index].archive.name, requested, ()) for one in chosen.base)
    left: set[str] = set()
    if examine:
        brought = [Brought(deb, ways[deb.name]) for deb in packages if deb.name in ways]
        named = examine(brought, {asked[request]: place for request, place in places.items() if request in asked})
        left = dependents(chosen.solution, named) & ways.keys()
    found = tuple(dict.fromkeys(one.locked for one in suites))
    versions = {package.name: package.version for package in (*own, *packages)}
    return DebianBase(
        suite=suite,
        slim=slim,
        arch=arch,
        releases=kept.base.releases if kept and chosen.kept else releases,
        packages=own,
        system_packages=SystemPackages(
            releases=found if packages else (),
            packages=packages,
            dpkg=tuple(sorted(left)),
            recommends=recommends and bool(requests),
            left_out=chosen.left_out,
            archives=tuple(map(locked_archive, archives)),
        ),
        glibc=_short(versions.get("libc6", "")),
        python=_short(versions.get("python3", "")),
    )


def renewed(
    universe: Universe,
    requests: Sequence[str],
    places: Mapping[str, str],
    whose: str,
    progress: Progress,
    unasked: Collection[str] = (),
) -> tuple[Sequence[str], Mapping[str, str]]:
    """Put into `requests` and their `places` what took the place of packages that there are not. `whose`: begins
    what is told of that, as in "Debian trixie has", but of those that are `unasked`."""
    found: list[str] = []
    where = dict(places)
    for request in requests:
        names = universe.successors(request)
        found += names or [request]
        if names:
            where |= {name: places[request] for name in names if request in places and name not in places}
        if names and request not in unasked:
            text = f"{places.get(request, _KEY)}: {whose} no {request}, but {' and '.join(names)}"
            progress.note(Note(Code.PACKAGE_RENAMED, f"{text}: taken instead"))
    return found, where


def misnamed(request: str, places: Mapping[str, str]) -> InputError:
    """Say that it is no `Request`."""
    return InputError(
        f"{places.get(request, _KEY)}: {request!r:.80} is not a package name",
        next_step="write the name of a Debian package, name=version, name>=version or name/suite",
    )


def faults(universe: Universe, requests: Sequence[str], places: Mapping[str, str]) -> Iterator[InputError]:
    """Give what is wrong with each request alone."""
    for request in dict.fromkeys(requests):
        try:
            universe.request(request)
        except InputError as error:
            yield placed(error, [request], places)


def placed(error: InputError, requests: Sequence[str], places: Mapping[str, str]) -> InputError:
    """Begin `error` with the place of the first of `requests` that it names."""
    words = set(re.split(r"[^a-z0-9+.-]+", error.message)) if len(requests) > 1 else set()
    for request in requests:
        if request in places and (len(requests) == 1 or parse_request(request).name in words):
            text = f"{places[request]}: {error.message.removeprefix(f'{_KEY}: ')}"
            return InputError(text, next_step=error.next_step)
    return error


def _short(version: str) -> str:
    """Shorten "3.13.5-1" to "3.13"."""
    matched = re.match(r"(?:\d+:)?(\d+\.\d+)", version)
    return matched[1] if matched else ""


def locked(
    candidate: Candidate, archive: str, requested: Collection[Candidate], recommended: Collection[str]
) -> LockedDeb:
    """Lock a package of an archive."""
    package = candidate.package
    return LockedDeb(
        name=package.name,
        version=package.version,
        arch=package.arch,
        archive=archive,
        path=package.path,
        size=package.size,
        sha256=package.sha256,
        essential=package.essential,
        requested=candidate in requested,
        recommended=package.name in recommended,
    )
