"""Gzip members whose bytes no compression library decides: fixed-Huffman runs, stored blocks, foreign streams.

RFC 1952 lets gzip members follow each other; the plain bytes are the members' one after another. A deflate stream
that a wheel holds already becomes a member unchanged. What lies between such streams (tar headers, padding) is
written here with the fixed code of RFC 1951 3.2.6 and runs of equal bytes as matches at distance 1.
"""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator

HEADER = bytes.fromhex("1f8b08000000000000ff")
"""Deflate, no name, no time, unknown system: equal for every member."""

# A byte and 3 to 257 more of it: 258, the longest match, has a code outside the scheme of the others.
_RUN = re.compile(rb"(.)\1{3,257}", re.DOTALL)
_END_OF_BLOCK = 7  # bits, all zero


def trailer(crc32: int, size: int) -> bytes:
    """Make what ends a member: CRC-32 and length modulo 2**32 (RFC 1952 2.3.1)."""
    return crc32.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


def member(data: bytes) -> bytes:
    """Make a whole member of small, run-rich bytes: tar headers."""
    return HEADER + _fixed(data, final=True) + trailer(zlib.crc32(data), len(data))


def stored_member(before: bytes, blocks: Iterable[bytes], watch: Callable[[bytes], None]) -> Iterator[bytes]:
    """Make a member of `before`, run-encoded, then `blocks`, stored. `watch` sees the plain bytes of the latter."""
    yield HEADER + _fixed(before, final=False)
    crc, size = zlib.crc32(before), len(before)
    for block in blocks:
        watch(block)
        crc, size = zlib.crc32(block, crc), size + len(block)
        for start in range(0, len(block), 0xFFFF):
            piece = block[start : start + 0xFFFF]
            length = len(piece)
            yield b"\0" + length.to_bytes(2, "little") + (length ^ 0xFFFF).to_bytes(2, "little") + piece
    yield b"\x03\0" + trailer(crc, size)  # an empty fixed block that says "last"


def _reversed_code(code: int, width: int) -> int:
    """Turn a Huffman code round: they are packed most significant bit first (RFC 1951 3.1.1)."""
    return int(f"{code:0{width}b}"[::-1], 2)


def _literal(symbol: int) -> tuple[int, int]:
    """Give (bits, width) of a literal or length symbol in the fixed code."""
    if symbol < 144:
        return _reversed_code(0x30 + symbol, 8), 8
    if symbol < 256:
        return _reversed_code(0x190 + symbol - 144, 9), 9
    if symbol < 280:
        return _reversed_code(symbol - 256, 7), 7
    return _reversed_code(0xC0 + symbol - 280, 8), 8


def _run(length: int) -> tuple[int, int]:
    """Give (bits, width) of a match of 3..257 bytes at distance 1: length code, extra bits, distance code 0."""
    if length < 11:
        symbol, extra, width = 254 + length, 0, 0
    else:
        width = (length - 3).bit_length() - 3
        symbol = 257 + 4 * (width + 1) + ((length - 3 - (4 << width)) >> width)
        extra = (length - 3) & ((1 << width) - 1)
    bits, size = _literal(symbol)
    return bits | extra << size, size + width + 5


_LITERALS = [_literal(symbol) for symbol in range(256)]
_RUNS = [(0, 0)] * 3 + [_run(length) for length in range(3, 258)]


def _fixed(data: bytes, *, final: bool) -> bytes:
    """Make one fixed-Huffman block; if not `final`, then an empty stored one, so that the next begins on a byte."""
    bits, width = (0b011 if final else 0b010), 3
    start = 0
    pieces: list[tuple[int, int]] = []
    for run in _RUN.finditer(data):
        pieces += [_LITERALS[byte] for byte in data[start : run.start() + 1]]
        pieces.append(_RUNS[run.end() - run.start() - 1])
        start = run.end()
    pieces += [_LITERALS[byte] for byte in data[start:]]
    out = bytearray()
    for code, size in pieces:
        bits |= code << width
        width += size
        if width >= 256:
            whole = width // 8
            out += (bits & ((1 << 8 * whole) - 1)).to_bytes(whole, "little")
            bits >>= 8 * whole
            width -= 8 * whole
    width += _END_OF_BLOCK
    if final:
        return bytes(out) + bits.to_bytes((width + 7) // 8, "little")
    return bytes(out) + bits.to_bytes((width + 3 + 7) // 8, "little") + b"\0\0\xff\xff"
