"""What pip lines of `build.run` did to the set of wheels, one line after the other."""

from typing import Annotated

import msgspec

from cogpack.lockfile.table import LockedDigest, LockTable

Step = Annotated[int, msgspec.Meta(ge=0, le=10**6)]
"""The index of a command of cog.yaml."""


class LockedPipLine(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """Says what one command laid and took away. `key`: of the command and the set that it found.

    `wheels`: file names; `again`: those of them that were chosen for what the project requires, too; `removed`: names
    of packages that it uninstalled.
    """

    step: Step
    key: LockedDigest
    wheels: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class LockedBreak(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """Says that the package `name` requires what isn't there in the end, because of a command. `found`: the version
    that is."""

    step: Step
    name: str
    requires: str
    found: str = ""
