"""`Stream` and `Response` are answers; failures on the way to them become ours here."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
import msgspec

from cogpack.errors import DeniedError, InputError, UnavailableError
from cogpack.http.addresses import both_shown
from cogpack.http.sockets import RefusedCertificateError
from cogpack.http.target import Target
from cogpack.http.throttle import RETRIED
from cogpack.http.transport import Body

ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes of an answer that is read into memory."""
_REFUSAL_LIMIT = 64 * 1024
"""Bytes of a refusal: the status counts, and that is known."""


class TiredError(UnavailableError):
    """Is raised where we ended it: the other side let the time run out that it had (`Limits`)."""


class Response(msgspec.Struct, frozen=True):
    """Is an answer read whole. `headers`: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Stream:
    """Is an answer whose body is read in blocks.

    `url`: the address as the caller has it; `asked`: the one that was asked; `shown`: both, as messages have them.
    """

    def __init__(self, answer: httpx.Response, url: str, *, asked: str) -> None:
        assert isinstance(answer.stream, Body)
        self._body = answer.stream
        self._asked = asked
        self.status = answer.status_code
        # Names in lower case; of a name that comes again, the values with commas between (RFC 9110 5.3).
        self.headers: Mapping[str, str] = dict(answer.headers.items())
        self.url = url
        self.redirect = self.headers["location"] if answer.has_redirect_location else None
        """Where it says that it went, of a redirect (RFC 9110 15.4)."""
        self.received = 0
        """Bytes of the body that were read."""

    @property
    def shown(self) -> str:
        return both_shown(self.url, self._asked)

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as it was sent, in blocks as they come. Failures are `UnavailableError`.

        No content coding was asked for; a server that codes nevertheless says so in `content-encoding`.
        """
        with translated(self._asked, named=self.url):
            for block in self._body:
                self.received += len(block)
                yield block

    def fill(self, view: memoryview) -> int:
        """Put what comes next of the body into `view`, as `blocks` has it; answers how many bytes, 0 at its end."""
        with translated(self._asked, named=self.url):
            size = self._body.fill(view)
        self.received += size
        return size

    def abort(self) -> None:
        """End it from another thread: whoever reads it gets an `UnavailableError` at once."""
        self._body.abort()

    def body(self, limit: int = ANSWER_LIMIT) -> bytes:
        """Read the whole body; longer than `limit` is an `InputError`. Of a refusal (4xx, 5xx), what can soon be had.

        Refusals break off, and lie: distribution sends a 416 of some words with the length of the blob.
        """
        refusal = self.status >= 400
        joined = bytearray()
        try:
            for block in self.blocks():
                joined += block
                if refusal and len(joined) > min(limit, _REFUSAL_LIMIT):
                    break
                if len(joined) > limit:
                    raise InputError(
                        f"{self.shown}: the answer is longer than {limit} bytes",
                        next_step="check that the address is the right one",
                    )
        except UnavailableError:
            if not refusal:
                raise
        return bytes(joined[:limit])

    def close(self) -> None:
        """Give its connection back, or end it where the body is not at its end."""
        self._body.close()


@contextmanager
def translated(url: str, *, named: str = "", proxy: str | None = None) -> Iterator[None]:
    """Turn the transport's failures into ours: the one place that does.

    `url`: that was asked; `named`: as the caller has it; `proxy`: its address, as it may be shown.
    """

    def shown() -> str:
        return both_shown(named or url, url)

    try:
        yield
    except RefusedCertificateError as error:
        who, where = (f"the proxy {proxy}", proxy) if proxy and error.by_proxy else (shown(), url)
        raise InputError(
            f"{who}: its certificate, or the one it wants of us, is refused: {error}",
            next_step="put the authority that signed it into the system's store, into a file named by SSL_CERT_FILE, "
            f"or into certs.d/{Target.parse(where).authority}/ca.crt of Docker or podman; a client certificate goes "
            "beside the latter",
        ) from error
    except httpx.ProxyError as error:
        status = int(str(error)[:3])
        if status in (401, 407):  # the former from a few, for a tunnel (not RFC 9110 15.5.8)
            raise DeniedError(
                f"the proxy {proxy} wants a user and a password (HTTP {status})",
                next_step="write them into the proxy's variable, as http://USER:PASSWORD@HOST:PORT",
            ) from error
        final = 400 <= status < 500 and status not in RETRIED
        raise (DeniedError if final else UnavailableError)(
            f"{shown()}: the proxy {proxy} does not lead there: {error}",
            next_step="check HTTPS_PROXY and NO_PROXY, or ask who runs the proxy",
        ) from error
    except httpx.LocalProtocolError as error:
        # h11 quotes the header it refuses, which may be a token.
        text = "a header that HTTP does not allow" if "header" in str(error) else str(error)
        raise UnavailableError(f"{shown()}: {text}", next_step="run it again; if it stays, report it") from None
    except httpx.TransportError as error:
        text = re.sub(r"://[^/@\s]*@", "://", str(error)) or type(error).__name__
        kind = TiredError if isinstance(error, httpx.TimeoutException) else UnavailableError
        advice = "check the network and the address, then run it again"
        if proxy:
            text = f"through the proxy {proxy}: {text}"
            advice = "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY, then run it again"
        elif text == "Receive buffer too long":  # h11's words
            text = "its headers are too long to be read"
        elif "WRONG_VERSION_NUMBER" in text:  # OpenSSL's words for an answer that is no TLS
            text = "it does not speak TLS"
            host = Target.parse(url).authority
            advice = f"check the port; a registry without TLS is allowed by --insecure-registry {host}"
        raise kind(f"{shown()}: {text}", next_step=advice) from error
