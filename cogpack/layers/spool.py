"""What layers are made of and no archive has lies in a temporary file without a name, gone with its last holder."""

import io
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar, cast

import msgspec

from cogpack.disk import writing
from cogpack.errors import InputError

T = TypeVar("T")

_MOST = 256 * 1024 * 1024
"""Bytes that are kept of what could be made again."""


class Spool:
    """Takes contents of several threads, each to a place of its own. `check`, called before each block, raises when
    they are not wanted any more."""

    def __init__(self, directory: Path, check: Callable[[], None] = lambda: None) -> None:
        self._directory = directory
        self._check = check
        with writing(directory):
            directory.mkdir(parents=True, exist_ok=True)
            # Reads and writes name their place, so there is no position to share; closed with the last content.
            self._file, name = tempfile.mkstemp(dir=directory, prefix=".spool-")
            Path(name).unlink()
        weakref.finalize(self, os.close, self._file)
        self._lock = threading.Lock()
        self._end = 0

    def write(self, blocks: Iterable[bytes], size: int) -> "Spooled":
        """Keep `blocks`, which are `size` bytes together."""
        with self._lock:
            start = self._end
            self._end += size
        place = start
        for block in blocks:
            self._check()
            rest = memoryview(block)
            while rest:
                with writing(self._directory):
                    written = os.pwrite(self._file, rest, place)
                place += written
                rest = rest[written:]
        assert place == start + size
        return Spooled(self, start, size)

    def read(self, place: int, size: int) -> bytes:
        return os.pread(self._file, size, place)


class Kept:
    """Keeps all that goes by, as long as it is little enough and the disk takes it."""

    def __init__(self, directory: Path) -> None:
        self._size = 0
        self._spool: Spool | None = None
        with suppress(InputError):
            self._spool = Spool(directory)

    def watch(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._size += len(block)
            if self._size > _MOST:
                self._spool = None
            if self._spool is not None:
                try:
                    self._spool.write([block], len(block))
                except InputError:
                    self._spool = None
            yield block

    def content(self) -> "Spooled | None":
        """Give all of it; None where it is not here."""
        return Spooled(self._spool, 0, self._size) if self._spool is not None else None


class Spooled(msgspec.Struct, frozen=True):
    """Is content at a place of a spool, which it keeps alive."""

    spool: Spool
    offset: int
    size: int

    def open(self) -> BinaryIO:
        return cast("BinaryIO", _SpooledReader(self))


class _SpooledReader(io.RawIOBase):
    def __init__(self, content: Spooled) -> None:
        super().__init__()
        self._content = content
        self._done = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._done, io.SEEK_END: self._content.size}[whence]
        self._done = max(0, start + offset)
        return self._done

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._content.size - self._done)
        wanted = left if size is None or size < 0 else min(size, left)
        block = self._content.spool.read(self._content.offset + self._done, wanted) if wanted else b""
        self._done += len(block)
        return block

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        block = self.read(len(view))
        view[: len(block)] = block
        return len(block)


class Once(Generic[T]):
    """Makes something once and keeps it: the bytes of entries are in a spool, which lives as long as they."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None
        self._lock = threading.Lock()

    def __call__(self) -> T:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made
