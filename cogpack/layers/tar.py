"""Entries to tar, with header bytes of our own.

The format is ustar (POSIX.1-1988), with PAX records (POSIX.1-2001) only where ustar has no room: the standard
library's bytes differ between Python versions. Rules, which `VERSION` numbers: entries in the order given; owner and
group by number, names empty; one time for all, `EPOCH`; no access or creation times; xattrs as `SCHILY.xattr.*`;
names that are not UTF-8 as the bytes they are; two zero blocks at the end and no other padding.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TypeAlias, cast
from zlib import adler32

from cogpack.encodings import is_utf8
from cogpack.errors import InputError, MismatchError
from cogpack.layers.content import AtOnce, Content
from cogpack.layers.entry import Directory, Entry, Fifo, File, HardLink, Members, Symlink, Whiteout
from cogpack.sizes import BLOCK

VERSION = 1
"""Part of every layer key: raised when the same entries would give other bytes."""

EPOCH = 315619200
"""1980-01-02T00:00:00Z. Zip tools in the container refuse files from before 1980, in any time zone."""

Segment: TypeAlias = bytes | Content
"""A piece of a tar: bytes of ours, or contents that a codec may know how to take over unread."""

RECORD = 512
_SMALL = BLOCK // 4
_END = bytes(2 * RECORD)
_PADDINGS = [bytes(-size % RECORD) for size in range(RECORD)]
"""What follows a content, by its size."""
_SHORT = 100
"""Bytes of the longest name that every header has room for."""
_MAX_SIZE = 8**11 - 1
_MAX_ID = 8**7 - 1


def segments(entries: Iterable[Entry | Members]) -> Iterator[Segment]:
    """Make the tar of `entries`, which must be sorted, with parents (`entry.complete`)."""
    for entry in entries:
        match entry:
            case File():
                size = entry.content.size
                yield header(
                    entry.path, b"0", mode=entry.mode, uid=entry.uid, gid=entry.gid, size=size, xattrs=entry.xattrs
                )
                if size:
                    yield entry.content
                    if size % RECORD:
                        yield _PADDINGS[size % RECORD]
            case Directory():
                yield header(entry.path + "/", b"5", mode=entry.mode, uid=entry.uid, gid=entry.gid)
            case Symlink():
                yield header(entry.path, b"2", mode=0o777, uid=entry.uid, gid=entry.gid, link=entry.target)
            case HardLink():
                yield header(entry.path, b"1", mode=entry.mode, uid=entry.uid, gid=entry.gid, link=entry.target)
            case Fifo():
                yield header(entry.path, b"6", mode=entry.mode, uid=entry.uid, gid=entry.gid)
            case Whiteout():
                yield header(entry.member, b"0", mode=0)
            case Members():
                yield entry
    yield _END


def members(files: Iterable[tuple[str, int, bytes]]) -> bytes:
    """Make the members of files in a row: path, mode and content of each."""
    made: list[bytes] = []
    for path, mode, data in files:
        size = len(data)
        if len(path) <= _SHORT and path.isascii():
            made += (_usual(path.encode(), mode, size), data, _PADDINGS[size % RECORD])
        else:
            made += (header(path, b"0", mode=mode, size=size), data, _PADDINGS[size % RECORD])
    return b"".join(made)


def member_size(path: str, size: int) -> int:
    """Count the bytes of such a member, whose content has so many."""
    usual = len(path) <= _SHORT and path.isascii()
    return (RECORD if usual else len(header(path, b"0", mode=0, size=size))) + size + -size % RECORD


def size(parts: Iterable[Segment]) -> int:
    """Count the bytes of the tar, without reading any content."""
    return sum(len(part) if isinstance(part, bytes) else part.size for part in parts)


def blocks(parts: Iterable[Segment]) -> Iterator[bytes]:
    """Give the plain bytes of the tar, small pieces joined."""
    small: list[bytes] = []
    size = 0
    for part in parts:
        data = part if isinstance(part, bytes) else part.at_once() if isinstance(part, AtOnce) else None
        for block in (data,) if data is not None else read(cast("Content", part)):
            length = len(block)
            if length < _SMALL:  # of very many files all is
                small.append(block)
                size += length
            if small and (size >= BLOCK or length >= _SMALL):
                yield b"".join(small)
                small.clear()
                size = 0
            if length >= _SMALL:
                yield block
    if small:
        yield b"".join(small)


def read(content: Content) -> Iterator[bytes]:
    """Read `content`, exactly as many bytes as it said."""
    left = content.size
    with content.open() as stream:
        while left and (block := stream.read(min(BLOCK, left))):
            left -= len(block)
            yield block
        if left or stream.read(1):
            raise MismatchError(
                f"{content!r:.300}: holds {'fewer' if left else 'more'} bytes than it had when it was listed",
                next_step="run it again when nothing writes there",
            )


def header(
    path: str,
    kind: bytes,
    *,
    mode: int,
    uid: int = 0,
    gid: int = 0,
    size: int = 0,
    link: str = "",
    xattrs: tuple[tuple[str, bytes], ...] = (),
) -> bytes:
    """Make one ustar header (POSIX.1-1988, "ustar Interchange Format"), after a PAX one where needed."""
    if kind == b"0" and not (uid or gid or xattrs) and size <= _MAX_SIZE and len(path) <= _SHORT and path.isascii():
        return _usual(path.encode(), mode, size)
    pax: list[tuple[str, bytes]] = []
    raw_path, raw_link = path.encode("utf-8", "surrogateescape"), link.encode("utf-8", "surrogateescape")
    if not (is_utf8(path) and is_utf8(link)):  # POSIX.1-2008, "pax Extended Header"
        pax.append(("hdrcharset", b"BINARY"))
    prefix, name = _split(raw_path)
    if name is None:
        pax.append(("path", raw_path))
        prefix, name = b"", raw_path[-100:]
    if len(raw_link) > 100 or not raw_link.isascii():
        pax.append(("linkpath", raw_link))
        raw_link = raw_link[:100]
    if size > _MAX_SIZE:
        pax.append(("size", b"%d" % size))
    for label, number in (("uid", uid), ("gid", gid)):
        if number < 0:
            raise InputError(f"/{path}: {label} {number}", next_step="use numbers from 0 up")
        if number > _MAX_ID:
            pax.append((label, b"%d" % number))
    pax.extend((f"SCHILY.xattr.{key}", value) for key, value in sorted(xattrs))
    block = _ustar(name, kind, mode, min(uid, _MAX_ID), min(gid, _MAX_ID), min(size, _MAX_SIZE), raw_link, prefix)
    if not pax:
        return block
    records = b"".join(_pax_record(key.encode(), value) for key, value in pax)
    extended = _ustar(b"PaxHeaders/entry", b"x", 0o644, 0, 0, len(records), b"", b"")
    return extended + records + bytes(-len(records) % RECORD) + block


def _usual(name: bytes, mode: int, size: int) -> bytes:
    """Make the header of most files, which differ in name and size alone."""
    owned, dated, rest, others = _around(mode)
    length = b"%011o\0" % size
    checksum = others + (adler32(name + length) & 0xFFFF) - 1  # the sum of few bytes, by C (RFC 1950 8.2)
    return b"".join((name.ljust(100, b"\0"), owned, length, dated, b"%06o\0 " % checksum, rest))


@lru_cache(maxsize=64)
def _around(mode: int) -> tuple[bytes, bytes, bytes, int]:
    """Give what such headers have between name and size, between size and checksum, and behind that; then what all of
    this adds to the checksum."""
    block = _ustar(b"", b"0", mode, 0, 0, 0, b"", b"")
    owned, dated, rest = block[100:124], block[136:148], block[156:]
    return owned, dated, rest, sum(owned) + sum(dated) + sum(rest) + 8 * ord(" ")


def _split(path: bytes) -> tuple[bytes, bytes | None]:
    """Give the (prefix, name) fields for `path`; name is None where ustar can't hold it."""
    if not path.isascii():
        return b"", None
    if len(path) <= 100:
        return b"", path
    # The latest slash that leaves at most 155 bytes before it; a directory's own final slash stays in the name.
    cut = path.rfind(b"/", 0, min(156, len(path) - 1))
    if cut <= 0 or len(path) - cut - 1 > 100:
        return b"", None
    return path[:cut], path[cut + 1 :]


def _ustar(name: bytes, kind: bytes, mode: int, uid: int, gid: int, size: int, link: bytes, prefix: bytes) -> bytes:
    fields = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0        %s%s" % (
        name.ljust(100, b"\0"),
        mode,
        uid,
        gid,
        size,
        EPOCH,
        kind,
        link.ljust(100, b"\0"),
    )
    rest = b"ustar\x0000".ljust(72, b"\0") + b"0000000\x000000000\0" + prefix.ljust(167, b"\0")
    checksum = sum(fields) + sum(rest)
    return b"%s%06o\0 %s%s" % (fields[:148], checksum, fields[156:], rest)


def _pax_record(key: bytes, value: bytes) -> bytes:
    """Make `LENGTH key=value\\n`, where LENGTH counts its own digits (POSIX.1-2001, "pax Header Block")."""
    body = len(key) + len(value) + 3
    length = body + len(str(body))
    length = body + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)
