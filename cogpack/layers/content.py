"""Contents that can be read again and again: files, bytes, ranges of files."""

import io
import os
import stat
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

import msgspec

from cogpack.errors import CogpackError, InputError, MismatchError, gone
from cogpack.file_stat import Stat, packed, size_of
from cogpack.sizes import BLOCK

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


WITHOUT_WAITING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class RawDeflate(Protocol):
    """Stands for a raw deflate stream (RFC 1951) that some archive holds already: it can be spliced into gzip."""

    size: int  # of the deflate stream, bytes
    crc32: int  # of the plain bytes

    def open(self) -> BinaryIO: ...

    def watch(self) -> "Watch | None":
        """Give who wants to see the plain bytes, of whoever inflates them now."""


class Watch(Protocol):
    """Sees content while it is read."""

    def see(self, block: bytes) -> None: ...

    def end(self) -> None:
        """Learn that it has seen all, and that it was just what was promised."""


class Content(Protocol):
    """Gives bytes of known size, any number of times with the same result."""

    @property
    def size(self) -> int: ...

    def open(self) -> BinaryIO: ...


class Spliceable:
    """Is content that an archive may hold deflated already."""

    __slots__ = ()

    def deflated(self) -> RawDeflate | None: ...


class AtOnce:
    """Is content of which there may be very many: what is small is read without a stream."""

    __slots__ = ()

    def at_once(self) -> bytes | None:
        """Read all of it; None of what is too large."""


class Bytes(msgspec.Struct, frozen=True):
    """Is content that is in memory: generated and small files."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)


class LocalFile(msgspec.Struct, frozen=True, gc=False):
    """Is the content of a file here. Opening and closing it check that it is still the file that was listed."""

    path: str | Path
    stat: Stat

    @classmethod
    def of(cls, path: str | Path) -> "LocalFile":
        return cls(path, _stat(path))

    @classmethod
    def named(cls, path: Path) -> "LocalFile":
        """Take what somebody calls `path`: the file behind its links, as caches have them."""
        try:
            file = Path(os.path.realpath(path, strict=True))
            is_file = file.is_file()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}", next_step="name a file that is there") from error
        if not is_file:
            raise InputError(f"{path}: is no file", next_step="name a file")
        return cls.of(file)

    @property
    def size(self) -> int:
        return size_of(self.stat)

    def open(self) -> BinaryIO:
        return _Unchanged(self.path, self.stat)

    def whole(self) -> bytes:
        """Read all of it: for small files, of which there may be very many. What it is after that tells whether it is
        still the file that was listed."""
        stat = self.stat
        size = size_of(stat)
        try:
            descriptor = os.open(self.path, WITHOUT_WAITING)
        except OSError as error:
            raise _unreadable(self.path, error) from error
        try:
            try:
                data = os.read(descriptor, size + 1)
                while len(data) < size and (more := os.read(descriptor, size + 1 - len(data))):
                    data += more
            except OSError as error:
                raise (_failing(self.path, error) if self._is(descriptor) else changed(self.path)) from error
            if len(data) != size or packed(os.fstat(descriptor)) != stat:
                raise changed(self.path)
        finally:
            os.close(descriptor)
        return data

    def _is(self, descriptor: int) -> bool:
        return packed(os.fstat(descriptor)) == self.stat

    def buffered(self) -> io.BufferedReader:
        """Open it for many small reads; `read` gives as much as it is asked for."""
        return io.BufferedReader(_Unchanged(self.path, self.stat), BLOCK)


class _Unchanged(io.FileIO):
    def __init__(self, path: str | Path, stat: Stat) -> None:
        self._path, self._stat, self._sound = path, stat, False
        try:
            super().__init__(path, "rb", opener=_open_at_once)
        except OSError as error:
            raise _unreadable(path, error) from error
        if packed(os.fstat(self.fileno())) != stat:
            super().close()
            raise changed(path)
        self._sound = True

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except OSError as error:
            raise _failing(self._path, error) from error

    def readinto(self, buffer: "WriteableBuffer") -> int:
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise _failing(self._path, error) from error

    def close(self) -> None:
        if not self.closed:
            super().close()
            given_up = isinstance(sys.exception(), GeneratorExit)  # then nobody uses what was read
            if self._sound and not given_up and _stat(self._path) != self._stat:
                raise changed(self._path)


def _stat(path: str | Path) -> Stat:
    try:
        found = os.lstat(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(found.st_mode):  # a pipe would pass for an empty file
        raise gone(path, "no regular file")
    return packed(found)


def _open_at_once(path: str | Path, flags: int) -> int:
    """Open without waiting: a pipe may have taken the file's place."""
    return os.open(path, flags | WITHOUT_WAITING)


def changed(path: str | Path) -> MismatchError:
    return MismatchError(
        f"{path}: changed while it was read",
        next_step="run it again when nothing writes there, or list the file in .dockerignore if the model can do "
        "without it, as a log",
    )


def _failing(path: str | Path, error: OSError) -> InputError:
    return InputError(f"{path}: can't be read: {error.strerror or error}", next_step="check the disk")


def _unreadable(path: str | Path, error: OSError) -> CogpackError:
    if isinstance(error, PermissionError):
        return InputError(f"{path}: {error.strerror}", next_step="make the file readable")
    return gone(path, error.strerror or str(error))


@contextmanager
def read_anywhere(content: Content) -> Iterator[Callable[[int, int], bytes]]:
    """Give what reads (offset, size) of it. Where it can only be read forward, reading what lies behind begins anew."""
    reader = _Anywhere(content)
    try:
        yield reader
    finally:
        reader.close()


class _Anywhere:
    def __init__(self, content: Content) -> None:
        self._content = content
        self._stream = content.open()
        self._at = 0

    def __call__(self, offset: int, size: int) -> bytes:
        if offset >= self._content.size:
            return b""
        if self._stream.seekable():
            self._at = self._stream.seek(offset)
        elif offset < self._at:
            self.close()
            self._stream, self._at = self._content.open(), 0
        while self._at < offset and (skipped := self._stream.read(min(BLOCK, offset - self._at))):
            self._at += len(skipped)
        data = bytearray()
        while len(data) < size and (block := self._stream.read(min(BLOCK, size - len(data)))):
            data += block
        self._at += len(data)
        return bytes(data)

    def close(self) -> None:
        self._stream.close()


class Slices(msgspec.Struct, frozen=True):
    """Is cut out of a file without copying: `head`, then the ranges (offset, length) of `file`, back to back."""

    file: LocalFile
    ranges: tuple[tuple[int, int], ...]
    head: bytes = b""

    @property
    def size(self) -> int:
        return len(self.head) + sum(length for _, length in self.ranges)

    def open(self) -> BinaryIO:
        return cast("BinaryIO", _SliceReader(self))


def places(ranges: Sequence[tuple[int, int]], start: int, length: int) -> Iterator[tuple[int, int]]:
    """Find the bytes `start` to `start + length` of ranges laid one behind the other, as ranges of the source file."""
    at = 0
    for offset, size in ranges:
        first, last = max(start, at), min(start + length, at + size)
        if first < last:
            yield offset + first - at, last - first
        at += size


class _SliceReader(io.RawIOBase):
    """Reads forward only. The file is checked for changes when it is opened and closed (`LocalFile`)."""

    def __init__(self, slices: Slices) -> None:
        self._stream = slices.file.open()
        self._head = slices.head
        self._ranges = iter(slices.ranges)
        self._left = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._head:
            taken, self._head = (self._head, b"") if size < 0 else (self._head[:size], self._head[size:])
            return taken
        while not self._left:
            following = next(self._ranges, None)
            if following is None:
                return b""
            offset, self._left = following
            self._stream.seek(offset)
        block = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(block)
        return block

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._stream.close()


class Blocks(io.RawIOBase):
    """Makes a stream of blocks, read forward only and as far as it is asked for. Closing it closes them."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(block)
        target = memoryview(buffer)
        taken = self._rest[: len(target)]
        target[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)

    def close(self) -> None:
        super().close()
        if isinstance(self._blocks, Generator):
            self._blocks.close()

    def buffered(self) -> io.BufferedReader:
        """Give the same with a buffer: `read` gives as much as it is asked for."""
        return io.BufferedReader(self, BLOCK)


class Absent(msgspec.Struct, frozen=True):
    """Is content of which only the size is here. `why` is raised when it is wanted after all."""

    size: int
    why: CogpackError

    def open(self) -> BinaryIO:
        raise self.why
