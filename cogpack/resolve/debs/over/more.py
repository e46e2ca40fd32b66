"""Packages that are laid over an image stay as they are where others come beside them.

The archives may have dropped their versions since: of such a one it is not known what it needs, and it stays all the
same, as `security` has it.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from cogpack.lockfile.base_kinds import DebianRelease, LockedDeb, SystemPackages
from cogpack.resolve.debs.archives.suites import Suite
from cogpack.resolve.debs.security import LockedUniverse, releases_after
from cogpack.resolve.debs.solving.universe import Candidate


def laid_before(kept: SystemPackages, suites: Sequence[Suite]) -> Mapping[str, Candidate]:
    """Give its packages by name, as the solver has what is there."""
    universe = LockedUniverse(suites, kept.packages, (), security=())
    return {deb.name: universe.candidates(deb.name)[0] for deb in kept.packages}


def with_more(
    kept: SystemPackages,
    more: SystemPackages,
    suites: Sequence[Suite],
    locked: Callable[[Suite], DebianRelease],
) -> SystemPackages:
    """Give `kept` with what was resolved over it, some of it perhaps in the place of what it has. `locked` writes a
    Release down."""
    before = {deb.name: deb for deb in kept.packages}
    new = {deb.name: deb for deb in more.packages}
    asked = {one.name for one in (*kept.present, *more.present)}

    def flagged(deb: LockedDeb) -> LockedDeb:
        old = before.get(deb.name)
        requested = deb.requested or deb.name in asked or (old is not None and old.requested)
        return msgspec.structs.replace(deb, requested=requested)

    packages = tuple(flagged(deb) for _, deb in sorted((before | new).items()))
    there = {one.name: one for one in (*kept.present, *more.present) if one.name not in before | new}
    releases = releases_after(kept.releases, suites, kept.packages, packages, locked) if before else more.releases
    return msgspec.structs.replace(
        kept,
        recommends=kept.recommends or more.recommends,
        left_out=tuple(dict.fromkeys((*kept.left_out, *more.left_out))),
        releases=releases,
        packages=packages,
        present=tuple(one for _, one in sorted(there.items())),
    )
