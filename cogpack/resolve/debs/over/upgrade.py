"""What is locked over an image that others made, and what the image itself has, is taken on to what the security
archives that its own apt asks have by now, and to nothing else."""

import msgspec

from cogpack.errors import InputError
from cogpack.lockfile.base_kinds import SystemPackages
from cogpack.resolve.debs.archives.suites import SuiteReader
from cogpack.resolve.debs.found import FoundDebs, ImagePackages
from cogpack.resolve.debs.over.installed import InstalledIndex
from cogpack.resolve.debs.over.resolver import newer_of_security
from cogpack.resolve.debs.question import DebQuestion
from cogpack.resolve.debs.security import LockedUniverse, is_security, security_indexes, unfitting
from cogpack.resolve.debs.solving.solver import solve
from cogpack.resolve.debs.solving.universe import DebCandidate


def upgrade_over(
    question: DebQuestion, reader: SuiteReader, image: ImagePackages, kept: SystemPackages
) -> SystemPackages:
    """Give `kept` with newer packages of the image's security archives, those of the image among them. What is asked
    for by a version or a suite stays, and so does all of the archives beside the image's. `InputError` where the image
    asks no security archive, and where what it has does not go with the rest."""
    if not any(is_security(suite) for archive in image.archives for suite in archive.suites):
        raise InputError(
            f"--upgrade-system: {image.where}: its apt asks no security archive (SUITE-security, SUITE/updates)",
            next_step="take the newest of the image by cogpack lock --upgrade, or choose a base whose apt asks one",
        )
    task = reader.task(f"{image.name}: security updates")
    reader = msgspec.structs.replace(reader, seen=kept.releases)
    suites = reader.read([*image.archives, *question.archives], task)
    there = InstalledIndex(image.installed.values(), where=image.where)
    security = security_indexes(suites[: image.count(suites)])
    universe = LockedUniverse(suites, kept.packages, question.fixed, security=security, installed=there)
    base = [DebCandidate(package, len(suites)) for package in there.all()]
    names = [deb.name for deb in kept.packages]
    names += newer_of_security(universe, [name for name in image.installed if name not in names], image, suites)
    try:
        solved = solve(universe, names, base=base, upgrades=True).packages
    except InputError as error:
        raise unfitting(error) from error
    task.done("resolved")
    taken = {one.name for one in solved}
    solution = [*(one for one in base if one.name not in taken), *solved]
    found = FoundDebs(
        question=question, suites=suites, solution=solution, there={*image.installed} - taken, image=image
    )
    present = {one.name for one in kept.present}
    packages = tuple(
        msgspec.structs.replace(deb, requested=deb.requested or deb.name in present)
        for deb in found.locked_again(solved, kept.packages)
    )
    if packages == kept.packages:
        return kept
    left = tuple(one for one in kept.present if one.name not in taken)
    return msgspec.structs.replace(found.taken_on(kept, packages), present=left)
