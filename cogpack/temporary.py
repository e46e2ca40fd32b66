"""Files in the machine's temporary directory, which may be missing, full or somebody else's."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from cogpack.disk import DiskError


@contextmanager
def writing_temporary() -> Iterator[None]:
    """Do as `disk.writing` does, of files in the temporary directory, where there may be none that can be written."""
    try:
        yield
    except OSError as error:
        place = f"{tempfile.tempdir}: can't write" if tempfile.tempdir else "temporary files"
        raise DiskError(
            f"{place}: {error.strerror or error}",
            next_step="set TMPDIR to a directory that can be written and has free space",
        ) from error


@contextmanager
def temporary_file(data: bytes = b"") -> Iterator[BinaryIO]:
    """Give a file without a name that holds `data` and is read from its beginning; a `DiskError` where none can be
    written."""
    with writing_temporary():
        file = tempfile.TemporaryFile()  # noqa: SIM115 - what its user raises is not the disk's
        if data:
            file.write(data)
            file.seek(0)
    with file:
        yield file


@contextmanager
def temporary_directory() -> Iterator[str]:
    """Give an empty directory, which is gone afterwards; likewise."""
    with writing_temporary():
        made = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with made as name:
        yield name
