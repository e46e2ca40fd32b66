"""Connections, kept apart by what they were checked for: who named the host, which proxy, whose certificates."""

import threading

import httpcore

from cogpack.http.authorities import Authorities
from cogpack.http.guard import Guard
from cogpack.http.proxies import Proxy
from cogpack.http.sockets import Backend
from cogpack.http.target import Target

_IDLE_SECONDS = 15.0
_CONNECTIONS = 64


class Pools:
    """HTTP/1.1 only: one connection per request in flight, as bodies of gigabytes want it. Thread-safe."""

    def __init__(self, guard: Guard, authorities: Authorities) -> None:
        self._guard = guard
        self._authorities = authorities
        self._pools: dict[tuple[str | None, Proxy | None, str | None], httpcore.ConnectionPool] = {}
        self._lock = threading.Lock()

    def find(self, target: Target, *, origin: str | None, proxy: Proxy | None) -> httpcore.ConnectionPool:
        """`origin`: the host that named this one, None where the user or the host itself did."""
        if proxy is not None:
            origin = None  # names are resolved there: nothing to check at connect
        # A pool without a context would trust httpcore's own authorities, and load them for each connection.
        key, context = self._authorities.context(target.authority) if target.scheme == "https" else (None, None)
        with self._lock:
            if (found := self._pools.get((origin, proxy, key))) is None:
                found = self._pools[origin, proxy, key] = httpcore.ConnectionPool(
                    ssl_context=context,
                    proxy=self._proxy(proxy),
                    max_connections=_CONNECTIONS,
                    keepalive_expiry=_IDLE_SECONDS,
                    network_backend=Backend(self._guard, origin),
                )
            return found

    def _proxy(self, proxy: Proxy | None) -> httpcore.Proxy | None:
        if proxy is None:
            return None
        there = Target.parse(proxy.url)
        login = (proxy.login[0].encode(), proxy.login[1].encode()) if proxy.login else None
        context = self._authorities.context(there.authority)[1] if there.scheme == "https" else None
        return httpcore.Proxy(there.url(), auth=login, ssl_context=context)

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.close()
