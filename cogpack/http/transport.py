"""`Transport` carries a request to its server and brings the answer; connections, proxies, certificates are below it.

It is an `httpx.BaseTransport`, the seam that httpx offers, and nothing above it knows of sockets: what it takes is an
`httpx.Request`, what it gives an `httpx.Response`, what it raises are httpx's errors. httpx's own transport has no
place for a network backend; httpcore's pools, of which it is made, have.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpcore
import httpx

from cogpack.http.authorities import Authorities
from cogpack.http.deadlines import Deadlines, Limits
from cogpack.http.guard import Guard
from cogpack.http.proxies import Proxies, Proxy
from cogpack.http.sockets import Backend, CertificateError, Connection
from cogpack.progress import Cancellation

_PORTS = {"http": 80, "https": 443}
_IDLE_SECONDS = 15.0
_SHORT = 100_000
"""Bytes of a body that are read although nobody wants them: its connection can be used again, a closed one can't."""

# It would log addresses and headers: signed queries, cookies.
logging.getLogger("httpcore").setLevel(logging.INFO)


class RefusedCertificateError(httpx.ConnectError):
    """Is raised where theirs is not to be trusted, or they won't have ours. Trying again changes nothing."""


class Transport(httpx.BaseTransport):
    """Keeps connections apart by what they were checked for: who named the host, which proxy, whose certificates.

    HTTP/1.1 only: one connection per request in flight, as bodies of gigabytes want it. Thread-safe.

    Extensions of a request, all optional: `origin`, the host that named this one, where neither the user nor the host
    itself did (`Guard`); `deadlines`, how long all may take; `target`, as httpcore has it: path and query as they are
    to be sent, byte for byte.
    """

    def __init__(self, guard: Guard, proxies: Proxies, authorities: Authorities) -> None:
        self.guard = guard
        self.proxies = proxies
        self.authorities = authorities
        self._pools: dict[tuple[str | None, Proxy | None, str | None], httpcore.ConnectionPool] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        deadlines = request.extensions.get("deadlines") or Deadlines(Limits(), Cancellation())
        origin: str | None = request.extensions.get("origin")
        proxy = self.proxies.choose(str(request.url))
        if proxy is not None and origin is not None:
            self.guard.check_name(request.url.raw_host.decode(), origin=origin)
            origin = None  # names are resolved there: nothing to check at connect
        target = request.extensions.get("target", request.url.raw_path)
        with _errors_of_httpx():
            answer = self._pool(request.url, origin, proxy).handle_request(
                httpcore.Request(
                    request.method,
                    _httpcore_url(request.url, target),
                    headers=request.headers.raw,
                    content=request.stream,
                    # httpcore hands each call of its backend the "timeout" of the request, which with us is this.
                    extensions={"timeout": dict.fromkeys(("connect", "read", "write"), deadlines)},
                )
            )
        deadlines.answered()
        connection = answer.extensions["network_stream"]
        if isinstance(connection, Connection) and not connection.was_read:
            answer.close()
            raise httpx.RemoteProtocolError("an answer came before its request")
        if answer.status == 407 and proxy is not None:
            answer.close()
            raise httpx.ProxyError("407")
        if answer.status >= 400:
            deadlines.hurry()
        headers = httpx.Headers(answer.headers)
        length = headers.get("content-length", "")
        bodiless = request.method == "HEAD" or answer.status in (204, 304)
        short = bodiless or (length.isdecimal() and int(length) < _SHORT)
        body = _Body(answer, deadlines, short=short)
        return httpx.Response(answer.status, headers=headers, stream=body, extensions=answer.extensions)

    def _pool(self, url: httpx.URL, origin: str | None, proxy: Proxy | None) -> httpcore.ConnectionPool:
        # A pool without a context would trust httpcore's own authorities, and load them for each connection.
        key, context = self.authorities.context(url.netloc.decode()) if url.scheme == "https" else (None, None)
        with self._lock:
            if (found := self._pools.get((origin, proxy, key))) is None:
                found = self._pools[origin, proxy, key] = httpcore.ConnectionPool(
                    ssl_context=context,
                    proxy=self._proxy(proxy),
                    max_connections=None,  # who waited for one here would not hear Ctrl-C
                    keepalive_expiry=_IDLE_SECONDS,
                    network_backend=Backend(self.guard, origin),
                )
            return found

    def _proxy(self, proxy: Proxy | None) -> httpcore.Proxy | None:
        if proxy is None:
            return None
        there = httpx.URL(proxy.url)
        login = (proxy.login[0].encode(), proxy.login[1].encode()) if proxy.login else None
        context = self.authorities.context(there.netloc.decode())[1] if there.scheme == "https" else None
        return httpcore.Proxy(_httpcore_url(there, there.raw_path), auth=login, ssl_context=context)

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.close()


class _Body(httpx.SyncByteStream):
    """Reads an answer's body from its connection, which can be used again once the body is at its end."""

    def __init__(self, answer: httpcore.Response, deadlines: Deadlines, *, short: bool) -> None:
        self._answer = answer
        self._deadlines = deadlines
        self._worth_reading = short

    def __iter__(self) -> Iterator[bytes]:
        self._worth_reading = False
        with _errors_of_httpx():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        try:
            if self._worth_reading:
                self._deadlines.hurry()
                with suppress(httpx.TransportError):
                    for _ in self:
                        pass
        finally:
            self._answer.close()


@contextmanager
def _errors_of_httpx() -> Iterator[None]:
    """Raise httpcore's failures as httpx's of the same name."""
    try:
        yield
    except CertificateError as error:
        raise RefusedCertificateError(str(error)) from error
    except (
        httpcore.NetworkError,
        httpcore.TimeoutException,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.UnsupportedProtocol,
    ) as error:
        kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise kind(str(error)) from error


def _httpcore_url(url: httpx.URL, target: bytes) -> httpcore.URL:
    # With brackets, and never without a port: it is written like this into the request line for a proxy.
    host = b"[%b]" % url.raw_host if b":" in url.raw_host else url.raw_host
    return httpcore.URL(scheme=url.raw_scheme, host=host, port=url.port or _PORTS[url.scheme], target=target)
