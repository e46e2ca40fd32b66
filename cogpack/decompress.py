"""The plain bytes of layers that others made: gzip, zstd or none, in bounded memory."""

import io
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, cast

import zstandard

from cogpack.errors import InputError

BLOCK = 1024 * 1024


def decompressed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The plain bytes of a gzip, zstd or plain layer, told apart by its first bytes as Docker does.

    Bounded: no output block is larger than `BLOCK` or so, whatever the input expands to.
    """
    source = iter(blocks)
    head = b""
    while len(head) < 4 and (block := next(source, b"")):
        head += block
    stream = _chain(head, source)
    if head.startswith(b"\x1f\x8b"):
        yield from _gunzip(stream)
    elif head.startswith(b"\x28\xb5\x2f\xfd") or head[1:4] == b"\x2a\x4d\x18":
        yield from _unzstd(stream)
    else:
        yield from stream


def _chain(head: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from rest


def _gunzip(blocks: Iterator[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    started = False
    try:
        for block in blocks:
            rest = block
            while rest:
                if inflater.eof:
                    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
                started = True
                if out := inflater.decompress(rest, BLOCK):
                    yield out
                rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
                while not rest and not inflater.eof and (out := inflater.decompress(b"", BLOCK)):
                    yield out
    except zlib.error as error:
        raise _broken("gzip", str(error)) from error
    if started and not inflater.eof:
        raise _broken("gzip", "it ends early")


def _unzstd(blocks: Iterator[bytes]) -> Iterator[bytes]:
    # Frames may claim a window of gigabytes; 128 MiB is what the command line tool and Go's decoder allow.
    decoder = zstandard.ZstdDecompressor(max_window_size=128 * 1024 * 1024)
    try:
        with decoder.stream_reader(cast("IO[bytes]", _Reader(blocks)), read_across_frames=True) as reader:
            while block := reader.read(BLOCK):
                yield block
    except zstandard.ZstdError as error:
        raise _broken("zstd", str(error)) from error


class _Reader(io.RawIOBase):
    """The `read` that zstandard asks of its input."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks = blocks
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        if not self._rest:
            self._rest = next(self._blocks, b"")
        out, self._rest = self._rest[:size], self._rest[size:]
        return out


def _broken(codec: str, why: str) -> InputError:
    return InputError(f"a {codec} layer can't be unpacked: {why}", next_step="the image is damaged; push it anew")
