"""Wheels, packages and other locked files are downloaded here, from the first place that has them."""

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cogpack.artifacts.kept import Artifact, KeptFiles
from cogpack.artifacts.ranged import Ranged
from cogpack.depot import Depot
from cogpack.digest import Digest, Hasher
from cogpack.disk import Output, whole_file
from cogpack.errors import CogpackError, DeniedError, MismatchError, UnavailableError
from cogpack.http import Http, Stream
from cogpack.oci import Descriptor
from cogpack.progress import Task
from cogpack.registry.pull.tuning import TUNING, Tuning
from cogpack.sizes import BLOCK

_ATTEMPTS = 3


class _AbsentError(CogpackError):
    """Raised where a server says that it has no such file: asked again, it would say the same."""


class Store:
    """The downloads, which `KeptFiles` below `root` keep."""

    def __init__(
        self,
        root: Path,
        http: Http,
        *,
        used: Callable[[Path], None] = lambda _: None,
        also: Path | None = None,
        depot: Depot | None = None,
        last: Callable[[Digest], str] | None = None,
        tuning: Tuning = TUNING,
    ) -> None:
        """`used` is told of files before they are looked for; `also`: another such store, which is only read. `depot`:
        has what is not in either; no server is asked then. `last`: the place that is asked when no other has a file.
        `tuning`: of files that come over several connections; who has such files closes the store.
        """
        above = KeptFiles(also, http.cancellation) if also else None
        self._kept = KeptFiles(root, http.cancellation, used=used, also=above, depot=depot)
        self._http = http
        self._lock = threading.Lock()
        self._turns: defaultdict[Digest, threading.RLock] = defaultdict(threading.RLock)
        self._depot = depot
        self._last = last
        self._tuning = tuning
        self._wanted: dict[Digest, int] = {}
        self._closing = ExitStack()
        self._open_ranges: Ranged | None = None

    def find(self, artifact: Artifact) -> Path | None:
        """The file, if it is here. Only its size is looked at: before its bytes are used comes `verified`."""
        return self._kept.find(artifact)

    def take(self, name: str, blocks: Iterable[bytes]) -> Artifact:
        """Keep a file whose digest is not known before its last byte."""
        return self._kept.take(name, blocks)

    def is_large(self, artifact: Artifact) -> bool:
        """Whether it comes over several connections."""
        return artifact.size is not None and artifact.size >= self._tuning.ranged

    def expect(self, artifact: Artifact) -> None:
        """Hear that it will be fetched: of large files, those that were expected first have the connections first."""
        self._wanted.setdefault(artifact.digest, len(self._wanted))

    def verified(
        self, artifact: Artifact, urls: Callable[[], Iterable[str]], task: Task | None = None
    ) -> tuple[Path, os.stat_result]:
        """As `fetch`; the file's bytes have the digest, as long as its status is the one that is answered here. Raises
        what `KeptFiles.sound` does."""
        path = self.fetch(artifact, urls, task)
        return path, self._kept.sound(artifact, path)

    def fetch(self, artifact: Artifact, urls: Callable[[], Iterable[str]], task: Task | None = None) -> Path:
        """The file, downloaded if need be from the first of `urls` that has it (http, file, or a plain path).

        A place that is away is waited for where no other has it. `task`: of the caller, when the file is one of many;
        else it is a task of its own. Who asks for a file that is on its way waits for it: a second download would
        replace the first one's file while it is read; `urls` may make the file here, and ask for it.

        `MismatchError` when what came is not what was locked; `UnavailableError` when no place has it.
        """
        with self._lock:
            turn = self._turns[artifact.digest]
        with turn:
            return self._kept.find(artifact) or self._fetch_now(artifact, urls, task)

    def _fetch_now(self, artifact: Artifact, urls: Callable[[], Iterable[str]], task: Task | None) -> Path:
        if self._depot:
            raise self._depot.lacking(f"{artifact.title or artifact.name} ({artifact.digest})")
        self.expect(artifact)
        moving = task or self._http.progress.task(artifact.title or artifact.name, artifact.size, "fetch")
        path = self._http.retries(1).persist(lambda: self._fetch(artifact, self._places(artifact, urls), moving))
        if task is None:
            moving.done("fetched")
        return path

    def _places(self, artifact: Artifact, urls: Callable[[], Iterable[str]]) -> Iterator[str]:
        """Give all addresses in turn. Where nobody can say them, as an index that is away, there may be a `last`."""
        try:
            yield from urls()
        except CogpackError:
            if self._last is not None:
                yield self._last(artifact.digest)
            raise
        if self._last is not None:
            yield self._last(artifact.digest)

    def _fetch(self, artifact: Artifact, urls: Iterable[str], task: Task) -> Path:
        tried: list[CogpackError] = []
        mismatch: MismatchError | None = None
        for url in urls:
            try:
                if self.is_large(artifact) and _is_remote(url):
                    return self._by_ranges(artifact, url, task)
                retries = self._http.retries(_ATTEMPTS, wait_out=False)
                return retries.persist(partial(self._download, artifact, url, task))
            except MismatchError as error:
                mismatch = error
            except (UnavailableError, DeniedError, _AbsentError) as error:
                tried.append(error)
        if mismatch:
            raise mismatch
        why = "; ".join(error.message for error in tried) or "no index or mirror lists it"
        what = f"{artifact.name} ({artifact.digest}) can't be had: {why}"
        if tried and all(isinstance(error, DeniedError) for error in tried):
            raise DeniedError(what, next_step=tried[0].next_step)
        failure = UnavailableError(
            what,
            next_step="check the network and the configured index or mirror; if the file is gone, run cogpack lock",
        )
        failure.away = next((error.away for error in tried if isinstance(error, UnavailableError) and error.away), None)
        raise failure

    def _by_ranges(self, artifact: Artifact, url: str, task: Task) -> Path:
        path = self._kept.prepared(artifact)
        assert artifact.size is not None
        moved = 0

        def count(size: int) -> None:
            nonlocal moved
            moved += size
            task.advance(size)

        file = Descriptor(media_type="application/octet-stream", digest=artifact.digest, size=artifact.size)
        try:
            written = self._ranges().fetch(file, url, path, count, partial(self._kept.has, artifact))
        except CogpackError as error:
            task.advance(-moved)
            if isinstance(error, MismatchError):
                raise self._another(artifact, url, f"another one of {artifact.size} bytes") from error
            raise
        self._kept.keep(artifact, path, written)
        return path

    def _ranges(self) -> Ranged:
        """Made for the first file that is large: it has threads."""
        with self._lock:
            if self._open_ranges is None:
                ranged = Ranged(
                    self._http,
                    attempts=_ATTEMPTS,
                    refusal=self._refusal,
                    tuning=self._tuning,
                    place=self._wanted.__getitem__,
                )
                self._open_ranges = self._closing.enter_context(ranged)
            return self._open_ranges

    def close(self) -> None:
        self._closing.close()

    def _download(self, artifact: Artifact, url: str, task: Task) -> Path:
        path = self._kept.prepared(artifact)
        hasher = Hasher()
        try:
            stays = partial(self._kept.has, artifact)  # another process may have fetched it meanwhile, and read it now
            with whole_file(path, stays=stays) as output, self._open(url) as blocks:
                self._copy(artifact, url, blocks, output, hasher, task)
            self._kept.keep(artifact, path, output.stat)
        except CogpackError:
            task.advance(-hasher.size)
            raise
        return path

    def _copy(
        self, artifact: Artifact, url: str, blocks: Iterable[bytes], output: Output, hasher: Hasher, task: Task
    ) -> None:
        for block in blocks:
            hasher.update(block)
            task.advance(len(block))
            if artifact.size is not None and hasher.size > artifact.size:
                break
            output.write(block)
        if artifact.size is not None and hasher.size < artifact.size:
            raise UnavailableError(
                f"{self._http.shown(url)}: {hasher.size} of {artifact.size} bytes came", next_step="run it again"
            )
        if hasher.digest != artifact.digest:
            raise self._another(artifact, url, f"{hasher.digest} of {hasher.size} or more bytes")

    @contextmanager
    def _open(self, url: str) -> Iterator[Iterator[bytes]]:
        if _is_remote(url):
            with self._http.follow(url, origin=url) as stream:
                if stream.status != 200:
                    raise self._refusal(url, stream)
                yield stream.blocks()
            return
        parts = urlsplit(url)
        path = Path(unquote(parts.path)) if parts.scheme == "file" else Path(url)
        try:
            with path.open("rb") as file:
                yield iter(lambda: file.read(BLOCK), b"")
        except OSError as error:
            raise UnavailableError(f"{path}: {error.strerror}", next_step="check that the file is there") from error

    def _refusal(self, url: str, stream: Stream) -> CogpackError:
        if stream.status in (401, 403):
            return DeniedError(
                f"{self._http.shown(url)}: {stream.status}",
                next_step="give credentials for this host in the index address or in ~/.netrc",
            )
        kind = _AbsentError if stream.status in (404, 410) else UnavailableError
        return kind(f"{self._http.shown(url)}: HTTP {stream.status}", next_step="check the configured index or mirror")

    def _another(self, artifact: Artifact, url: str, found: str) -> MismatchError:
        size = "" if artifact.size is None else f" of {artifact.size} bytes"
        return MismatchError(
            f"{self._http.shown(url)}: expected {artifact.digest}{size}, found {found}",
            next_step="the file was replaced since it was pinned: ask its publisher, then run cogpack lock",
        )


def _is_remote(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))
