"""The symbols of a library: which it has for others, and which others must have (System V gABI, "Symbol Table").

Those of a version (GLIBC_2.34, GLIBCXX_3.4.30) are not among the wanted: which library has them is said with them
(`VersionNeed`).
"""

import struct

import msgspec

from cogpack.elf.file import TABLE_LIMIT, BrokenError, ElfFile, ReadAt

_STRINGS, _SYMBOLS, _STRINGS_SIZE, _HASH, _GNU_HASH, _VERSIONS = 5, 6, 10, 4, 0x6FFFFEF5, 0x6FFFFFF0
_SYMBOL = struct.Struct("<IBBHQQ")
_GLOBAL, _WEAK, _UNIQUE = 1, 2, 10
_HIDDEN = (1, 2)  # STV_INTERNAL, STV_HIDDEN
_BASE_VERSION = 1


class Symbols(msgspec.Struct, frozen=True):
    """Names symbols as a linker does: C++'s are mangled. `wanted`: without weak ones, which may be missing."""

    defined: frozenset[str] = frozenset()
    wanted: frozenset[str] = frozenset()


def read_symbols(read: ReadAt) -> Symbols | None:
    """Read those of a file; None of anything that is no ELF file, or is broken."""
    try:
        return _symbols(ElfFile(read))
    except (BrokenError, struct.error, OverflowError):
        return None


def _symbols(file: ElfFile) -> Symbols:
    table, strings, size = file.value(_SYMBOLS), file.value(_STRINGS), file.value(_STRINGS_SIZE)
    if table is None or strings is None or not size:
        return Symbols()
    count = _count(file)
    if max(size, count * _SYMBOL.size) > TABLE_LIMIT:
        raise BrokenError
    names = file.at(file.offset(strings), size)
    data = file.at(file.offset(table), count * _SYMBOL.size)
    versions = file.value(_VERSIONS)
    versioned = struct.unpack(f"<{count}H", file.at(file.offset(versions), count * 2)) if versions else (0,) * count
    defined: set[str] = set()
    wanted: set[str] = set()
    for (name, info, other, section, _, _), version in zip(_SYMBOL.iter_unpack(data), versioned, strict=True):
        if not name or other & 3 in _HIDDEN:
            continue
        binding = info >> 4
        if section and binding in (_GLOBAL, _WEAK, _UNIQUE):
            defined.add(_name(names, name))
        elif not section and binding == _GLOBAL and version & 0x7FFF <= _BASE_VERSION:
            wanted.add(_name(names, name))
    return Symbols(frozenset(defined), frozenset(wanted))


def _name(names: bytes, at: int) -> str:
    end = names.find(b"\0", at)
    if end < 0:
        raise BrokenError
    return names[at:end].decode("utf-8", "replace")


def _count(file: ElfFile) -> int:
    """Tell how many symbols there are, which only the tables to find them by say."""
    if (table := file.value(_HASH)) is not None:
        return int(struct.unpack("<II", file.at(file.offset(table), 8))[1])
    if (table := file.value(_GNU_HASH)) is None:
        return 0
    place = file.offset(table)
    buckets, first, bloom, _ = struct.unpack("<IIII", file.at(place, 16))
    if max(buckets * 4, bloom * 8) > TABLE_LIMIT:
        raise BrokenError
    place += 16 + bloom * 8
    last = max(struct.unpack(f"<{buckets}I", file.at(place, buckets * 4)), default=0)
    if last < first:
        return int(first)
    segment = file.segment(table)
    end = segment.offset + segment.size
    place += buckets * 4 + (last - first) * 4
    while place < end:  # the last symbol of a chain has the lowest bit
        block = file.at(place, min(4096, end - place) // 4 * 4)
        for (value,) in struct.iter_unpack("<I", block):
            last += 1
            if value & 1:
                return int(last)
        place += len(block)
        if not block:
            break
    raise BrokenError
