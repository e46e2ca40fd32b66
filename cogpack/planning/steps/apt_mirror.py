"""apt in a tree fetches from this machine's mirror while commands run, and no layer hears of it."""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cogpack.errors import InputError
from cogpack.sandbox.inroot import open_in

_SOURCES = b"etc/apt/sources.list.d/debian.sources"
_LIMIT = 64 * 1024
"""Bytes. What is larger is left as it is."""


@contextmanager
def mirrored(root: Path, mirrors: Mapping[str, str]) -> Iterator[None]:
    """Write `mirrors`, by the addresses that they stand for, into the sources of the tree at `root`; what commands made
    of the file names the former ones again afterwards."""
    if not mirrors:
        yield
        return
    laid = b""

    def forth(found: bytes) -> bytes:
        nonlocal laid
        laid = _replaced(found, mirrors)
        return laid

    before = _rewrite(root, forth)
    named = {mirror: url for url, mirror in reversed([*mirrors.items()]) if url.encode() in before}
    try:
        yield
    finally:
        _rewrite(root, lambda found: before if found == laid else _replaced(found, named))


def _replaced(text: bytes, changes: Mapping[str, str]) -> bytes:
    """Replace whole addresses, each once: one may begin another, and what replaces it be one of them."""
    by_address = {url.encode(): other.encode() for url, other in changes.items()}
    if not by_address:
        return text
    addresses = b"|".join(map(re.escape, sorted(by_address, key=len, reverse=True)))
    return re.sub(rb"(?<!\S)(%b)(?![^\s/])" % addresses, lambda found: by_address[found[1]], text)


def _rewrite(root: Path, change: Callable[[bytes], bytes]) -> bytes:
    """Change what is in the file, if it is one; return what was in it."""
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        file = open_in(directory, _SOURCES, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO):
            return b""
        if error.errno == errno.EACCES:
            raise InputError(
                f"/{_SOURCES.decode()}: a command of build.run took the right to write it from everybody but root",
                next_step="leave its mode, and those of its directories, as they are",
            ) from error
        raise
    finally:
        os.close(directory)
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
