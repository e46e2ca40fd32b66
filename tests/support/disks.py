"""A disk that is full in the middle of a write."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """A write that would make a file of this process longer writes what fits and fails then, as on a full disk.

    (RLIMIT_FSIZE, setrlimit(2); its errno is EFBIG. Python ignores the signal.)
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
