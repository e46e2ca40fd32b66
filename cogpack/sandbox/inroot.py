"""Paths are found in a tree as a process finds them whose root it is: no link leads out, whoever laid it.

Standard library only, as `kernel`.
"""

import errno
import os
import stat
from pathlib import Path

from cogpack.sandbox import kernel

_LINKS = 40
"""Those that one path may pass, as in Linux."""


def open_in(root: int, path: bytes, flags: int) -> int:
    """Open `path` below the directory `root`, whatever links its parts are; the last one unless `O_NOFOLLOW`.

    Where the kernel can't do it (before Linux 5.6, in gVisor), each part is opened alone.
    """
    while True:
        try:
            return kernel.openat2(root, path, flags, kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_MAGICLINKS)
        except OSError as error:
            if error.errno in (errno.ENOSYS, errno.EPERM):  # which old engines answer for calls that they don't know
                return walk_in(root, path, flags)
            if error.errno != errno.EAGAIN:  # somebody renamed a directory meanwhile
                raise


def open_in_tree(root: Path, path: str | bytes, flags: int) -> int:
    """Open `path` of the tree `root`, as `open_in` does."""
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return open_in(directory, os.fsencode(path), flags)
    finally:
        os.close(directory)


def walk_in(root: int, path: bytes, flags: int) -> int:
    """Do what `open_in` does, part by part."""
    parts = _parts(path)
    above = [os.dup(root)]
    links = 0
    try:
        while parts:
            part = parts.pop()
            if part == b"..":
                if len(above) > 1:
                    os.close(above.pop())
                continue
            status = os.stat(part, dir_fd=above[-1], follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode) and (parts or not flags & os.O_NOFOLLOW):
                links += 1
                if links > _LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = os.readlink(part, dir_fd=above[-1])
                if target.startswith(b"/"):
                    while len(above) > 1:
                        os.close(above.pop())
                parts += _parts(target)
            elif parts:
                directory = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                above.append(os.open(part, directory, dir_fd=above[-1]))
            else:
                return os.open(part, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above[-1])
        return os.open(b".", flags & ~os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above[-1])
    finally:
        for directory in above:
            os.close(directory)


def _parts(path: bytes) -> list[bytes]:
    """Return the parts of a path, the first one last."""
    return [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]


def find_in(root: Path, path: str) -> Path:
    """Return where `path` of the tree lies on this machine, its links followed."""
    found = open_in_tree(root, path, os.O_PATH)
    try:
        return Path(f"/proc/self/fd/{found}").readlink()
    finally:
        os.close(found)
