"""Makes libraries that say to the dynamic linker what a test wants."""

import struct
from collections.abc import Mapping, Sequence


def library(
    soname: str | None,
    machine: int = 62,
    *,
    needed: Sequence[str] = (),
    runpath: str | None = None,
    versions: Mapping[str, Sequence[str]] = {},
    stack: int | None = 6,
    padding: int = 0,
    before: int | None = None,
) -> bytes:
    """Make an ELF shared object as small as can be: a header, program headers, a dynamic section, strings.

    `versions`: what it wants of symbols' versions, by soname; `stack`: the flags of its PT_GNU_STACK, None for none;
    `padding`: bytes before the dynamic section; `before`: the strings lie so many bytes behind the headers, not last.
    """
    strings = b"\0"

    def string(text: str) -> int:
        nonlocal strings
        wanted = text.encode() + b"\0"
        if wanted not in strings:
            strings += wanted
        return strings.index(wanted)

    tags = [(14, soname), (29, runpath), *((1, name) for name in needed)]
    dynamic = [(tag, string(text)) for tag, text in tags if text is not None]
    wants = b""
    for at, (name, listed) in enumerate(versions.items()):
        following = 0 if at == len(versions) - 1 else 16 + 16 * len(listed)
        wants += struct.pack("<HHIII", 1, len(listed), string(name), 16, following)
        for place, version in enumerate(listed):
            further = 0 if place == len(listed) - 1 else 16
            wants += struct.pack("<IHHII", 0, 0, 2, string(version), further)
    headers = 2 + (stack is not None)
    start = 64 + headers * 56
    dynamic_at = start + padding
    length = (len(dynamic) + 3 + 2 * bool(versions)) * 16
    strings_at = dynamic_at + length + len(wants) if before is None else start + before
    dynamic += [(5, strings_at), (10, len(strings))]
    if versions:
        dynamic += [(0x6FFFFFFE, dynamic_at + length), (0x6FFFFFFF, len(versions))]
    dynamic.append((0, 0))
    size = dynamic_at + length + len(wants) + (len(strings) if before is None else 0)
    header = struct.pack(
        "<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 3, machine, 1, 0, 64, 0, 0, 64, 56, headers, 0, 0, 0
    )
    segments = [(1, 4, 0, 0, 0, size, size, 4096), (2, 4, *(dynamic_at,) * 3, length, length, 8)]
    if stack is not None:
        segments.append((0x6474E551, stack, 0, 0, 0, 0, 0, 16))
    table = b"".join(struct.pack("<IIQQQQQQ", *segment) for segment in segments)
    entries = b"".join(struct.pack("<qQ", *entry) for entry in dynamic)
    if before is None:
        return header + table + bytes(padding) + entries + wants + strings
    front = bytes(before) + strings
    return header + table + front + bytes(padding - len(front)) + entries + wants
