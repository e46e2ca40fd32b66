"""Reads a library cache (glibc's dl-cache.h, format 1.1), as the dynamic linker does."""

import struct

from cogpack.layers.debs.effects.ldcache_file import Library

_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER = struct.Struct("<20sIIB3xI12x")
_ENTRY = struct.Struct("<iIIIQ")


def parse_cache(data: bytes) -> list[Library]:
    """The entries, in order; none of a file of another format."""
    magic, count, _, _, _ = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        return []
    found = []
    for number in range(count):
        _, key, value, _, _ = _ENTRY.unpack_from(data, _HEADER.size + number * _ENTRY.size)
        found.append(Library(_text(data, key), _text(data, value)))
    return found


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()
