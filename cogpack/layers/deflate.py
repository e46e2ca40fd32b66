"""Gzip members whose bytes no compression library decides: fixed-Huffman runs, stored blocks, foreign streams.

RFC 1952 lets gzip members follow each other; the plain bytes are the members' one after another. A deflate stream
that a wheel holds already becomes a member unchanged. What lies between such streams (tar headers, padding) is
written here with the fixed code of RFC 1951 3.2.6 and runs of equal bytes as matches at distance 1.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from cogpack import inflate

HEADER = bytes.fromhex("1f8b08000000000000ff")
"""Deflate, no name, no time, unknown system: equal for every member."""

# A byte and 3 to 257 more of it: 258, the longest match, has a code outside the scheme of the others.
_RUN = re.compile(rb"(.)\1{3,257}", re.DOTALL)


def trailer(crc32: int, size: int) -> bytes:
    """Make what ends a member: CRC-32 and length modulo 2**32 (RFC 1952 2.3.1)."""
    return crc32.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


def member(data: bytes) -> bytes:
    """Make a whole member of small, run-rich bytes: tar headers."""
    return HEADER + _fixed(data, final=True) + trailer(inflate.crc32(data), len(data))


def stored_member(before: bytes, blocks: Iterable[bytes], watch: Callable[[bytes], None]) -> Iterator[bytes]:
    """Make a member of `before`, run-encoded, then `blocks`, stored. `watch` sees the plain bytes of the latter."""
    yield HEADER + _fixed(before, final=False)
    crc, size = inflate.crc32(before), len(before)
    for block in blocks:
        watch(block)
        crc, size = inflate.crc32(block, crc), size + len(block)
        for start in range(0, len(block), 0xFFFF):
            piece = block[start : start + 0xFFFF]
            length = len(piece)
            yield b"\0" + length.to_bytes(2, "little") + (length ^ 0xFFFF).to_bytes(2, "little") + piece
    yield b"\x03\0" + trailer(crc, size)  # an empty fixed block that says "last"


def _literal(symbol: int) -> str:
    """Give the fixed code of a literal or length symbol: its first bit first."""
    if symbol < 144:
        return f"{0x30 + symbol:08b}"
    if symbol < 256:
        return f"{0x190 + symbol - 144:09b}"
    if symbol < 280:
        return f"{symbol - 256:07b}"
    return f"{0xC0 + symbol - 280:08b}"


def _run(length: int) -> str:
    """Give a match of 3..257 bytes at distance 1: length code, extra bits, distance code 0."""
    if length < 11:
        return f"{_literal(254 + length)}00000"
    width = (length - 3).bit_length() - 3
    symbol = 257 + 4 * (width + 1) + ((length - 3 - (4 << width)) >> width)
    extra = (length - 3) & ((1 << width) - 1)
    return f"{_literal(symbol)}{f'{extra:0{width}b}'[::-1] if width else ''}00000"


# Bits as text, in the order in which they are read: Huffman codes from their most significant bit, numbers from their
# least (RFC 1951 3.1.1). Joined and turned round they are one number, which Python reads faster than it shifts.
_LITERALS = [_literal(symbol) for symbol in range(256)]
_RUNS = [""] * 3 + [_run(length) for length in range(3, 258)]
_END_OF_BLOCK = _literal(256)


def _fixed(data: bytes, *, final: bool) -> bytes:
    """Make one fixed-Huffman block; if not `final`, then an empty stored one, so that the next begins on a byte."""
    codes = ["110" if final else "010"]
    start = 0
    for run in _RUN.finditer(data):
        codes += [_LITERALS[byte] for byte in data[start : run.start() + 1]]
        codes.append(_RUNS[run.end() - run.start() - 1])
        start = run.end()
    codes += [_LITERALS[byte] for byte in data[start:]]
    codes.append(_END_OF_BLOCK if final else _END_OF_BLOCK + "000")
    bits = "".join(codes)
    block = int(bits[::-1], 2).to_bytes((len(bits) + 7) // 8, "little")
    return block if final else block + b"\0\0\xff\xff"
