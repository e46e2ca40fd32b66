"""`Transport` carries a request to its server and brings the answer; connections, proxies, certificates are below it.

It is an `httpx.BaseTransport`, the seam that httpx offers, and nothing above it knows of sockets: what it takes is an
`httpx.Request`, what it gives an `httpx.Response`, what it raises are httpx's errors.
"""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property

import httpx
import msgspec

from cogpack.errors import InputError
from cogpack.http.addresses import host_of
from cogpack.http.authorities import Authorities
from cogpack.http.connections import PORTS, Connections, Route, proxy_authorization
from cogpack.http.deadlines import Deadlines, Limits
from cogpack.http.exchange import Exchange, UnansweredError
from cogpack.http.guard import Guard
from cogpack.http.proxies import Proxies
from cogpack.http.sockets import Connection
from cogpack.http.target import Target
from cogpack.http.throttle import Throttles
from cogpack.progress import Cancellation

_AHEAD = 5.0
"""Seconds for a connection that nobody asks by yet, again for its TLS, and for a proxy's answer before that."""
_SHORT = 100_000
"""Bytes of a body that are read although nobody wants them: its connection can be used again, a closed one can't."""


_REPEATABLE = frozenset({"GET", "HEAD"})
"""What is asked again, over another connection, where one that was used before ends: it has no body, and no effect."""


class Transport(httpx.BaseTransport):
    """Keeps connections apart by what they were checked for: who named the host, which proxy, whose certificates.

    HTTP/1.1 only: one connection per request in flight, as bodies of gigabytes want it. Thread-safe.

    Extensions of a request, all optional: `origin`, the host that named this one, where neither the user nor the host
    itself did (`Guard`); `deadlines`, how long all may take; `target`, as httpcore has it: path and query as they are
    to be sent, byte for byte.
    """

    def __init__(self, guard: Guard, environment: Mapping[str, str]) -> None:
        self.guard = guard
        self.authorities = Authorities(environment)
        self._environment = environment
        self._connections = Connections(guard, self.authorities)

    @cached_property
    def proxies(self) -> Proxies:
        """Read when the first request is sent: a proxy that we can't use hinders nobody who asks for nothing."""
        return Proxies.from_environment(self._environment)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        deadlines = request.extensions.get("deadlines") or Deadlines(Limits(), Cancellation())
        origin: str | None = request.extensions.get("origin")
        target: bytes = request.extensions.get("target", request.url.raw_path)
        url, headers = request.url, request.headers.raw
        route, context = self._route(url, origin)
        proxy = route.proxy
        if proxy is not None and context is None:
            target = b"http://%b%b" % (url.netloc, target)
            headers = [*proxy_authorization(proxy), *headers]
        assert isinstance(request.stream, httpx.SyncByteStream)
        while True:
            connection = self._connections.take(route, context, deadlines)
            try:
                exchange = Exchange(connection, deadlines, request.method, target, headers, request.stream)
                deadlines.answered()
                if exchange.status == 407 and proxy is not None and context is None:
                    raise httpx.ProxyError("407")
            except UnansweredError:  # it may have been ended while the request was on its way (RFC 9112 9.3.1)
                self._connections.end(connection)
                if not connection.was_used or request.method not in _REPEATABLE:
                    raise
            except BaseException:
                self._connections.end(connection)
                raise
            else:
                break
        if exchange.status >= 400:
            deadlines.hurry()
        body = Body(exchange, connection, route, self._connections, deadlines)
        return httpx.Response(exchange.status, headers=exchange.headers, stream=body)

    def _route(self, url: httpx.URL, origin: str | None) -> tuple[Route, ssl.SSLContext | None]:
        host = url.raw_host.decode()
        proxy = self.proxies.choose(str(url))
        if proxy is not None and origin is not None:
            self.guard.check_name(host, origin=origin)
            origin = None  # names are resolved there: nothing to check at connect
        key, context = self.authorities.context(url.netloc.decode()) if url.scheme == "https" else (None, None)
        return Route(url.scheme, host, url.port or PORTS[url.scheme], origin, proxy, key), context

    def connect_ahead(self, url: str, origin: str, limits: Limits, throttles: Throttles, count: int) -> None:
        """Have `count` connections to the host of `url` that nobody uses, each opened in a thread of its own, for
        requests that will come on the word of `origin`: they wait for one, and save the round trips that went before.
        Nothing is asked, and what fails here fails again for who asks. A host that asked for less gets none."""
        with suppress(InputError):
            if throttles.is_held(Target.parse(url).authority):
                return
            there = Target.parse(url).origin
            named_by = None if host_of(origin) == host_of(url) else host_of(origin)
            place = there.scheme, there.raw_host.decode(), there.port or PORTS[there.scheme]
            connect, answer = min(limits.connect, _AHEAD), min(limits.answer, _AHEAD)
            brief = msgspec.structs.replace(limits, connect=connect, answer=answer)
            for _ in range(count - self._connections.unused(place)):
                deadlines = Deadlines(brief, throttles.cancellation)
                self._connections.open_ahead(place, lambda: self._route(there, named_by), deadlines)

    def close(self) -> None:
        self._connections.close()


class Body(httpx.SyncByteStream):
    """An answer's body is read from its connection, which can be used again once the body is at its end."""

    def __init__(
        self,
        exchange: Exchange,
        connection: Connection,
        route: Route,
        connections: Connections,
        deadlines: Deadlines,
    ) -> None:
        self._exchange = exchange
        self._connection = connection
        self._route = route
        self._connections = connections
        self._deadlines = deadlines
        self._was_read = False
        self._lock = threading.Lock()
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        self._was_read = True
        yield from self._exchange.blocks()

    def fill(self, view: memoryview) -> int:
        """Put what comes next into `view`; answers how many bytes, 0 at the end."""
        self._was_read = True
        return self._exchange.fill(view)

    def abort(self) -> None:
        """End it from another thread: whoever reads it gets an error at once. One that is closed has no connection."""
        with self._lock:
            if not self._is_closed:
                self._connection.abort()

    def close(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        try:
            if not self._was_read and self._exchange.announced < _SHORT:
                self._deadlines.hurry()
                with suppress(httpx.TransportError):
                    for _ in self:
                        pass
        finally:
            if self._exchange.again and not self._connection.is_over:  # else they say more than they announced
                self._connections.give_back(self._route, self._connection)
            else:
                self._connections.end(self._connection)
