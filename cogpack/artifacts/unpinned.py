"""A file of which nothing but an address is known is fetched as curl and wget would, and then has a digest."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import msgspec

from cogpack.artifacts.downloads import Store
from cogpack.artifacts.kept import Artifact
from cogpack.errors import CogpackError, DeniedError, InputError, UnavailableError
from cogpack.http import Http, Stream
from cogpack.patterns import pattern
from cogpack.progress import Task

_ATTEMPTS = 3
_BREAKS = 5
"""Times in a row that an answer may break off without a byte between them."""
_REDIRECTS = 5
_PAGES = ("text/html", "application/xhtml+xml")
_PAGE_NAMES = (".html", ".htm", ".xhtml")
_MOVING = pattern(r"/(?:latest|main|master|head|nightly|stable|trunk|dev|develop|current)(?:/|$)", re.IGNORECASE)
_WRITTEN = pattern(r"[!-~]+")
_WORD = "(?:[A-Za-z]{1,16}|[0-9]{1,8}|[A-Za-z0-9]{1,6})"
_PLAIN = pattern(rf"(?=.{{1,48}}\Z){_WORD}(?:[._+-]{{1,2}}{_WORD})*")
"""A name of words and numbers."""
_COMMIT = pattern(r"[0-9a-f]{40}")


class NotAFileError(Exception):
    """Says why an answer is not what a line of a file's name means to fetch."""


class NoSuchFileError(InputError):
    """Raised where a server says that there is no such file: HTTP 404 and 410."""


class Brought(msgspec.Struct, frozen=True):
    """Is a file that came. `address`: where the same one will be asked for, of an address that leads elsewhere from
    time to time."""

    artifact: Artifact
    address: str | None


def bring(store: Store, http: Http, url: str, *, redirects: bool) -> Brought:
    """Fetch what is at `url` now into the `store`. `redirects`: they are followed.

    `NotAFileError`: a page, or an answer whose bytes the programs would have otherwise; `NoSuchFileError`: there is
    none.
    """
    download = _Download(http, url, redirects=redirects)
    task = http.progress.task(urlsplit(url).path.rpartition("/")[2] or url, None, "fetch")
    retries = http.retries(_ATTEMPTS)
    artifact = retries.persist(lambda: store.take(download.name, download.blocks(task)))
    task.done("pinned")
    return Brought(artifact, download.address())


class _Download:
    """Asks for one file, and goes on where a connection breaks, if the server can say that the file is the same."""

    def __init__(self, http: Http, url: str, *, redirects: bool) -> None:
        self._http = http
        self._url = url
        self._redirects = redirects
        self._chain: list[str] = []
        self._commit = ""
        self.name = urlsplit(url).path.rpartition("/")[2] or "file"

    def blocks(self, task: Task) -> Iterator[bytes]:
        at, tag = 0, ""
        retries = self._http.retries(_BREAKS)
        while True:
            headers = {"Range": f"bytes={at}-", "If-Range": tag} if at else {}
            try:
                with self._opened(headers) as stream:
                    tag = _strong(stream.headers.get("etag", "")) if not at or stream.status == 206 else ""
                    self._check(stream, at)
                    for block in stream.blocks():
                        if block:
                            retries.progressed()
                            retries.brought(len(block))
                        at += len(block)
                        task.advance(len(block))
                        yield block
                return
            except UnavailableError as error:
                if not (at and tag and retries.wait(error)):
                    task.advance(-at)
                    raise

    @contextmanager
    def _opened(self, headers: Mapping[str, str]) -> Iterator[Stream]:
        origin = url = self._url
        self._chain = [url]
        for _ in range(_REDIRECTS + 1):
            with self._http.open("GET", url, origin=origin, headers=headers) as stream:
                self._commit = self._commit or stream.headers.get("x-repo-commit", "")
                if stream.redirect is None:
                    yield stream
                    return
                if not self._redirects:
                    raise NotAFileError("the server sends it elsewhere, where curl without -L does not go")
                target = self._http.redirect(url, stream.redirect)
            origin, url = url, target
            self._chain.append(url)
        raise UnavailableError(
            f"{self._http.shown(self._url)}: more than {_REDIRECTS} redirects", next_step="tell the server's operator"
        )

    def _check(self, stream: Stream, at: int) -> None:
        if at:
            if stream.status == 206 and stream.headers.get("content-range", "").startswith(f"bytes {at}-"):
                return
            raise UnavailableError(
                f"{stream.shown}: it broke off after {at} bytes, and the server does not go on from there",
                next_step="run it again",
            )
        if stream.status != 200:
            raise self._refusal(stream)
        kind = stream.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in _PAGES and not self.name.lower().endswith(_PAGE_NAMES):
            raise NotAFileError(f"{self.name} is a page ({kind}) there, and no file")
        if (coding := stream.headers.get("content-encoding", "identity").lower()) != "identity":
            raise NotAFileError(f"{self.name} comes in a content coding, {coding:.40}, which was not asked for")

    def _refusal(self, stream: Stream) -> CogpackError:
        where = f"{stream.shown}: HTTP {stream.status}"
        if stream.status in (401, 403):
            return DeniedError(where, next_step="make the file public, or have the project bring it")
        if stream.status in (404, 410):
            return NoSuchFileError(f"{where}, there is no such file", next_step="correct the address")
        if stream.status < 500 and stream.status not in (408, 425, 429):
            return InputError(f"{where}, it can't be fetched", next_step="correct the address")
        return UnavailableError(where, next_step="run it again later")

    def address(self) -> str | None:
        """Tell where the same file stays: a commit on the hub, or the last address that nobody signed for an hour."""
        if not _MOVING.search(urlsplit(self._url).path):
            return None
        if _COMMIT.fullmatch(self._commit) and "/resolve/" in self._url:
            return re.sub(r"/resolve/[^/]+/", f"/resolve/{self._commit}/", self._url, count=1)
        own = frozenset(urlsplit(self._url).path.split("/"))
        lasting = [url for url in self._chain[1:] if _is_lasting(url, own)]
        return lasting[-1] if lasting else None


def _is_lasting(url: str, own: Collection[str]) -> bool:
    """Tell whether an address may stay, and may be written down: what its path has beside names that the line has
    `own`, too, is a version, a date or a word, and no token."""
    parts = urlsplit(url)
    if parts.query or parts.fragment or "@" in parts.netloc or _MOVING.search(parts.path):
        return False
    new = (name for name in parts.path.split("/") if name not in own)
    return bool(_WRITTEN.fullmatch(url)) and all(_PLAIN.fullmatch(name) for name in new)


def _strong(tag: str) -> str:
    """Give an entity tag by which two answers are known to be of the same bytes (RFC 9110 8.8.3), else ""."""
    return tag if tag.startswith('"') else ""
