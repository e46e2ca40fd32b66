"""`/etc/ld.so.cache` is written and read in glibc's format 1.1 (sysdeps/generic/dl-cache.h)."""

import struct
from collections.abc import Iterator

import msgspec

from cogpack.sizes import MiB

_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER = struct.Struct("<20sIIB3xI12x")
_ENTRY = struct.Struct("<iIIIQ")
_EXTENSION = struct.Struct("<II")
_SECTION = struct.Struct("<IIII")
_EXTENSION_MAGIC = 0xEAA42174
_LITTLE_ENDIAN = 2
_GENERATOR = b"cogpack"
_GENERATOR_TAG, _HWCAPS_TAG = 0, 1
_MOST = 100_000
"""Libraries of one cache."""
_STRING = 4096
"""Bytes of a path, with its NUL (PATH_MAX)."""
_STRINGS = 32 * MiB
"""Bytes of all strings, of which many may be parts of one."""
_HWCAPS = 64
"""Directories for kinds of processors; glibc takes as many as an integer of 64 bits has."""


class Library(msgspec.Struct, frozen=True):
    """Says what the loader looks for, and where that is: "libz.so.1", "/lib/x86_64-linux-gnu/libz.so.1".

    `flags`: of its kind and machine; `os_version`: a kernel's that it wants, of old; `hwcap`: which processors it is
    for, by the cache's own numbers.
    """

    soname: str
    path: str
    flags: int = 0x0303
    os_version: int = 0
    hwcap: int = 0


class Cache(msgspec.Struct, frozen=True):
    """Is all that one says. `hwcaps`: the directories for kinds of processors that entries name by number."""

    libraries: tuple[Library, ...] = ()
    hwcaps: tuple[str, ...] = ()


def format_cache(cache: Cache) -> bytes:
    strings = bytearray()
    places: dict[str, int] = {}
    start = _HEADER.size + _ENTRY.size * len(cache.libraries)

    def place(text: str) -> int:
        if text not in places:
            places[text] = start + len(strings)
            strings.extend(text.encode("utf-8", "surrogateescape") + b"\0")
        return places[text]

    entries = b"".join(
        _ENTRY.pack(one.flags, place(one.soname), place(one.path), one.os_version, one.hwcap) for one in cache.libraries
    )
    sections = [(_GENERATOR_TAG, _GENERATOR)]
    if cache.hwcaps:
        sections.append((_HWCAPS_TAG, b"".join(struct.pack("<I", place(name)) for name in cache.hwcaps)))
    extension = start + len(strings) + -(start + len(strings)) % 4
    header = _HEADER.pack(_MAGIC, len(cache.libraries), len(strings), _LITTLE_ENDIAN, extension)
    body = header + entries + bytes(strings)
    return body + bytes(extension - len(body)) + _extension(extension, sections)


def _extension(at: int, sections: list[tuple[int, bytes]]) -> bytes:
    table, data = b"", b""
    begin = at + _EXTENSION.size + _SECTION.size * len(sections)
    for tag, content in sorted(sections, key=lambda section: -section[0]):  # numbers first, which want to be aligned
        table = _SECTION.pack(tag, 0, begin + len(data), len(content)) + table
        data += content
    return _EXTENSION.pack(_EXTENSION_MAGIC, len(sections)) + table + data


def parse_cache(data: bytes) -> Cache:
    """Read a cache; nothing is in one of another format, or that is broken: the loader takes none of it, either."""
    at = data.find(_MAGIC)  # behind the part for loaders before glibc 2.2, in caches of before 2.32
    if at < 0:
        return Cache()
    data = data[at:]
    try:
        _, count, _, _, extension = _HEADER.unpack_from(data)
        if count > _MOST:
            return Cache()
        text = _Strings(data)
        libraries = [
            Library(text.at(name), text.at(path), flags, version, hwcap)
            for flags, name, path, version, hwcap in (
                _ENTRY.unpack_from(data, _HEADER.size + number * _ENTRY.size) for number in range(count)
            )
        ]
        return Cache(tuple(libraries), tuple(_hwcaps(data, extension, text)))
    except (struct.error, ValueError):
        return Cache()


def _hwcaps(data: bytes, at: int, text: "_Strings") -> Iterator[str]:
    magic, count = _EXTENSION.unpack_from(data, at) if at else (0, 0)
    if magic == _EXTENSION_MAGIC:
        for number in range(min(count, 16)):
            tag, _, offset, size = _SECTION.unpack_from(data, at + _EXTENSION.size + number * _SECTION.size)
            if tag == _HWCAPS_TAG:
                if size > _HWCAPS * 4:
                    raise ValueError
                for (place,) in struct.iter_unpack("<I", data[offset : offset + size]):
                    yield text.at(place)


class _Strings:
    """Reads strings of a cache, as long as they are not too many: a ValueError, then."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _STRINGS

    def at(self, start: int) -> str:
        end = self._data.index(b"\0", start, start + _STRING)
        self._left -= end - start
        if self._left < 0:
            raise ValueError
        return self._data[start:end].decode("utf-8", "surrogateescape")
