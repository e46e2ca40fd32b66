"""Contents are watched while somebody reads them: a pass that makes a layer tells what is in it, too."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, cast

import msgspec

from cogpack.layers.content import Content, RawDeflate, Spliceable, Watch

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Watched(msgspec.Struct, Spliceable, frozen=True):
    """Is `content`, of which each reading is seen by what `begin` gives."""

    content: Content
    begin: Callable[[], Watch]

    @property
    def size(self) -> int:
        return self.content.size

    def open(self) -> BinaryIO:
        return cast("BinaryIO", _Reader(self.content.open(), self.size, self.begin()))

    def deflated(self) -> RawDeflate | None:
        raw = self.content.deflated() if isinstance(self.content, Spliceable) else None
        return None if raw is None else _Raw(raw, raw.size, raw.crc32, self.begin)

    def __repr__(self) -> str:
        return repr(self.content)


class _Raw(msgspec.Struct):
    raw: RawDeflate
    size: int
    crc32: int
    begin: Callable[[], Watch]

    def open(self) -> BinaryIO:
        return self.raw.open()

    def watch(self) -> Watch:
        return self.begin()


class _Reader(io.RawIOBase):
    """Reads forward only. What was read whole, and closed without an error, was seen."""

    def __init__(self, stream: BinaryIO, size: int, watch: Watch) -> None:
        self._stream = stream
        self._left = size
        self._watch = watch

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        if block:
            self._left -= len(block)
            self._watch.see(block)
        return block

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        block = self.read(len(view))
        view[: len(block)] = block
        return len(block)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._stream.close()
            if not self._left:
                self._watch.end()
