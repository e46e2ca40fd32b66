"""A large file of a server, read by ranges, never stored."""

from collections.abc import Iterator, Mapping

from cogpack.errors import CogpackError, DeniedError, InputError, UnavailableError
from cogpack.http import Http, Stream, backoff, redacted, retry_after

_ATTEMPTS = 5
"""Failures in a row without a byte between them."""


class RemoteFile:
    """`size` in bytes. What is read is whatever the server sends: whoever knows a digest must check it."""

    def __init__(self, http: Http, url: str, size: int, headers: Mapping[str, str] = {}) -> None:
        self._http = http
        self._url = url
        self._headers = headers
        self.size = size

    def __repr__(self) -> str:
        return redacted(self._url)

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """`length` bytes from `offset` (RFC 9110 14): where a connection breaks, the next goes on from there."""
        end = offset + length
        failures = 0
        while offset < end:
            failures += 1
            try:
                with self._http.follow(self._url, headers=self._ranged(offset, end)) as stream:
                    self._check(stream, offset)
                    for block in stream.blocks():
                        if block:
                            failures = 0
                        block = block[: end - offset]
                        offset += len(block)
                        yield block
                        if offset == end:
                            return
                wait = backoff(failures)
            except UnavailableError as error:
                if failures >= _ATTEMPTS:
                    raise
                wait = error.wait if isinstance(error, _LaterError) and error.wait else backoff(failures)
            if failures >= _ATTEMPTS:
                raise UnavailableError(
                    f"{self!r}: the body ends {end - offset} bytes early, again and again", next_step="try again later"
                )
            self._http.cancellation.wait(wait)

    def _ranged(self, offset: int, end: int) -> Mapping[str, str]:
        whole = offset == 0 and end == self.size
        return self._headers if whole else {**self._headers, "Range": f"bytes={offset}-{end - 1}"}

    def _check(self, stream: Stream, offset: int) -> None:
        if stream.status == 206:
            if not stream.headers.get("content-range", "").startswith(f"bytes {offset}-"):
                raise UnavailableError(f"{self!r}: sent another range than was asked for", next_step="try again later")
        elif stream.status == 200:
            if offset:
                raise InputError(
                    f"{self!r}: the server sends whole files only, no ranges", next_step="host the file elsewhere"
                )
        else:
            raise refusal(self._url, stream)


class _LaterError(UnavailableError):
    """`wait`: seconds the server asked for."""

    wait: float | None = None


def refusal(url: str, stream: Stream) -> CogpackError:
    where = f"{redacted(url)}: {stream.status}"
    if stream.status in (401, 403):
        return DeniedError(where, next_step="give the credentials that this server wants, as HF_TOKEN for hf://")
    if stream.status in (404, 410):
        return InputError(f"{where}, there is no such file", next_step="correct the address, or run cogpack lock")
    later = _LaterError(where, next_step="run it again later")
    later.wait = retry_after(stream.headers)
    return later
