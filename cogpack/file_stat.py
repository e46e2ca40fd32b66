"""By the fields that git compares a file is told to be still the same one: size, times, inode and device."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NewType, cast

Stat = NewType("Stat", bytes)
"""The five of them, packed: of very many files they are kept and compared as one value."""

_FIELDS = struct.Struct("<QQQQQ")
LENGTH = _FIELDS.size
_pack = cast("Callable[..., Stat]", _FIELDS.pack)
_ALL = (1 << 64) - 1


def stat_of(path: str | Path) -> Stat:
    """Look at the file as it is now, and not at what it leads to if it is a link; `OSError` where there is none."""
    return packed(os.lstat(path))


def packed(found: os.stat_result) -> Stat:
    """Pack what the system said of a file."""
    try:  # of very many files each call counts
        return _pack(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)
    except struct.error:
        return pack(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)


def pack(*fields: int) -> Stat:
    """Pack size, time of the content and of the inode in nanoseconds, inode and device."""
    try:
        return Stat(_FIELDS.pack(*fields))
    except struct.error:  # a time of before 1970
        return Stat(_FIELDS.pack(*(field & _ALL for field in fields)))


def size_of(stat: Stat) -> int:
    """Tell the file's bytes."""
    return int.from_bytes(stat[:8], "little")


def touched_ns(stat: Stat) -> int:
    """Tell when it was last touched, in nanoseconds since 1970."""
    _, modified, changed, _, _ = _FIELDS.unpack(stat)
    return max(modified if modified >> 63 == 0 else 0, changed if changed >> 63 == 0 else 0)
