"""A disk that is full in the middle of a write, and what is mounted."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def mounts_below(directory: Path) -> list[str]:
    """What this process sees mounted in `directory` (proc(5), mountinfo). Elsewhere engines mount, and tests beside
    this one start them."""
    rows = Path("/proc/self/mountinfo").read_text().splitlines()
    return [row for row in rows if f"{row.split()[4]}/".startswith(f"{directory}/")]


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
