"""This module reads the tar of layers that others made, in bounded memory and without touching a disk.

ustar, PAX and GNU long names (what image-spec layer.md allows and Docker writes). Why not tarfile: it reads PAX headers
of any size into memory, and takes what two readers understand in two ways.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NoReturn

import msgspec

from cogpack.errors import InputError

_RECORD = 512
_EXTENDED_LIMIT = 1024 * 1024
"""Bytes of PAX headers and long names before one entry that are believed."""

_XATTR = "SCHILY.xattr."
_SPARSE = "GNU.sparse."

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
    """One entry of the archive; `path` is relative, without `./` and trailing slash ("" for the root)."""

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    link: str
    xattrs: tuple[tuple[str, bytes], ...] = ()

    @property
    def target(self) -> str:
        """The path of the member that a hard link is another name of."""
        return "/".join(part for part in self.link.split("/") if part not in ("", "."))


class Untar:
    """Iterates over the members; `content()` gives the bytes of the latest one, skipped if not asked for."""

    def __init__(self, blocks: Iterable[bytes], *, where: str) -> None:
        self._blocks = iter(blocks)
        self._where = where
        self._rest = memoryview(b"")
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        pax: dict[str, bytes] = {}
        extended = 0
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
            flag = header[156:157]
            if flag in (b"x", b"g", b"L", b"K"):
                size = self._number(header[124:136])
                extended += size
                if size < 0 or extended > _EXTENDED_LIMIT:
                    self._refuse(f"extended headers of {extended} bytes")
                self._extend(pax, flag, self._exactly(size))
                self._exactly(-size % _RECORD)
                continue
            member = self._member(header, flag, pax)
            self._left = member.size
            self._padding = -member.size % _RECORD
            yield member
            pax, extended = {}, 0

    def content(self) -> Iterator[bytes]:
        while self._left:
            block = self._some(self._left)
            self._left -= len(block)
            yield block

    def _member(self, header: bytes, flag: bytes, pax: Mapping[str, bytes]) -> Member:
        name = pax.get("path")
        if name is None:
            name = header[:100].split(b"\0")[0]
            if header[257:263] == b"ustar\0" and header[345]:
                name = header[345:500].split(b"\0")[0] + b"/" + name
        link = pax.get("linkpath", header[157:257].split(b"\0")[0])
        parts = [part for part in name.decode("utf-8", "surrogateescape").split("/") if part not in ("", ".")]
        if ".." in parts or b"\0" in name or b"\0" in link:
            self._refuse(f"the path {name!r:.200} leaves the root, or holds a NUL")
        kind = _KINDS.get(flag)
        if kind is None or any(key.startswith(_SPARSE) for key in pax):
            self._refuse(f"/{'/'.join(parts)!a:.200}: an entry of unknown type {flag!r}")
        if flag == b"\0" and name.endswith(b"/"):  # how tar said directory before POSIX.1-1988
            kind = "directory"
        size = self._record("size", pax, header[124:136])
        return Member(
            path="/".join(parts),
            kind=kind,
            mode=self._number(header[100:108]) & 0o7777,
            uid=self._record("uid", pax, header[108:116]),
            gid=self._record("gid", pax, header[116:124]),
            size=size if kind == "file" else 0,
            mtime=self._number(header[136:148]),
            link=link.decode("utf-8", "surrogateescape"),
            xattrs=tuple(
                (key.removeprefix(_XATTR), value) for key, value in sorted(pax.items()) if key.startswith(_XATTR)
            ),
        )

    def _extend(self, pax: dict[str, bytes], flag: bytes, data: bytes) -> None:
        """Take in an extended header: PAX for the next entry (`x`), GNU long name or link; global ones say nothing."""
        if flag == b"L":
            pax["path"] = data.split(b"\0")[0]
        elif flag == b"K":
            pax["linkpath"] = data.split(b"\0")[0]
        elif flag == b"x":
            for key, value in self._records(data):
                if value or key.startswith(_XATTR):
                    pax[key] = value
                else:  # an empty value takes the record back
                    pax.pop(key, None)

    def _records(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield the records of a PAX header, `LENGTH key=value\\n` (POSIX.1-2001, "pax Header Block")."""
        start = 0
        while start < len(data):
            digits, space, _ = data[start : start + 12].partition(b" ")
            end = start + (int(digits) if digits.isdigit() and space else 0)
            key, equals, value = data[start + len(digits) + 1 : end - 1].partition(b"=")
            if not start < end <= len(data) or data[end - 1 : end] != b"\n" or not equals:
                self._refuse("a damaged PAX header")
            yield key.decode("utf-8", "replace"), value
            start = end

    def _record(self, key: str, pax: Mapping[str, bytes], field: bytes) -> int:
        """Read a number from 0 up: of the PAX record if there is one (decimal), else of the header's field."""
        text = pax.get(key)
        if text is not None and not (text.isdigit() and len(text) < 20):
            self._refuse(f"a {key} is no number from 0 up")
        number = self._number(field) if text is None else int(text)
        if number < 0:
            self._refuse(f"a {key} is no number from 0 up")
        return number

    def _number(self, field: bytes) -> int:
        """Read an octal number, or GNU's base-256 (two's complement, its first bit set) for what does not fit."""
        if field[0] & 0x80:
            number = int.from_bytes(field, "big") & ~(1 << (8 * len(field) - 1))
            return number - ((field[0] & 0x40) << (8 * len(field) - 7))
        text = field.strip(b" \0")
        if not text:
            return 0
        if text.strip(b"01234567"):
            self._refuse(f"a header field {field!r} is no number")
        return int(text, 8)

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
