"""What a registry and the way to it give: so much over one connection, so much over many, so long until a first byte.

Blobs of the image are read by ranges and thrown away, for so many bytes and seconds as are allowed.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from statistics import median
from urllib.parse import urlsplit

from cogpack.bench.lanes import LATEST, SECONDS, Flow, Lane, Lanes, measure_lanes
from cogpack.errors import UnavailableError
from cogpack.http import Stream
from cogpack.oci import Descriptor
from cogpack.progress import Cancellation
from cogpack.registry.pull.connections import BlobRequests

CONNECTIONS = (1, 2, 4, 8, 16, 32)
_PATIENCE = 2.0
"""Seconds that a connection has to end."""


class Network(Lanes, frozen=True, kw_only=True):
    """What was found. `host`: asked for blobs; `storage`: who gave them; `redirected`: by an address of its own;
    `tls`: whether the bytes came encrypted; `ranges`: whether a part of a blob can be had; `first_byte`: seconds, of
    the median answer; `received`: bytes that this took."""

    host: str
    storage: str
    redirected: bool
    tls: bool
    ranges: bool
    first_byte: float
    received: int


class _Reads(Flow):
    """So many connections at once, each reading its own part of a blob."""

    def __init__(self, source: BlobRequests, cancellation: Cancellation) -> None:
        super().__init__(cancellation)
        self._source = source
        self._opened = threading.Lock()
        self._streams: set[Stream] = set()
        self.waits: list[float] = []
        self.urls: set[str] = set()
        self.statuses: set[int] = set()

    def read(self, blob: Descriptor, start: int, room: int) -> None:
        """Read the blob from `start` on, again from there where it ends, until `room` bytes have come or time is up."""
        while not self.ended and room > 0:
            began = time.monotonic()
            came = False
            try:
                with self._source.open_blob(blob, {"Range": f"bytes={start}-"}) as stream:
                    with self._opened:
                        self._streams.add(stream)
                        self.urls.add(stream.url)
                        self.statuses.add(stream.status)
                    try:
                        for block in stream.blocks():
                            self.moved(len(block))
                            if not came:
                                self.waits.append(time.monotonic() - began)
                            came = True
                            room -= len(block)
                            if room <= 0 or self.ended:
                                stream.abort()
                                return
                    finally:
                        with self._opened:
                            self._streams.discard(stream)
            except UnavailableError as error:
                self.failed(error)
                return
            if not came:
                return

    def end(self) -> None:
        super().end()
        with self._opened:
            streams = [*self._streams]
        for stream in streams:
            with suppress(Exception):  # it may have ended by itself
                stream.abort()


def measure_network(
    source: BlobRequests,
    blobs: Sequence[Descriptor],
    *,
    host: str,
    room: int,
    cancellation: Cancellation,
    told: Callable[[Lane], object],
    seconds: float = SECONDS,
) -> Network:
    """Measure with the largest of `blobs`, in at most `room` bytes. `UnavailableError` where none can be had."""
    largest = max(blobs, key=lambda blob: blob.size)
    made: list[_Reads] = []

    def measure(count: int, allowed: int) -> Flow:
        reads = _Reads(source, cancellation)
        made.append(reads)
        starts = (largest.size * number // count for number in range(count))
        works = [partial(reads.read, largest, start, allowed // count) for start in starts]
        reads.run(works, seconds, patience=_PATIENCE)
        return reads

    lanes, received = measure_lanes(CONNECTIONS, room, measure, told)
    if not lanes:
        raise UnavailableError(
            f"{host}: no byte of a blob came within {LATEST:.0f} s", next_step="check the registry, and run it again"
        )
    urls = {url for reads in made for url in reads.urls}
    answered = min(urls)
    return Network(
        host=host,
        storage=urlsplit(answered).netloc,
        redirected=any(urlsplit(url).netloc != host for url in urls),
        tls=urlsplit(answered).scheme == "https",
        ranges={status for reads in made for status in reads.statuses} == {206},
        first_byte=median(wait for reads in made for wait in reads.waits),
        lanes=lanes,
        received=received,
    )
