"""What a file says to the dynamic linker: its name, what it is linked with, in which versions, where that is looked
for."""

import struct
from collections.abc import Iterator

import msgspec

from cogpack.elf.file import BrokenError, ElfFile, ReadAt

_NEEDED, _SONAME = 1, 14
_VERSION_NEEDS, _COUNT_OF_VERSION_NEEDS = 0x6FFFFFFE, 0x6FFFFFFF
_VERSION_NEED = struct.Struct("<HHIII")
_VERSION = struct.Struct("<IHHII")
_WEAK = 2  # VER_FLG_WEAK: the linker only warns
_VERSIONS_SIZE = 64 * 1024
_MOST_VERSIONS = 4096


class VersionNeed(msgspec.Struct, frozen=True, array_like=True):
    """Says which `versions` of its symbols a file wants of the library `soname` (DT_VERNEED): "GLIBC_2.38"."""

    soname: str
    versions: tuple[str, ...]


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
    versions: tuple[VersionNeed, ...] = ()
    executable_stack: bool = False


def read_elf(read: ReadAt, *, narrow: bool = False) -> Elf | None:
    """Read the file; None of anything that isn't one, or is broken. `narrow`: libraries of i386 are read as well, which
    a machine of amd64 may have besides its own."""
    try:
        return _elf(ElfFile(read, narrow=narrow))
    except (BrokenError, struct.error, OverflowError):
        return None


def wants_executable_stack(head: bytes) -> bool:
    """Tell it of a file by its beginning alone, in which the program headers lie as linkers write them; of others, and
    of what is broken, no."""
    try:
        return ElfFile(lambda offset, size: head[offset : offset + size]).executable_stack
    except (BrokenError, struct.error, OverflowError):
        return False


def _elf(file: ElfFile) -> Elf:
    strings = file.strings([value for tag, value in file.dynamic if tag in (_NEEDED, _SONAME)])

    def named(wanted: int) -> list[str]:
        return [strings[value] for tag, value in file.dynamic if tag == wanted]

    return Elf(
        machine=file.machine,
        shared=file.shared,
        soname=next(iter(named(_SONAME)), None),
        needed=tuple(named(_NEEDED)),
        versions=_versions(file),
        executable_stack=file.executable_stack,
    )


def _versions(file: ElfFile) -> tuple[VersionNeed, ...]:
    """Read which versions it wants; none where the table is broken, without which the rest is still told."""
    try:
        found = list(_wanted_versions(file))
        strings = file.strings([place for soname, names in found for place in (soname, *names)])
    except (BrokenError, struct.error, OverflowError):
        return ()
    return tuple(VersionNeed(strings[soname], tuple(strings[name] for name in names)) for soname, names in found)


def _wanted_versions(file: ElfFile) -> Iterator[tuple[int, list[int]]]:
    """Give where among the strings stand the name of each library, and the versions that it has to have."""
    table, count = file.value(_VERSION_NEEDS), file.value(_COUNT_OF_VERSION_NEEDS)
    if table is None or not count:
        return
    segment = file.segment(table)
    data = file.at(file.offset(table), min(_VERSIONS_SIZE, segment.address + segment.size - table))
    at = left = 0
    for _ in range(min(count, _MOST_VERSIONS)):
        _, versions, soname, first, following = _VERSION_NEED.unpack_from(data, at)
        names: list[int] = []
        place = at + first
        for _ in range(versions):
            _, flags, _, name, further = _VERSION.unpack_from(data, place)
            if not flags & _WEAK:
                names.append(name)
            left += 1
            place += further
            if left > _MOST_VERSIONS:
                raise BrokenError
        yield soname, names
        at += following
