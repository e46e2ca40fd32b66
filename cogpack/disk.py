"""This module writes to the machine's disk: files that are whole or not there, and one translation of what the disk
refuses."""

import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from cogpack.errors import InputError, MismatchError
from cogpack.notes import Code, Note
from cogpack.patterns import pattern

_REFUSALS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
)
"""All else is about the names that were asked for."""

UNFINISHED = ".cogpack-"
"""What the names of files begin with that are being written; 16 hex digits follow, or 32."""

_UNFINISHED = pattern(
    r"\.cogpack-[0-9a-f]{16}(?:[0-9a-f]{16}(?:\.journal)?)?|\.part-[0-9a-f]{16}"
    r"|\..+\.tar\.(?:partial|journal)|\..+[.-][0-9a-f]{12}\.unfinished",
    re.DOTALL,
)
"""Files as they are written now and as cogpack 0.1 did; the archive and the directory that a pull goes on with."""

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags of `open`: no link is followed."""

_FILES = Path("/proc/self/fd")

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class PlaceError(InputError):
    """Raised where `place` can't be written."""

    def __init__(self, message: str, *, next_step: str, place: Path | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.place = place

    def moving(self, cache: Path) -> None:
        """Add how the cache is moved, if it is this that can't be written."""
        if self.place is not None and self.place.is_relative_to(cache):
            self.next_step += " (--cache-dir moves the cache)"


class DiskError(PlaceError):
    """Raised where the disk refuses, whatever the input is: when it takes more, the same command may go on."""


def is_refusal(error: BaseException) -> bool:
    """Whether the same command would end in the same way, so that what it has left is of no use."""
    return isinstance(error, InputError | MismatchError) and not isinstance(error, DiskError)


def real_path(path: Path) -> Path:
    """Follow `path` through links that are there already: what is written beside must be beside the target."""
    with writing(path):  # the current directory may be gone
        return Path(os.path.realpath(path))


@contextmanager
def writing(where: Path) -> Iterator[None]:
    """Turn what the disk refuses into a `DiskError`, and a place that is none into an `InputError`, which name
    `where`."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"{where}: can't write: there is no such directory", next_step="make it, or choose another place"
        ) from error
    except OSError as error:
        kind = DiskError if error.errno in _REFUSALS else PlaceError
        raise kind(
            f"{where}: can't write: {error.strerror or error}",
            next_step="check the disk's free space and the directory's permissions, or choose another place",
            place=where,
        ) from error


@contextmanager
def reading(where: object, advice: str) -> Iterator[None]:
    """Turn what the disk refuses of a user's file into an `InputError` of `where`, with what helps."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{where}: {error.strerror}", next_step=advice) from error


def is_unfinished(name: str) -> bool:
    """Whether cogpack gives such a name to what it writes until that is whole, and a killed process leaves there."""
    return name.startswith(".") and _UNFINISHED.fullmatch(name) is not None


@contextmanager
def whole_file(
    path: Path, *, mode: int = 0o666, stays: Callable[[], bool] | None = None, durable: bool = True
) -> Iterator["Output"]:
    """Open a file that appears at `path` when the `with` ends without an error: readers see the old one or the new one.

    Until then it has no name, so that a process that is killed leaves nothing; where the file system knows no such
    files, a name that `is_unfinished`, in the same directory. `mode`: before the umask. `stays`: whether a file that
    has come there meanwhile is left, since somebody may be reading it. Unless `durable`, it may be there and not whole
    after a power cut.
    """
    beside = path.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
    with writing(path):
        stream, named = _open_new(beside, mode)
    output = Output(stream, path)
    try:
        yield output
        with writing(path):
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
            if not named:
                _name(stream.fileno(), beside)
            output.stat = os.fstat(stream.fileno())
            if stays is None:
                beside.replace(path)
            else:
                with _turn(path.parent):
                    if not stays():
                        beside.replace(path)
            if durable:
                sync_directory(path.parent)
    finally:
        with suppress(OSError):  # of a full disk, which was told already
            stream.close()
        beside.unlink(missing_ok=True)


def _open_new(path: Path, mode: int) -> tuple[BinaryIO, bool]:
    """Open a new file for writing, without a name (open(2), `O_TMPFILE`) where the file system of `path` knows that
    and it can have one later, else at `path`; whether it has one."""
    if hasattr(os, "O_TMPFILE") and is_directory(_FILES):
        with suppress(OSError):  # what else is wrong is told of the file with a name
            return os.fdopen(os.open(path.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, mode), "wb"), False
    return open(path, "xb", opener=partial(os.open, mode=mode)), True


def _name(file: int, path: Path) -> None:
    """Give an open file without a name that of `path`."""
    # Of a directory, since Python's link without one follows no link.
    files = os.open(_FILES, DIRECTORY)
    try:
        os.link(str(file), path, src_dir_fd=files, follow_symlinks=True)
    finally:
        os.close(files)


def write_whole(path: Path, blocks: Iterable[bytes], *, mode: int = 0o666) -> None:
    """Write a `whole_file` of `blocks` at `path`, whose directory is there."""
    with whole_file(path, mode=mode) as output:
        for block in blocks:
            output.write(block)


def write_hint(path: Path, data: bytes | bytearray, note: Callable[[Note], None]) -> None:
    """Write what can be learned again, and its directory: a disk that refuses is told by `note`, and ends nothing.

    It is not synced: whoever reads it must know half of it, as a power cut leaves it, from the whole.
    """
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, durable=False) as output:
            output.write(data)
    except InputError as error:
        note(Note(Code.CACHE_UNWRITABLE, f"{error.message}; the next run has to learn it again"))


def is_directory(path: Path) -> bool:
    """Whether `path` is a directory; no is also the answer of names that no file can have, and of what may not be
    looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file for reading; `OSError` where it is none. A pipe in its place is not waited for."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "not a regular file")
    return os.fdopen(file, "rb")


def open_below(root: str | Path, directory: str) -> int:
    """Open the directory `root`/`directory` ("" for `root`); `OSError` where a link is on the way below `root`."""
    found = os.open(f"{root}/", DIRECTORY)
    for name in directory.split("/") if directory else ():
        above = found
        try:
            found = os.open(name, DIRECTORY, dir_fd=above)
        finally:
            os.close(above)
    return found


def open_file(path: Path) -> BinaryIO:
    """Open a file as `open_regular` does, and tell the user: what may not be read is an `InputError`, what is not there
    a `FileNotFoundError`."""
    try:
        return open_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except OSError as error:
        raise InputError(
            f"{path}: can't be read: {error.strerror}", next_step="make it a file that this user may read"
        ) from error


@contextmanager
def _turn(directory: Path) -> Iterator[None]:
    """Have the directory alone, of all processes; on a file system without locks, nearly so."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def locked_by(path: Path, wait: Callable[[float], object], *, mode: int = 0o600) -> Iterator[None]:
    """Have the lock file `path` alone, of all processes and threads. `wait`: is called with seconds while another one
    has it; what it raises ends the waiting."""
    with writing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                wait(0.1)
        yield
    finally:
        os.close(descriptor)


def check_writable(path: Path) -> None:
    """Try what `whole_file` will do at `path`, which stays as it is; an `InputError` where it would fail."""
    beside = path.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
    with writing(path):
        with suppress(FileNotFoundError):
            path.lstat()  # no file can have some names
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        beside.unlink()


class Output:
    """A file that is written; what the disk refuses is told as such, and not as a failure of what is read meanwhile.

    `stat`: of the whole file, just before it got its name.
    """

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream = stream
        self._path = path
        self.stat: os.stat_result | None = None

    def write(self, block: bytes | bytearray, /) -> None:
        with writing(self._path):
            self._stream.write(block)


def sync_directory(path: Path) -> None:
    """Make renames in `path` outlive a power cut."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def sync_file_system(file: int) -> None:
    """Make all that was written to the file system of an open file outlive a power cut (syncfs(2)): of many small
    files, in a thousandth of the time that each takes alone."""
    import ctypes

    if call := getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None):
        if call(file) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    else:
        os.sync()


def check_ours(file: int, path: Path) -> None:
    """Raise an `InputError` if an open file or directory, whose name others can guess, is theirs or was in their
    reach."""
    status = os.fstat(file)
    if status.st_uid == os.geteuid() and not (status.st_mode & _OTHERS and _keeps_modes(file, status.st_mode)):
        return
    raise _not_ours(path)


def open_ours(path: Path) -> int:
    """Open a directory that passes `check_ours`, for the caller to close. A link or a file is nobody's directory."""
    try:
        directory = os.open(path, DIRECTORY)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise _not_ours(path) from error
        raise
    try:
        check_ours(directory, path)
    except BaseException:
        os.close(directory)
        raise
    return directory


def _not_ours(path: Path) -> InputError:
    return InputError(
        f"{path}: is not ours alone: somebody else may have laid it there",
        next_step="remove it, or choose an output in a directory of your own",
    )


def _keeps_modes(file: int, mode: int) -> bool:
    """Whether the file system keeps modes. Windows' drives in WSL don't, and there everybody may write everything."""
    os.fchmod(file, stat.S_IMODE(mode) & ~_OTHERS)
    return not os.fstat(file).st_mode & _OTHERS
