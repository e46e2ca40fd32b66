"""apt in a tree fetches from this machine's mirror while commands run, and no layer hears of it."""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cogpack.sandbox.inroot import open_in

_SOURCES = b"etc/apt/sources.list.d/debian.sources"
_LIMIT = 64 * 1024


@contextmanager
def mirrored(root: Path, mirrors: Mapping[str, str]) -> Iterator[None]:
    """Write `mirrors`, by the addresses that they stand for, into the sources of the tree at `root`; what commands made
    of the file names the former ones again afterwards."""
    before = _rewritten(root, mirrors)
    try:
        yield
    finally:
        _rewritten(root, {mirror: url for url, mirror in reversed([*mirrors.items()]) if url.encode() in before})


def _rewritten(root: Path, changes: Mapping[str, str]) -> bytes:
    """Change addresses in the file, if it is one; return what was in it."""
    if not changes:
        return b""
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        file = os.fdopen(open_in(directory, _SOURCES, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "r+b")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO):
            return b""
        raise
    finally:
        os.close(directory)
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return b""
        found, rest = file.read(_LIMIT), file.read()
        changed = found
        for url, other in changes.items():
            changed = changed.replace(url.encode(), other.encode())
        if changed != found:
            file.seek(0)
            file.write(changed + rest)
            file.truncate()
        return found
