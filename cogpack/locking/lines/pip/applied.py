"""What pip lines came out as."""

import msgspec

from cogpack.lockfile import LockedBreak, LockedPipLine, LockedSandboxed, LockedWheel
from cogpack.locking.wheels.outlines import Outlines


class AppliedLines(msgspec.Struct, frozen=True, kw_only=True):
    """Is what there is after the lines: `wheels` of the image, by name, which `outlines` knows; `replaced`, `lines` and
    `breaks` as in `Decisions`. `sandboxed`: the first step that has to be run, if one has; all else is as before it."""

    wheels: tuple[LockedWheel, ...]
    outlines: Outlines
    replaced: tuple[LockedWheel, ...] = ()
    lines: tuple[LockedPipLine, ...] = ()
    breaks: tuple[LockedBreak, ...] = ()
    sandboxed: tuple[LockedSandboxed, ...] = ()
