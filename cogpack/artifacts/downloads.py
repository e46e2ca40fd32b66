"""Wheels, packages and other locked files are downloaded here: looked for, fetched, verified."""

import os
import secrets
import stat
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from cogpack.artifacts.ranged import Ranged
from cogpack.depot import Depot
from cogpack.digest import Digest, Hasher, parse_digest
from cogpack.disk import UNFINISHED, Output, is_unfinished, whole_file, writing
from cogpack.errors import CogpackError, DeniedError, InputError, MismatchError, UnavailableError
from cogpack.http import Http, Stream
from cogpack.oci import Descriptor
from cogpack.progress import Task
from cogpack.registry.pull.tuning import TUNING, Tuning
from cogpack.sizes import BLOCK

_ATTEMPTS = 3
_BAD = ".replaced"
_ABANDONED = 24 * 3600
"""Seconds after which a part of a download is nobody's any more."""


class _AbsentError(CogpackError):
    """Raised where a server says that it has no such file: asked again, it would say the same."""


class Artifact(msgspec.Struct, frozen=True):
    """`name`: of the file, for messages; `size`: bytes, where known; `title`: what it is, where the name is long."""

    name: str
    digest: Digest
    size: int | None
    title: str = ""


class Store:
    """The downloads, under `root/sha256/xx/<hex>`. Processes may share it: files appear whole, by rename.

    A cache that was restored, or that others can write to, holds what they laid there: a file is hashed once in each
    run that takes bytes of it.
    """

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
        self._root = root
        self._http = http
        self._sound: dict[Digest, os.stat_result] = {}
        self._lock = threading.Lock()
        self._turns: defaultdict[Digest, threading.RLock] = defaultdict(threading.RLock)
        self._used = used
        self._also = Store(also, http) if also else None
        self._depot = depot
        self._last = last
        self._tuning = tuning
        self._wanted: dict[Digest, int] = {}
        self._closing = ExitStack()
        self._open_ranges: Ranged | None = None

    def _path(self, artifact: Artifact) -> Path:
        name = parse_digest(artifact.digest, where=artifact.name).removeprefix("sha256:")  # it becomes a path
        return self._root / "sha256" / name[:2] / name

    def find(self, artifact: Artifact) -> Path | None:
        """The file, if it is here. Only its size is looked at: before its bytes are used comes `verified`."""
        path = self._path(artifact)
        self._used(path)
        try:
            found = path.lstat()
        except OSError:
            elsewhere = self._also.find(artifact) if self._also else None
            return elsewhere or (self._depot.find(artifact.digest, artifact.size) if self._depot else None)
        return path if stat.S_ISREG(found.st_mode) and artifact.size in (None, found.st_size) else None

    def is_large(self, artifact: Artifact) -> bool:
        """Whether it comes over several connections."""
        return artifact.size is not None and artifact.size >= self._tuning.ranged

    def expect(self, artifact: Artifact) -> None:
        """Hear that it will be fetched: of large files, those that were expected first have the connections first."""
        self._wanted.setdefault(artifact.digest, len(self._wanted))

    def _is_here(self, artifact: Artifact) -> bool:
        return self.find(artifact) is not None

    def verified(
        self, artifact: Artifact, urls: Callable[[], Iterable[str]], task: Task | None = None
    ) -> tuple[Path, os.stat_result]:
        """As `fetch`; the file's bytes have the digest, as long as its status is the one that is answered here.

        A `MismatchError` for a file of the cache that is another one now; it is set aside, so that it is fetched anew.
        """
        path = self.fetch(artifact, urls, task)
        known = self._sound.get(artifact.digest)
        if known is None:
            known = self._sound[artifact.digest] = self._hash(artifact, path)
        return path, known

    def _hash(self, artifact: Artifact, path: Path) -> os.stat_result:
        hasher = Hasher()
        try:
            with path.open("rb", buffering=0) as file:
                found = os.fstat(file.fileno())
                while block := file.read(BLOCK):
                    hasher.update(block)
                    self._http.cancellation.check()
        except OSError as error:
            raise InputError(f"{path}: can't be read: {error.strerror or error}", next_step="remove it") from error
        if hasher.digest == artifact.digest:
            return found
        if self._depot and path.is_relative_to(self._depot.root):
            raise self._depot.damaged(path, artifact.name, hasher.digest)
        aside = path.with_name(f"{path.name}{_BAD}")
        try:
            path.replace(aside)
            advice = f"it is set aside as {aside}; run it again to fetch it anew, and find out who else writes there"
        except OSError:
            advice = "remove it, run it again to fetch it anew, and find out who else writes there"
        raise MismatchError(
            f"{path}: this file of the cache is not {artifact.name} any more: expected {artifact.digest}, "
            f"found {hasher.digest}",
            next_step=advice,
        )

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
            return self.find(artifact) or self._fetch_now(artifact, urls, task)

    def take(self, name: str, blocks: Iterable[bytes]) -> Artifact:
        """Keep a file whose digest is not known before its last byte."""
        arriving = self._root / "sha256" / "00" / f"{UNFINISHED}{secrets.token_hex(8)}"
        with writing(arriving):
            arriving.parent.mkdir(parents=True, exist_ok=True)
        hasher = Hasher()
        try:
            with whole_file(arriving) as output:
                for block in hasher.watch(blocks):
                    self._http.cancellation.check()
                    output.write(block)
            artifact = Artifact(name, hasher.digest, hasher.size)
            path = self._prepared(artifact)
            if not self._is_here(artifact):
                arriving.replace(path)
        finally:
            arriving.unlink(missing_ok=True)
        return artifact

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
        path = self._prepared(artifact)
        assert artifact.size is not None
        moved = 0

        def count(size: int) -> None:
            nonlocal moved
            moved += size
            task.advance(size)

        file = Descriptor(media_type="application/octet-stream", digest=artifact.digest, size=artifact.size)
        try:
            written = self._ranges().fetch(file, url, path, count, partial(self._is_here, artifact))
        except CogpackError as error:
            task.advance(-moved)
            if isinstance(error, MismatchError):
                raise self._another(artifact, url, f"another one of {artifact.size} bytes") from error
            raise
        self._keep(artifact, path, written)
        return path

    def _ranges(self) -> Ranged:
        """Made for the first file that is large: it has threads."""
        with self._lock:
            if self._open_ranges is None:
                told = partial(Ranged, self._http, attempts=_ATTEMPTS, refusal=self._refusal, tuning=self._tuning)
                self._open_ranges = self._closing.enter_context(told(place=self._wanted.__getitem__))
            return self._open_ranges

    def close(self) -> None:
        self._closing.close()

    def _prepared(self, artifact: Artifact) -> Path:
        """Where the file will be, in a directory that is there."""
        path = self._path(artifact)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sweep(path.parent)
        return path

    def _download(self, artifact: Artifact, url: str, task: Task) -> Path:
        path = self._prepared(artifact)
        hasher = Hasher()
        try:
            stays = partial(self._is_here, artifact)  # another process may have fetched it meanwhile, and read it now
            with whole_file(path, stays=stays) as output, self._open(url) as blocks:
                self._copy(artifact, url, blocks, output, hasher, task)
            self._keep(artifact, path, output.stat)
        except CogpackError:
            task.advance(-hasher.size)
            raise
        return path

    def _keep(self, artifact: Artifact, path: Path, written: os.stat_result | None) -> None:
        """What was hashed on its way to the disk need not be read again in this run, if it is what lies there."""
        with suppress(OSError):
            found = path.lstat()
            if written and (found.st_ino, found.st_dev, found.st_size, found.st_mtime_ns) == (
                written.st_ino,
                written.st_dev,
                written.st_size,
                written.st_mtime_ns,
            ):
                self._sound[artifact.digest] = found

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

    def _sweep(self, directory: Path) -> None:
        """Parts that a killed process left."""
        for part in filter(lambda path: is_unfinished(path.name), directory.iterdir()):
            with suppress(FileNotFoundError):  # another process was quicker
                if part.stat().st_mtime < time.time() - _ABANDONED:
                    part.unlink()

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
    return urlsplit(url).scheme in ("http", "https")
