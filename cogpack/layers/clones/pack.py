"""A pack and its index are written (gitformat-pack(5)): the same bytes for the same objects, by any git and any zlib.

Objects are stored, since a layer is compressed as a whole. One of a path is told by its next newer one where that pays
(`delta`): a history is then about as large as git's own pack of it.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from cogpack.git.objects import Kind
from cogpack.git.reader import Objects
from cogpack.layers.clones.delta import delta
from cogpack.layers.clones.history import Paths

_TYPES: Mapping[Kind, int] = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
_OFS_DELTA = 6
_CHAIN = 50
"""Deltas that stand upon each other, as many as git makes."""
LARGE = 4 * 1024 * 1024
"""Bytes from which an object is never in memory, and no delta."""
_BLOCK = 0xFFFF
"""What one stored block holds (RFC 1951 3.2.4)."""


class PackWriter:
    """Writes a pack of `count` objects; `index` is there when all have been written."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._size = 0
        self._found: list[tuple[bytes, int, int]] = []

    def write(self, objects: Objects, commits: Sequence[str], tags: Sequence[str], paths: Paths) -> Iterator[bytes]:
        """Give the bytes of the pack."""
        yield self._out(struct.pack(">4sLL", b"PACK", 2, self._count))
        for kind, oids in (("commit", commits), ("tag", tags)):
            for oid, data in objects.read_all(oids, kind):  # type: ignore[arg-type]
                yield from self._whole(bytes.fromhex(oid), _TYPES[kind], len(data), [data])  # type: ignore[index]
        yield from self._groups(objects, paths.trees, "tree")
        yield from self._groups(objects, paths.blobs, "blob")
        assert len(self._found) == self._count
        yield self._sha1.digest()

    @property
    def checksum(self) -> bytes:
        return self._sha1.digest()

    def index(self) -> bytes:
        """Make the index, version 2."""
        found = sorted(self._found)
        fanout, at = [], 0
        for first in range(256):
            while at < len(found) and found[at][0][0] == first:
                at += 1
            fanout.append(at)
        large = [offset for _, _, offset in found if offset > 0x7FFFFFFF]
        places = iter(range(len(large)))
        offsets = [offset if offset <= 0x7FFFFFFF else 0x80000000 | next(places) for _, _, offset in found]
        data = b"".join(
            [
                b"\xfftOc\0\0\0\2",
                struct.pack(">256L", *fanout),
                *(oid for oid, _, _ in found),
                struct.pack(f">{len(found)}L", *(crc for _, crc, _ in found)),
                struct.pack(f">{len(found)}L", *offsets),
                struct.pack(f">{len(large)}Q", *large),
                self.checksum,
            ]
        )
        return data + hashlib.sha1(data, usedforsecurity=False).digest()

    def _groups(self, objects: Objects, groups: Mapping[bytes, Sequence[bytes]], kind: Kind) -> Iterator[bytes]:
        """Write the objects of each path, the newest whole, the others as what differs from the one before."""
        sizes = objects.sizes(oid.hex() for path in groups for oid in groups[path])
        for path in sorted(groups):
            base, place, chain = b"", 0, 0
            for oid in groups[path]:
                start, size = self._size, sizes[oid.hex()]
                if size > LARGE:
                    yield from self._whole(oid, _TYPES[kind], size, objects.stream(oid.hex()))
                    base = b""
                    continue
                data = objects.read(oid.hex(), kind)
                made = delta(base, data, tree=kind == "tree") if base and chain < _CHAIN else None
                if made is None:
                    yield from self._whole(oid, _TYPES[kind], size, [data])
                else:
                    yield from self._entry(oid, _head(_OFS_DELTA, len(made)) + _back(start - place), len(made), [made])
                base, place, chain = data, start, 0 if made is None else chain + 1

    def _whole(self, oid: bytes, number: int, size: int, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return self._entry(oid, _head(number, size), size, blocks)

    def _entry(self, oid: bytes, head: bytes, size: int, blocks: Iterable[bytes]) -> Iterator[bytes]:
        start, crc = self._size, 0
        for block in chain((head,), _stored(blocks, size)):
            crc = zlib.crc32(block, crc)
            yield self._out(block)
        self._found.append((oid, crc, start))

    def _out(self, block: bytes) -> bytes:
        self._sha1.update(block)
        self._size += len(block)
        return block


def _stored(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Give a zlib stream (RFC 1950) of stored blocks, cut without regard to how the bytes come."""
    yield b"\x78\x01"
    adler, left, rest = 1, size, bytearray()
    for block in blocks:
        adler = zlib.adler32(block, adler)
        rest += block
        while len(rest) >= _BLOCK or (len(rest) == left and left):
            piece = bytes(rest[:_BLOCK])
            del rest[:_BLOCK]
            left -= len(piece)
            yield struct.pack("<BHH", not left, len(piece), len(piece) ^ 0xFFFF) + piece
    if not size:
        yield b"\x01\0\0\xff\xff"
    yield adler.to_bytes(4, "big")


def _head(number: int, size: int) -> bytes:
    byte = number << 4 | size & 0xF
    size >>= 4
    out = bytearray()
    while size:
        out.append(byte | 0x80)
        byte = size & 0x7F
        size >>= 7
    out.append(byte)
    return bytes(out)


def _back(distance: int) -> bytes:
    out = [distance & 0x7F]
    while distance := distance >> 7:
        distance -= 1
        out.append(distance & 0x7F | 0x80)
    return bytes(reversed(out))
