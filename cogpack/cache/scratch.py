"""Work that takes a while has a directory in the cache for as long."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cogpack.disk import DiskError, writing


@contextmanager
def scratch_directory(above: Path, prefix: str) -> Iterator[Path]:
    """Give an empty directory in `above`, which is made where it is missing; it is gone afterwards."""
    with writing(above):
        above.mkdir(parents=True, exist_ok=True)
        place = tempfile.TemporaryDirectory(prefix=prefix, dir=above, ignore_cleanup_errors=True)
    with place as name:
        yield Path(name)


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
