"""Programs and libraries of Linux say in their headers what they want of the dynamic linker (elf(5), System V gABI).

Only what the linker itself reads is read: program headers, the dynamic section, its strings; section headers, which may
be stripped, are not. Nothing here trusts a file: whatever it says of places and lengths, only so much is read, and what
contradicts itself is no ELF file to us.
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
_NEEDED, _STRINGS, _STRINGS_SIZE, _SONAME, _RPATH, _RUNPATH = 1, 5, 10, 14, 15, 29

_HEADERS_LIMIT = 256
_DYNAMIC_LIMIT = 64 * 1024
_NAME_LIMIT = 64 * 1024
"""Bytes of one string; TensorFlow's RUNPATH has 1,100."""
_NAMES_LIMIT = MiB
"""Bytes of all strings of a file, of which many may be parts of one."""
_TABLE_LIMIT = 64 * MiB
_FILE_LIMIT = 2**63
"""Bytes of a file, of which Linux can't have more."""


class Elf(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Is what the dynamic linker would learn of a little-endian file.

    `machine`: the number of its architecture; `shared`: it is a shared object with a dynamic section;
    `executable_stack`: it wants one, by its PT_GNU_STACK or because it has none (which on amd64 means the same): since
    glibc 2.41 such a file can't be loaded by dlopen(3).
    """

    machine: int
    shared: bool = False
    soname: str | None = None
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    executable_stack: bool = False


def read_elf(read: ReadAt, *, narrow: bool = False) -> Elf | None:
    """Read the file; None of anything that isn't one, or is broken. `narrow`: libraries of i386 are read as well, which
    a machine of amd64 may have besides its own."""
    try:
        return _File(read, narrow=narrow).elf()
    except (_BrokenError, struct.error, OverflowError):
        return None


def wants_executable_stack(head: bytes) -> bool:
    """Tell it of a file by its beginning alone, in which the program headers lie as linkers write them; of others, and
    of what is broken, no."""
    try:
        return _File(lambda offset, size: head[offset : offset + size]).executable_stack
    except (_BrokenError, struct.error, OverflowError):
        return False


class _BrokenError(Exception):
    pass


class _Segment(msgspec.Struct, frozen=True):
    kind: int
    flags: int
    offset: int
    address: int
    size: int


class _File:
    def __init__(self, read: ReadAt, *, narrow: bool = False) -> None:
        self._read = read
        head = read(0, _HEADER)
        kinds = {b"\x7fELF\x02\x01": _WIDE} | ({b"\x7fELF\x01\x01": _NARROW} if narrow else {})
        kind = kinds.get(head[:6])
        if len(head) < _HEADER or kind is None:
            raise _BrokenError
        self._class = kind
        self._kind, self._machine = struct.unpack_from("<HH", head, 16)
        (offset,) = kind.place.unpack_from(head, kind.at)
        size, count = struct.unpack_from("<HH", head, kind.sizes_at)
        if (count and size != kind.program_header.size) or (kind is _NARROW) != (self._machine == I386):
            raise _BrokenError
        table = self._at(offset, size * min(count, _HEADERS_LIMIT)) if count else b""
        self._segments = [
            _Segment(*(fields[place] for place in kind.order)) for fields in kind.program_header.iter_unpack(table)
        ]

    def elf(self) -> Elf:
        strings = self._strings([value for tag, value in self._dynamic if tag in (_NEEDED, _SONAME, _RPATH, _RUNPATH)])

        def named(wanted: int) -> list[str]:
            return [strings[value] for tag, value in self._dynamic if tag == wanted]

        return Elf(
            machine=self._machine,
            shared=self._kind == _SHARED_OBJECT and bool(self._dynamic),
            soname=next(iter(named(_SONAME)), None),
            needed=tuple(named(_NEEDED)),
            rpath=_directories(named(_RPATH)),
            runpath=_directories(named(_RUNPATH)),
            executable_stack=self.executable_stack,
        )

    @property
    def executable_stack(self) -> bool:
        stacks = [segment.flags for segment in self._segments if segment.kind == _STACK]
        return bool(stacks[0] & _EXECUTABLE) if stacks else bool(self._segments) and self._machine == AMD64

    @cached_property
    def _dynamic(self) -> list[tuple[int, int]]:
        section = next((one for one in self._segments if one.kind == _DYNAMIC_SECTION), None)
        if section is None:
            return []
        entry = self._class.dynamic
        data = self._at(section.offset, min(section.size, _DYNAMIC_LIMIT) // entry.size * entry.size)
        found: list[tuple[int, int]] = []
        for tag, value in entry.iter_unpack(data):
            if tag == 0:
                break
            found.append((tag, value))
        return found

    def _value(self, wanted: int) -> int | None:
        return next((value for tag, value in self._dynamic if tag == wanted), None)

    def _strings(self, wanted: Sequence[int]) -> Mapping[int, str]:
        """Read the strings that begin at these places of the string table, all by one read: they lie together."""
        table, size = self._value(_STRINGS), self._value(_STRINGS_SIZE)
        if not wanted or table is None:
            return dict.fromkeys(wanted, "")
        segment = self._segment(table)
        room = segment.address + segment.size - table
        first, end = min(wanted), min(max(wanted) + _NAME_LIMIT, room, room if size is None else size)
        if not 0 < end - first <= _TABLE_LIMIT:
            raise _BrokenError
        data = self._at(self._offset(table) + first, end - first)
        found: dict[int, str] = {}
        total = 0
        for place in wanted:
            stop = data.find(b"\0", place - first, place - first + _NAME_LIMIT)
            total += stop - (place - first)
            if stop < 0 or total > _NAMES_LIMIT:
                raise _BrokenError
            found[place] = data[place - first : stop].decode("utf-8", "replace")
        return found

    def _offset(self, address: int) -> int:
        """Find where in the file lies what is loaded at `address`."""
        segment = self._segment(address)
        return address - segment.address + segment.offset

    def _segment(self, address: int) -> _Segment:
        for segment in self._segments:
            if segment.kind == _LOAD and segment.address <= address < segment.address + segment.size:
                return segment
        raise _BrokenError

    def _at(self, offset: int, size: int) -> bytes:
        if offset + size >= _FILE_LIMIT:
            raise _BrokenError
        data = self._read(offset, size)
        if len(data) != size:
            raise _BrokenError
        return data


def _directories(lists: Sequence[str]) -> tuple[str, ...]:
    return tuple(directory for listed in lists for directory in listed.split(":") if directory)
