"""This module gives the plain bytes of layers that others made: gzip, zstd or none, in bounded memory."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from cogpack import inflate, zstd
from cogpack.errors import InputError
from cogpack.sizes import BLOCK, GiB

if TYPE_CHECKING:
    import bz2
    import lzma

_GZIP_SLICE = 16 * 1024
"""Bytes given to zlib at a time: what follows the end of a member is copied, and members may be tiny and many."""

_ZSTD_SLICE = 512
"""Bytes given to zstd at a time: it gives all they unpack to at once, 128 KiB for each 4 of them at the worst."""

_ZSTD_WINDOW_LOG = 27
"""Frames may claim a window of gigabytes; 128 MiB is what the command line tool and Go's decoder allow."""

_BOMB = 16 * GiB
"""Bytes that any layer may have, however small it is packed, as weights that are zeros yet or a swap file: zstd makes a
layer of ours 30,000 times as small then. Beyond, it may have this many times its own:"""
_RATIO = 1000


def decompressed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The plain bytes of a gzip, zstd or plain layer, told apart by its first bytes as Docker does.

    Bounded: no output block is larger than `BLOCK` or so, whatever the input expands to, and it may not expand
    without end. Who writes it to a disk is bounded by that.
    """
    taken = given = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken
        for block in blocks:
            taken += len(block)
            yield block

    for out in _plain(counted()):
        given += len(out)
        if given > _BOMB and given > taken * _RATIO:
            raise _broken("compressed", f"{taken} bytes of it make more than {given}")
        yield out


def _plain(source: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    for block in source:
        head += block
        if len(head) >= 4:
            break
    stream = chain((head,), source)
    if head.startswith(b"\x1f\x8b"):
        yield from _gunzip(stream)
    elif head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50):
        yield from _unzstd(stream)
    else:
        yield from stream


def _slices(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), size):
            yield block[start : start + size]


def _gunzip(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress RFC 1952: members one after another."""
    inflater = inflate.inflater(inflate.GZIP)
    try:
        for piece in _slices(blocks, _GZIP_SLICE):
            rest = piece
            while rest:
                if inflater.eof:
                    inflater = inflate.inflater(inflate.GZIP)
                if out := inflater.decompress(rest, BLOCK):
                    yield out
                rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
                while not rest and not inflater.eof and (out := inflater.decompress(b"", BLOCK)):
                    yield out
    except inflate.InflateError as error:
        raise _broken("gzip", str(error)) from error
    if not inflater.eof:
        raise _broken("gzip", "it ends early")


def _unzstd(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress RFC 8878: frames one after another, skippable ones among them."""
    # Not the library's stream reader: it takes a cut frame for a whole one.
    frame = zstd.decoder(_ZSTD_WINDOW_LOG)
    try:
        for piece in _slices(blocks, _ZSTD_SLICE):
            rest = piece
            while rest:
                if frame.eof:
                    frame = zstd.decoder(_ZSTD_WINDOW_LOG)
                yield from _slices([frame.decompress(rest)], BLOCK)
                rest = frame.unused_data if frame.eof else b""
    except zstd.ZstdError as error:
        raise _broken("zstd", str(error)) from error
    if not frame.eof:
        raise _broken("zstd", "it ends early")


def old_streams(
    blocks: Iterable[bytes], made: "Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]"
) -> Iterator[bytes]:
    """Unpack streams of a compression that no layer has, one after another, zeros behind the last; an `EOFError` where
    that is cut."""
    unpacker = made()
    for block in blocks:
        rest = block
        while rest or not (unpacker.needs_input or unpacker.eof):
            if unpacker.eof:
                if not rest.strip(b"\0"):
                    break
                unpacker = made()
            if out := unpacker.decompress(rest, BLOCK):
                yield out
            rest = unpacker.unused_data if unpacker.eof else b""
    if not unpacker.eof:
        raise EOFError("it ends early")


def _broken(codec: str, why: str) -> InputError:
    return InputError(f"a {codec} layer can't be unpacked: {why}", next_step="the image is damaged; push it anew")
