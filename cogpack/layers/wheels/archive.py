"""The zip of a wheel (PKWARE APPNOTE.TXT 6.3), read strictly, so that no two readers can see two different trees.

Only what wheels hold is taken: plain files, stored or deflated, zip64 where it is needed. Refused are overlapping
members, duplicates that differ, local headers that contradict the central directory, devices, encryption, several
disks, paths that leave the tree, and sizes that deflate can't reach. A member with the mode of a link is a file with
the link's text, as pip and uv install it. Memory is bounded by the central directory's limit.

The central directory alone (`list_members`) tells what is in a wheel that lies on a server.
"""

import re
import stat
import struct
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeAlias

import msgspec

from cogpack.errors import InputError
from cogpack.layers.content import LocalFile

DIRECTORY_LIMIT = 64 * 1024 * 1024
"""Bytes of a central directory; PyTorch, with 12,000 files, has 1.5 MiB."""

_FLOOR = 64 * 1024 * 1024
_RATIO = 200
"""All files together may have this many bytes per byte of the archive, and `_FLOOR` more: far above any real wheel."""
_DEFLATE_RATIO = 1032
"""Deflate can't do better: 258 bytes in two bits."""

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_SIZES_FOLLOW = 0x8
_UTF8 = 0x800
_STORED, _DEFLATED = 0, 8
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

ReadAt: TypeAlias = Callable[[int, int], bytes]
"""(offset, size) to that many bytes of the archive, fewer only at its end."""


class ListedMember(msgspec.Struct, frozen=True, kw_only=True):
    """Is one file as the central directory has it. `offset`: of its local header; `packed`: bytes in the archive;
    `mode`: of Unix, 0 if not given."""

    name: str
    mode: int
    size: int
    crc32: int
    offset: int
    packed: int
    deflated: bool

    @property
    def is_directory(self) -> bool:
        return self.name.endswith("/")


class ZipMember(ListedMember, frozen=True, kw_only=True):
    """Is one file. `start`: of its bytes in the archive."""

    start: int


def read_members(file: LocalFile, *, where: str) -> list[ZipMember]:
    """Read the files of the archive, in its directory's order, without directories. `where` names it in errors."""
    with file.buffered() as stream:

        def read(offset: int, size: int) -> bytes:
            stream.seek(offset)
            return stream.read(size)

        return _Archive(read, file.size, where).members()


def list_members(read: ReadAt, size: int, *, where: str) -> list[ListedMember]:
    """Do as `read_members`, by the central directory alone: local headers are not looked at."""
    return [one for one in _Archive(read, size, where).listed()[0] if not one.is_directory]


def local_member(read: ReadAt, listed: ListedMember, size: int, *, where: str) -> ZipMember:
    """Read the local header of what is `listed`, and give the member."""
    return _Archive(read, size, where).member(listed)


class _Archive:
    def __init__(self, read: ReadAt, size: int, where: str) -> None:
        self._bytes = read
        self._size = size
        self._where = where

    def refuse(self, problem: str) -> NoReturn:
        raise InputError(f"{self._where}: {problem}", next_step="this wheel is damaged or unsafe: choose another one")

    def _read(self, offset: int, size: int) -> bytes:
        data = self._bytes(offset, size)
        if len(data) != size:
            self.refuse("the zip is cut short")
        return data

    def members(self) -> list[ZipMember]:
        listed, start = self.listed()
        found = [self.member(one) for one in listed if not one.is_directory]
        self._check_overlaps(found, [one.offset for one in listed], start)
        return found

    def listed(self) -> tuple[list[ListedMember], int]:
        """Give each entry, directories too, and where the central directory begins."""
        start, size, count = self._directory()
        found: dict[str, ListedMember] = {}
        for one in self._entries(self._read(start, size), count):
            if (other := found.get(one.name)) and (other.size, other.crc32) != (one.size, one.crc32):
                self.refuse(f"{one.name!r} is in it twice")  # pip would take the last, uv the first
            found[one.name] = one
        return list(found.values()), start

    def _directory(self) -> tuple[int, int, int]:
        """Find (offset, size, entries) of the central directory, which must end where the end records begin."""
        tail_start = max(0, self._size - _END.size - _FULL16)
        tail = self._read(tail_start, self._size - tail_start)
        found: tuple[int, tuple[int, ...]] | None = None
        at = len(tail)
        while (at := tail.rfind(b"PK\5\6", 0, at)) >= 0:
            if at + _END.size > len(tail):
                continue
            _, *numbers = _END.unpack_from(tail, at)
            behind = len(tail) - at - _END.size - numbers[-1]
            if behind == 0 or (behind > 0 and found is None):  # as pip and uv, who take the last, whatever follows it
                found = at, tuple(numbers)
            if behind == 0:
                break
        if found is None:
            self.refuse("it is no zip archive")
        at, (disk, first, here, count, size, offset, _) = found
        end = tail_start + at
        if end >= _END64_LOCATOR.size:
            locator = self._read(end - _END64_LOCATOR.size, _END64_LOCATOR.size)
            if locator.startswith(b"PK\6\7"):
                return self._directory64(locator, end - _END64_LOCATOR.size, count, size, offset)
        if disk or first or here != count:
            self.refuse("it is one part of several")
        return self._placed(offset, size, count, end)

    def _directory64(self, locator: bytes, end: int, count: int, size: int, offset: int) -> tuple[int, int, int]:
        _, disk, at, disks = _END64_LOCATOR.unpack(locator)
        if disk or disks > 1 or at + _END64.size > end:
            self.refuse("its zip64 records are damaged")
        signature, length, _, _, disk, first, here, count64, size64, offset64 = _END64.unpack(
            self._read(at, _END64.size)
        )
        if signature != b"PK\6\6" or at + 12 + length != end or disk or first or here != count64:
            self.refuse("its zip64 records are damaged")
        for short, long, full in ((count, count64, _FULL16), (size, size64, _FULL32), (offset, offset64, _FULL32)):
            if short not in (long, full):
                self.refuse("its two end records contradict each other")
        return self._placed(offset64, size64, count64, at)

    def _placed(self, offset: int, size: int, count: int, end: int) -> tuple[int, int, int]:
        if offset + size != end:
            self.refuse("its central directory is not where the end record says")
        if size > DIRECTORY_LIMIT:
            self.refuse(f"its central directory has more than {DIRECTORY_LIMIT} bytes")
        return offset, size, count

    def _entries(self, data: bytes, count: int) -> Iterator[ListedMember]:
        at = found = 0
        left = limit = _FLOOR + _RATIO * self._size
        while at < len(data):
            if len(data) - at < _CENTRAL.size:
                self.refuse("its central directory is damaged")
            fields = _CENTRAL.unpack_from(data, at)
            signature, _, _, flags, method, _, _, crc32, packed, size = fields[:10]
            name_size, extra_size, comment_size, disk, _, attributes, offset = fields[10:]
            at += _CENTRAL.size
            end = at + name_size + extra_size + comment_size
            if signature != b"PK\1\2" or end > len(data):
                self.refuse("its central directory is damaged")
            extra = data[at + name_size : at + name_size + extra_size]
            size, packed, offset, disk = self._extended(extra, size, packed, offset, disk)
            if disk:
                self.refuse("it is one part of several")
            left -= size
            if left < 0:
                self.refuse(f"it would unpack to more than {limit} bytes")
            one = ListedMember(
                name=self._name(data[at : at + name_size], flags),
                mode=attributes >> 16,
                size=size,
                crc32=crc32,
                offset=offset,
                packed=packed,
                deflated=method == _DEFLATED,
            )
            if not one.is_directory:
                self._check(one, flags, method)
            yield one
            at = end
            found += 1
        if found != count:
            self.refuse(f"its end record announces {count} members, there are {found}")

    def _extended(self, extra: bytes, size: int, packed: int, offset: int, disk: int) -> tuple[int, int, int, int]:
        """Give the values, with those that did not fit taken from the zip64 extra field (APPNOTE 4.5.3)."""
        full = [(size, _FULL32, 8), (packed, _FULL32, 8), (offset, _FULL32, 8), (disk, _FULL16, 4)]
        if all(value != limit for value, limit, _ in full):
            return size, packed, offset, disk
        at = 0
        while at + 4 <= len(extra):
            kind, length = struct.unpack_from("<2H", extra, at)
            at += 4
            if kind == 1:
                break
            at += length
        else:
            return size, packed, offset, disk  # the very values, just not larger
        values: list[int] = []
        end = min(at + length, len(extra))
        for value, limit, width in full:
            if value == limit:
                if at + width > end:
                    self.refuse("a zip64 extra field is damaged")
                value = int.from_bytes(extra[at : at + width], "little")
                at += width
            values.append(value)
        return values[0], values[1], values[2], values[3]

    def _name(self, raw: bytes, flags: int) -> str:
        try:
            name = raw.decode("utf-8" if flags & _UTF8 else "ascii")
        except UnicodeDecodeError:
            self.refuse(f"{raw!r:.200}: the name is not UTF-8, or not marked as such")
        parts = name.removesuffix("/").split("/")
        if any(part in ("", ".", "..") for part in parts) or "\\" in name:
            self.refuse(f"{name!r:.200} is not a relative path of plain names")
        if _CONTROL.search(name):
            self.refuse(f"{name!r:.200}: control characters in a name")
        if any(part.startswith(".wh.") for part in parts):
            self.refuse(f"{name!r:.200}: names that begin with .wh. mean deletion in image layers")
        return name

    def _check(self, one: ListedMember, flags: int, method: int) -> None:
        if flags & _ENCRYPTED:
            self.refuse(f"{one.name!r:.200} is encrypted")
        if method not in (_STORED, _DEFLATED):
            self.refuse(f"{one.name!r:.200}: compression method {method}, a wheel has 0 or 8")
        if stat.S_IFMT(one.mode) not in (0, stat.S_IFREG, stat.S_IFLNK):
            self.refuse(f"{one.name!r:.200} is no regular file")
        if method == _STORED and one.packed != one.size:
            self.refuse(f"{one.name!r:.200}: stored, but with two sizes")
        if one.size > _DEFLATE_RATIO * one.packed or (not one.size and one.crc32):
            self.refuse(f"{one.name!r:.200}: its sizes can't be true")

    def member(self, listed: ListedMember) -> ZipMember:
        """Find where its bytes begin; the local header must say what the central directory says."""
        raw_name = listed.name.encode()
        header = self._read(listed.offset, _LOCAL.size + len(raw_name))
        signature, _, flags, method, _, _, crc32, packed, size, name_size, extra_size = _LOCAL.unpack_from(header)
        same = signature == b"PK\3\4" and (method == _DEFLATED) == listed.deflated and not flags & _ENCRYPTED
        same = same and method in (_STORED, _DEFLATED)
        same = same and name_size == len(raw_name) and header[_LOCAL.size :] == raw_name
        if not flags & _SIZES_FOLLOW:
            same = same and crc32 == listed.crc32
            same = same and packed in (listed.packed, _FULL32) and size in (listed.size, _FULL32)
        if not same:
            self.refuse(f"{listed.name!r:.200}: its local header contradicts the central directory")
        start = listed.offset + _LOCAL.size + int(name_size) + int(extra_size)
        return ZipMember(**msgspec.structs.asdict(listed), start=start)

    def _check_overlaps(self, members: list[ZipMember], offsets: list[int], directory: int) -> None:
        """Refuse members whose bytes don't end before the next header of any member, directories included."""
        starts = sorted(offsets)
        if len(set(starts)) != len(starts):
            self.refuse("two members share their bytes")
        spans = sorted((member.start, member.start + member.packed, member.name) for member in members)
        borders = iter([*starts, directory])
        border = next(borders)
        for start, end, name in spans:
            while border < start and border != directory:
                border = next(borders)
            if end > border or start > directory:
                self.refuse(f"{name!r:.200} overlaps another member")
