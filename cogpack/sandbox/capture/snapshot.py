"""A snapshot is what a tree's files look like to the system before commands run in it, to tell afterwards what changed.

No program can set a file's ctime: what has the same inode, ctime, mode and size is the same. As git does with files as
young as its index, those that changed when the snapshot was taken, or later, don't count as known.
"""

import os
import stat
import time
from pathlib import Path
from typing import TypeAlias

import msgspec

from cogpack.disk import DIRECTORY, writing
from cogpack.errors import InputError
from cogpack.sandbox.trees.directories import LEVELS

_SECOND = 1_000_000_000
_COARSE = 5
"""CLOCK_REALTIME_COARSE (clock_gettime(2)), by which the kernel dates changes of files."""


class Status(msgspec.Struct, frozen=True, gc=False):
    """Is what lstat(2) said of a path. `birth`, which costs more, is asked for where it is needed."""

    inode: int
    ctime_ns: int
    mode: int
    size: int
    uid: int
    gid: int
    mtime_ns: int
    device: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Status":
        return cls(
            found.st_ino,
            found.st_ctime_ns,
            found.st_mode,
            found.st_size,
            found.st_uid,
            found.st_gid,
            found.st_mtime_ns,
            found.st_dev,
        )


_Listed: TypeAlias = list[tuple[str, Status]]


class Snapshot(msgspec.Struct, frozen=True):
    """Is the status of all paths at some time. `young`: the ctime from which on it tells nothing."""

    paths: dict[str, Status]
    young: int

    @classmethod
    def of(cls, root: Path) -> "Snapshot":
        """Look at all below `root`. No program may be running there."""
        now = time.clock_gettime_ns(_COARSE)
        with writing(root):
            paths = walk(root)
        if paths and all(one.ctime_ns % _SECOND == 0 for one in paths.values()):  # a file system of whole seconds
            now -= now % _SECOND
        return cls(paths, now)

    def same(self, path: str, now: Status) -> bool:
        """Tell whether what is at `path` looks as it did."""
        before = self.paths.get(path)
        return (
            before is not None
            and before.ctime_ns == now.ctime_ns
            and before.inode == now.inode
            and before.mode == now.mode
            and before.size == now.size
            and before.device == now.device
        )

    def is_young(self, now: Status) -> bool:
        """Tell whether it may have changed all the same."""
        return now.ctime_ns >= self.young


def walk(root: Path) -> dict[str, Status]:
    """Give all paths below `root`, each directory before what is in it. Links are not followed, and other file systems
    not entered. Directories that we may not read are opened to us, and have the mode here that they had."""
    found: dict[str, Status] = {}
    top = os.open(root, DIRECTORY)
    try:
        _walk(top, _listed(top), "", os.fstat(top).st_dev, found)
    finally:
        os.close(top)
    return found


def _walk(directory: int, entries: _Listed, above: str, device: int, found: dict[str, Status]) -> None:
    if above.count("/") > LEVELS:
        raise InputError(f"/{above!a:.200}: more than {LEVELS} directories in one another", next_step="make fewer")
    inner = []
    for name, status in entries:
        found[above + name] = status
        if stat.S_ISDIR(status.mode) and status.device == device:
            inner.append((name, status.mode))
    for name, mode in inner:
        opened, below = _entered(directory, name, mode)
        try:
            _walk(opened, below, f"{above}{name}/", device, found)
        finally:
            os.close(opened)


def _entered(directory: int, name: str, mode: int) -> tuple[int, _Listed]:
    try:
        return _opened(directory, name)
    except PermissionError:
        os.chmod(name, stat.S_IMODE(mode) | 0o700, dir_fd=directory)  # a directory, as lstat has just said
        return _opened(directory, name)


def _opened(directory: int, name: str) -> tuple[int, _Listed]:
    file = os.open(name, DIRECTORY, dir_fd=directory)
    try:
        return file, _listed(file)
    except BaseException:
        os.close(file)
        raise


def _listed(directory: int) -> _Listed:
    with os.scandir(directory) as entries:
        return [(entry.name, Status.of(entry.stat(follow_symlinks=False))) for entry in entries]
