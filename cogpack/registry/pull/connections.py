"""Blobs of one repository come over many connections at once: layer beside layer, and range beside range of a layer.

A fixed number of connections serves all blobs, the first of them first. What to ask for, and whom to trust, is decided
in `download`; here are the threads. The bytes of each blob are hashed in order while later ones still come.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Protocol, Self, cast

from cogpack.digest import Digest, Hasher, verified
from cogpack.errors import CogpackError, MismatchError, UnavailableError
from cogpack.http import Retries, Stream, redacted
from cogpack.oci import Descriptor
from cogpack.progress import Cancellation
from cogpack.registry.pull.blob import BlobFetch, Journal
from cogpack.registry.pull.mirrors import MirrorError
from cogpack.registry.pull.partial import Memory, Region, block_buffer
from cogpack.registry.pull.ranges import Crawlers, Download, Part
from cogpack.registry.pull.tuning import TUNING, Tuning
from cogpack.sizes import MiB

_BUFFER = MiB // 2
"""Bytes that a connection hands on at a time, at most: the system keeps a file's blocks of this size, at multiples of
it, as one piece, and not as many pages. Pieces twice as large are dear where memory is full or shared with a host."""
_PATIENCE = 2.0
"""Seconds that threads get to end. One may be connecting, and can't be woken; none of them keeps the process."""


class BlobRequests(Protocol):
    """The requests for blobs that a repository answers, or a layer's own URLs."""

    def open_blob(
        self, descriptor: Descriptor, headers: Mapping[str, str] = {}, *, at: str | None = None
    ) -> AbstractContextManager[Stream]: ...

    def blame_mirror(self, why: CogpackError) -> bool: ...

    def retries(self) -> Retries: ...


class Fetcher:
    """It fetches blobs while it is open (`with`): `into` a file's region, or as a `stream` in order. Thread-safe."""

    def __init__(
        self,
        source: BlobRequests,
        *,
        connections: int,
        cancellation: Cancellation,
        tuning: Tuning = TUNING,
        place: Callable[[Descriptor], int] = lambda _: 0,
    ) -> None:
        """`place`: which blob has the connections before another; of equal places, the one that was asked for first."""
        self._source = source
        self._place = place
        self._tuning = tuning
        self._connections = connections
        self._cancellation = cancellation
        self._fetches: list[BlobFetch] = []
        self._received = 0
        """Bytes of the fetches that have ended."""
        self._turn = threading.Condition()
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        for target in (self._watch, *[self._work] * self._connections):
            thread = threading.Thread(target=target, name="fetch", daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._ended.set()
            for fetch in self._fetches:
                fetch.stop(UnavailableError("the pull was ended", next_step="run it again"))
            self._turn.notify_all()
        end = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    # What is asked for

    def into(self, blob: Descriptor, region: Region, on_bytes: Callable[[int], None]) -> int:
        """Fetch all bytes of `blob` into `region`, verified; answers how many of them came over the network.

        What the region's journal names is not fetched. If the bytes are wrong, all are fetched once more, in one
        stream; then it is a `MismatchError`. `on_bytes` hears of what is there, and, as a negative number, of what is
        thrown away.
        """
        part, largest = self._tuning.part, self._tuning.largest_part
        ranges = blob.size >= self._tuning.ranged
        download = Download(blob.size, region.have, part=part, largest=largest, ranges=ranges)
        on_bytes(sum(end - start for start, end in download.got))
        with self._entered(blob, region, download, on_bytes) as fetch, Journal(fetch, region) as journal:
            while (found := self._hash(fetch)) != blob.digest and fetch.restart():
                self._source.blame_mirror(_mismatch(blob, found))
                journal.save()
                self._wake()
        if found != blob.digest:
            region.save(())
            raise _mismatch(blob, found)
        return fetch.received

    def _hash(self, fetch: BlobFetch) -> Digest:
        hasher = Hasher()
        for block in self._follow(fetch):
            hasher.update(block)
        return hasher.digest

    def stream(
        self, blob: Descriptor, on_bytes: Callable[[int], None], *, start: int = 0, ranges: bool = True
    ) -> Generator[bytes]:
        """Stream `blob` in order through a bounded window of memory; the last block only if all bytes were right.

        From byte `start` on, if that is not 0: then who has the first bytes must verify them.
        """
        have = [(0, start)] if start else []
        part = self._tuning.part
        download = Download(blob.size, have, part=part, ranges=ranges and blob.size >= 2 * part)

        def check(found: Hasher) -> None:
            if not start and found.digest != blob.digest:
                raise _wrong(self._source, blob, found.digest)

        with self._entered(blob, Memory(), download, on_bytes) as fetch:
            fetch.read = start
            yield from verified(cast("Iterator[bytes]", self._follow(fetch)), check)  # which is what `Memory` has

    @contextmanager
    def _entered(
        self, blob: Descriptor, store: Region | Memory, download: Download, on_bytes: Callable[[int], None]
    ) -> Iterator[BlobFetch]:
        fetch = BlobFetch(blob, store, download, on_bytes, self._source.retries(), self._tuning)
        with self._turn:
            self._fetches = sorted([*self._fetches, fetch], key=lambda one: self._place(one.blob))
            self._turn.notify_all()
        try:
            yield fetch
        finally:
            fetch.stop(UnavailableError("no longer wanted", next_step="run it again"))
            with self._turn:
                self._fetches = [other for other in self._fetches if other is not fetch]
                self._received += fetch.received

    def _follow(self, fetch: BlobFetch) -> Iterator[bytes | memoryview]:
        """Read the bytes in order, as far as they are there without a gap."""
        while fetch.read < fetch.blob.size:
            self._cancellation.check()
            for block in fetch.store.read(fetch.read, fetch.wait()):
                self._cancellation.check()
                yield block
                fetch.done_with(len(block))
            if isinstance(fetch.store, Memory):
                self._wake()  # the window has moved

    # The threads

    def _wake(self) -> None:
        with self._turn:
            self._turn.notify_all()

    def _window(self) -> int:
        streams = sum(isinstance(fetch.store, Memory) for fetch in self._fetches)
        return max(2 * self._tuning.part, self._tuning.memory // max(1, streams))

    def _claim(self) -> tuple[BlobFetch, Part] | None:
        now = time.monotonic()
        for fetch in self._fetches:
            with fetch.changed:
                if fetch.error is not None or fetch.not_before > now:
                    continue
                limit = fetch.read + self._window() if isinstance(fetch.store, Memory) else None
                if part := fetch.download.claim(limit):
                    return fetch, part
        return None

    def _work(self) -> None:
        buffer = None
        while True:
            with self._turn:
                while not self._ended.is_set() and (claimed := self._claim()) is None:
                    self._turn.wait(self._tuning.tick)
            if self._ended.is_set():
                return
            assert claimed
            buffer = buffer or block_buffer(_BUFFER)
            self._ask(*claimed, buffer)
            self._wake()

    def _ask(self, fetch: BlobFetch, part: Part, buffer: memoryview) -> None:
        error: BaseException | None = None
        try:
            with self._source.open_blob(fetch.blob, part.headers, at=fetch.address) as stream:
                if fetch.begin(part, stream):
                    fetch.address = stream.url
                    self._wake()  # a first range that was answered as asked lets the others begin
                    for _ in _taking(fetch, part, stream, buffer, self._window):
                        pass
                if part.start < part.end and not part.revoked:
                    raise _short(part, stream)
        except BaseException as raised:  # noqa: BLE001 - told to whoever waits for the blob
            error = raised
        # What broke behind the last byte that was asked for costs nothing.
        fetch.release(part, error if part.start < part.end else None)

    def _watch(self) -> None:
        """End requests that crawl, so that they are made anew."""
        crawlers = Crawlers(self._tuning.grace)
        while not self._ended.wait(self._tuning.tick):
            streams: dict[Part, Stream] = {}
            with self._turn:
                fetches, received = list(self._fetches), self._received
            for fetch in fetches:
                with fetch.changed:
                    streams |= fetch.streams
                    received += fetch.received
            for part in crawlers.among(list(streams), received, time.monotonic()):
                streams[part].abort()


def reading(
    source: BlobRequests, blob: Descriptor, cancellation: Cancellation
) -> AbstractContextManager[Generator[bytes]]:
    """The bytes of `blob`, in order, over one connection at a time and none ahead; drained, they were verified."""
    download = Download(blob.size, part=blob.size, ranges=False)
    store = Memory()
    fetch = BlobFetch(blob, store, download, lambda _: None, source.retries(), TUNING)
    return closing(_one_by_one(source, fetch, store, cancellation))


def _one_by_one(source: BlobRequests, fetch: BlobFetch, store: Memory, cancellation: Cancellation) -> Generator[bytes]:
    hasher, buffer = Hasher(), block_buffer(_BUFFER)
    while part := fetch.download.claim():
        error: UnavailableError | None = None
        try:
            with source.open_blob(fetch.blob, part.headers, at=fetch.address) as stream:
                if fetch.begin(part, stream):
                    fetch.address = stream.url
                    for _ in _taking(fetch, part, stream, buffer, lambda: 0):
                        for block in store.read(fetch.read, fetch.download.prefix):
                            hasher.update(block)
                            yield block
                            fetch.done_with(len(block))
                if part.start < part.end:
                    raise _short(part, stream)
        except UnavailableError as raised:
            error = raised
        fetch.release(part, error if part.start < part.end else None)
        if fetch.error:
            raise fetch.error
        cancellation.wait(max(0.0, fetch.not_before - time.monotonic()))
    if hasher.digest != fetch.blob.digest:
        raise _wrong(source, fetch.blob, hasher.digest)


def _taking(
    fetch: BlobFetch, part: Part, stream: Stream, buffer: memoryview, window: Callable[[], int]
) -> Iterator[None]:
    """Take blocks to the end of the part; or of the answer, where that is as near: its connection lives on."""
    exact = stream.headers.get("content-length") == str(part.end - part.start)
    while size := stream.fill(buffer[: _BUFFER - (fetch.store.offset + part.start) % _BUFFER]):
        more = fetch.take(part, buffer[:size], window)
        yield
        if not more or (part.start == part.end and not exact):
            return


def _short(part: Part, stream: Stream) -> UnavailableError:
    """Say what is wrong with an answer that ended before its part did."""
    found = f"HTTP {stream.status} {stream.headers.get('content-range', '')!a:.60}"
    return UnavailableError(
        f"{redacted(stream.url)}: ended before byte {part.start} of {part.end} ({found})",
        next_step="run it again; what has come is not fetched again",
    )


def _wrong(source: BlobRequests, blob: Descriptor, found: Digest) -> CogpackError:
    wrong = _mismatch(blob, found)
    return MirrorError.of(wrong) if source.blame_mirror(wrong) else wrong


def _mismatch(blob: Descriptor, found: Digest) -> MismatchError:
    return MismatchError(
        f"expected the blob {blob.digest} of {blob.size} bytes, found {found}",
        next_step="the registry or a proxy before it is damaged; tell its operator",
    )
