"""Known lines of `build.run` are decided: what they bring is pinned, one function a kind of effect.

Such a function takes the session, the effects of its kind with their steps' indexes (`Lines.of`) and the pins that are
kept, and gives the pins, and a `LockedSandboxed` of each step that the outside world says to be another than its line
reads. Then all lines are read anew, since those that follow it have another meaning, too.
"""

import msgspec

from cogpack.config import Config
from cogpack.lockfile import LockedSandboxed
from cogpack.lockfile.base_kinds import Base
from cogpack.locking.lines import read_lines


class DecidedLines(msgspec.Struct, frozen=True, kw_only=True):
    """Is what the lock says of known lines: see `Decisions`."""

    sandboxed: tuple[LockedSandboxed, ...] = ()


def decide_lines(config: Config, base: Base) -> DecidedLines:
    """Read the lines and pin what they bring, until nothing speaks against what was read."""
    sandboxed: tuple[LockedSandboxed, ...] = ()
    while True:
        read_lines(config, base, sandboxed)
        refused: list[LockedSandboxed] = []
        if not refused:
            return DecidedLines(sandboxed=sandboxed)
        sandboxed = (*sandboxed, min(refused, key=lambda one: one.step))
