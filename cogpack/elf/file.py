"""An ELF file's parts that the dynamic linker reads (elf(5), System V gABI): program headers, the dynamic section, its
strings. Section headers, which may be stripped, are not read.

Nothing here trusts a file: whatever it says of places and lengths, only so much is read, and what contradicts itself is
a `BrokenError`.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

import msgspec

from cogpack.sizes import MiB

ReadAt: TypeAlias = Callable[[int, int], bytes]
"""(offset, size) to that many bytes of the file, fewer only at its end."""

I386, AMD64, ARM64 = 3, 62, 183
MACHINES: Mapping[str, int] = {"amd64": AMD64, "arm64": ARM64}
"""What e_machine says of the architectures that images are of."""

TABLE_LIMIT = 64 * MiB
"""Bytes of a table, or of the strings of one."""

_HEADER = 64


class _Class(msgspec.Struct, frozen=True):
    """Says how files of 64 bits, or of 32, are laid out: where the header has the place of the program headers, and
    their size and number; and in what order these have type, flags, offset, address, size."""

    place: struct.Struct
    at: int
    sizes_at: int
    program_header: struct.Struct
    order: tuple[int, int, int, int, int]
    dynamic: struct.Struct


_WIDE = _Class(struct.Struct("<Q"), 32, 54, struct.Struct("<IIQQQQQQ"), (0, 1, 2, 3, 5), struct.Struct("<qQ"))
_NARROW = _Class(struct.Struct("<I"), 28, 42, struct.Struct("<8I"), (0, 6, 1, 2, 4), struct.Struct("<iI"))
_SHARED_OBJECT = 3  # ET_DYN, which programs are as well, mostly
_LOAD, _DYNAMIC_SECTION, _STACK = 1, 2, 0x6474E551
_EXECUTABLE = 1
_STRINGS, _STRINGS_SIZE = 5, 10

_HEADERS_LIMIT = 256
_DYNAMIC_LIMIT = 64 * 1024
_NAME_LIMIT = 64 * 1024
"""Bytes of one string; TensorFlow's RUNPATH has 1,100."""
_NAMES_LIMIT = MiB
"""Bytes of all strings that are asked for at once, of which many may be parts of one."""
_FILE_LIMIT = 2**63
"""Bytes of a file, of which Linux can't have more."""


class BrokenError(Exception):
    """Says that a file is none, or not as it says."""


class Segment(msgspec.Struct, frozen=True):
    kind: int
    flags: int
    offset: int
    address: int
    size: int


class ElfFile:
    """Reads a little-endian file of 64 bits. `machine`: the number of its architecture; `narrow`: libraries of i386 are
    read as well."""

    def __init__(self, read: ReadAt, *, narrow: bool = False) -> None:
        self._read = read
        head = read(0, _HEADER)
        kinds = {b"\x7fELF\x02\x01": _WIDE} | ({b"\x7fELF\x01\x01": _NARROW} if narrow else {})
        kind = kinds.get(head[:6])
        if len(head) < _HEADER or kind is None:
            raise BrokenError
        self._class = kind
        self._kind, self.machine = struct.unpack_from("<HH", head, 16)
        (offset,) = kind.place.unpack_from(head, kind.at)
        size, count = struct.unpack_from("<HH", head, kind.sizes_at)
        if (count and size != kind.program_header.size) or (kind is _NARROW) != (self.machine == I386):
            raise BrokenError
        table = self.at(offset, size * min(count, _HEADERS_LIMIT)) if count else b""
        self._segments = [
            Segment(*(fields[place] for place in kind.order)) for fields in kind.program_header.iter_unpack(table)
        ]

    @property
    def shared(self) -> bool:
        """Tell whether it is a shared object with a dynamic section."""
        return self._kind == _SHARED_OBJECT and bool(self.dynamic)

    @property
    def executable_stack(self) -> bool:
        stacks = [segment.flags for segment in self._segments if segment.kind == _STACK]
        return bool(stacks[0] & _EXECUTABLE) if stacks else bool(self._segments) and self.machine == AMD64

    @cached_property
    def dynamic(self) -> list[tuple[int, int]]:
        section = next((one for one in self._segments if one.kind == _DYNAMIC_SECTION), None)
        if section is None:
            return []
        entry = self._class.dynamic
        data = self.at(section.offset, min(section.size, _DYNAMIC_LIMIT) // entry.size * entry.size)
        found: list[tuple[int, int]] = []
        for tag, value in entry.iter_unpack(data):
            if tag == 0:
                break
            found.append((tag, value))
        return found

    def value(self, wanted: int) -> int | None:
        return next((value for tag, value in self.dynamic if tag == wanted), None)

    def strings(self, wanted: Sequence[int]) -> Mapping[int, str]:
        """Read the strings that begin at these places of the string table, all by one read: they lie together."""
        table, size = self.value(_STRINGS), self.value(_STRINGS_SIZE)
        if not wanted or table is None:
            return dict.fromkeys(wanted, "")
        segment = self.segment(table)
        room = segment.address + segment.size - table
        first, end = min(wanted), min(max(wanted) + _NAME_LIMIT, room, room if size is None else size)
        if not 0 < end - first <= TABLE_LIMIT:
            raise BrokenError
        data = self.at(self.offset(table) + first, end - first)
        found: dict[int, str] = {}
        total = 0
        for place in wanted:
            stop = data.find(b"\0", place - first, place - first + _NAME_LIMIT)
            total += stop - (place - first)
            if stop < 0 or total > _NAMES_LIMIT:
                raise BrokenError
            found[place] = data[place - first : stop].decode("utf-8", "replace")
        return found

    def offset(self, address: int) -> int:
        """Find where in the file lies what is loaded at `address`."""
        segment = self.segment(address)
        return address - segment.address + segment.offset

    def segment(self, address: int) -> Segment:
        for segment in self._segments:
            if segment.kind == _LOAD and segment.address <= address < segment.address + segment.size:
                return segment
        raise BrokenError

    def at(self, offset: int, size: int) -> bytes:
        if offset + size >= _FILE_LIMIT:
            raise BrokenError
        data = self._read(offset, size)
        if len(data) != size:
            raise BrokenError
        return data
