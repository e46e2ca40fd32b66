"""httpx over connections of our own: it makes requests and reads answers; where they go, and how long they may take, is
decided below it.

httpx's own transport offers no place for a network backend, and httpcore's pools do: a transport is the door that httpx
leaves for that.
"""

import logging
from collections.abc import Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore
import httpx

# They would log addresses and headers: signed queries, cookies.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.INFO)


class Transport(httpx.BaseTransport):
    """Each request says in its extensions which `pool` carries it, and the `address` byte for byte."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        pool: httpcore.ConnectionPool = request.extensions["pool"]
        answer = pool.handle_request(
            httpcore.Request(
                request.method,
                request.extensions["address"],
                headers=request.headers.raw,
                content=request.stream,
                extensions={"timeout": request.extensions["timeout"]},
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


def client(headers: dict[str, str]) -> httpx.Client:
    """Nothing is followed, kept or looked up by itself: that is ours to do."""
    # A registry's session cookie, sent back, would bring CSRF checks.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    return httpx.Client(
        transport=Transport(), headers=headers, cookies=no_cookies, follow_redirects=False, trust_env=False
    )


def extensions(pool: httpcore.ConnectionPool, address: httpcore.URL, deadlines: object) -> dict[str, Any]:
    """httpcore hands each of its calls the "timeout" of its request, which with us is the `Deadlines`."""
    return {"pool": pool, "address": address, "timeout": dict.fromkeys(("connect", "read", "write"), deadlines)}
