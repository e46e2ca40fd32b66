"""A package index (`Packages` of one suite and architecture, Debian repository format) is parsed once and kept.

The parsed form is two files named after the sha256 of the index: records end to end, and a table of where each
package's records are. A resolve touches a few hundred of 65,000 packages, so the records stay on disk. What they say
goes into locks: the table is under a seal and holds the hash of the records, which are hashed when they are opened.
"""

import lzma
import os
import posixpath
import re
import weakref
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec
from blake3 import blake3

from cogpack.decompress import decompressed, old_streams
from cogpack.disk import write_whole, writing
from cogpack.errors import InputError, MismatchError
from cogpack.seal import Seal
from cogpack.sizes import BLOCK

_PROVIDED = re.compile(r"(?:^|,)\s*([A-Za-z0-9][A-Za-z0-9+.-]*)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_HASHED = re.compile(rb"^SHA256: *([0-9a-f]{64})$", re.MULTILINE)
_SIZE = re.compile(r"[0-9]{1,15}")
_HASH = 32  # bytes of the records' hash, before the table
_MEMORY = 256 * 1024 * 1024  # for the xz dictionary
_SLICE = 64 * 1024  # given to a decompressor at a time: what follows a stream is copied
_BROKEN = "use another Debian mirror: set COGPACK_DEBIAN_MIRROR"


class IndexedPackage(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Holds what resolving needs of a stanza. Relation fields are left as text; few of them are ever read."""

    name: str
    version: str
    arch: str
    source: str = ""
    pre_depends: str = ""
    depends: str = ""
    recommends: str = ""
    conflicts: str = ""
    breaks: str = ""
    provides: str = ""
    essential: bool = False
    priority: str = ""
    description: str = ""
    path: str
    size: int
    sha256: str


_FORMAT = f"4-{zlib.crc32(' '.join(IndexedPackage.__struct_fields__).encode()):08x}"
"""Of the two files: what another version wrote, with other fields, is not looked at."""


class _Table(msgspec.Struct, array_like=True):
    records: dict[str, list[int]]  # name -> offset, length, offset, length, ...
    providers: dict[str, list[str]]  # provided name -> names of packages, in index order
    essential: list[str]


class PackageIndex(Protocol):
    """Finds packages by name."""

    @property
    def essential(self) -> Sequence[str]: ...

    def names(self) -> Iterable[str]: ...

    def packages(self, name: str) -> Sequence[IndexedPackage]: ...

    def all(self) -> Iterator[IndexedPackage]: ...

    def providers(self, name: str) -> Sequence[str]: ...


class DebianIndex:
    """Finds packages by name in the parsed form."""

    def __init__(self, records: BinaryIO, table: _Table, arch: str | None = None) -> None:
        self._arch = arch  # others are passed over, but those of "all"
        self._records = records  # kept open: whatever takes the file's place is not read
        weakref.finalize(self, records.close)
        self._table = table
        self._decoder = msgspec.msgpack.Decoder(IndexedPackage)

    @property
    def essential(self) -> list[str]:
        return self._table.essential

    def names(self) -> Iterable[str]:
        return self._table.records

    def packages(self, name: str) -> list[IndexedPackage]:
        places = self._table.records.get(name, [])
        file = self._records.fileno()
        found = (
            self._decoder.decode(os.pread(file, length, offset))
            for offset, length in zip(places[::2], places[1::2], strict=True)
        )
        return [package for package in found if self._arch is None or package.arch in (self._arch, "all")]

    def all(self) -> Iterator[IndexedPackage]:
        """Read all packages, which takes a second for a suite of Debian's."""
        for name in self._table.records:
            yield from self.packages(name)

    def providers(self, name: str) -> list[str]:
        return self._table.providers.get(name, [])


def open_index(directory: Path, sha256: str, seal: Seal, *, arch: str | None = None) -> DebianIndex | None:
    """Open what was parsed before, with this `seal`, of the index whose compressed file has this sha256; else None.

    `arch`: packages for others are passed over.
    """
    records, table = _paths(directory, sha256)
    try:
        with ExitStack() as closing:
            stream = closing.enter_context(records.open("rb"))
            found = seal.read(table.name, table)
            if found is None or found[:_HASH] != _hashed(stream):
                return None
            closing.pop_all()
    except OSError:
        return None
    for path in (records, table):
        with suppress(OSError):
            os.utime(path)  # a cache is cleaned of what was not wanted for long
    return DebianIndex(stream, msgspec.msgpack.decode(found[_HASH:], type=_Table), arch)


def _paths(directory: Path, sha256: str) -> tuple[Path, Path]:
    """Name the two files: records and table."""
    return directory / f"{sha256}.{_FORMAT}.records", directory / f"{sha256}.{_FORMAT}.table"


def _hashed(stream: BinaryIO) -> bytes:
    hasher = blake3()
    while block := stream.read(BLOCK):
        hasher.update(block)
    return hasher.digest()


def parse_index(
    data: bytes, *, url: str, size: int, directory: Path, sha256: str, seal: Seal, arch: str | None = None
) -> DebianIndex:
    """Unpack and parse `data`, a verified `Packages`, `.xz` or `.gz`, that holds `size` bytes, into `directory`."""
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    packages = (_package(stanza, url) for stanza in _stanzas(_unpack(data, url=url, size=size)))
    table, hasher = _Table({}, {}, []), blake3()
    records, place = _paths(directory, sha256)
    write_whole(records, _encode(packages, table, hasher))
    # The table goes last: where it is, the records are whole.
    write_whole(place, iter((seal.close(place.name, hasher.digest() + msgspec.msgpack.encode(table)),)))
    del table  # large, and read again at once
    if (index := open_index(directory, sha256, seal, arch=arch)) is None:
        raise MismatchError(
            f"{records}: not what was written a moment ago", next_step="find out what else writes to the cache"
        )
    return index


def listed(data: bytes, *, url: str, size: int, wanted: Collection[str]) -> Iterator[IndexedPackage]:
    """Give what such an index says of the packages with one of the `wanted` sha256 (hex), without keeping anything."""
    for stanza in _stanzas(_unpack(data, url=url, size=size)):
        if (found := _HASHED.search(stanza)) and found[1].decode() in wanted:
            yield _package(stanza, url)


def _encode(packages: Iterable[IndexedPackage], table: _Table, hasher: blake3) -> Iterator[bytes]:
    """Give a record a package, and note in `table` where it is."""
    encoder = msgspec.msgpack.Encoder()
    offset = 0
    for package in packages:
        record = encoder.encode(package)
        table.records.setdefault(package.name, []).extend((offset, len(record)))
        offset += len(record)
        hasher.update(record)
        _note(package, table)
        yield record


def _note(package: IndexedPackage, table: _Table) -> None:
    if package.essential and package.name not in table.essential:
        table.essential.append(package.name)
    if package.provides:
        for name in _PROVIDED.findall(package.provides):
            known = table.providers.setdefault(name, [])
            if package.name not in known[-1:]:
                known.append(package.name)


def _unpack(data: bytes, *, url: str, size: int) -> Iterator[bytes]:
    """Give the plain text in blocks: never more than the `size` bytes that the Release has signed."""
    total = 0
    try:
        for block in _plain(data):
            total += len(block)
            if total > size:
                break
            yield block
    except (lzma.LZMAError, EOFError, InputError) as error:
        raise MismatchError(f"{url}: can't be unpacked ({error})", next_step=_BROKEN) from None
    if total != size:
        raise MismatchError(f"{url}: expected {size} bytes of text, found {total}", next_step=_BROKEN)


def _plain(data: bytes) -> Iterable[bytes]:
    """Unpack all members or streams: who packs with many threads writes one after another."""
    blocks = (data[start : start + _SLICE] for start in range(0, len(data), _SLICE))
    if data[:6] == b"\xfd7zXZ\0":
        return old_streams(blocks, lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MEMORY))
    return decompressed(blocks) if data[:2] == b"\x1f\x8b" else blocks


def _stanzas(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *stanzas, rest = (rest + block).split(b"\n\n")
        yield from stanzas
    if rest.strip():
        yield rest


_FIELDS = {
    b"Package": "name",
    b"Version": "version",
    b"Architecture": "arch",
    b"Source": "source",
    b"Pre-Depends": "pre_depends",
    b"Depends": "depends",
    b"Recommends": "recommends",
    b"Conflicts": "conflicts",
    b"Breaks": "breaks",
    b"Provides": "provides",
    b"Essential": "essential",
    b"Priority": "priority",
    b"Description": "description",
    b"Filename": "path",
    b"Size": "size",
    b"SHA256": "sha256",
}


def indexed(control: bytes, *, path: str, size: int, sha256: str, where: str) -> IndexedPackage:
    """Read what an index would say of a package by its own control file."""
    return _package(control.strip() + f"\nFilename: {path}\nSize: {size}\nSHA256: {sha256}\n".encode(), where)


def _package(stanza: bytes, url: str) -> IndexedPackage:
    found: dict[str, str] = {}
    for line in stanza.split(b"\n"):
        # Continuation lines begin with a blank; none of the fields we want has any.
        key, _, value = line.partition(b":")
        field = _FIELDS.get(key)
        if field is not None:
            found[field] = value.strip().decode("utf-8", "replace")
    try:
        return IndexedPackage(
            name=_sound(found["name"]),
            version=found["version"],
            arch=_sound(found["arch"]),
            source=found.get("source", ""),
            pre_depends=found.get("pre_depends", ""),
            depends=found.get("depends", ""),
            recommends=found.get("recommends", ""),
            conflicts=found.get("conflicts", ""),
            breaks=found.get("breaks", ""),
            provides=found.get("provides", ""),
            essential=found.get("essential") == "yes",
            priority=found.get("priority", ""),
            description=found.get("description", ""),
            path=_relative(found["path"]),
            size=_size(found["size"]),
            sha256=found["sha256"],
        )
    except (KeyError, ValueError) as error:
        where = found.get("name", "a stanza without a name")
        raise MismatchError(f"{url}: {where:.80}: missing or wrong field {error}", next_step=_BROKEN) from None


def _size(text: str) -> int:
    if not _SIZE.fullmatch(text):
        raise ValueError(repr(text[:80]))
    return int(text)


def _sound(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(repr(name[:80]))
    return name


def _relative(path: str) -> str:
    """Write a path below the archive in one way: some have "./" before it, or two slashes."""
    found = posixpath.normpath(path) if "./" in path or "//" in path else path
    if found.startswith(("/", "../")) or found in ("", ".", "..") or "\0" in found or found.endswith("/"):
        raise ValueError(repr(path[:80]))
    return found
