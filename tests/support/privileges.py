"""Root may write anywhere; a test of what can't be written has to give that up for a while."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VERSION = 0x20080522
_OVERRIDES = (1 << 1) | (1 << 2) | (1 << 3)
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER (capability.h)."""


@contextmanager
def unprivileged() -> Iterator[None]:
    """Modes of files hold for this thread, and for those that it starts; others keep their rights (capset(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, twice
    assert libc.capget(header, sets) == 0
    effective = sets[0]
    sets[0] = effective & ~_OVERRIDES
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert libc.capset(header, sets) == 0


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Nothing can be made or removed in `directory`, as in a checkout that is mounted read-only."""
    mode = directory.stat().st_mode
    directory.chmod(0o555)
    try:
        with unprivileged():
            yield
    finally:
        directory.chmod(mode)
