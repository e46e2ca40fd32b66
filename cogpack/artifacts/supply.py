"""A supply fetches locked files: many beside each other, each once, in the order in which they are wanted."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext

import msgspec

from cogpack.artifacts.downloads import Store
from cogpack.artifacts.kept import Artifact
from cogpack.digest import Digest
from cogpack.file_stat import packed
from cogpack.layers.content import LocalFile
from cogpack.progress import Cancellation, Progress, Task
from cogpack.text import count_text

_FILES = 8
"""Files in one answer each that are fetched at a time."""
_LARGE_FILES = 2
"""Files by ranges: the connections are the first one's, and the second is there when that needs no more."""
_MADE = 2
"""Files that may be made here, which wait for others, and so must not keep these waiting."""


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """Is a locked file that a layer is made of, and tells how it is had.

    `noun`: what such files are called together; `urls`: where it can be had, asked when it is fetched; `hiding`: within
    it errors lose the secrets of these addresses; `made`: it may be made here, of other inputs of the same supply.
    """

    supply: "Supply"
    artifact: Artifact
    noun: str
    urls: Callable[[], Iterable[str]]
    hiding: Callable[[], AbstractContextManager[None]] = nullcontext
    made: bool = False

    @property
    def size(self) -> int:
        """Bytes, 0 where nobody said."""
        return self.artifact.size or 0

    def is_here(self) -> bool:
        """Tell whether nothing would be fetched. Its bytes are verified once they are used."""
        return self.supply.has(self)

    def come(self) -> None:
        """Return when it is here."""
        self.supply.wait([self])

    def file(self) -> LocalFile:
        """Fetch it if it is not here. What is answered has the bytes that were locked, as long as it opens."""
        return self.supply.file(self)


class Supply:
    """Fetches what is wanted, in threads of its own. Thread-safe; who opened it closes it."""

    def __init__(self, store: Store, progress: Progress, cancellation: Cancellation) -> None:
        self._store = store
        self._progress = progress
        self._cancellation = cancellation
        self._coming: dict[Digest, Future[None]] = {}
        self._lock = threading.Lock()
        self._files = ThreadPoolExecutor(_FILES, thread_name_prefix="fetch")
        self._large_files = ThreadPoolExecutor(_LARGE_FILES, thread_name_prefix="fetch")
        self._made_files = ThreadPoolExecutor(_MADE, thread_name_prefix="make")

    def want(self, inputs: Iterable[Input]) -> None:
        """Begin to fetch those that are not here, and to verify all: at once, or when those wanted before are done."""
        with self._lock:
            new = {one.artifact.digest: one for one in inputs if one.artifact.digest not in self._coming}
            missing: dict[str, list[Input]] = {}
            for one in new.values():
                if self._store.find(one.artifact) is None:
                    missing.setdefault(one.noun, []).append(one)
            lines: dict[Digest, _Line] = {}
            for files in missing.values():
                line = _Line(self._progress, files)
                lines |= {one.artifact.digest: line for one in files}
            for digest, one in new.items():
                self._store.expect(one.artifact)  # not in its thread: which thread comes first, nobody knows
                self._coming[digest] = self._pool(one).submit(self._bring, one, lines.get(digest))

    def is_wanted(self, digest: Digest) -> bool:
        """Tell whether anybody has asked for it."""
        with self._lock:
            return digest in self._coming

    def _pool(self, one: Input) -> ThreadPoolExecutor:
        if one.made:
            return self._made_files
        return self._large_files if self._store.is_large(one.artifact) else self._files

    def wait(self, inputs: Sequence[Input]) -> None:
        """Return when they are here. What can't be had is an error at once, whoever wants it."""
        self.want(inputs)
        with self._lock:
            left = {self._coming[one.artifact.digest] for one in inputs}
            ended = [future for future in self._coming.values() if future.done()]
        for future in ended:
            future.result()
        while left:
            done, left = wait(left, timeout=0.5, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            self._cancellation.check()

    def are_here(self, inputs: Sequence[Input]) -> bool:
        """Whether nobody would `wait` for them."""
        with self._lock:
            coming = [self._coming.get(one.artifact.digest) for one in inputs]
        return all(future is not None and future.done() for future in coming)

    def has(self, one: Input) -> bool:
        return self._store.find(one.artifact) is not None

    def file(self, one: Input) -> LocalFile:
        self._cancellation.check()  # a layer of many packages opens one after the other before its first byte
        with one.hiding():
            path, found = self._store.verified(one.artifact, one.urls)
        return LocalFile(path, packed(found))

    def _bring(self, one: Input, line: "_Line | None") -> None:
        self._cancellation.check()
        with one.hiding():
            self._store.verified(one.artifact, one.urls, line.task if line else None)
        if line:
            line.ended()

    def stop(self) -> None:
        """End what is on its way, after a failure; what is wanted then is fetched as if nobody had asked before."""
        with self._lock:
            coming = [*self._coming.values()]
            self._coming.clear()
        with self._cancellation.stopping():
            wait(coming)

    def close(self) -> None:
        """Wait for files on their way."""
        for pool in (self._made_files, self._files, self._large_files):
            pool.shutdown(wait=True, cancel_futures=True)


class _Line:
    """Tells the user of files that are wanted together: `33 wheels`."""

    def __init__(self, progress: Progress, files: Sequence[Input]) -> None:
        only = files[0].artifact
        name = (only.title or only.name) if len(files) == 1 else count_text(len(files), files[0].noun)
        whole = all(one.artifact.size is not None for one in files)
        self.task: Task = progress.task(name, sum(one.size for one in files) if whole else None, "fetch")
        self._left = len(files)
        self._lock = threading.Lock()

    def ended(self) -> None:
        with self._lock:
            self._left -= 1
            over = not self._left
        if over:
            self.task.done("fetched")
