"""A .deb (deb(5)) is read in bounded memory: an `ar` archive of a version, a control tar and a data tar."""

import lzma
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import BinaryIO, NoReturn

import msgspec

from cogpack.decompress import decompressed, old_streams
from cogpack.errors import InputError
from cogpack.layers.spool import Spool, Spooled
from cogpack.sizes import BLOCK
from cogpack.untar import Member, Untar

_MAGIC = b"!<arch>\n"
_XZ = b"\xfd7zXZ\0"
_XZ_MEMORY = 256 * 1024 * 1024
_CONTROL_LIMIT = 64 * 1024 * 1024
# The most that a package may unpack to, per byte of the .deb and at least: far beyond any real one, short of a bomb.
_RATIO = 500
_FLOOR = 64 * 1024 * 1024


class DebContents(msgspec.Struct, frozen=True):
    """Holds the two halves of a package. `data` pairs each member of the file tree with the bytes of a regular file."""

    control: dict[str, bytes]
    data: list[tuple[Member, Spooled | None]]


def read_deb(
    file: BinaryIO,
    *,
    where: str,
    size: int,
    spool: Spool,
    watch: Callable[[Iterator[bytes]], Iterator[bytes]] = iter,
) -> DebContents:
    """Unpack the .deb of `size` bytes; file contents go to `spool`. `where` names it in errors; `watch` sees the plain
    tar of its files go by."""
    limit = max(_FLOOR, _RATIO * size)
    control: dict[str, bytes] | None = None
    data: list[tuple[Member, Spooled | None]] | None = None
    version = False
    for name, blocks in _members(file, where):
        if not version:
            if name != "debian-binary" or not next(blocks, b"").startswith(b"2."):
                _refuse(where, "it does not begin with the version of its format, 2.0")
            version = True
        elif name.startswith("_"):
            continue
        elif control is None:
            if name.partition(".tar")[0] != "control":
                _refuse(where, f"expected control.tar, found {name!r:.40}")
            control = _control(_plain(blocks, where, _CONTROL_LIMIT), where)
        elif name.partition(".tar")[0] == "data":
            data = read_data(watch(_plain(blocks, where, limit)), where, spool)
            break
    if control is None or data is None:
        _refuse(where, "it ends before its data.tar")
    return DebContents(control, data)


def read_control(file: BinaryIO, *, where: str) -> dict[str, bytes]:
    """Read the control files of a package, of which the beginning, up to `control_end`, is enough."""
    for name, blocks in _members(file, where):
        if name.partition(".tar")[0] == "control":
            return _control(_plain(blocks, where, _CONTROL_LIMIT), where)
    _refuse(where, "it ends before its control.tar")


def control_end(head: bytes) -> int:
    """Tell from the first 132 bytes where the control archive ends: it is the second member, after the version."""
    place = len(_MAGIC)
    for _ in range(2):
        size = head[place + 48 : place + 58].strip()
        place += 60 + (int(size) + int(size) % 2 if size.isdigit() else 0)
    return place


def _members(file: BinaryIO, where: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Give names and blocks of the archive's members; what is not read of one is skipped."""
    if file.read(len(_MAGIC)) != _MAGIC:
        _refuse(where, "it is no ar archive")
    while header := file.read(60):
        size = header[48:58].strip()
        if len(header) != 60 or header[58:] != b"`\n" or not size.isdigit():
            _refuse(where, "the header of an archive member is damaged")
        end = file.tell() + int(size)
        yield header[:16].decode("ascii", "replace").strip().rstrip("/"), _read(file, int(size), where)
        file.seek(end + end % 2)


def _read(file: BinaryIO, size: int, where: str) -> Iterator[bytes]:
    while size:
        block = file.read(min(size, BLOCK))
        if not block:
            _refuse(where, "it is cut short")
        size -= len(block)
        yield block


def _plain(blocks: Iterator[bytes], where: str, limit: int) -> Iterator[bytes]:
    """Unpack the tar from xz, gzip, zstd or nothing; more than `limit` bytes are an error."""
    head = next(blocks, b"")
    stream = chain((head,), blocks)
    total = 0
    try:
        for block in old_streams(stream, _unpacker) if head.startswith(_XZ) else _other(stream, where):
            total += len(block)
            if total > limit:
                _refuse(where, f"it unpacks to more than {limit} bytes")
            yield block
    except EOFError:
        _refuse(where, "its xz data is cut short")
    except lzma.LZMAError as error:
        _refuse(where, f"its xz data can't be unpacked ({error})")


def _other(blocks: Iterable[bytes], where: str) -> Iterator[bytes]:
    try:
        yield from decompressed(blocks)
    except InputError as error:
        if error.message.startswith(where):
            raise
        _refuse(where, error.message)


def _unpacker() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


def _control(blocks: Iterable[bytes], where: str) -> dict[str, bytes]:
    tar = Untar(blocks, where=where)
    files = {member.path: b"".join(tar.content()) for member in tar if member.kind == "file"}
    if "control" not in files:
        _refuse(where, "it has no control file")
    return files


def read_data(blocks: Iterable[bytes], where: str, spool: Spool) -> list[tuple[Member, Spooled | None]]:
    """Read the plain tar of a package's files, whose contents go to `spool`."""
    tar = Untar(blocks, where=where)
    found: list[tuple[Member, Spooled | None]] = []
    for member in tar:
        if member.kind in ("device", "fifo"):
            _refuse(where, f"/{member.path} is a {member.kind}")
        found.append((member, spool.write(tar.content(), member.size) if member.kind == "file" else None))
    return found


def _refuse(where: str, why: str) -> NoReturn:
    raise InputError(f"{where}: not a sound Debian package: {why}", next_step="delete the file and run it again")
