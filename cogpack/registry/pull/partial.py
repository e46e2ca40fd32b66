"""A partial file grows in no order beside a journal of what was synced, until it is whole and gets its name.

A killed process leaves both behind, and the next one goes on from there. Nothing believes the journal: what is there
is hashed with the rest, and a file that has its name was verified.
"""

import errno
import fcntl
import mmap
import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Self

from cogpack.digest import Digest
from cogpack.disk import check_ours, open_ours, sync_directory, write_whole, writing
from cogpack.errors import InputError
from cogpack.progress import Cancellation
from cogpack.registry.pull.ranges import Span, decode_journal, encode_journal
from cogpack.sizes import BLOCK

_JOURNAL_LIMIT = 4 * 1024 * 1024
_NAME = 200
"""Bytes of a file's name that its unfinished one bears: names have 255 at most."""
_sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
"""macOS has no fdatasync(2)."""
_KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE of <linux/falloc.h>: what a file's size tells stays how far it was written."""


def block_buffer(size: int) -> memoryview:
    """Make room for bytes on their way between sockets and files, which begins where a page does.

    So do the pages of files. malloc puts a large block 16 bytes behind one; to copy between such places takes
    processors of AMD (Zen 3, Zen 4) up to twice as long.
    """
    return memoryview(mmap.mmap(-1, size))


def growing(path: Path) -> Path:
    """Say where a file that has this name in the end grows until then, for all who want the same one."""
    return path.with_name(f".{os.fsdecode(os.fsencode(path.name)[:_NAME])}.partial")


@cache
def _fallocate() -> Callable[[int, int, int, int], int] | None:
    """fallocate(2), which macOS has not. By posix_fallocate(3) glibc would write into each page of a file system that
    can't."""
    import ctypes

    if found := getattr(ctypes.CDLL(None), "fallocate", None):
        found.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return found


class Partial:
    """A partial file and its journal, held by a lock that other processes wait for. Thread-safe."""

    def __init__(self, path: Path, descriptor: int, blobs: Mapping[Digest, int]) -> None:
        self.path = path
        self._journal = path.with_suffix(".journal")
        self._file = descriptor
        """-1 once it is closed: another file may have its number then."""
        self._lock = threading.Lock()
        self._writes = threading.Lock()
        self._sizes = blobs
        self._recorded = self._read_journal()

    @classmethod
    def open(
        cls, path: Path, blobs: Mapping[Digest, int], cancellation: Cancellation, *, private: bool = False
    ) -> Self:
        """Open or make the file `path`, which ends in `.partial`. `private`: in a directory that must be ours alone.

        `blobs`: what it is to hold, and their sizes.
        """
        with writing(path):
            while True:
                path.parent.mkdir(mode=0o700 if private else 0o777, exist_ok=True)
                if private:
                    os.close(open_ours(path.parent))
                with suppress(FileExistsError):
                    new = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                    os.close(os.open(path, new, 0o600))
                    path.with_suffix(".journal").unlink(missing_ok=True)
                found = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    if cls._take(path, found):
                        return cls(path, found, blobs)
                except BaseException:
                    os.close(found)
                    raise
                os.close(found)
                cancellation.wait(0.2)

    @staticmethod
    def _take(path: Path, file: int) -> bool:
        """Lock the file; False where somebody else has it, or has just finished it."""
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise InputError(f"{path}: is no file of ours", next_step="remove it, or choose another place")
        check_ours(file, path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # a file system without locks: nobody else is expected there
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
        with suppress(FileNotFoundError):
            return os.path.samestat(path.lstat(), os.fstat(file))
        return False

    def _read_journal(self) -> dict[Digest, list[Span]]:
        try:
            file = os.open(self._journal, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return {}
        with os.fdopen(file, "rb") as stream:
            if os.fstat(file).st_uid != os.geteuid():
                return {}
            return decode_journal(stream.read(_JOURNAL_LIMIT), self._sizes)

    @property
    def is_new(self) -> bool:
        """Tell whether nothing of what it is to hold is in it yet."""
        return not self._recorded

    def forget(self) -> None:
        """Take what was recorded as void."""
        self._recorded = {}

    def note(self, digest: Digest, got: Sequence[Span]) -> None:
        """Have the next `record` write this down, too."""
        with self._lock:
            self._recorded[digest] = list(got)

    def region(self, digest: Digest, offset: int = 0) -> "Region":
        """Give the place of a blob, from byte `offset` of the file on."""
        return Region(self, digest, offset)

    def recorded(self, digest: Digest, offset: int) -> list[Span]:
        """Read what the journal says of a blob, as far as the file goes."""
        end = os.fstat(self._file).st_size - offset
        return [(start, min(stop, end)) for start, stop in self._recorded.get(digest, []) if start < end]

    def record(self, digest: Digest, got: Sequence[Span]) -> None:
        """Sync the file, then write down what it holds of a blob."""
        with self._lock, writing(self.path):
            self._recorded[digest] = list(got)
            _sync(self._number())
            spans = {digest: (self._sizes[digest], spans) for digest, spans in self._recorded.items()}
            write_whole(self._journal, [encode_journal(spans)])

    def reserve(self, offset: int, size: int) -> None:
        """Have room set aside as one piece for what comes now, so that the system need not find some for each page.
        Where it can't, or there is none, nothing is lost: writing tells."""
        if fallocate := _fallocate():
            with self._writes:
                fallocate(self._file, _KEEP_SIZE, offset, size)

    def write(self, offset: int, block: bytes | memoryview) -> None:
        view = memoryview(block)
        with writing(self.path), self._writes:  # for which the system would have processors spin
            while view:
                written = os.pwrite(self._number(), view, offset)
                offset += written
                view = view[written:]

    def read_into(self, view: memoryview, offset: int) -> int:
        with writing(self.path):
            return os.preadv(self._number(), [view], offset)

    def keep(self, target: Path, size: int) -> os.stat_result:
        """Give the file its name. Whoever calls has verified what is in its `size` bytes. Answers its status before."""
        with writing(target), self._lock, self._writes:
            os.ftruncate(self._number(), size)
            # Others may read it as they may the directory, which was made under the user's umask.
            os.fchmod(self._file, 0o600 | (target.parent.stat().st_mode & 0o044))
            os.fsync(self._file)
            status = os.fstat(self._file)
            self.path.replace(target)
            sync_directory(target.parent)
            self._journal.unlink(missing_ok=True)
        return status

    def _number(self) -> int:
        if self._file < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._file

    def discard(self) -> None:
        """Remove both: what is in it is of no use."""
        self.path.unlink(missing_ok=True)
        self._journal.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; what is not kept stays for the next time.

        Threads of a fetch that was ended early may still wait for their turn to write: they fail (EBADF).
        """
        with self._lock, self._writes:
            file, self._file = self._file, -1
        os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Region:
    """A region is one blob's place in a partial file; its journal entry is `save`d."""

    def __init__(self, partial: Partial, digest: Digest, offset: int) -> None:
        self._partial = partial
        self._digest = digest
        self.offset = offset
        """Its first byte's place in the file."""
        self._buffer: memoryview | None = None

    @property
    def have(self) -> list[Span]:
        return self._partial.recorded(self._digest, self.offset)

    def reserve(self, offset: int, size: int) -> None:
        self._partial.reserve(self.offset + offset, size)

    def write(self, offset: int, block: bytes | memoryview) -> None:
        self._partial.write(self.offset + offset, block)

    def read(self, start: int, end: int) -> Iterator[memoryview]:
        """Yield what is there, each block in the place of the one before, also of another call."""
        self._buffer = buffer = self._buffer or block_buffer(BLOCK)
        while start < end:
            size = self._partial.read_into(buffer[: end - start], self.offset + start)
            if not size:
                raise InputError(f"{self._partial.path}: was cut by somebody else", next_step="run it again")
            yield buffer[:size]
            start += size

    def save(self, got: Sequence[Span]) -> None:
        self._partial.record(self._digest, got)


class Memory:
    """It holds the bytes between what has come and what has been read, for those who want a stream and no file."""

    offset = 0

    def __init__(self) -> None:
        self._blocks: dict[int, bytes] = {}

    def write(self, offset: int, block: memoryview) -> None:
        self._blocks[offset] = bytes(block)

    def read(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            block = self._blocks.pop(start)
            yield block
            start += len(block)
