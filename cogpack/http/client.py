"""One pool of connections, and what may be sent over it.

Connections are shared by all threads, HTTP/1.1, cookies off. No redirect is followed unasked: credentials and bodies
go only where a rule below lets them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx
import msgspec

from cogpack.errors import InputError, UnavailableError
from cogpack.http.addresses import host_only, is_loopback, is_private, redacted
from cogpack.http.retry import ATTEMPTS, RETRIED, backoff, retry_after
from cogpack.progress import SILENT, Cancellation, Progress

BLOCK = 1024 * 1024
ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes of an answer that is read into memory."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_USER_AGENT = "cogpack"


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to talk to in the clear, and whom to tell secrets then: loopback always, and the hosts named here."""

    insecure_hosts: frozenset[str] = frozenset()
    insecure_credentials: frozenset[str] = frozenset()

    def allows_plain(self, host: str) -> bool:
        """`host`: with or without port."""
        return is_loopback(host) or host in self.insecure_hosts or host_only(host) in self.insecure_hosts

    def allows_credentials(self, host: str) -> bool:
        """Over plain http, to `host`."""
        named = host in self.insecure_credentials or host_only(host) in self.insecure_credentials
        return is_loopback(host) or named


class Response(msgspec.Struct, frozen=True):
    """An answer read whole. `headers`: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Stream:
    """An answer whose body is read in blocks."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
        self.url = str(response.url)

    def blocks(self) -> Iterator[bytes]:
        """The body as it was sent (no content coding is asked for). Failures are `UnavailableError`."""
        with translated(self.url):
            yield from self._response.iter_raw(BLOCK)

    def body(self, limit: int = ANSWER_LIMIT) -> bytes:
        """The whole body; longer than `limit` is an `InputError`."""
        joined = bytearray()
        for block in self.blocks():
            joined += block
            if len(joined) > limit:
                raise InputError(
                    f"{redacted(self.url)}: the answer is longer than {limit} bytes",
                    next_step="check that the address is the right one",
                )
        return bytes(joined)


class Http:
    """A pool of connections. `request` retries, `open` leaves that to the caller, who knows what can be replayed."""

    def __init__(
        self,
        *,
        trust: Trust | None = None,
        cancellation: Cancellation | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self.trust = trust or Trust()
        self.cancellation = cancellation or Cancellation()
        self.progress = progress
        self._client = httpx.Client(
            http2=False,
            follow_redirects=False,
            timeout=httpx.Timeout(60, connect=20, pool=None),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=32),
            headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"},
        )

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = {},
        body: bytes | None = None,
        limit: int = ANSWER_LIMIT,
        retry: bool = True,
    ) -> Response:
        """One request with a small answer. With `retry`, again after failures that may pass (RFC 9110 15, 429)."""
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS or not retry
            try:
                with self.open(method, url, headers=headers, body=body) as stream:
                    answer = Response(stream.status, stream.headers, stream.body(limit), stream.url)
            except UnavailableError:
                if last:
                    raise
                self.cancellation.wait(backoff(attempt))
                continue
            if answer.status not in RETRIED or last:
                return answer
            self.cancellation.wait(retry_after(answer.headers) or backoff(attempt))
        raise AssertionError("unreachable")

    @contextmanager
    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = {},
        body: bytes | Iterable[bytes] | None = None,
        size: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[Stream]:
        """One request, no retry. `size`: bytes of an iterable `body`, sent as Content-Length, else it goes chunked.

        `timeout`: seconds without a byte, in either direction.
        """
        self.cancellation.check()
        self._check_scheme(url)
        sent = dict(headers)
        if size is not None:
            sent["Content-Length"] = str(size)
        elif body is None and method in ("POST", "PUT", "PATCH"):
            sent["Content-Length"] = "0"
        # Cookies are per client in httpx: a registry's session cookie would bring CSRF checks with it.
        self._client.cookies.clear()
        request = self._client.build_request(
            method,
            url,
            headers=sent,
            content=body,
            timeout=httpx.Timeout(timeout or 60, connect=20, pool=None),
        )
        with translated(url):
            response = self._client.send(request, stream=True)
        try:
            yield Stream(response)
        finally:
            response.close()

    @contextmanager
    def follow(self, url: str, *, headers: Mapping[str, str] = {}, method: str = "GET") -> Iterator[Stream]:
        """GET or HEAD, with at most five redirects; Authorization stays behind when the host changes."""
        sent = dict(headers)
        for _ in range(6):
            with self.open(method, url, headers=sent) as stream:
                if stream.status not in _REDIRECTS or "location" not in stream.headers:
                    yield stream
                    return
                target = self.redirect(url, stream.headers["location"])
            if urlsplit(target).netloc != urlsplit(url).netloc:
                sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
            url = target
        raise UnavailableError(f"{redacted(url)}: more than five redirects", next_step="tell the server's operator")

    def redirect(self, url: str, location: str) -> str:
        """Where `location`, given in an answer from `url`, leads; `InputError` where it must not lead."""
        target = urljoin(url, location)
        parts, origin = urlsplit(target), urlsplit(url)
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            raise _refused(url, location, "not a plain http address")
        if parts.netloc != origin.netloc and is_private(parts.hostname or "") and not is_private(origin.hostname or ""):
            raise _refused(url, location, "an address inside a private network")
        if origin.scheme == "https" and parts.scheme == "http":
            if parts.hostname != origin.hostname:
                raise _refused(url, location, "a downgrade from TLS")
            # A proxy that ends TLS and does not tell the server: the same host, so the same door.
            return urlunsplit(parts._replace(scheme="https", netloc=origin.netloc))
        return target

    def _check_scheme(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{redacted(url)}: not an http address", next_step="correct the address")

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def translated(url: str) -> Iterator[None]:
    """The one door by which failures of the transport become ours."""
    try:
        yield
    except httpx.HTTPError as error:
        text = re.sub(r"://[^/@\s]*@", "://", str(error)) or type(error).__name__
        if "CERTIFICATE" in text.upper():
            raise UnavailableError(
                f"{redacted(url)}: {text}",
                next_step="if a company's own authority signed it, set SSL_CERT_FILE to a file that holds it",
            ) from error
        raise UnavailableError(
            f"{redacted(url)}: {text}", next_step="check the network and the address, then run it again"
        ) from error
    except httpx.InvalidURL as error:
        raise InputError(f"{redacted(url)}: {error}", next_step="correct the address") from error


def _refused(url: str, location: str, why: str) -> InputError:
    return InputError(
        f"{redacted(url)} sends us to {redacted(location)}: {why}",
        next_step="if you trust that server, tell its operator; cogpack does not follow it",
    )
