"""By the fields that git compares a file is told to be still the same one: size, times, inode and device."""

import os
import struct
import sys
from collections.abc import Callable
from typing import NewType, cast

Stat = NewType("Stat", bytes)
"""The five of them, packed: of very many files they are kept and compared as one value."""

_FIELDS = struct.Struct("=QQQQQ")
LENGTH = _FIELDS.size
_pack = cast("Callable[..., Stat]", _FIELDS.pack)
_ALL = (1 << 64) - 1


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
    return int.from_bytes(stat[:8], sys.byteorder)


def touched_ns(stats: bytes) -> int:
    """Tell when a file was last touched, in nanoseconds since 1970: the last of many, whose statuses are joined."""
    fields = memoryview(stats).cast("q")
    return max(0, max(fields[1::5], default=0), max(fields[2::5], default=0))
