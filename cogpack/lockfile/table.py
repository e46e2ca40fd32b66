"""All tables of `cogpack.lock` have this in common."""

from typing import Annotated

import msgspec

from cogpack.digest import DiffID, Digest

FILE = "cogpack.lock"
DAMAGED = "restore it from git, or delete it and run cogpack lock"
"""The next step where a lock holds what we would not have written."""

_SHA256 = msgspec.Meta(pattern=r"\Asha256:[0-9a-f]{64}\Z")
LockedDigest = Annotated[Digest, _SHA256]
LockedDiffID = Annotated[DiffID, _SHA256]
LockedSize = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Bytes."""
LockedPath = Annotated[str, msgspec.Meta(pattern=r"\A(?:(?!\.{1,2}(?:/|\Z))[^/\0]+(?:/(?=[^/])|\Z))+\Z")]
"""Relative, of plain names."""
LockedRatio = Annotated[int, msgspec.Meta(ge=0, le=1000)]
"""Thousandths that zstd leaves in a probe."""


class LockTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Is a part of the lock. A key that is not known would decide something for whoever knows it."""
