"""How fast this machine lays layers into a tree is remembered, so that a plan can say how long that takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cogpack.disk import write_hint

_UNKNOWN = 50e6
"""Bytes a second of a machine that never did: two cores and a plain disk, half as much where they are busy."""
_LEAST = 10e6
"""Bytes that tell a rate: of less, most of the time is something else's."""
_PLAUSIBLE = (1e5, 1e11)


class Laying:
    """Knows the rate of `place`, a file in the cache; sizes are those of layers as they are stored, in bytes."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def seconds(self, size: int) -> float:
        """Tell how long layers of `size` took here the last time, or take elsewhere."""
        try:
            rate = float(self._place.read_text())
        except (OSError, ValueError):
            rate = _UNKNOWN
        return size / min(_PLAUSIBLE[1], max(_PLAUSIBLE[0], rate))  # in this order: what is no number (NaN) is less

    @contextmanager
    def timed(self, size: int) -> Iterator[None]:
        """Remember how long it takes what is done in the `with`."""
        began = time.monotonic()
        yield
        if size >= _LEAST:
            rate = size / max(time.monotonic() - began, 1e-3)
            write_hint(self._place, f"{rate:.0f}".encode(), lambda _: None)
