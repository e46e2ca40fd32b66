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
    padding: int = 0,
) -> bytes:
    """Make an ELF shared object as small as can be: a header, program headers, a dynamic section, strings.

    `stack`: the flags of its PT_GNU_STACK, None for none; `padding`: bytes before the dynamic section.
    """
    strings = b"\0"

    def string(text: str) -> int:
        nonlocal strings
        wanted = text.encode() + b"\0"
        if wanted not in strings:
            strings += wanted
        return strings.index(wanted)

    tags = [(14, soname), (29, runpath), (15, rpath), *((1, name) for name in needed)]
    dynamic = [(tag, string(text)) for tag, text in tags if text is not None]
    headers = 2 + (stack is not None)
    dynamic_at = 64 + headers * 56 + padding
    length = (len(dynamic) + 3) * 16
    strings_at = dynamic_at + length
    dynamic += [(5, strings_at), (10, len(strings)), (0, 0)]
    size = strings_at + len(strings)
    header = struct.pack(
        "<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 3, machine, 1, 0, 64, 0, 0, 64, 56, headers, 0, 0, 0
    )
    segments = [(1, 4, 0, 0, 0, size, size, 4096), (2, 4, *(dynamic_at,) * 3, length, length, 8)]
    if stack is not None:
        segments.append((0x6474E551, stack, 0, 0, 0, 0, 0, 16))
    table = b"".join(struct.pack("<IIQQQQQQ", *segment) for segment in segments)
    entries = b"".join(struct.pack("<qQ", *entry) for entry in dynamic)
    return header + table + bytes(padding) + entries + strings
