"""What so many connections move together: they are let run for a while, and what they move is counted.

Nothing here knows in which direction: `network` reads, `uploads` sends.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from cogpack.errors import CogpackError
from cogpack.progress import Cancellation
from cogpack.text import size_text

SECONDS = 2.0
"""Of each number of connections, from the first byte on."""
LATEST = 15.0
"""Seconds after which a first byte is waited for no longer."""
_WARM = 0.25
"""The part of the time that is left out: connections begin slowly (RFC 5681, slow start)."""
_MORE = 1.1
"""More connections that move less than this much more are the end."""


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """What so many connections moved together: bytes a second."""

    connections: int
    rate: float

    def __str__(self) -> str:
        return f"{self.connections:2d} connections: {size_text(self.rate)}/s"


class Lanes(msgspec.Struct, frozen=True, kw_only=True):
    """What numbers of connections moved, the smallest first; there is one at least."""

    lanes: tuple[Lane, ...]

    @property
    def stream(self) -> float:
        """Give the rate of one connection."""
        return self.lanes[0].rate

    @property
    def stream_limit(self) -> float:
        """Give what one connection is held to, infinity where it takes all that the network has."""
        return math.inf if self.total is not None and self.total < _MORE * self.stream else self.stream

    @property
    def total(self) -> float | None:
        """Give what all move together; None where more connections always moved more."""
        best = max(self.lanes, key=lambda lane: lane.rate)
        linear = best.connections * self.stream
        return best.rate if best is not self.lanes[-1] or best.rate < linear / 1.5 else None


class Flow:
    """So many connections at once, each a thread that tells what it `moved` until it is `ended`. Thread-safe.

    `errors`: what ended one before that; `drained`: when the other side said that it has all of what one sent.
    """

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._blocks: list[tuple[float, int]] = []
        self._drained = -math.inf
        self.errors: list[CogpackError] = []

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    @property
    def total(self) -> int:
        """Count the bytes that moved."""
        with self._lock:
            return sum(size for _, size in self._blocks)

    def moved(self, size: int) -> None:
        with self._lock:
            self._blocks.append((time.monotonic(), size))

    def drained(self) -> None:
        with self._lock:
            self._drained = max(self._drained, time.monotonic())

    def failed(self, error: CogpackError) -> None:
        """Hear what ended one; what comes of our ending them counts for nothing."""
        if not self.ended:
            self.errors.append(error)

    def end(self) -> None:
        self._ended.set()

    def run(self, works: Sequence[Callable[[], object]], seconds: float, *, patience: float) -> None:
        """Let all `works` run for `seconds` from the first byte on; they have `patience` seconds to end then."""
        threads = [threading.Thread(target=work, daemon=True, name="bench") for work in works]
        for thread in threads:
            thread.start()
        latest = time.monotonic() + LATEST
        try:
            while any(thread.is_alive() for thread in threads):
                with self._lock:
                    first = self._blocks[0][0] if self._blocks else None
                if time.monotonic() > (latest if first is None else first + seconds):
                    break
                self._cancellation.wait(0.02)
        except BaseException:  # Ctrl-C: they are to end, too
            self._cancellation.cancel()
            raise
        finally:
            self.end()
            until = time.monotonic() + patience
            for thread in threads:
                thread.join(max(0.0, until - time.monotonic()))

    @property
    def rate(self) -> float:
        """Give the bytes a second, 0 where that can't be told.

        What is sent goes into buffers of the machine first, as quickly as it likes. So the time counts from where as
        much had gone out as was on its way at the end; where that is all of it, until the other side had it.
        """
        with self._lock:
            blocks = sorted(self._blocks)
        if len(blocks) < 2:
            return 0.0
        first, last = blocks[0][0], blocks[-1][0]
        came = sum(size for _, size in blocks)
        gone, warm = 0, first + _WARM * (last - first)
        for when, size in blocks[:-1]:
            gone += size
            if when < warm or last <= when:
                continue
            rate = (came - gone) / (last - when)
            if gone >= rate * max(0.0, self._drained - last):
                return rate
        end = max(last, self._drained)
        return came / (end - first) if end > first else 0.0


def measure_lanes(
    counts: Sequence[int], room: int, measure: Callable[[int, int], Flow], told: Callable[[Lane], object]
) -> tuple[tuple[Lane, ...], int]:
    """Measure one number of connections after the other, until more move no more; give what was found, and the bytes.

    `measure` gets how many, and the bytes that these may move; all together have `room`. Raises what kept the first
    from moving anything, if anything did; no lane: nothing moved.
    """
    lanes: list[Lane] = []
    used = worse = 0
    for at, count in enumerate(counts):
        flow = measure(count, (room - used) // (len(counts) - at))
        used += flow.total
        if not (rate := flow.rate):
            if not lanes and flow.errors:
                raise flow.errors[0]
            break  # the registry has had enough of us
        lanes.append(Lane(connections=count, rate=rate))
        told(lanes[-1])
        worse = worse + 1 if len(lanes) > 1 and rate < _MORE * max(lane.rate for lane in lanes[:-1]) else 0
        if worse == 2:
            break
    return tuple(lanes), used
