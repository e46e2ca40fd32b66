"""Codecs: tar segments in, the stored bytes of a layer out.

A codec's `profile` names all that decides its bytes. It is part of the layer key, so a digest is only ever compared
with one that the same profile made; a profile that this installation can't replay is refused.
"""

import os
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import deflate as libdeflate

from cogpack import inflate, zstd
from cogpack.digest import Hasher
from cogpack.errors import InputError, MismatchError
from cogpack.layers import tar
from cogpack.layers.content import Content, RawDeflate, Spliceable
from cogpack.oci import OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD


class Codec(Protocol):
    @property
    def profile(self) -> str: ...

    @property
    def media_type(self) -> str: ...

    def encode(self, segments: Iterable[tar.Segment], plain: Hasher) -> Iterator[bytes]:
        """Make the stored bytes. `plain` has seen the whole plain tar when they are drained."""


class Uncompressed:
    """Leaves the tar as it is, for weights: digest and diff ID are one hash, and nothing is unpacked faster."""

    profile = "tar"
    media_type = OCI_LAYER

    def encode(self, segments: Iterable[tar.Segment], plain: Hasher) -> Iterator[bytes]:
        return plain.watch(tar.blocks(segments))


class SplicedGzip:
    """Makes gzip that takes over the deflate streams which the contents hold already, for wheels.

    Nothing is compressed anew: a stream is inflated once, to learn the diff ID and to check it.
    """

    profile = "gzip-splice-1"
    media_type = OCI_LAYER_GZIP

    def encode(self, segments: Iterable[tar.Segment], plain: Hasher) -> Iterator[bytes]:
        return _joined(self._members(segments, plain))

    def _members(self, segments: Iterable[tar.Segment], plain: Hasher) -> Iterator[bytes]:
        from cogpack.layers import deflate

        headers = bytearray()
        for segment in segments:
            if isinstance(segment, bytes):
                plain.update(segment)
                headers += segment
                continue
            raw = segment.deflated() if isinstance(segment, Spliceable) else None
            if raw is None:
                yield from deflate.stored_member(bytes(headers), tar.read(segment), plain.update)
            else:
                yield deflate.member(bytes(headers)) + deflate.HEADER
                yield from _checked(raw, segment, plain)
                yield deflate.trailer(raw.crc32, segment.size)
            headers.clear()
        yield deflate.member(bytes(headers))


def _joined(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Join small blocks: a wheel of many files comes in three for each, and all that is done with a block costs more
    than its bytes."""
    joined = bytearray()
    for block in blocks:
        if len(block) < _BLOCK:
            joined += block
            if len(joined) < _BLOCK:
                continue
            block = b""
        if joined:
            yield bytes(joined)
            joined.clear()
        if block:
            yield block
    if joined:
        yield bytes(joined)


_BLOCK = 256 * 1024
"""Bytes that are inflated at a time, and that may come of it: of longer ones the C library may have the system give and
take the memory of each, for a fifth of the time."""


def _checked(raw: RawDeflate, content: Content, plain: Hasher) -> Iterator[bytes]:
    """Give the raw stream, unchanged, once inflating it has given just the bytes that were promised."""
    inflater = inflate.inflater(inflate.RAW)
    watch = raw.watch()
    crc = size = 0
    left = raw.size
    try:
        with raw.open() as stream:
            ended = False
            while not ended and (block := stream.read(min(_BLOCK, left))):
                left -= len(block)
                rest, more = block, True
                while more and not ended:
                    out = inflater.decompress(rest, _BLOCK)
                    rest = inflater.unconsumed_tail
                    crc, size = inflate.crc32(out, crc), size + len(out)
                    plain.update(out)
                    if watch:
                        watch.see(out)
                    more = bool(rest or out)
                    ended = inflater.eof or size > content.size
                yield block
    except inflate.InflateError as error:
        raise _damaged(content) from error
    if not inflater.eof or inflater.unused_data or left or size != content.size or crc != raw.crc32:
        raise _damaged(content)
    if watch:
        watch.end()


def _damaged(content: Content) -> InputError:
    return InputError(
        f"{content!r:.300}: the compressed bytes don't unpack to what the archive says",
        next_step="delete the file from the cache and run it again",
    )


_CORES = os.cpu_count() or 1
_pool = ThreadPoolExecutor(_CORES, thread_name_prefix="compress")
"""Shared by all passes: what one piece takes while it is compressed is taken once per core, not once per pass."""
_spare = threading.Semaphore(_CORES)
"""Pieces that all passes together may have in memory, beyond the one that each may always have."""


class _Framed(ABC):
    """Compresses pieces of fixed size, each on its own: on all cores, with the same bytes on any number of them."""

    piece = 1024 * 1024
    profile: str
    media_type: str

    @abstractmethod
    def compress(self, piece: bytes | bytearray) -> bytes: ...

    def encode(self, segments: Iterable[tar.Segment], plain: Hasher) -> Iterator[bytes]:
        waiting: deque[Future[bytes]] = deque()
        taken = 0
        try:
            for piece in _pieces(plain.watch(tar.blocks(segments)), self.piece):
                if waiting:
                    if len(waiting) <= _CORES and _spare.acquire(blocking=False):
                        taken += 1
                    else:
                        yield waiting.popleft().result()
                waiting.append(_pool.submit(self.compress, piece))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            if taken:
                _spare.release(taken)


def _pieces(blocks: Iterable[bytes], size: int) -> Iterator[bytearray]:
    piece = bytearray()
    for block in blocks:
        with memoryview(block) as view:
            at = 0
            while at < len(view):
                part = view[at : at + size - len(piece)]
                piece += part
                at += len(part)
                if len(piece) == size:
                    yield piece
                    piece = bytearray()
    if piece:
        yield piece


_DEFLATE_VERSION = "0.9.0"
_ZSTD_VERSION = (1, 5, 7)


class Gzip(_Framed):
    """Makes gzip by libdeflate, the build that one exact version of the `deflate` package bundles."""

    profile = f"gzip-libdeflate-{_DEFLATE_VERSION}-6-1m"
    media_type = OCI_LAYER_GZIP

    def __init__(self) -> None:
        _require("deflate", str(libdeflate.__version__), _DEFLATE_VERSION)

    def compress(self, piece: bytes | bytearray) -> bytes:
        from cogpack.layers import deflate

        body = bytes(libdeflate.deflate_compress(piece, 6))
        return deflate.HEADER + body + deflate.trailer(inflate.crc32(piece), len(piece))


class Zstd(_Framed):
    """Makes zstd frames with their size in the header; Docker 23 and later read them."""

    profile = f"zstd-{'.'.join(map(str, _ZSTD_VERSION))}-3-4m"
    media_type = OCI_LAYER_ZSTD
    piece = 4 * 1024 * 1024

    def __init__(self) -> None:
        found, expected = (".".join(map(str, version)) for version in (zstd.VERSION, _ZSTD_VERSION))
        _require("libzstd", found, expected, more="; Python 3.15 has its own libzstd: take 3.14, or gzip")

    def compress(self, piece: bytes | bytearray) -> bytes:
        return zstd.compress(piece, 3)


def _require(name: str, found: str, expected: str, *, more: str = "") -> None:
    if found != expected:
        raise MismatchError(
            f"{name} {found} is installed, but layers are made with {expected}: the bytes would differ",
            next_step=f"reinstall cogpack with its own dependencies, for example in a fresh virtual environment{more}",
        )
