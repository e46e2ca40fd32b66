"""Archives are fetched, decompressed and hashed by threads of their own, while what came before them is written."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Self

import msgspec

from cogpack.decompress import decompressed
from cogpack.digest import DiffID, Hasher
from cogpack.errors import MismatchError

_BLOCKS = 8
"""Of each archive that wait for being written: MiB, or so."""


class Archive(msgspec.Struct, frozen=True):
    """Is a layer as a tar, compressed or not; `read` gives its blocks. `diff_id`: what the tar must come out as."""

    name: str
    read: Callable[[], Iterable[bytes]]
    diff_id: DiffID | None = None

    def plain(self) -> Iterator[bytes]:
        """Give the tar; a `MismatchError` at its end where it is another than it should be."""
        hasher = Hasher()
        yield from hasher.watch(decompressed(self.read()))
        if self.diff_id is not None and DiffID(hasher.digest) != self.diff_id:
            raise MismatchError(
                f"{self.name}: expected diff ID {self.diff_id}, found {hasher.digest}",
                next_step="the image is damaged; fetch it again or choose another",
            )


class Ahead:
    """Gives the tars of `archives`, in their order, of which `jobs` are read at a time."""

    def __init__(self, archives: Iterable[Archive], jobs: int) -> None:
        self._left = iter(archives)
        self._started: list[_Reading] = []
        self._taken: list[_Reading] = []
        self._jobs = jobs
        self._over = threading.Event()

    def next(self) -> Iterator[bytes]:
        while len(self._started) < self._jobs and (archive := next(self._left, None)) is not None:
            self._started.append(_Reading(archive, self._over))
        self._taken.append(self._started.pop(0))
        return iter(self._taken[-1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for reading in (*self._taken, *self._started):
            reading.thread.join()


class _Reading:
    def __init__(self, archive: Archive, over: threading.Event) -> None:
        self._blocks: queue.Queue[bytes | BaseException | None] = queue.Queue(_BLOCKS)
        self._over = over
        self.thread = threading.Thread(target=self._read, args=(archive,), name=f"read {archive.name}", daemon=True)
        self.thread.start()

    def _read(self, archive: Archive) -> None:
        try:
            for block in archive.plain():
                if not self._put(block):
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where the blocks are taken
            self._put(error)

    def _put(self, block: bytes | BaseException | None) -> bool:
        while not self._over.is_set():
            try:
                self._blocks.put(block, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def __iter__(self) -> Iterator[bytes]:
        while (block := self._blocks.get()) is not None:
            if isinstance(block, BaseException):
                raise block
            yield block
