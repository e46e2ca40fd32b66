"""`cogpack.lock` is held as values, and read and written as text.

`model`: what it holds · `base_kinds`: the kinds of base in it · `clones`: what it says of
repositories · `table`: what all its tables have in common · `text`:
its TOML in and out.
"""

from cogpack.lockfile.clones import LockedClone, LockedSubmodule
from cogpack.lockfile.model import (
    REQUIRES,
    VERSION,
    Decisions,
    Lock,
    LockedClash,
    LockedPart,
    LockedSandboxed,
    LockedSteps,
    LockedWeight,
    LockedWheel,
    RemoteWeight,
    Result,
    Results,
    input_digests,
)
from cogpack.lockfile.table import FILE
from cogpack.lockfile.text import encode_lock, parse_lock, read_lock

__all__ = [
    "FILE",
    "REQUIRES",
    "VERSION",
    "Decisions",
    "Lock",
    "LockedClash",
    "LockedClone",
    "LockedPart",
    "LockedSandboxed",
    "LockedSteps",
    "LockedSubmodule",
    "LockedWeight",
    "LockedWheel",
    "RemoteWeight",
    "Result",
    "Results",
    "encode_lock",
    "input_digests",
    "parse_lock",
    "read_lock",
]
