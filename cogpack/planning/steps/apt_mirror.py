"""apt in a tree fetches from this machine's mirror while commands run, and no layer hears of it."""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from cogpack.errors import InputError
from cogpack.sandbox.inroot import open_in_tree

_DIRECTORY = b"etc/apt/sources.list.d"
_MOST = 100
"""Files that are looked at."""
_LIMIT = 64 * 1024
"""Bytes. What is larger is left as it is."""


@contextmanager
def mirrored(root: Path, mirrors: Mapping[str, str]) -> Iterator[None]:
    """Write `mirrors`, by the addresses that they stand for, into the sources of the tree at `root`; what commands made
    of the files names the former ones again afterwards."""
    laid: dict[bytes, _Laid] = {}
    for file in _files(root) if mirrors else ():
        one = _Laid()
        with suppress(PermissionError):  # of a base that lets nobody write it: apt asks where it says
            one.before = _rewrite(root, file, partial(one.lay, mirrors))
            laid[file] = one
    try:
        yield
    finally:
        for file, one in laid.items():
            try:
                _rewrite(root, file, partial(one.taken_back, mirrors))
            except PermissionError as error:
                raise InputError(
                    f"/{os.fsdecode(file)}: a command of build.run took the right to write it from everybody but root",
                    next_step="leave its mode, and those of its directories, as they are",
                ) from error


class _Laid:
    """Knows a file as it was, and as it was laid."""

    before = b""
    _now = b""

    def lay(self, mirrors: Mapping[str, str], found: bytes) -> bytes:
        self._now = _replaced(found, mirrors)
        return self._now

    def taken_back(self, mirrors: Mapping[str, str], found: bytes) -> bytes:
        if found == self._now:
            return self.before
        named = {mirror: url for url, mirror in reversed([*mirrors.items()]) if url.encode() in self.before}
        return _replaced(found, named)


def _files(root: Path) -> list[bytes]:
    """Name the files of sources in the tree."""
    try:
        directory = open_in_tree(root, _DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(".sources"))
    finally:
        os.close(directory)
    return [_DIRECTORY + b"/" + os.fsencode(name) for name in names[:_MOST]]


def _replaced(text: bytes, changes: Mapping[str, str]) -> bytes:
    """Replace whole addresses, each once: one may begin another, and what replaces it be one of them."""
    by_address = {url.encode(): other.encode() for url, other in changes.items()}
    if not by_address:
        return text
    addresses = b"|".join(map(re.escape, sorted(by_address, key=len, reverse=True)))
    return re.sub(rb"(?<!\S)(%b)(?![^\s/])" % addresses, lambda found: by_address[found[1]], text)


def _rewrite(root: Path, path: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change what is in the file, if it is one; return what was in it."""
    try:
        file = open_in_tree(root, path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO):
            return b""
        raise
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LIMIT:
            return b""
        found = os.pread(file, _LIMIT, 0)
        changed = change(found)
        if changed != found:
            os.pwrite(file, changed, 0)
            os.ftruncate(file, len(changed))
        return found
    finally:
        os.close(file)
