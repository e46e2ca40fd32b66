"""Weights that lie on a server: cut and laid like local ones, streamed by ranges, checked against pinned digests."""

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol, cast

import msgspec
from blake3 import blake3

from cogpack.digest import Digest, Hasher
from cogpack.errors import MismatchError
from cogpack.layers.weights.opaque import PAGE
from cogpack.layers.weights.safetensors import MAX_HEADER, read_header
from cogpack.layers.weights.shards import Shard, index, shards

Ranges = tuple[tuple[int, int], ...]


class Reader(Protocol):
    """A file that is read by ranges (`cogpack.remote.RemoteFile`)."""

    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> Iterator[bytes]: ...


class Piece(msgspec.Struct, frozen=True):
    """A part of a remote file: `head`, then the ranges (offset, length). `name`: of a shard, or a number."""

    name: str
    ranges: Ranges
    head: bytes = b""

    @property
    def size(self) -> int:
        return len(self.head) + sum(length for _, length in self.ranges)


def tensor_pieces(reader: Reader, stem: str, target: int) -> tuple[list[Piece], bytes]:
    """The shards of a safetensors file, and their index. Reads the header only."""
    start = b"".join(reader.read(0, min(8, reader.size)))
    length = min(int.from_bytes(start, "little"), MAX_HEADER)
    head = io.BytesIO(start + b"".join(reader.read(8, min(length, reader.size - 8) if reader.size > 8 else 0)))
    found: list[Shard] = shards(read_header(head, reader.size, where=repr(reader)), stem=stem, target=target)
    return [Piece(shard.name, shard.ranges, shard.header) for shard in found], index(found)


def opaque_pieces(size: int, target: int) -> list[Piece]:
    length = max(PAGE, target // PAGE * PAGE)
    return [
        Piece(f"{number:05d}", ((start, min(length, size - start)),))
        for number, start in enumerate(range(0, size, length))
    ]


def measure(reader: Reader, pieces: Sequence[Piece], on_bytes: Callable[[int], None]) -> tuple[Digest, list[str]]:
    """sha256 of the whole file and blake3 of each piece, in one pass over its bytes."""
    whole = Hasher()
    hashers = [blake3(piece.head) for piece in pieces]
    spans = sorted((start, length, number) for number, piece in enumerate(pieces) for start, length in piece.ranges)
    in_order = [all(a <= b for a, b in zip(piece.ranges, piece.ranges[1:], strict=False)) for piece in pieces]
    at, first = 0, 0
    for block in reader.read(0, reader.size):
        whole.update(block)
        on_bytes(len(block))
        while first < len(spans) and sum(spans[first][:2]) <= at:
            first += 1
        for start, length, number in spans[first:]:
            if start >= at + len(block):
                break
            if in_order[number]:
                hashers[number].update(block[max(0, start - at) : start + length - at])
        at += len(block)
    for number, piece in enumerate(pieces):
        if not in_order[number]:  # its order is not the file's: it is read for itself
            for block in _blocks(reader, piece):
                hashers[number].update(block)
    return whole.digest, [hasher.hexdigest() for hasher in hashers]


def _blocks(reader: Reader, piece: Piece) -> Iterator[bytes]:
    for offset, length in piece.ranges:
        yield from reader.read(offset, length)


class RemoteContent:
    """Content that is read from a server each time it is opened. `check`: told all its bytes, raises if they are wrong.

    `piece` is asked for when it is opened: to know a shard's ranges, a header must be read.
    """

    def __init__(self, reader: Callable[[], Reader], piece: Callable[[], Piece], size: int, digest: str) -> None:
        self._reader = reader
        self._piece = piece
        self._digest = digest
        self.size = size

    def open(self) -> BinaryIO:
        reader, piece = self._reader(), self._piece()
        return cast("BinaryIO", _Checked(_with_head(piece.head, _blocks(reader, piece)), self._digest, repr(reader)))

    def deflated(self) -> None:
        return None


def _with_head(head: bytes, blocks: Iterable[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from blocks


class _Checked(io.RawIOBase):
    """Blocks as a stream, whose end is only given when the digest ("sha256:..." or the hex of a blake3) was right."""

    def __init__(self, blocks: Iterator[bytes], digest: str, where: str) -> None:
        self._blocks = blocks
        self._digest = digest
        self._where = where
        self._hasher: Hasher | blake3 = Hasher() if digest.startswith("sha256:") else blake3()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                self._check()
                return b""
            self._hasher.update(block)
            self._rest = block
        taken = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(taken) :]
        return taken

    def _check(self) -> None:
        found = self._hasher.digest if isinstance(self._hasher, Hasher) else self._hasher.hexdigest()
        if found != self._digest:
            raise MismatchError(
                f"{self._where}: is not what cogpack.lock pins: expected {self._digest}, found {found}",
                next_step="the file was changed at its source; run cogpack lock --upgrade to take the new one",
            )


class RemoteShards:
    """The shards of a remote safetensors file, cut when the first of them is wanted."""

    def __init__(self, reader: Callable[[], Reader], stem: str, target: int) -> None:
        self._reader = reader
        self._stem = stem
        self._target = target
        self._lock = threading.Lock()
        self._cut: tuple[dict[str, Piece], bytes] | None = None

    def piece(self, name: str) -> Piece:
        pieces, _ = self._pieces()
        if name not in pieces:
            raise MismatchError(
                f"{self._reader()!r}: has no tensors for {name}, which cogpack.lock pins",
                next_step="run cogpack lock --upgrade",
            )
        return pieces[name]

    def index(self) -> bytes:
        return self._pieces()[1]

    def _pieces(self) -> tuple[dict[str, Piece], bytes]:
        with self._lock:
            if self._cut is None:
                pieces, document = tensor_pieces(self._reader(), self._stem, self._target)
                self._cut = {piece.name: piece for piece in pieces}, document
            return self._cut
