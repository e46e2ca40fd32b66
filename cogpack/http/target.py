"""An address as it goes over the wire: what a server signed (a Location, a presigned query) as it was written."""

import re
from base64 import b64encode
from urllib.parse import quote, unquote, urlsplit

import httpcore
import httpx
import msgspec

from cogpack.errors import InputError
from cogpack.http.addresses import redacted
from cogpack.redaction import learn_url

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?")
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_PORTS = {"http": 80, "https": 443}


class Target(msgspec.Struct, frozen=True):
    """`host`: in lower case, without brackets; `authority`: `host` or `host:port` as headers have it."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> "Target":
        """`InputError` where `url` is no http address. Its user and password are left out: see `basic`."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").encode("idna" if not (parts.hostname or "").isascii() else "ascii").decode()
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError as error:  # UnicodeError is one
            raise _no_address(url) from error
        if parts.scheme not in _PORTS or not _HOST.fullmatch(host):
            raise _no_address(url)
        path = quote(f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", safe=_PRINTABLE)
        return cls(parts.scheme, host, port, path)

    @property
    def authority(self) -> str:
        return self._bracketed if self.port == _PORTS[self.scheme] else f"{self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def httpx_url(self) -> httpx.URL:
        return httpx.URL(scheme=self.scheme, host=self.host, port=self.port, raw_path=self.path.encode())

    def url(self) -> httpcore.URL:
        return httpcore.URL(scheme=self.scheme, host=self._bracketed, port=self.port, target=self.path)


def same_origin(url: str, other: str) -> bool:
    """Scheme, host and port are equal, however they are written: `https://h/` and `https://H:443/` are."""
    one, two = Target.parse(url), Target.parse(other)
    return (one.scheme, one.host, one.port) == (two.scheme, two.host, two.port)


def basic(url: str) -> tuple[str, dict[str, str]]:
    """`url` without its user and password, and the Authorization header (RFC 7617) that they are."""
    parts = urlsplit(url)
    user, _, rest = parts.netloc.rpartition("@")
    if not user:
        return url, {}
    learn_url(url)
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    header = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}
    return parts._replace(netloc=rest).geturl(), header


def _no_address(url: str) -> InputError:
    return InputError(f"{redacted(url)}: not an http address", next_step="correct the address")
