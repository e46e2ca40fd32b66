"""A zip member as content of a layer: inflated as it is read, or its deflate stream as it is."""

import io
from typing import TYPE_CHECKING, BinaryIO, cast

import msgspec

from cogpack import inflate
from cogpack.errors import InputError
from cogpack.layers.content import LocalFile, RawDeflate, Spliceable
from cogpack.layers.wheels.archive import ZipMember
from cogpack.sizes import BLOCK

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER = 64 * 1024
"""Whole buffers are read right to where they are wanted; what is read into a longer one is copied from there."""


class ZipContent(msgspec.Struct, Spliceable, frozen=True):
    """Is the bytes of `member` in the archive `file`, which `wheel` names in errors.

    Who reads to the end has seen just the size and CRC-32 of the central directory. RECORD's hashes are not computed
    again: the archive as a whole was verified by its sha256, and whenever it is opened and closed it is still that one.
    """

    file: LocalFile
    wheel: str
    member: ZipMember

    @property
    def size(self) -> int:
        return self.member.size

    def open(self) -> BinaryIO:
        raw = _Inflating(self) if self.member.deflated else _Stored(self)
        return io.BufferedReader(raw, min(BLOCK, max(self.member.size, 1)))

    def deflated(self) -> RawDeflate | None:
        return (
            _Raw(self.file, self.member.start, self.member.packed, self.member.crc32) if self.member.deflated else None
        )

    def read(self, limit: int) -> bytes:
        """Read all of it; an error beyond `limit` bytes."""
        if self.size > limit:
            raise InputError(
                f"{self.wheel}: {self.member.name} has more than {limit} bytes",
                next_step="this wheel is damaged or unsafe: choose another one",
            )
        with self.open() as stream:
            return stream.read()

    def damaged(self) -> InputError:
        return InputError(
            f"{self.wheel}: {self.member.name} does not unpack to the size and CRC-32 that the zip says",
            next_step="this wheel is damaged or unsafe: choose another one",
        )

    def __repr__(self) -> str:
        return f"{self.wheel}: {self.member.name}"


class _Raw(msgspec.Struct):
    """Is a member's `RawDeflate`."""

    file: LocalFile
    start: int
    size: int
    crc32: int

    def open(self) -> BinaryIO:
        return io.BufferedReader(_Slice(self.file, self.start, self.size), min(_BUFFER, max(self.size, 1)))

    def watch(self) -> None:
        return None


class _Slice(io.RawIOBase):
    """Reads `size` bytes of a file, beginning at `start`."""

    def __init__(self, file: LocalFile, start: int, size: int) -> None:
        super().__init__()
        self._file = cast("io.FileIO", file.open())
        self._file.seek(start)
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer)[: self._left]
        size = self._file.readinto(view) if self._left else 0
        self._left -= size
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


class _Stored(_Slice):
    """Reads a stored member, which is checked at its end."""

    def __init__(self, content: ZipContent) -> None:
        super().__init__(content.file, content.member.start, content.member.packed)
        self._content = content
        self._crc = 0

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        size = super().readinto(buffer)
        self._crc = inflate.crc32(memoryview(buffer)[:size], self._crc)
        if not size and memoryview(buffer).nbytes and (self._left or self._crc != self._content.member.crc32):
            raise self._content.damaged()
        return size


class _Inflating(io.RawIOBase):
    """Reads a deflated member, which is checked at its end. At most one block of it is in memory."""

    def __init__(self, content: ZipContent) -> None:
        super().__init__()
        self._content = content
        member = content.member
        self._packed = _Slice(content.file, member.start, member.packed)
        self._inflater = inflate.inflater(inflate.RAW)
        self._waiting = b""
        self._crc = self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer)
        block = self._next(view.nbytes) if view.nbytes else b""
        view[: len(block)] = block
        return len(block)

    def _next(self, most: int) -> bytes:
        member = self._content.member
        try:
            block = b""
            while not block and not self._inflater.eof:
                self._waiting = self._waiting or self._packed.read(min(BLOCK, member.packed)) or b""
                ended = not self._waiting
                block = self._inflater.decompress(self._waiting, most)
                self._waiting = self._inflater.unconsumed_tail
                if ended and not block:
                    break
        except inflate.InflateError as error:
            raise self._content.damaged() from error
        self._crc = inflate.crc32(block, self._crc)
        self._size += len(block)
        rest = self._inflater.unused_data or (self._inflater.eof and self._packed.read(1))
        if self._size > member.size or rest:
            raise self._content.damaged()
        if not block and not (self._inflater.eof and self._size == member.size and self._crc == member.crc32):
            raise self._content.damaged()
        return block

    def close(self) -> None:
        self._packed.close()
        super().close()
