"""Whether a GGUF file ends too early is told by its header, and quickly: each push asks, also one of nothing new.

`gguf` reads the same with all checks and keeps what it read, which takes four times as long for a vocabulary.
"""

import math
import struct
from typing import BinaryIO

from cogpack.layers.weights.gguf import (
    ALIGNMENT,
    DEFAULT_ALIGNMENT,
    MAX_HEADER,
    MAX_PAIRS,
    MAX_RANK,
    MAX_TENSORS,
    MAX_TEXTS,
    TYPES,
    WIDTHS,
)

_FIRST = 1 << 18
"""Bytes: what nearly all parts of a split model take but the first. What is needed of more is parsed again from the
start."""
_GROWTH = 8
_STRING, _ARRAY = 8, 9
_PAIR, _TENSOR = 13, 24
"""Bytes that each takes at least."""


def cut_off(stream: BinaryIO, size: int) -> str | None:
    """Say how a file of `size` bytes ends too early; None where it does not, or that can't be told of it."""
    data, most = b"", min(size, MAX_HEADER)
    want = min(_FIRST, most)
    while True:
        data += stream.read(want - len(data))
        try:
            end = _end(data, size)
        except EOFError:
            return "it ends in its header"
        except (struct.error, OverflowError):  # more of it is needed; the latter of a place that is 2**63 bytes away
            if want == most:
                return "it ends in its header" if most == size else None
            want = min(want * _GROWTH, most)
        else:
            return f"{size} bytes, and its tensors take {end}" if end is not None and end > size else None


def _end(data: bytes, size: int) -> int | None:
    """Give where the last tensor ends; None of what is not known here, or more than `gguf` reads.

    An `EOFError` where the header can't end within `size` bytes; a `struct.error`, or an `OverflowError`, where it
    doesn't within `data`.
    """
    version, tensors, pairs = struct.unpack_from("<IQQ", data, 4)
    if version not in (2, 3):
        return None
    if pairs * _PAIR + tensors * _TENSOR > size:
        raise EOFError
    if pairs > MAX_PAIRS or tensors > MAX_TENSORS:
        return None
    texts = 0
    text = struct.Struct("<Q").unpack_from
    at, alignment = 24, DEFAULT_ALIGNMENT
    for _ in range(pairs):
        (length,) = text(data, at)
        key = data[at + 8 : at + 8 + length]
        at += 8 + length
        (kind,) = struct.unpack_from("<I", data, at)
        at += 4
        if kind == _STRING:
            at += 8 + text(data, at)[0]
        elif kind in WIDTHS:
            if key == ALIGNMENT.encode():
                (alignment,) = struct.unpack_from("<I", data, at)
            at += WIDTHS[kind]
        elif kind == _ARRAY:
            items, count = struct.unpack_from("<IQ", data, at)
            at += 12
            if items == _STRING:
                texts += count
                if at + 8 * count > size:
                    raise EOFError
                if texts > MAX_TEXTS:
                    return None
                for _ in range(count):
                    at += 8 + text(data, at)[0]
            elif items in WIDTHS:
                at += count * WIDTHS[items]
            else:
                return None
        else:
            return None
        if at > size:
            raise EOFError
    last = 0
    for _ in range(tensors):
        at += 8 + text(data, at)[0]
        (rank,) = struct.unpack_from("<I", data, at)
        if rank > MAX_RANK:
            return None
        *shape, kind, begin = struct.unpack_from(f"<{rank}QIQ", data, at + 4)
        if kind not in TYPES:
            return None
        _, values, width = TYPES[kind]
        last = max(last, begin + math.prod(shape) // values * width)
        at += 4 + rank * 8 + 12
    return (-(-at // alignment) * alignment if alignment else at) + last if last else None
