"""Makes libraries that say to the dynamic linker what a test wants."""

import struct
from collections.abc import Sequence


def library(
    soname: str | None,
    machine: int = 62,
    *,
    needed: Sequence[str] = (),
    runpath: str | None = None,
    rpath: str | None = None,
    stack: int | None = 6,
    undefined: Sequence[str] = (),
    padding: int = 0,
) -> bytes:
    """Make an ELF shared object as small as can be: a header, program headers, a dynamic section, strings, symbols.

    `stack`: the flags of its PT_GNU_STACK, None for none; `undefined`: symbols that it wants; `padding`: bytes before
    the dynamic section.
    """
    strings = b"\0"

    def string(text: str) -> int:
        nonlocal strings
        strings += text.encode() + b"\0"
        return len(strings) - 1 - len(text.encode())

    tags = [(14, soname), (29, runpath), (15, rpath), *((1, name) for name in needed)]
    dynamic = [(tag, string(text)) for tag, text in tags if text is not None]
    symbols = bytes(24) + b"".join(struct.pack("<IBBHQQ", string(name), 0x12, 0, 0, 0, 0) for name in undefined)
    headers = 2 + (stack is not None)
    dynamic_at = 64 + headers * 56 + padding
    length = (len(dynamic) + 5) * 16
    strings_at = dynamic_at + length
    symbols_at = strings_at + len(strings) + -len(strings) % 8
    hashes_at = symbols_at + len(symbols)
    dynamic += [(5, strings_at), (10, len(strings)), (6, symbols_at), (0x6FFFFEF5, hashes_at), (0, 0)]
    size = hashes_at + 16
    header = struct.pack(
        "<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 3, machine, 1, 0, 64, 0, 0, 64, 56, headers, 0, 0, 0
    )
    segments = [(1, 4, 0, 0, 0, size, size, 4096), (2, 4, *(dynamic_at,) * 3, length, length, 8)]
    if stack is not None:
        segments.append((0x6474E551, stack, 0, 0, 0, 0, 0, 16))
    table = b"".join(struct.pack("<IIQQQQQQ", *segment) for segment in segments)
    entries = b"".join(struct.pack("<qQ", *entry) for entry in dynamic)
    hashes = struct.pack("<IIII", 1, 1 + len(undefined), 0, 0)
    body = header + table + bytes(padding) + entries + strings
    return body.ljust(symbols_at, b"\0") + symbols + hashes
