"""A blob on its way: its decider and its store behind one lock, its requests, its journal."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

from cogpack.errors import CogpackError, UnavailableError
from cogpack.http import Retries, Stream
from cogpack.oci import Descriptor
from cogpack.registry.pull.partial import Memory, Region
from cogpack.registry.pull.ranges import Download, Part, Span
from cogpack.registry.pull.tuning import Tuning
from cogpack.registry.refusals import ExpiredError

_EXPIRED = 3
"""Times that a new address is asked for with no progress between them."""
_SYNC_SECONDS = 5.0


class BlobFetch:
    """One blob while it comes. `store` is written by who fetches, and read in order by one other. Thread-safe.

    `retries`: with outages. All other failures are counted by `download`.
    """

    def __init__(
        self,
        blob: Descriptor,
        store: Region | Memory,
        download: Download,
        on_bytes: Callable[[int], None],
        retries: Retries,
        tuning: Tuning,
    ) -> None:
        self.blob = blob
        self.store = store
        self.download = download
        self.address: str | None = None
        """Where the registry sent us for this blob."""
        self.not_before = 0.0
        self.error: BaseException | None = None
        self.received = 0
        """New bytes, over the network."""
        self.synced = 0
        """As many of these are in the journal."""
        self.read = 0
        """Bytes that were taken from the store, in order."""
        lock = threading.RLock()
        self.changed = threading.Condition(lock)
        self._longer = threading.Condition(lock)
        """Who reads waits for it alone: most of what comes is not what comes next."""
        self.streams: dict[Part, Stream] = {}
        self.grown = threading.Event()
        """So much has come since it was last cleared that it should be written down."""
        self._on_bytes = on_bytes
        self._retries = retries
        self._tuning = tuning
        self._expired = 0
        self._writing: list[Span] = []

    def begin(self, part: Part, stream: Stream) -> bool:
        """Tell whether the answer is one to read. Those that it makes superfluous are ended."""
        with self.changed:
            wanted = self.error is None and self.download.judge(part, stream.status, stream.headers)
            if wanted:
                self.streams[part] = stream
            self._end_revoked()
        if wanted and isinstance(self.store, Region):
            # Of one that comes whole not all: a process that is killed leaves it behind.
            self.store.reserve(part.start, min(part.end - part.start, self._tuning.largest_part))
        return wanted

    def take(self, part: Part, block: memoryview, window: Callable[[], int]) -> bool:
        """Store what is wanted of `block`, which is the caller's again then; answers False where no more is.

        A file is written outside the lock, which all connections share. Two that bring the same bytes take turns: what
        has been hashed is never written over.
        """
        with self.changed:
            while self._full(part, len(block), window):
                if part.revoked or self.error is not None:
                    return False
                part.rest()
                self.changed.wait(self._tuning.tick)
            begin, end = part.start, part.start + len(block)
            # Who had this part before it was given to us may still be writing these bytes: then they count as there.
            while any(first < end and begin < last for first, last in self._writing):
                self.changed.wait(self._tuning.tick)
            new = self.download.fresh(part, len(block))
            if isinstance(self.store, Memory):
                self._write(new, begin, block)
                return self._taken(part, block, new)
            self._writing.append((begin, end))
        # Without the lock: a write may wait for the disk, and the other connections should not wait with it.
        try:
            self._write(new, begin, block)
        except BaseException:
            with self.changed:
                self._writing.remove((begin, end))
                self.changed.notify_all()
            raise
        with self.changed:
            self._writing.remove((begin, end))
            return self._taken(part, block, new)

    def _full(self, part: Part, size: int, window: Callable[[], int]) -> bool:
        """Tell whether `size` bytes more have to wait for who reads, or for the disk."""
        if isinstance(self.store, Memory):
            # One block may always come: no window is too small for it.
            return self.read < part.start > self.read + window() - size
        return self.received - self.synced >= self._tuning.window

    def _taken(self, part: Part, block: memoryview, new: Sequence[Span]) -> bool:
        """Count `new` of the `block`, which is stored. None of it counts if the part is another's by now."""
        self.changed.notify_all()
        if part.revoked or self.error is not None:
            return False
        before = self.download.prefix
        self.download.advance(part, len(block))
        if self.download.prefix > before:
            self._longer.notify_all()
        if not self.download.failures:
            self._retries.progressed()
        if size := sum(last - first for first, last in new):
            if (self.received + size) // self._tuning.sync > self.received // self._tuning.sync:
                self.grown.set()
            self.received += size
            self._on_bytes(size)
            self._retries.brought(size)
        return True

    def _write(self, spans: Sequence[Span], begin: int, block: memoryview) -> None:
        for start, end in spans:
            whole = (start, end) == (begin, begin + len(block))
            self.store.write(start, block if whole else block[start - begin : end - begin])

    def wait(self) -> int:
        """Wait until there is more to read, or a while; answers how many bytes are there without a gap."""
        with self.changed:
            if self.download.prefix <= self.read and self.error is None:
                self._longer.wait(self._tuning.tick)
            if self.download.prefix <= self.read and self.error is not None:
                raise self.error
            return self.download.prefix

    def done_with(self, size: int) -> None:
        with self.changed:
            self.read += size
            if isinstance(self.store, Memory):
                self.changed.notify_all()

    def release(self, part: Part, error: BaseException | None) -> None:
        """End a request; `error` says why it brought less than was asked for."""
        with self.changed:
            self.streams.pop(part, None)
            outage = isinstance(error, UnavailableError) and self._retries.awaits(error)
            counts = self.download.release(part, failed=error is not None and not outage)
            if error is None or part.revoked:
                pass
            elif not isinstance(error, UnavailableError):
                self._stop(error)
            else:
                self._failed(error, counts=counts)
            self.changed.notify_all()

    def _failed(self, error: UnavailableError, *, counts: bool) -> None:
        self.address = None
        # What all connections were told of one address is told once.
        self._expired = self._expired + counts if isinstance(error, ExpiredError) and self.download.failures else 0
        if self._expired > _EXPIRED or self.download.spent:
            self._stop(error)
        elif time.monotonic() < self.not_before or isinstance(error, ExpiredError):
            pass  # another connection failed just now, or the registry is to be asked at once
        elif (delay := self._retries.delay(error)) is None:
            self._stop(error)
        else:
            self.not_before = time.monotonic() + delay

    def restart(self) -> bool:
        with self.changed:
            got = sum(end - start for start, end in self.download.got)
            if not self.download.restart():
                return False
            self.read = 0
            self._on_bytes(-got)
            self._end_revoked()
            return True

    def stop(self, error: BaseException) -> None:
        with self.changed:
            self._stop(error)

    def _stop(self, error: BaseException) -> None:
        self.error = self.error or error
        for part, stream in self.streams.items():
            if part.start < part.end:  # else it is at its end, and its connection can be used again
                stream.abort()
        self.changed.notify_all()
        self._longer.notify_all()

    def _end_revoked(self) -> None:
        for part, stream in self.streams.items():
            if part.revoked:
                stream.abort()


class Journal:
    """A journal writes down what is there of a blob, now and then, in a thread of its own: hashing need not wait."""

    def __init__(self, fetch: BlobFetch, region: Region) -> None:
        self._fetch = fetch
        self._region = region
        self._lock = threading.Lock()
        self._saved = fetch.download.got
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """Write down, after an error, all that is there."""
        self._ended = True
        self._fetch.grown.set()
        self._thread.join()
        if error is not None:
            with suppress(CogpackError):  # what went wrong first is to be told
                self.save()

    def save(self) -> None:
        with self._lock:
            with self._fetch.changed:
                got, received = self._fetch.download.got, self._fetch.received
            if got != self._saved:
                self._region.save(got)
            self._saved = got
            with self._fetch.changed:
                self._fetch.synced = received
                self._fetch.changed.notify_all()

    def _run(self) -> None:
        try:
            while True:
                self._fetch.grown.wait(_SYNC_SECONDS)
                self._fetch.grown.clear()
                if self._ended:
                    return
                self.save()
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for the blob
            self._fetch.stop(error)
