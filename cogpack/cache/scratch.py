"""Work that takes a while has a directory in the cache for as long."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cogpack.disk import writing


@contextmanager
def scratch_directory(above: Path, prefix: str) -> Iterator[Path]:
    """Give an empty directory in `above`, which is made where it is missing; it is gone afterwards."""
    with writing(above):
        above.mkdir(parents=True, exist_ok=True)
        place = tempfile.TemporaryDirectory(prefix=prefix, dir=above, ignore_cleanup_errors=True)
    with place as name:
        yield Path(name)
