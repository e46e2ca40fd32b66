"""What zstd would leave of weights, judged by a few blocks of them.

The blocks follow from size and content alone, and the codec is the pinned one: every machine judges the same. Only
floating-point numbers can be worth it, for their exponents are alike; what a header says to be anything else is
quantised or packed, and counts as nothing to gain without being looked at.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING

from cogpack.layers.compression import Zstd
from cogpack.layers.content import LocalFile, Slices, places

if TYPE_CHECKING:
    from cogpack.layers.weights.pieces import AnyHeader
    from cogpack.layers.weights.shards import Piece

SAMPLES = 16
LENGTH = 64 * 1024
WORTH = 900
"""Thousandths of the bytes that zstd may leave for it to be worth its time."""

NOTHING = 1000
"""Thousandths that are left where there is nothing to gain."""

PROFILE = f"{Zstd.profile} {SAMPLES} {LENGTH}"
"""All that decides what a probe finds in given bytes."""

_FLOATS = frozenset({"F64", "F32", "F16", "BF16", "C64"})


def probe(piece: "Piece", read: Callable[[int, int], bytes], header: "AnyHeader | None") -> int:
    """Tell the thousandths of `piece` that zstd leaves, rounded up; its head, which is ours, counts only alone.

    `read`: gives a range (offset, length) of the source file; `header`: of that file, where it has one.
    """
    if not piece.ranges and piece.head:
        return probe_bytes(piece.head)
    codec = Zstd()
    size = sum(length for _, length in piece.ranges)
    whole = left = 0
    for start in _starts(size):
        sample = bytearray()
        for offset, length in places(piece.ranges, start, min(LENGTH, size - start)):
            whole += length
            if header is not None and _is_packed(header, offset + length // 2):
                left += length
            else:
                sample += read(offset, length)
        if sample:
            left += min(len(sample), len(codec.compress(bytes(sample))))
    return -(-left * NOTHING // whole) if whole else NOTHING


def probe_local(content: LocalFile | Slices, header: "AnyHeader | None") -> int:
    """Do as `probe`, of a file that is here or of a split of it; `header`: of the whole file."""
    from cogpack.layers.weights.shards import Piece

    if isinstance(content, LocalFile):
        file, piece = content, Piece("", ((0, content.size),))
    else:
        file, piece = content.file, Piece("", content.ranges, content.head)
    with file.open() as stream:

        def read(offset: int, length: int) -> bytes:
            stream.seek(offset)
            return stream.read(length)

        return probe(piece, read, header)


def probe_bytes(data: bytes) -> int:
    from cogpack.layers.weights.shards import Piece

    return probe(Piece("", ((0, len(data)),)), lambda offset, length: data[offset : offset + length], None)


def _starts(size: int) -> list[int]:
    """Tell where the blocks begin: all there are, or some at equal distances from the first to the last."""
    if size <= SAMPLES * LENGTH:
        return list(range(0, size, LENGTH))
    return [(size - LENGTH) * number // (SAMPLES - 1) for number in range(SAMPLES)]


def _is_packed(header: "AnyHeader", offset: int) -> bool:
    """Tell whether a byte of the file belongs to a tensor of anything but floating-point numbers."""
    at = bisect_right(header.tensors, offset - header.data, key=lambda tensor: tensor.begin) - 1
    return at >= 0 and header.tensors[at].dtype not in _FLOATS
