"""What a user names for a result: a file, which is whole or not there, or a stream, which is written to: a pipe, a
device, or the name of what is open already (/dev/stdout, /dev/fd/3)."""

import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cogpack.disk import Output, check_writable, real_path, whole_file, writing
from cogpack.errors import InputError
from cogpack.patterns import pattern

_OPEN_FILES = pattern(r"/proc/([0-9]+)(?:/task/[0-9]+)?/fd", re.ASCII)
"""The directories, without links, in which the streams of a process have their numbers for names."""

_LINKS = 40
"""Links after links that Linux follows."""


@contextmanager
def result_file(path: Path) -> Iterator[Output]:
    """Open what a user named for a result: a `whole_file`, where the links at `path` lead; a stream is written to."""
    if not is_stream(path):
        with whole_file(_target(path)) as output:
            yield output
        return
    with writing(path):
        stream = os.fdopen(_open_stream(path), "wb")
    try:
        yield Output(stream, path)
        with writing(path):
            stream.flush()
    finally:
        with suppress(OSError):  # told already
            stream.close()


def write_result(path: Path, blocks: Iterable[bytes]) -> None:
    with result_file(path) as output:
        for block in blocks:
            output.write(block)


def check_result(path: Path) -> None:
    """Try what `result_file` will do at `path`, which stays as it is; an `InputError` where it would fail."""
    if not is_stream(path):
        check_writable(_target(path))
    elif (own := _own_stream(path)) is not None:
        with writing(path):
            os.close(_duplicate(own))


def is_stream(path: Path) -> bool:
    """Whether it is a pipe, a device, or the name of a stream (/dev/stdout, /dev/fd/3); an `InputError` of disks."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise InputError(f"{path}: can't write: a disk or a socket", next_step="choose another place")
    if stat.S_ISREG(mode):
        above = str(_name(path).parent)
        return above == "/dev" or _OPEN_FILES.fullmatch(above) is not None
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _target(path: Path) -> Path:
    """Follow links at `path`: what is written beside must be beside the target."""
    with writing(path):
        is_link = path.is_symlink()
    return real_path(path) if is_link else path


def _name(path: Path) -> Path:
    """Follow links as far as the name of an open file, which is a link itself, to what may be no name at all."""
    for _ in range(_LINKS):
        path = Path(os.path.realpath(path.parent), path.name)
        if _OPEN_FILES.fullmatch(str(path.parent)) or not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return path


def _own_stream(path: Path) -> int | None:
    """Give the number of a stream of this process that `path` is the name of."""
    name = _name(path)
    found = _OPEN_FILES.fullmatch(str(name.parent))
    return int(name.name) if found and int(found[1]) == os.getpid() else None


def _duplicate(stream: int) -> int:
    if fcntl.fcntl(stream, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "it is open for reading only")
    return os.dup(stream)


def _open_stream(path: Path) -> int:
    """Open what is there without emptying it. A stream of ours goes on where it is: opened anew, a file would be
    written from its beginning, over what was printed, and under what will be. (What the command line prints waits in
    no buffer.)"""
    own = _own_stream(path)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC) if own is None else _duplicate(own)
