"""Owners that files were given where this machine can't give them: without CAP_CHOWN, chown(2) is only remembered.

What is not remembered is root's. A file is known by device, inode and birth time (statx(2)): an inode may be another
file's once the first one is deleted, and that file was born later. Where the file system tells no birth, the inode
counts alone.
"""

import ctypes
import os
import threading
from collections.abc import Callable

AT_FDCWD = -100
"""Stands for an open directory where a path is absolute (openat(2))."""

_NOFOLLOW, _EMPTY_PATH, _BTIME = 0x100, 0x1000, 0x800


class Owners:
    """Remembers whose the files of a tree are to be. Thread-safe."""

    def __init__(self) -> None:
        self._owners: dict[tuple[int, int], tuple[int, int, int | None]] = {}
        self._lock = threading.Lock()

    def record(self, found: os.stat_result, uid: int, gid: int, *, birth: int | None = None) -> None:
        """Give the file to `uid` and `gid`, of which -1 keeps the former. `birth`: what `birth_of` says of it."""
        with self._lock:
            former = self._of(found.st_dev, found.st_ino, birth) or (0, 0)
            owner = (former[0] if uid == -1 else uid, former[1] if gid == -1 else gid)
            self._owners[found.st_dev, found.st_ino] = (*owner, birth)

    def of(self, found: os.stat_result, birth: Callable[[], int | None] = lambda: None) -> tuple[int, int] | None:
        """Tell whose the file is, None where nobody gave it away. `birth`, by `birth_of`, is asked only where its inode
        is known."""
        return self.of_inode(found.st_dev, found.st_ino, birth)

    def of_inode(self, device: int, inode: int, birth: Callable[[], int | None]) -> tuple[int, int] | None:
        """Tell the same of a file by its device and inode."""
        with self._lock:
            if (device, inode) not in self._owners:
                return None
        told = birth()
        with self._lock:
            return self._of(device, inode, told)

    def _of(self, device: int, inode: int, birth: int | None) -> tuple[int, int] | None:
        known = self._owners.get((device, inode))
        if known is None or (None not in (birth, known[2]) and birth != known[2]):
            return None
        return known[:2]


class _Time(ctypes.Structure):
    _fields_ = (("sec", ctypes.c_int64), ("nsec", ctypes.c_uint32), ("pad", ctypes.c_int32))


class _Statx(ctypes.Structure):
    """statx(2), up to the birth time."""

    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("before", ctypes.c_uint8 * 60),
        ("atime", _Time),
        ("btime", _Time),
        ("after", ctypes.c_uint8 * 160),
    )


_statx = getattr(ctypes.CDLL(None), "statx", None)


def birth_of(directory: int, name: str = "") -> int | None:
    """Tell when a file was made, in nanoseconds: `name` in an open directory, or the open file itself without it.

    None where kernel, C library or file system can't tell. A link is not followed; `O_PATH` will do.
    """
    if _statx is None:
        return None
    told = _Statx()
    flags = _NOFOLLOW | (0 if name else _EMPTY_PATH)
    if _statx(directory, os.fsencode(name), flags, _BTIME, ctypes.byref(told)) != 0 or not told.mask & _BTIME:
        return None
    return int(told.btime.sec) * 1_000_000_000 + int(told.btime.nsec)
