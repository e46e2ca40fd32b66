"""Directories of a tree are opened one in another, without following links (openat(2)), and files in them written."""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

from cogpack.disk import DIRECTORY
from cogpack.sandbox.trees.laid import CAPABILITY, Laid, disk_mode

LEVELS = 256
"""Directories in one another that are followed."""

_KEPT = 32
"""Directories that stay open: a tar comes directory by directory."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Directories:
    """Opens directories below `root` by their paths, which have no links. What it gives is good until the next call."""

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, DIRECTORY)
        self._open: dict[str, int] = {}

    def open(self, path: str) -> int:
        self._trim()
        return self._get(path)

    def both(self, one: str, other: str) -> tuple[int, int]:
        self._trim()
        return self._get(one), self._get(other)

    def forget(self, path: str) -> None:
        """Close it, since it is about to be removed."""
        if (file := self._open.pop(path, None)) is not None:
            os.close(file)

    def _get(self, path: str) -> int:
        if not path:
            return self._root
        file = self._open.pop(path, None)
        if file is None:
            above, _, name = path.rpartition("/")
            file = os.open(name, DIRECTORY, dir_fd=self._get(above))
        self._open[path] = file  # the latest is the last
        return file

    def _trim(self) -> None:
        while len(self._open) > _KEPT:
            os.close(self._open.pop(next(iter(self._open))))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for file in (self._root, *self._open.values()):
            os.close(file)


def create(directory: int, name: str, one: Laid, write: Callable[[int], object], *, owned: bool, extra: int) -> None:
    """Make the file `name`, which `write` fills. `extra`: bits that its mode has on the disk besides."""
    file = os.open(name, _NEW, 0o600, dir_fd=directory)
    try:
        write(file)
        dress(file, one, owned=owned, extra=extra)
    finally:
        os.close(file)


def fill(file: int, one: Laid, blocks: Iterable[bytes], on_bytes: Callable[[int], object]) -> None:
    """Write `blocks`, and their hash and size into the record."""
    digest, size = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        size += len(block)
        on_bytes(len(block))
        written = os.write(file, block)
        while written < len(block):
            written += os.write(file, memoryview(block)[written:])
    one.digest, one.size = digest.digest(), size


def dress(file: int, one: Laid, *, owned: bool, extra: int = 0) -> None:
    """Give an open file or directory owner, mode, capability and time: in this order, each takes back what follows."""
    if owned:
        os.fchown(file, one.uid, one.gid)
    os.fchmod(file, disk_mode(one, owned=owned) | extra)
    if owned and one.capability:
        with suppress(OSError):  # without CAP_SETFCAP; the record has it
            os.setxattr(file, CAPABILITY, one.capability)
    os.utime(file, (one.mtime, one.mtime))


def remove_tree(path: Path) -> None:
    """Remove a directory with all in it, whatever commands have made there: directories that nobody may enter, or
    thousands in one another."""
    try:
        top = os.open(path, DIRECTORY)
    except FileNotFoundError:
        return
    try:
        while names := os.listdir(top):  # noqa: PTH208 - of a descriptor
            for name in names:
                _remove(name, top, top, 0)
    finally:
        os.close(top)
    path.rmdir()


def _remove(name: str, directory: int, top: int, level: int) -> None:
    try:
        os.unlink(name, dir_fd=directory)
        return
    except IsADirectoryError:
        with suppress(OSError):  # root may have been left the right to give files away, and not that to enter any
            os.chown(name, os.geteuid(), -1, dir_fd=directory, follow_symlinks=False)
        os.chmod(name, 0o700, dir_fd=directory)
    if level == LEVELS:  # its turn comes in the next round
        os.rename(name, secrets.token_hex(16), src_dir_fd=directory, dst_dir_fd=top)
        return
    here = os.open(name, DIRECTORY, dir_fd=directory)
    try:
        for inner in os.listdir(here):  # noqa: PTH208 - of a descriptor
            _remove(inner, here, top, level + 1)
    finally:
        os.close(here)
    os.rmdir(name, dir_fd=directory)
