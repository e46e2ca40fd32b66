"""A large file of a server, read by ranges, never stored."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from cogpack.errors import CogpackError, DeniedError, InputError, UnavailableError
from cogpack.http import Http, Stream, redacted

Ask = Callable[[Mapping[str, str]], AbstractContextManager[Stream]]
"""One GET of the file with these headers: opens an answer of 200 or 206, raises for any other."""

_ATTEMPTS = 5
"""Failures in a row without a byte between them."""


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

    def __repr__(self) -> str:
        return redacted(self._url)

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """`length` bytes from `offset` (RFC 9110 14): where a connection breaks, the next goes on from there."""
        end = offset + length
        patience = self._http.patience(_ATTEMPTS)
        while offset < end:
            try:
                with self._ask(self._ranged(offset, end)) as stream:
                    self._check(stream, offset)
                    for block in stream.blocks():
                        if block:
                            patience.progressed()
                        block = block[: end - offset]
                        offset += len(block)
                        yield block
                        if offset == end:
                            return
                raise UnavailableError(
                    f"{self!r}: the body ends {end - offset} bytes early, again and again", next_step="try again later"
                )
            except UnavailableError as error:
                if not patience.wait(error):
                    raise

    def _ranged(self, offset: int, end: int) -> Mapping[str, str]:
        whole = offset == 0 and end == self.size
        return {} if whole else {"Range": f"bytes={offset}-{end - 1}"}

    def _check(self, stream: Stream, offset: int) -> None:
        if stream.status == 206:
            if not stream.headers.get("content-range", "").startswith(f"bytes {offset}-"):
                raise UnavailableError(f"{self!r}: sent another range than was asked for", next_step="try again later")
        elif offset:
            raise InputError(
                f"{self!r}: the server sends whole files only, no ranges", next_step="host the file elsewhere"
            )


@contextmanager
def following(http: Http, url: str, headers: Mapping[str, str]) -> Iterator[Stream]:
    """As `Ask` wants it, over redirects; Authorization stays behind when the host changes."""
    with http.follow(url, origin=url, headers=headers) as stream:
        if stream.status not in (200, 206):
            raise refusal(url, stream)
        yield stream


def refusal(url: str, stream: Stream) -> CogpackError:
    where = f"{redacted(url)}: {stream.status}"
    if stream.status in (401, 403):
        return DeniedError(where, next_step="give the credentials that this server wants, as HF_TOKEN for hf://")
    if stream.status in (404, 410):
        return InputError(f"{where}, there is no such file", next_step="correct the address, or run cogpack lock")
    return UnavailableError(where, next_step="run it again later")
