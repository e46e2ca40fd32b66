"""What a registry and the way to it give: so much over one connection, so much over many, so long until a first byte.

Blobs of the image are read by ranges and thrown away, for so many bytes and seconds as are allowed.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median
from urllib.parse import urlsplit

import msgspec

from cogpack.errors import UnavailableError
from cogpack.http import Stream
from cogpack.oci import Descriptor
from cogpack.progress import Cancellation
from cogpack.registry.pull.connections import BlobRequests

CONNECTIONS = (1, 2, 4, 8, 16, 32)
_SECONDS = 2.0
"""Of each number of connections, from the first byte on."""
_LATEST = 15.0
"""Seconds after which a first byte is waited for no longer."""
_WARM = 0.25
"""The part of the time that is left out: connections begin slowly (RFC 5681, slow start)."""
_MORE = 1.1
"""More connections that bring less than this much more are the end."""


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """What so many connections brought together: bytes a second."""

    connections: int
    rate: float


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `host`: asked for blobs; `storage`: who gave them; `redirected`: by an address of its own;
    `tls`: whether the bytes came encrypted; `ranges`: whether a part of a blob can be had; `first_byte`: seconds, of
    the median answer; `received`: bytes that this took."""

    host: str
    storage: str
    redirected: bool
    tls: bool
    ranges: bool
    first_byte: float
    lanes: tuple[Lane, ...]
    received: int

    @property
    def stream(self) -> float:
        """Give the rate of one connection."""
        return self.lanes[0].rate

    @property
    def stream_limit(self) -> float:
        """Give what one connection is held to, infinity where it takes all that the network brings."""
        return math.inf if self.total is not None and self.total < _MORE * self.stream else self.stream

    @property
    def total(self) -> float | None:
        """Give what all bring together; None where more connections always brought more."""
        best = max(self.lanes, key=lambda lane: lane.rate)
        linear = best.connections * self.stream
        return best.rate if best is not self.lanes[-1] or best.rate < linear / 1.5 else None


class _Lane:
    """So many connections at once, each reading its own part of a blob."""

    def __init__(self, source: BlobRequests, cancellation: Cancellation) -> None:
        self._source = source
        self._cancellation = cancellation
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self._ended = threading.Event()
        self._blocks: list[tuple[float, int]] = []
        self.waits: list[float] = []
        self.urls: set[str] = set()
        self.statuses: set[int] = set()
        self.errors: list[UnavailableError] = []

    def read(self, blob: Descriptor, start: int, room: int) -> None:
        """Read the blob from `start` on, again from there where it ends, until `room` bytes have come or time is up."""
        while not self._ended.is_set() and room > 0:
            began = time.monotonic()
            came = False
            try:
                with self._source.open_blob(blob, {"Range": f"bytes={start}-"}) as stream:
                    with self._lock:
                        self._streams.add(stream)
                        self.urls.add(stream.url)
                        self.statuses.add(stream.status)
                    try:
                        for block in stream.blocks():
                            now = time.monotonic()
                            with self._lock:
                                if not came:
                                    self.waits.append(now - began)
                                self._blocks.append((now, len(block)))
                            came = True
                            room -= len(block)
                            if room <= 0 or self._ended.is_set():
                                stream.abort()
                                return
                    finally:
                        with self._lock:
                            self._streams.discard(stream)
            except UnavailableError as error:
                if not self._ended.is_set():
                    self.errors.append(error)
                return
            if not came:
                return

    def run(self, parts: Sequence[tuple[Descriptor, int]], room: int, seconds: float) -> float:
        """Let all of them read; give what they bring together in a second."""
        threads = [
            threading.Thread(target=self.read, args=(blob, start, room // len(parts)), daemon=True, name="bench")
            for blob, start in parts
        ]
        for thread in threads:
            thread.start()
        end = time.monotonic() + _LATEST
        while any(thread.is_alive() for thread in threads):
            with self._lock:
                first = self._blocks[0][0] if self._blocks else None
            if time.monotonic() > (end if first is None else first + seconds):
                break
            self._cancellation.wait(0.02)
        self.end()
        for thread in threads:
            thread.join(2.0)
        return self._rate()

    def end(self) -> None:
        self._ended.set()
        with self._lock:
            streams = [*self._streams]
        for stream in streams:
            with suppress(Exception):  # it may have ended by itself
                stream.abort()

    @property
    def received(self) -> int:
        return sum(size for _, size in self._blocks)

    def _rate(self) -> float:
        with self._lock:
            blocks = sorted(self._blocks)
        if len(blocks) < 2:
            return 0.0
        first, last = blocks[0][0], blocks[-1][0]
        from_ = first + _WARM * (last - first)
        came = sum(size for when, size in blocks if when > from_)
        return came / (last - from_) if last > from_ else 0.0


def measure_network(
    source: BlobRequests,
    blobs: Sequence[Descriptor],
    *,
    host: str,
    room: int,
    cancellation: Cancellation,
    told: Callable[[Lane], object],
    seconds: float = _SECONDS,
) -> Network:
    """Measure with the largest of `blobs`, in at most `room` bytes. `UnavailableError` where none can be had."""
    largest = max(blobs, key=lambda blob: blob.size)
    lanes: list[Lane] = []
    waits: list[float] = []
    urls: set[str] = set()
    statuses: set[int] = set()
    received = worse = 0
    for at, count in enumerate(CONNECTIONS):
        lane = _Lane(source, cancellation)
        allowed = (room - received) // (len(CONNECTIONS) - at)
        parts = [(largest, largest.size * number // count) for number in range(count)]
        rate = lane.run(parts, allowed, seconds)
        received += lane.received
        waits += lane.waits
        urls |= lane.urls
        statuses |= lane.statuses
        if not rate:
            if not lanes:
                raise lane.errors[0] if lane.errors else _nothing(host)
            break  # the registry has had enough of us
        lanes.append(Lane(connections=count, rate=rate))
        told(lanes[-1])
        worse = worse + 1 if len(lanes) > 1 and rate < _MORE * max(lane.rate for lane in lanes[:-1]) else 0
        if worse == 2:
            break
    answered = next(iter(sorted(urls)))
    return Network(
        host=host,
        storage=urlsplit(answered).netloc,
        redirected=any(urlsplit(url).netloc != host for url in urls),
        tls=urlsplit(answered).scheme == "https",
        ranges=statuses == {206},
        first_byte=median(waits),
        lanes=tuple(lanes),
        received=received,
    )


def _nothing(host: str) -> UnavailableError:
    return UnavailableError(
        f"{host}: no byte of a blob came within {_LATEST:.0f} s", next_step="check the registry, and run it again"
    )
