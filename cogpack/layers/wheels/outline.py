"""What installing a wheel would write, told by its central directory and one or two small files of it.

So a wheel that lies on a server can be compared with others without fetching it. Nothing of this is verified: the
wheel's sha256 is, once its bytes are used.
"""

import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from cogpack.layers.wheels.archive import ListedMember, ReadAt, list_members, local_member
from cogpack.layers.wheels.order import Needs, parse_needs
from cogpack.layers.wheels.placing import launchers, places
from cogpack.layers.wheels.venv import SITE
from cogpack.layers.wheels.wheel import Wheel

_SHARED_OBJECT = re.compile(r"\.so(?:\.[^/]*)?\Z")


class Likeness(NamedTuple):
    """Stands for a file's content: two are taken as equal by size and CRC-32, enough against accidents."""

    size: int
    crc32: int


class Outline:
    """Tells what the wheel `filename` would write, read by `read`; `size`: bytes of the archive."""

    def __init__(self, filename: str, read: ReadAt, size: int) -> None:
        self.filename = filename
        self._read = read
        self._size = size
        self._members = {member.name: member for member in list_members(read, size, where=filename)}
        self._wheel = Wheel(filename, self._members.keys(), lambda name, limit: self._data(self._members[name], limit))
        self.project = self._wheel.project
        self.metadata = self._wheel.metadata
        self.files: Mapping[str, Likeness] = self._files()
        """By path in the image, without RECORD and INSTALLER, which no other wheel can have."""

    def _files(self) -> dict[str, Likeness]:
        found = {path: Likeness(launcher.size, zlib.crc32(launcher.data)) for path, launcher in launchers(self._wheel)}
        for name, path, _ in places(self._wheel, self._members):
            found.setdefault(path, Likeness(self._members[name].size, self._members[name].crc32))
        return found

    def needs(self) -> Needs:
        return parse_needs(self.metadata())

    def content(self, path: str, limit: int) -> bytes | None:
        """Read the file at `path`, which lies in the site directory; `None` where it has more than `limit` bytes."""
        member = self._members.get(path.removeprefix(f"{SITE}/"))
        return self._data(member, limit) if member is not None and member.size <= limit else None

    def shared_objects(self) -> list[str]:
        """Name the shared objects among its files, the largest first."""
        found = [one for one in self._members.values() if _SHARED_OBJECT.search(one.name)]
        return [one.name for one in sorted(found, key=lambda one: (-one.size, one.name))]

    def beginning(self, name: str, size: int) -> bytes:
        """Give the first bytes of a file, up to about `size`, unchecked; none where they do not unpack."""
        member = local_member(self._read, self._members[name], self._size, where=self.filename)
        data = self._read(member.start, min(member.packed, size))
        if not member.deflated:
            return data
        with suppress(zlib.error):
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size)
        return b""

    def _data(self, listed: ListedMember, limit: int) -> bytes:
        if listed.size > limit or listed.packed > limit:
            self._wheel.refuse(f"{listed.name} has more than {limit} bytes")
        member = local_member(self._read, listed, self._size, where=self.filename)
        data = self._read(member.start, member.packed)
        with suppress(zlib.error):
            if member.deflated:
                data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, limit + 1)
            if Likeness(len(data), zlib.crc32(data)) == Likeness(member.size, member.crc32):
                return data
        self._wheel.refuse(f"{listed.name} does not unpack to the size and CRC-32 that the zip says")
