"""What is locked over an image that others made, and what the image itself has, is taken on to what the security
archives that its own apt asks have by now, and to nothing else."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cogpack.errors import InputError
from cogpack.http import Http
from cogpack.lockfile.base_kinds import SystemPackages
from cogpack.resolve.debs.archives.archive import Archive
from cogpack.resolve.debs.archives.suites import SuiteReader
from cogpack.resolve.debs.over.installed import InstalledIndex
from cogpack.resolve.debs.over.resolver import ImagePackages, newer_of_security, release_with_keys
from cogpack.resolve.debs.resolver import Brought, Examine
from cogpack.resolve.debs.security import (
    LockedUniverse,
    is_security,
    locked_again,
    releases_after,
    security_indexes,
    unfitting,
)
from cogpack.resolve.debs.solving.chains import chains, dependents
from cogpack.resolve.debs.solving.request import parse_request
from cogpack.resolve.debs.solving.solver import solve
from cogpack.resolve.debs.solving.universe import Candidate
from cogpack.seal import Seal


def upgrade_over(
    image: ImagePackages,
    kept: SystemPackages,
    requests: Sequence[str],
    *,
    http: Http,
    cache: Path,
    seal: Seal,
    examine: Examine,
    archives: Sequence[Archive] = (),
    now: datetime | None = None,
) -> SystemPackages:
    """Give `kept` with newer packages of the image's security archives, those of the image among them. Arguments as
    `upgrade_security` has them."""
    if not any(is_security(suite) for archive in image.archives for suite in archive.suites):
        raise InputError(
            f"--upgrade-system: {image.where}: its apt asks no security archive (SUITE-security, SUITE/updates)",
            next_step="take the newest of the image by cogpack lock --upgrade, or choose a base whose apt asks one",
        )
    task = http.progress.task(f"{image.name}: security updates", None, "resolve")
    now = now or datetime.now(UTC)
    reader = SuiteReader(arch=image.arch, http=http, cache=cache, seal=seal, task=task, now=now, seen=kept.releases)
    suites = reader.read([*image.archives, *archives])
    there = InstalledIndex(image.installed.values(), where=image.where)
    fixed = {wanted.name for wanted in map(parse_request, requests) if wanted.version or wanted.suite}
    security = security_indexes(suites[: image.count(suites)])
    universe = LockedUniverse(suites, kept.packages, fixed, security=security, installed=there)
    base = [Candidate(package, len(suites)) for package in there.all()]
    names = [deb.name for deb in kept.packages]
    names += newer_of_security(universe, [name for name in image.installed if name not in names], image, suites)
    try:
        found = solve(universe, names, base=base, upgrades=True).packages
    except InputError as error:
        raise unfitting(error) from error
    task.done("resolved")
    present = {one.name for one in kept.present}
    packages = tuple(
        msgspec.structs.replace(deb, requested=deb.requested or deb.name in present)
        for deb in (image.noted(locked_again(one, suites, kept.packages)) for one in found)
    )
    if packages == kept.packages:
        return kept
    taken = {deb.name for deb in packages}
    new = [deb for deb in packages if deb not in kept.packages]
    solution = [*(one for one in base if one.name not in taken), *found]
    ways = chains(solution, [deb.name for deb in packages if deb.requested], {*image.installed} - taken)
    brought = [Brought(deb, ways.get(deb.name, (deb.name,)), image.installed.get(deb.name)) for deb in new]
    return msgspec.structs.replace(
        kept,
        releases=releases_after(kept.releases, suites, kept.packages, packages, release_with_keys),
        packages=packages,
        dpkg=tuple(sorted(dependents(solution, {*kept.dpkg, *examine(brought, {})}) & taken)),
        present=tuple(one for one in kept.present if one.name not in taken),
    )
