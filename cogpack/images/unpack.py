"""A stranger's archive is unpacked into a directory here (POSIX.1-2008, openat).

Paths are never given to the system whole, so no link, whoever made it and whenever, leads a write out of the directory.
"""

import errno
import os
import shutil
import stat
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from cogpack.disk import DIRECTORY, open_ours, sync_file_system, writing
from cogpack.errors import InputError
from cogpack.sizes import BLOCK

LEVELS = 256
"""Of directories in one another, and with"""
_PATH = 2048
"""bytes of a path: what this machine's programs can open wherever it lies (PATH_MAX is 4,096)."""
_ENTRIES = 500_000
"""Files and directories together: five times those of a large image."""


class Tree:
    """The tree below `root` is written without following links: each name is looked up in the directory before it.

    All that is written leaves a twentieth of what is free now. What is written outlives a power cut after `sync`.
    Thread-safe.
    """

    def __init__(self, root: Path) -> None:
        self._path = root
        self._root = open_ours(root)
        self._entries = 0
        status = os.fstatvfs(self._root)
        self._room = status.f_bavail * status.f_frsize // 20 * 19
        self._lock = threading.Lock()

    def write(self, path: Sequence[str], size: int, blocks: Iterable[bytes], *, offset: int | None = None) -> None:
        """Write a file of `size` bytes, in place of what is there; with `offset`, that part of a file."""
        self._check(path)
        with writing(self._path.joinpath(*path)), self._opened(path[:-1]) as directory:
            self._take(size, path)
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            if offset is None:
                self._remove(path[-1], directory)
                flags |= os.O_EXCL
            file = os.open(path[-1], flags, 0o644, dir_fd=directory)
            try:
                at = offset or 0
                for block in blocks:
                    view = memoryview(block)
                    while view:
                        written = os.pwrite(file, view, at)
                        at += written
                        view = view[written:]
            finally:
                os.close(file)

    def link(self, source: Sequence[str], path: Sequence[str]) -> None:
        """Give the file `source` another name, in place of what is there; `FileNotFoundError` where it is no file."""
        self._check(path)
        directory = self._find(source[:-1], make=False)
        try:
            if not stat.S_ISREG(os.stat(source[-1], dir_fd=directory, follow_symlinks=False).st_mode):
                raise FileNotFoundError(errno.ENOENT, "no file", "/".join(source))
            if list(source) == list(path):
                return
            with writing(self._path.joinpath(*path)), self._opened(path[:-1]) as other:
                self._count()
                self._remove(path[-1], other)
                os.link(source[-1], path[-1], src_dir_fd=directory, dst_dir_fd=other, follow_symlinks=False)
        finally:
            os.close(directory)

    def read(self, path: Sequence[str], start: int, size: int) -> Iterator[bytes]:
        """Read `size` bytes of a file, from `start` on."""
        directory = self._find(path[:-1], make=False)
        try:
            file = os.open(path[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        finally:
            os.close(directory)
        try:
            for at in range(start, start + size, BLOCK):
                yield os.pread(file, min(BLOCK, start + size - at), at)
        finally:
            os.close(file)

    def sync(self) -> None:
        with writing(self._path):
            sync_file_system(self._root)

    def files(self) -> list[tuple[str, int]]:
        """List path and size of each, in the order of their names."""
        found: list[tuple[str, int]] = []
        waiting: list[tuple[str, ...]] = [()]
        while waiting:
            above = waiting.pop()
            directory = self._find(above, make=False)
            try:
                with os.scandir(directory) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append((*above, entry.name))
                        else:
                            size = entry.stat(follow_symlinks=False).st_size
                            found.append(("/".join((*above, entry.name)), size))
            finally:
                os.close(directory)
        return sorted(found, key=lambda file: file[0].split("/"))

    def _check(self, path: Sequence[str]) -> None:
        if len(path) > LEVELS or sum(len(os.fsencode(name)) + 1 for name in path) > _PATH:
            raise InputError(
                f"{self._path}: a path of {len(path)} levels; {LEVELS} levels and {_PATH} bytes at most",
                next_step="don't use this image",
            )

    def _count(self) -> None:
        with self._lock:
            self._entries += 1
            if self._entries > _ENTRIES:
                raise InputError(
                    f"{self._path}: more than {_ENTRIES} files and directories are to be written",
                    next_step="don't use this image",
                )

    def _take(self, size: int, path: Sequence[str]) -> None:
        self._count()
        with self._lock:
            if size > self._room:
                raise InputError(
                    f"{self._path.joinpath(*path)}: has {size} bytes; with what came before, more than are free",
                    next_step="make room",
                )
            self._room -= size

    def remove(self, path: Sequence[str]) -> None:
        """Remove what a whiteout hides; nothing, if it is not there."""
        with writing(self._path.joinpath(*path)), suppress(FileNotFoundError, NotADirectoryError):
            directory = self._find(path[:-1], make=False)
            try:
                self._remove(path[-1], directory)
            finally:
                os.close(directory)

    def clear(self, path: Sequence[str]) -> None:
        """Remove all in a directory."""
        with writing(self._path.joinpath(*path)), suppress(FileNotFoundError, NotADirectoryError):
            directory = self._find(path, make=False)
            try:
                for name in os.listdir(directory):  # noqa: PTH208 - of a descriptor
                    self._remove(name, directory)
            finally:
                os.close(directory)

    @staticmethod
    def _remove(name: str, directory: int) -> None:
        try:
            os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            shutil.rmtree(name, dir_fd=directory)

    def _find(self, path: Sequence[str], *, make: bool) -> int:
        here = os.dup(self._root)
        for name in path:
            try:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o755, dir_fd=here)
                        self._count()
                there = os.open(name, DIRECTORY, dir_fd=here)
            finally:
                os.close(here)
            here = there
        return here

    @contextmanager
    def _opened(self, path: Sequence[str]) -> Iterator[int]:
        directory = self._find(path, make=True)
        try:
            yield directory
        finally:
            os.close(directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)
