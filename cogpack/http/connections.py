"""`Connections` are opened to checked addresses only, over proxies or not, and used again by who may use the same."""

import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import msgspec

from cogpack.errors import CogpackError
from cogpack.http.authorities import Authorities
from cogpack.http.deadlines import Deadlines
from cogpack.http.exchange import Exchange
from cogpack.http.guard import Guard
from cogpack.http.proxies import Proxy
from cogpack.http.sockets import Connection, RefusedCertificateError
from cogpack.http.target import Target
from cogpack.progress import Cancelled

PORTS = {"http": 80, "https": 443}
_IDLE_SECONDS = 15.0


class Route(msgspec.Struct, frozen=True):
    """Is where a connection leads, and all that it was checked for: those of one route stand in for each other.

    `host`: a name or a numeric address. `origin`: the host that named it, None where the user did. `authorities`: whose
    certificates are believed, as `Authorities.context` calls them.
    """

    scheme: str
    host: str
    port: int
    origin: str | None
    proxy: Proxy | None
    authorities: str | None

    @property
    def authority(self) -> bytes:
        """HOST:PORT (RFC 3986 3.2), an IPv6 address in brackets."""
        return (f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}").encode()


class Connections:
    """Those that are open, each with one request at a time, and idle ones for the next. Thread-safe."""

    def __init__(self, guard: Guard, authorities: Authorities) -> None:
        self._guard = guard
        self._authorities = authorities
        self._lock = threading.Lock()
        self._open: set[Connection] = set()
        self._idle: dict[Route, list[tuple[float, Connection]]] = {}
        self._coming: dict[tuple[str, str, int], list[threading.Event]] = {}
        self._is_closed = False

    def take(self, route: Route, context: ssl.SSLContext | None, deadlines: Deadlines) -> Connection:
        """Give an idle connection, or one that is being opened, or a new one. `context`: that of `route.authorities`,
        for https."""
        while True:
            while idle := self._pop(route):
                if not idle.is_over:
                    return idle
                self.end(idle)
            with self._lock:
                coming = self._coming.get((route.scheme, route.host, route.port))
                opened = coming.pop(0) if coming else None
            if opened is None:
                return self._new(route, context, deadlines)
            deadlines.wait_for(opened)

    def open_ahead(
        self,
        place: tuple[str, str, int],
        find: Callable[[], tuple[Route, ssl.SSLContext | None]],
        deadlines: Deadlines,
    ) -> None:
        """Open a connection in a thread: the next `take` waits for it. `place`: scheme, host and port of the route that
        `find` gives. Whatever fails, fails again for who takes one."""
        opened = threading.Event()
        with self._lock:
            self._coming.setdefault(place, []).append(opened)

        def open_() -> None:
            try:
                with suppress(CogpackError, httpx.TransportError, Cancelled):
                    route, context = find()
                    self.give_back(route, self._new(route, context, deadlines))
            finally:
                opened.set()

        threading.Thread(target=open_, name="connect", daemon=True).start()

    def unused(self, place: tuple[str, str, int]) -> int:
        """Count those to `place` that are idle, or are being opened."""
        now = time.monotonic()
        with self._lock:
            coming = sum(not opened.is_set() for opened in self._coming.get(place, ()))
            return coming + sum(
                now - since < _IDLE_SECONDS
                for route, idle in self._idle.items()
                for since, _ in idle
                if (route.scheme, route.host, route.port) == place
            )

    def _new(self, route: Route, context: ssl.SSLContext | None, deadlines: Deadlines) -> Connection:
        connection = self._opened(route, context, deadlines)
        with self._lock:
            self._open.add(connection)
        return connection

    def _pop(self, route: Route) -> Connection | None:
        """Take the one that was used last, and end those that nobody has used for long."""
        now = time.monotonic()
        with self._lock:
            old = [found for idle in self._idle.values() for since, found in idle if now - since > _IDLE_SECONDS]
            self._idle = {key: [one for one in idle if one[1] not in old] for key, idle in self._idle.items()}
            found = self._idle.get(route)
            popped = found.pop()[1] if found else None
        for connection in old:
            self.end(connection)
        return popped

    def give_back(self, route: Route, connection: Connection) -> None:
        """Keep it for the next request, of which there is none once all were closed."""
        connection.was_used = True
        with self._lock:
            if not self._is_closed:
                self._idle.setdefault(route, []).append((time.monotonic(), connection))
                return
        self.end(connection)

    def end(self, connection: Connection) -> None:
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def close(self) -> None:
        with self._lock:
            connections, self._open = self._open, set()
            self._idle = {}
            self._is_closed = True
        for connection in connections:
            connection.close()

    def _opened(self, route: Route, context: ssl.SSLContext | None, deadlines: Deadlines) -> Connection:
        if route.proxy is None:
            connection = self._connected(route.host, route.port, route.origin, deadlines)
        else:
            connection = self._to_proxy(route.proxy, deadlines)
        if context is None:
            return connection
        if route.proxy is not None:
            try:
                with _by_proxy():
                    _tunnel(connection, route, route.proxy, deadlines)
            except BaseException:
                connection.close()
                raise
        return connection.start_tls(context, route.host.rstrip("."), deadlines)

    def _to_proxy(self, proxy: Proxy, deadlines: Deadlines) -> Connection:
        there = Target.parse(proxy.url)
        host, scheme = there.origin.raw_host.decode(), there.origin.scheme
        with _by_proxy():
            context = None if scheme == "http" else self._authorities.context(there.authority)[1]
        connection = self._connected(host, there.origin.port or PORTS[scheme], None, deadlines)
        if context is None:
            return connection
        with _by_proxy():
            return connection.start_tls(context, host.rstrip("."), deadlines)

    def _connected(self, host: str, port: int, origin: str | None, deadlines: Deadlines) -> Connection:
        """Connect to one of the addresses of `host`, those first that have answered before."""
        name = host.rstrip(".")
        try:
            addresses = self._guard.addresses(name, port)
        except OSError as error:
            raise httpx.ConnectError(f"{name} has no address: {error.strerror or error}") from error
        if origin is not None:
            self._guard.check(name, addresses, origin=origin)
        failure: httpx.TransportError = httpx.ConnectError(f"{name} has no address")
        for address in addresses:
            deadlines.connecting(len(addresses))
            try:
                connection = Connection.to(address, port, deadlines)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if isinstance(error, httpx.ConnectTimeout):
                    self._guard.missed(address)
                failure = error
            else:
                self._guard.met(name, address)
                return connection
        raise failure


def proxy_authorization(proxy: Proxy) -> list[tuple[bytes, bytes]]:
    """Give the header that logs in to `proxy` (RFC 9110 11.7.2), if a login is needed."""
    if proxy.login is None:
        return []
    return [(b"Proxy-Authorization", b"Basic " + b64encode(":".join(proxy.login).encode()))]


@contextmanager
def _by_proxy() -> Iterator[None]:
    try:
        yield
    except RefusedCertificateError as error:
        error.by_proxy = True
        raise


def _tunnel(connection: Connection, route: Route, proxy: Proxy, deadlines: Deadlines) -> None:
    """Have a proxy lead to `route` (RFC 9110 9.3.6)."""
    headers = [(b"Host", route.authority), (b"Accept", b"*/*"), *proxy_authorization(proxy)]
    answer = Exchange(connection, deadlines, "CONNECT", route.authority, headers)
    if not 200 <= answer.status < 300:
        raise httpx.ProxyError(f"{answer.status} {answer.reason}")
