"""A wheel's zip, read in place: members by their central directory, with nothing believed that isn't checked.

APPNOTE.TXT 4.3 (structure), 4.4.5 (methods): wheels hold stored and deflated members only.
"""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

import msgspec

from cogpack.errors import InputError
from cogpack.layers.entry import BLOCK, RawDeflate

_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x1
_LARGEST_RATIO = 1100
"""Deflate can't do better than 1032:1; what claims more is not a stream but an attack."""

_MEMBERS = 500_000


class Member(msgspec.Struct, frozen=True):
    """One file: where its stored bytes begin, how many there are, what they unpack to."""

    name: str
    locate: Callable[[], Path]
    method: int
    offset: int
    stored: int
    size: int
    crc32: int
    executable: bool

    def open(self) -> BinaryIO:
        """The plain bytes; the tar writer checks that there are `size` of them, `read_small` their CRC."""
        if self.method == zipfile.ZIP_STORED:
            return _Range(self.locate(), self.offset, self.stored)
        return io.BufferedReader(_Inflated(self), BLOCK)

    def deflated(self) -> RawDeflate | None:
        return _Raw(self) if self.method == zipfile.ZIP_DEFLATED else None

    def __repr__(self) -> str:
        return f"{self.name} of {self.locate().name}"


class _Raw:
    def __init__(self, member: Member) -> None:
        self.size = member.stored
        self.crc32 = member.crc32
        self._member = member

    def open(self) -> BinaryIO:
        return _Range(self._member.locate(), self._member.offset, self._member.stored)


class _Range(io.FileIO):
    """A part of a file, as a file."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        super().__init__(path, "rb")
        super().seek(offset)
        self._left = size

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        block = super().read(wanted) or b""
        self._left -= len(block)
        return block

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]
        block = self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


class _Inflated(io.RawIOBase):
    def __init__(self, member: Member) -> None:
        super().__init__()
        self._member = member
        self._source = _Range(member.locate(), member.offset, member.stored)
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._crc = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]
        while not self._inflater.eof:
            block = self._inflater.unconsumed_tail or self._source.read(BLOCK)
            try:
                out = self._inflater.decompress(block, len(buffer))
            except zlib.error as error:
                raise _damaged(self._member, str(error)) from error
            if out:
                self._crc = zlib.crc32(out, self._crc)
                buffer[: len(out)] = out
                return len(out)
            if not block:
                raise _damaged(self._member, "its compressed bytes end early")
        if self._crc != self._member.crc32:
            raise _damaged(self._member, "its CRC-32 is wrong")
        return 0

    def close(self) -> None:
        self._source.close()
        super().close()


def read_members(locate: Callable[[], Path]) -> list[Member]:
    """All files of the wheel, in the order of its central directory."""
    path = locate()
    with _opened(path) as archive, path.open("rb") as stream:
        infos = archive.infolist()
        if len(infos) > _MEMBERS:
            _refuse(path, f"it lists {len(infos)} files")
        members: list[Member] = []
        seen: set[str] = set()
        for info in infos:
            if info.is_dir():
                continue
            name = info.filename
            _check_name(path, name, info.orig_filename)
            if name in seen:
                _refuse(path, f"it holds {name!r:.200} twice")
            seen.add(name)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                _refuse(path, f"{name!r:.200} is no plain file")
            if info.flag_bits & _ENCRYPTED:
                _refuse(path, f"{name!r:.200} is encrypted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                _refuse(path, f"{name!r:.200} is compressed by method {info.compress_type}; wheels use 0 and 8")
            if info.file_size > _LARGEST_RATIO * max(info.compress_size, 1):
                _refuse(path, f"{name!r:.200} claims {info.file_size} bytes from {info.compress_size}")
            if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
                _refuse(path, f"{name!r:.200} is stored, but its two sizes differ")
            members.append(
                Member(
                    name=name,
                    locate=locate,
                    method=info.compress_type,
                    offset=_data_offset(stream, info, path),
                    stored=info.compress_size,
                    size=info.file_size,
                    crc32=info.CRC,
                    # Modes without a file type are not believed: installers agree on this.
                    executable=kind == stat.S_IFREG and bool((info.external_attr >> 16) & 0o111),
                )
            )
        _check_overlap(members, path)
        return members


def read_small(member: Member, *, limit: int = 64 * 1024 * 1024) -> bytes:
    """A metadata file, whole and checked."""
    if member.size > limit:
        raise _damaged(member, f"{member.size} bytes are too many for it")
    with member.open() as stream:
        data = stream.read(limit)
    if len(data) != member.size or zlib.crc32(data) != member.crc32:
        raise _damaged(member, "its bytes are not those that the archive lists")
    return data


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, EOFError, struct.error, NotImplementedError, OSError) as error:
        _refuse(path, str(error))
    with archive:
        yield archive


def _data_offset(stream: BinaryIO, info: zipfile.ZipInfo, path: Path) -> int:
    """Behind the local header, whose name and extra field may be longer than the central ones (4.3.7)."""
    stream.seek(info.header_offset)
    header = stream.read(_LOCAL.size)
    if len(header) != _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        _refuse(path, f"{info.filename!r:.200} has no local header")
    fields = _LOCAL.unpack(header)
    return int(info.header_offset + _LOCAL.size + fields[9] + fields[10])


def _check_overlap(members: list[Member], path: Path) -> None:
    """Members that share bytes make a small archive expand without end."""
    end = 0
    for member in sorted(members, key=lambda member: member.offset):
        if member.offset < end:
            _refuse(path, f"{member.name!r:.200} overlaps another member")
        end = member.offset + member.stored
    if end > path.stat().st_size:
        _refuse(path, "a member ends behind the end of the file")


def _check_name(path: Path, name: str, original: str) -> None:
    parts = name.split("/")
    if name != original or "\\" in name or "\0" in name or any(part in ("", ".", "..") for part in parts):
        _refuse(path, f"it holds a path {original!r:.200}")


def _damaged(member: Member, why: str) -> InputError:
    return InputError(
        f"{member!r:.300}: {why}", next_step="the wheel is damaged: pin another version, or ask its publisher"
    )


def _refuse(path: Path, why: str) -> NoReturn:
    raise InputError(f"{path.name}: not a sound wheel: {why}", next_step="pin another version, or ask its publisher")
