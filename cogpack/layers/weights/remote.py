"""Weights that lie on a server: split and laid like local ones, streamed by ranges, checked against pinned digests."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import BinaryIO, Protocol, cast

from blake3 import blake3

from cogpack.digest import Digest, Hasher
from cogpack.errors import InputError, MismatchError
from cogpack.layers.content import Blocks
from cogpack.layers.weights.opaque import opaque_ranges
from cogpack.layers.weights.pieces import read_any, split_any
from cogpack.layers.weights.probe import probe
from cogpack.layers.weights.shards import Piece
from cogpack.model_files import TensorRule, tensor_rule

_MAX_RANGE = 4 * 1024 * 1024


class Reader(Protocol):
    """Reads a file by ranges (`cogpack.remote.RemoteFile`). `renewed`: how to go on where its bytes are not those that
    were pinned."""

    @property
    def size(self) -> int: ...

    @property
    def renewed(self) -> str: ...

    def read(self, offset: int, length: int) -> Iterator[bytes]: ...


def split_remote(rule: TensorRule, reader: Reader, name: str, target: int) -> list[Piece]:
    """Split the file called `name`; last comes the piece that tells of the others. Only the header is read."""
    with Blocks(_beginning(reader)).buffered() as stream:
        return split_any(read_any(rule, stream, reader.size, where=repr(reader)), name, target)


def probe_pieces(reader: Reader, name: str, pieces: Sequence[Piece]) -> list[int]:
    """Tell what zstd leaves of each piece of the file called `name`, in thousandths, by the header and a few blocks."""
    rule, header = tensor_rule(name), None
    if rule:
        with suppress(InputError), Blocks(_beginning(reader)).buffered() as stream:
            header = read_any(rule, stream, reader.size, where=repr(reader))
    return [probe(piece, lambda offset, length: b"".join(reader.read(offset, length)), header) for piece in pieces]


def whole_piece(size: int) -> Piece:
    return Piece("", ((0, size),) if size else ())


def _beginning(reader: Reader) -> Iterator[bytes]:
    """Read a file from its first byte, in ranges that double: nobody knows yet how long its header is."""
    at, length = 0, 64 * 1024
    while at < reader.size:
        yield from reader.read(at, min(length, reader.size - at))
        at, length = at + length, min(2 * length, _MAX_RANGE)


def opaque_pieces(size: int, target: int) -> list[Piece]:
    return [Piece(f"{number:05d}", (one,)) for number, one in enumerate(opaque_ranges(size, target))]


def measure(reader: Reader, pieces: Sequence[Piece], on_bytes: Callable[[int], None]) -> tuple[Digest, list[str]]:
    """Find sha256 of the whole file and blake3 of each piece, in one pass over its bytes."""
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
    """Is content that is read from a server each time it is opened, and raises if it is not what `digest` says.

    `piece` is asked for when it is opened: to know a shard's ranges, a header must be read.
    """

    def __init__(self, reader: Callable[[], Reader], piece: Callable[[], Piece], size: int, digest: str) -> None:
        self._reader = reader
        self._piece = piece
        self._digest = digest
        self.size = size

    def open(self) -> BinaryIO:
        reader, piece = self._reader(), self._piece()
        blocks = chain((piece.head,) if piece.head else (), _blocks(reader, piece))
        return cast("BinaryIO", Blocks(_checked(blocks, self._digest, reader)))


def _checked(blocks: Iterable[bytes], digest: str, reader: Reader) -> Iterator[bytes]:
    """Give `blocks`, which only end when their digest ("sha256:..." or the hex of a blake3) was right."""
    hasher: Hasher | blake3 = Hasher() if digest.startswith("sha256:") else blake3()
    for block in blocks:
        hasher.update(block)
        yield block
    found = hasher.digest if isinstance(hasher, Hasher) else hasher.hexdigest()
    if found != digest:
        raise MismatchError(
            f"{reader!r}: is not what the lock pins: expected {digest}, found {found}",
            next_step=reader.renewed,
        )


class RemoteSplit:
    """Splits a remote file when the first of its pieces is wanted."""

    def __init__(self, rule: TensorRule, reader: Callable[[], Reader], name: str, target: int) -> None:
        self._rule = rule
        self._reader = reader
        self._name = name
        self._target = target
        self._lock = threading.Lock()
        self._pieces: dict[str, Piece] = {}

    def piece(self, name: str) -> Piece:
        with self._lock:
            if not self._pieces:
                pieces = split_remote(self._rule, self._reader(), self._name, self._target)
                self._pieces = {piece.name: piece for piece in pieces}
        if name not in self._pieces:
            raise MismatchError(
                f"{self._reader()!r}: has no tensors for {name}, which the lock pins",
                next_step="run cogpack lock --upgrade",
            )
        return self._pieces[name]
