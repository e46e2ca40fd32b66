"""What goes into a layer: entries of a file tree, and contents that can be read again and again.

Paths are relative POSIX text without `./` or a trailing slash ("usr/bin/env"); the root itself is never an entry.
There is no time: every entry of every layer carries one epoch (see `layers/tar.py`).
"""

import io
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeAlias, cast

import msgspec

from cogpack.errors import CogpackError, InputError, MismatchError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1024 * 1024
"""Bytes read at a time."""


class RawDeflate(Protocol):
    """A raw deflate stream (RFC 1951) that some archive holds already, for splicing into gzip."""

    size: int  # of the deflate stream, bytes
    crc32: int  # of the plain bytes

    def open(self) -> BinaryIO: ...


class Content(Protocol):
    """Bytes of known size, readable any number of times with the same result."""

    @property
    def size(self) -> int: ...

    def open(self) -> BinaryIO: ...

    def deflated(self) -> RawDeflate | None: ...


class Bytes(msgspec.Struct, frozen=True):
    """Content that is in memory: generated and small files."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)

    def deflated(self) -> RawDeflate | None:
        return None


class Stat(msgspec.Struct, frozen=True):
    """What tells that a file is still the same one: the fields git compares."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, path: Path) -> "Stat":
        try:
            return cls.from_result(path.stat(follow_symlinks=False))
        except OSError as error:
            raise _unreadable(path, error) from error

    @classmethod
    def from_result(cls, found: os.stat_result) -> "Stat":
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)


class LocalFile(msgspec.Struct, frozen=True):
    """Content of a file of the project. Opening and closing it check that it is still the file that was listed."""

    path: Path
    stat: Stat

    @classmethod
    def of(cls, path: Path) -> "LocalFile":
        return cls(path, Stat.of(path))

    @classmethod
    def named(cls, path: Path) -> "LocalFile":
        """What somebody calls `path`: the file behind its links, as caches have them."""
        try:
            found = cls.of(Path(os.path.realpath(path, strict=True)))
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}", next_step="name a file that is there") from error
        if not found.path.is_file():
            raise InputError(f"{path}: is no file", next_step="name a file")
        return found

    @property
    def size(self) -> int:
        return self.stat.size

    def open(self) -> BinaryIO:
        return _Unchanged(self.path, self.stat)

    def buffered(self) -> io.BufferedReader:
        """For many small reads; `read` gives as much as it is asked for."""
        return io.BufferedReader(_Unchanged(self.path, self.stat), BLOCK)

    def deflated(self) -> RawDeflate | None:
        return None


class _Unchanged(io.FileIO):
    def __init__(self, path: Path, stat: Stat) -> None:
        self._path, self._stat, self._sound = path, stat, False
        try:
            super().__init__(path, "rb", opener=_open_at_once)
        except OSError as error:
            raise _unreadable(path, error) from error
        if Stat.from_result(os.fstat(self.fileno())) != stat:
            super().close()
            raise _changed(path)
        self._sound = True

    def close(self) -> None:
        if not self.closed:
            super().close()
            if self._sound and Stat.of(self._path) != self._stat:
                raise _changed(self._path)


def _open_at_once(path: str, flags: int) -> int:
    """A pipe that took the file's place must not be waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


def _changed(path: Path) -> MismatchError:
    return MismatchError(f"{path}: changed while it was read", next_step="run it again when nothing writes there")


def _unreadable(path: Path, error: OSError) -> CogpackError:
    if isinstance(error, PermissionError):
        return InputError(f"{path}: {error.strerror}", next_step="make the file readable")
    return MismatchError(
        f"{path}: was there a moment ago, now: {error.strerror}", next_step="run it again when nothing writes there"
    )


class Slices(msgspec.Struct, frozen=True):
    """Content cut out of a file without copying: `head`, then the ranges (offset, length) of `file`, back to back."""

    file: LocalFile
    ranges: tuple[tuple[int, int], ...]
    head: bytes = b""

    @property
    def size(self) -> int:
        return len(self.head) + sum(length for _, length in self.ranges)

    def open(self) -> BinaryIO:
        return cast("BinaryIO", _SliceReader(self))

    def deflated(self) -> None:
        return None


class _SliceReader(io.RawIOBase):
    """Reads forward only. The file is checked for changes when it is opened and closed (`LocalFile`)."""

    def __init__(self, slices: Slices) -> None:
        self._stream = slices.file.open()
        self._head = slices.head
        self._ranges = iter(slices.ranges)
        self._left = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._head:
            taken, self._head = (self._head, b"") if size < 0 else (self._head[:size], self._head[size:])
            return taken
        while not self._left:
            following = next(self._ranges, None)
            if following is None:
                return b""
            offset, self._left = following
            self._stream.seek(offset)
        block = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(block)
        return block

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._stream.close()


class Blocks(io.RawIOBase):
    """Blocks as a stream, read forward only and as far as it is asked for. Closing it closes them."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(block)
        target = memoryview(buffer)
        taken = self._rest[: len(target)]
        target[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)

    def close(self) -> None:
        super().close()
        if isinstance(self._blocks, Generator):
            self._blocks.close()

    def buffered(self) -> io.BufferedReader:
        """The same, where `read` gives as much as it is asked for."""
        return io.BufferedReader(self, BLOCK)


class Absent(msgspec.Struct, frozen=True):
    """Content of which only the size is here. `why` is raised when it is wanted after all."""

    size: int
    why: CogpackError

    def open(self) -> BinaryIO:
        raise self.why

    def deflated(self) -> RawDeflate | None:
        return None


class Directory(msgspec.Struct, frozen=True):
    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0


class File(msgspec.Struct, frozen=True):
    path: str
    content: Content
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    xattrs: tuple[tuple[str, bytes], ...] = ()


class Symlink(msgspec.Struct, frozen=True):
    path: str
    target: str
    uid: int = 0
    gid: int = 0


class HardLink(msgspec.Struct, frozen=True):
    """`target` is the path of a `File` of the same layer that sorts before this one.

    Owner and mode repeat the file's: engines set them on the link too, which is to say on the file.
    """

    path: str
    target: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


Entry: TypeAlias = Directory | File | Symlink | HardLink


def parents(path: str) -> Iterator[str]:
    """The directories above `path`, outermost first."""
    end = path.find("/")
    while end != -1:
        yield path[:end]
        end = path.find("/", end + 1)


def complete(entries: Iterable[Entry], ground: Mapping[str, Directory]) -> list[Entry]:
    """Sort by UTF-8 bytes, add the missing parents, refuse what can't be one layer.

    `ground` holds directories of lower layers whose owner or mode is not the usual root 0755: a parent written again
    must repeat them, or this layer would change them (image-spec layer.md, "Applying Changesets").
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        _check_path(entry.path)
        if isinstance(entry, Symlink):
            _check_target(entry)
        if found.setdefault(entry.path, entry) != entry:
            raise InputError(
                f"/{entry.path}: two different files of one layer have this path",
                next_step="remove one of the packages that hold it",
            )
    for path in list(found):
        for parent in parents(path):
            above = found.get(parent)
            if above is None:
                found[parent] = ground.get(parent) or Directory(parent)
            elif not isinstance(above, Directory):
                raise InputError(
                    f"/{path}: lies beneath /{parent}, which is no directory", next_step="remove one of the two"
                )
        entry = found[path]
        if isinstance(entry, HardLink):
            _check_hard_link(entry, found.get(entry.target))
    # Code point order of text is byte order of its UTF-8.
    return [found[path] for path in sorted(found)]


def _check_path(path: str) -> None:
    if not _is_utf8(path):
        raise InputError(f"{path!a}: the name is not UTF-8", next_step="rename the file")
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path:
        raise InputError(f"{path!r}: not a relative path of plain names", next_step="rename or remove the file")
    if any(part.startswith(".wh.") for part in parts):
        raise InputError(
            f"/{path}: names that begin with .wh. mean deletion in image layers", next_step="rename the file"
        )


def _check_target(link: Symlink) -> None:
    if not link.target or "\0" in link.target or not _is_utf8(link.target):
        raise InputError(f"/{link.path}: a symbolic link to {link.target!a}", next_step="make the link anew")


def _check_hard_link(link: HardLink, target: Entry | None) -> None:
    if not isinstance(target, File) or target.path >= link.path:
        why = "which is no earlier file of the layer"
    elif (link.mode, link.uid, link.gid) != (target.mode, target.uid, target.gid):
        why = "which has another mode or owner"
    else:
        return
    raise InputError(f"/{link.path}: a hard link to /{link.target}, {why}", next_step="make it a file of its own")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
