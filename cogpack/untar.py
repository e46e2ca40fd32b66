"""Reading the tar of layers that others made, in bounded memory and without touching a disk.

ustar, PAX and GNU long names (what image-spec layer.md allows and Docker writes).
"""

from collections.abc import Iterable, Iterator
from typing import NoReturn

import msgspec

from cogpack.errors import InputError

_RECORD = 512
_EXTENDED_LIMIT = 1024 * 1024
"""Bytes of a PAX header or long name that are believed."""

_KINDS = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "device",
    b"4": "device",
    b"5": "directory",
    b"6": "fifo",
}


class Member(msgspec.Struct, frozen=True):
    """One entry; `path` is relative, without `./` and trailing slash ("" for the root)."""

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    link: str
    xattrs: tuple[tuple[str, bytes], ...] = ()


class Untar:
    """Iterate for the members; `content()` gives the bytes of the latest one, skipped if not asked for."""

    def __init__(self, blocks: Iterable[bytes], *, where: str) -> None:
        self._blocks = iter(blocks)
        self._where = where
        self._rest = memoryview(b"")
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        pax: dict[str, bytes] = {}
        while True:
            for _ in self.content():
                pass
            self._exactly(self._padding)
            self._padding = 0
            header = self._exactly(_RECORD)
            if header.count(0) == _RECORD:
                for _ in self._blocks:  # drain, so that what watches the bytes has seen them all
                    pass
                return
            if self._number(header[148:156]) != sum(header) - sum(header[148:156]) + 8 * 32:
                self._refuse("a header's checksum is wrong")
            kind = header[156:157]
            size = self._number(pax.get("size", b"")) if "size" in pax else self._number(header[124:136])
            if "size" in pax:
                size = int(pax["size"]) if pax["size"].isdigit() and len(pax["size"]) < 20 else -1
            if size < 0:
                self._refuse("a size is no number")
            if kind in (b"x", b"g", b"L", b"K"):
                extended = self._extended(size)
                if kind == b"x":
                    pax.update(self._records(extended))
                elif kind == b"L":
                    pax["path"] = extended.rstrip(b"\0")
                elif kind == b"K":
                    pax["linkpath"] = extended.rstrip(b"\0")
                continue
            if kind not in _KINDS:
                self._refuse(f"an entry of unknown type {kind!r}")
            self._left = size if _KINDS[kind] == "file" else 0
            self._padding = -self._left % _RECORD
            yield self._member(header, _KINDS[kind], pax)
            pax = {}

    def content(self) -> Iterator[bytes]:
        while self._left:
            block = self._some(self._left)
            self._left -= len(block)
            yield block

    def _member(self, header: bytes, kind: str, pax: dict[str, bytes]) -> Member:
        name = pax.get("path")
        if name is None:
            name = header[:100].split(b"\0")[0]
            if header[257:262] == b"ustar" and header[257:263] != b"ustar " and header[345]:
                name = header[345:500].split(b"\0")[0] + b"/" + name
        link = pax.get("linkpath", header[157:257].split(b"\0")[0])
        parts = [part for part in name.decode("utf-8", "surrogateescape").split("/") if part not in ("", ".")]
        if ".." in parts:
            self._refuse(f"the path {name!r:.200} leaves the root")
        return Member(
            path="/".join(parts),
            kind=kind,
            mode=self._number(header[100:108]) & 0o7777,
            uid=int(pax["uid"]) if pax.get("uid", b"").isdigit() else self._number(header[108:116]),
            gid=int(pax["gid"]) if pax.get("gid", b"").isdigit() else self._number(header[116:124]),
            size=self._left,
            mtime=self._number(header[136:148]),
            link=link.decode("utf-8", "surrogateescape"),
            xattrs=tuple(
                (key[len("SCHILY.xattr.") :], value)
                for key, value in sorted(pax.items())
                if key.startswith("SCHILY.xattr.")
            ),
        )

    def _extended(self, size: int) -> bytes:
        if size > _EXTENDED_LIMIT:
            self._refuse(f"an extended header of {size} bytes")
        data = self._exactly(size)
        self._exactly(-size % _RECORD)
        return data

    def _records(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        while data:
            digits, space, _ = data[:12].partition(b" ")
            length = int(digits) if digits.isdigit() and space else 0
            key, equals, value = data[len(digits) + 1 : length - 1].partition(b"=")
            if not 0 < length <= len(data) or not equals:
                self._refuse("a damaged PAX header")
            yield key.decode("utf-8", "replace"), value
            data = data[length:]

    def _number(self, field: bytes) -> int:
        """Octal, or GNU's base-256 for what does not fit."""
        if field[:1] == b"\x80":
            return int.from_bytes(field[1:], "big")
        text = field.strip(b" \0")
        try:
            return int(text, 8) if text else 0
        except ValueError:
            return self._refuse(f"a header field {field!r} is no number")

    def _some(self, size: int) -> bytes:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                self._refuse("it ends in the middle of an entry")
            self._rest = memoryview(block)
        piece = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        return piece

    def _exactly(self, size: int) -> bytes:
        if not size:
            return b""
        piece = self._some(size)
        if len(piece) == size:
            return piece
        joined = bytearray(piece)
        while len(joined) < size:
            joined += self._some(size - len(joined))
        return bytes(joined)

    def _refuse(self, why: str) -> NoReturn:
        raise InputError(f"{self._where}: not a sound layer: {why}", next_step="the image is damaged; choose another")
