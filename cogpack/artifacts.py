"""Files of the outside world, by digest: downloaded once, verified before they get their name."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from cogpack.digest import Digest, Hasher
from cogpack.disk import Output, whole_file, writing
from cogpack.errors import CogpackError, DeniedError, MismatchError, UnavailableError
from cogpack.http import BLOCK, Http, redacted
from cogpack.progress import Task

_ATTEMPTS = 3
_PART = ".part-"
_ABANDONED = 24 * 3600
"""Seconds after which a part of a download is nobody's any more."""


class Artifact(msgspec.Struct, frozen=True):
    """`name`: of the file, for messages; `size`: bytes, where known."""

    name: str
    digest: Digest
    size: int | None


class Store:
    """The downloads, under `root/sha256/xx/<hex>`. Processes may share it: files appear whole, by rename."""

    def __init__(self, root: Path, http: Http) -> None:
        self._root = root
        self._http = http

    def _path(self, artifact: Artifact) -> Path:
        name = artifact.digest.removeprefix("sha256:")
        return self._root / "sha256" / name[:2] / name

    def find(self, artifact: Artifact) -> Path | None:
        """The file, if it is here. Its bytes were verified before it was named so; only the size is looked at."""
        path = self._path(artifact)
        try:
            size = path.stat().st_size
        except OSError:
            return None
        return path if artifact.size in (None, size) else None

    def fetch(self, artifact: Artifact, urls: Callable[[], Iterable[str]], task: Task | None = None) -> Path:
        """The file, downloaded if need be from the first of `urls` that has it (http, file, or a plain path).

        A place that is away is waited for where no other has it. `task`: of the caller, when the file is one of many;
        else it is a task of its own.

        `MismatchError` when what came is not what was locked; `UnavailableError` when no place has it.
        """
        if found := self.find(artifact):
            return found
        moving = task or self._http.progress.task(artifact.name, artifact.size)
        path = self._http.patience(1).persist(lambda: self._fetch(artifact, urls(), moving))
        if task is None:
            moving.done("fetched")
        return path

    def _fetch(self, artifact: Artifact, urls: Iterable[str], task: Task) -> Path:
        tried: list[CogpackError] = []
        mismatch: MismatchError | None = None
        for url in urls:
            try:
                patience = self._http.patience(_ATTEMPTS, patient=False)
                return patience.persist(partial(self._download, artifact, url, task))
            except MismatchError as error:
                mismatch = error
            except (UnavailableError, DeniedError) as error:
                tried.append(error)
        if mismatch:
            raise mismatch
        why = "; ".join(error.message for error in tried) or "no index or mirror lists it"
        failure = UnavailableError(
            f"{artifact.name} ({artifact.digest}) can't be had: {why}",
            next_step="check the network and the configured index or mirror; if the file is gone, run cogpack lock",
        )
        failure.away = next((error.away for error in tried if isinstance(error, UnavailableError) and error.away), None)
        raise failure

    def _download(self, artifact: Artifact, url: str, task: Task) -> Path:
        path = self._path(artifact)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sweep(path.parent)
        hasher = Hasher()
        try:
            with whole_file(path, prefix=_PART) as output, self._open(url) as blocks:
                self._copy(artifact, url, blocks, output, hasher, task)
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
                f"{redacted(url)}: {hasher.size} of {artifact.size} bytes came", next_step="run it again"
            )
        if hasher.digest != artifact.digest:
            raise MismatchError(
                f"{redacted(url)}: expected {artifact.digest}"
                f"{f' of {artifact.size} bytes' if artifact.size is not None else ''}, "
                f"found {hasher.digest} of {hasher.size} or more bytes",
                next_step="the file was replaced since it was locked: ask its publisher, then run cogpack lock",
            )

    @contextmanager
    def _open(self, url: str) -> Iterator[Iterator[bytes]]:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https"):
            with self._http.follow(url, origin=url) as stream:
                if stream.status in (401, 403):
                    raise DeniedError(
                        f"{redacted(url)}: {stream.status}",
                        next_step="give credentials for this host in the index address or in ~/.netrc",
                    )
                if stream.status != 200:
                    raise UnavailableError(
                        f"{redacted(url)}: HTTP {stream.status}", next_step="check the configured index or mirror"
                    )
                yield stream.blocks()
            return
        path = Path(unquote(parts.path)) if parts.scheme == "file" else Path(url)
        try:
            with path.open("rb") as file:
                yield iter(lambda: file.read(BLOCK), b"")
        except OSError as error:
            raise UnavailableError(f"{path}: {error.strerror}", next_step="check that the file is there") from error

    def _sweep(self, directory: Path) -> None:
        """Parts that a killed process left."""
        for part in directory.glob(f"{_PART}*"):
            try:
                if part.stat().st_mtime < time.time() - _ABANDONED:
                    part.unlink()
            except FileNotFoundError:  # another process was quicker
                continue
