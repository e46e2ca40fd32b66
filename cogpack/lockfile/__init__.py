"""`cogpack.lock`: its types (`model`, and those of bases in `cogpack.bases`), and its text in and out (`text`)."""

from cogpack.lockfile.model import (
    FILE,
    REQUIRES,
    VERSION,
    Decisions,
    Lock,
    LockedClash,
    LockedPart,
    LockedWeight,
    LockedWheel,
    RemoteWeight,
    Result,
    Results,
    input_digests,
)
from cogpack.lockfile.text import encode_lock, parse_lock, read_lock

__all__ = [
    "FILE",
    "REQUIRES",
    "VERSION",
    "Decisions",
    "Lock",
    "LockedClash",
    "LockedPart",
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
