"""A large file of a server, read by ranges, never stored."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from cogpack.errors import CogpackError, DeniedError, InputError, UnavailableError
from cogpack.http import Http, Stream

Ask = Callable[[Mapping[str, str]], AbstractContextManager[Stream]]
"""One GET of the file with these headers: opens an answer of 200 or 206, raises for any other."""

_ATTEMPTS = 5
"""Failures in a row without a byte between them."""

_TAIL = 128 * 1024
"""Bytes: the end record with the longest comment, and most central directories with it."""

_AHEAD = 16 * 1024


class NoRangesError(InputError):
    """The server sends whole files only."""


class RemoteFile:
    """`size` in bytes. What is read is whatever the server sends: whoever knows a digest must check it.

    `ask`: how the server wants to be asked, anew for each request: with credentials that may have been renewed, for
    the revision that is meant. Without it: openly, and redirects are followed.
    """

    def __init__(self, http: Http, url: str, size: int, ask: Ask | None = None) -> None:
        self._http = http
        self._url = url
        self._ask = ask or (lambda headers: following(http, url, headers))
        self.size = size

    @property
    def renewed(self) -> str:
        """Say how to go on where its bytes are not those that were pinned."""
        return "the file was changed at its source; run cogpack lock --upgrade to take the new one"

    def __repr__(self) -> str:
        return self._http.shown(self._url)

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """`length` bytes from `offset` (RFC 9110 14): where a connection breaks, the next goes on from there."""
        end = offset + length
        retries = self._http.retries(_ATTEMPTS)
        while offset < end:
            try:
                with self._ask(self._ranged(offset, end)) as stream:
                    self._check(stream, offset)
                    # An answer that ends where it should is read to its end: its connection serves the next one.
                    ends = stream.headers.get("content-length") == str(end - offset)
                    for block in stream.blocks():
                        if block:
                            retries.progressed()
                            retries.brought(len(block))
                        block = block[: end - offset]
                        offset += len(block)
                        yield block
                        if offset == end and not ends:
                            return
                if offset == end:
                    return
                raise UnavailableError(
                    f"{self!r}: the body ends {end - offset} bytes early, again and again", next_step="try again later"
                )
            except UnavailableError as error:
                if not retries.wait(error):
                    raise

    def _ranged(self, offset: int, end: int) -> Mapping[str, str]:
        whole = offset == 0 and end == self.size
        return {} if whole else {"Range": f"bytes={offset}-{end - 1}"}

    def _check(self, stream: Stream, offset: int) -> None:
        if stream.status == 206:
            if not stream.headers.get("content-range", "").startswith(f"bytes {offset}-"):
                raise UnavailableError(f"{self!r}: sent another range than was asked for", next_step="try again later")
        elif offset:
            raise NoRangesError(
                f"{self!r}: the server sends whole files only, no ranges", next_step="host the file elsewhere"
            )


class Glances:
    """A few short reads of a remote file, most of them near its end, which comes with the first of them."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._pieces: list[tuple[int, bytes]] = []

    def __call__(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`, fewer at the end of the file."""
        end = min(offset + size, self._file.size)
        if not self._pieces:
            self._fetch(max(0, min(offset, self._file.size - _TAIL)), self._file.size)
        for start, data in self._pieces:
            if start <= offset and end <= start + len(data):
                return data[offset - start : end - start]
        return self._fetch(offset, min(max(end, offset + _AHEAD), self._file.size))[: end - offset]

    def _fetch(self, start: int, end: int) -> bytes:
        data = b"".join(self._file.read(start, end - start))
        self._pieces.append((start, data))
        return data


def remote_size(http: Http, url: str) -> int:
    """Bytes of the file at `url`, asked with a range (RFC 9110 14.4); `NoRangesError` where the server knows none."""
    with following(http, url, {"Range": "bytes=0-0"}) as stream:
        _, _, total = stream.headers.get("content-range", "").partition("/")
        if stream.status == 206 and total.isdecimal():
            return int(total)
    raise NoRangesError(f"{http.shown(url)}: the server sends no ranges", next_step="host the file elsewhere")


@contextmanager
def following(http: Http, url: str, headers: Mapping[str, str]) -> Iterator[Stream]:
    """As `Ask` wants it, over redirects; Authorization stays behind when the host changes."""
    with http.follow(url, origin=url, headers=headers) as stream:
        if stream.status not in (200, 206):
            raise refusal(http.shown(url), stream)
        yield stream


def refusal(shown: str, stream: Stream) -> CogpackError:
    """Make the error of an answer that holds no file. `shown`: the address, as messages have it."""
    where = f"{shown}: {stream.status}"
    if stream.status in (401, 403):
        return DeniedError(where, next_step="give the credentials that this server wants, as HF_TOKEN for hf://")
    if stream.status in (404, 410):
        return InputError(f"{where}, there is no such file", next_step="correct the address, or run cogpack lock")
    return UnavailableError(where, next_step="run it again later")
