"""`Target` is an address as it is sent: what a server signed (a Location, a presigned query) as it was written."""

from base64 import b64encode
from functools import lru_cache
from urllib.parse import quote, unquote, urlsplit

import httpx
import msgspec

from cogpack.errors import InputError
from cogpack.http.addresses import redacted
from cogpack.patterns import pattern
from cogpack.redaction import learn_url

_HOST = pattern(r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?|[0-9A-Fa-f:.]+:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._-]+)?")
"""Names with labels that a resolver can be asked for, IPv4 addresses among them, or an IPv6 address."""
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


class Target(msgspec.Struct, frozen=True):
    """Is a checked address. `origin`: its scheme, host and port; `path`: path and query, as they are sent."""

    origin: httpx.URL
    path: bytes

    @classmethod
    @lru_cache
    def parse(cls, url: str) -> "Target":
        """Check `url`: `InputError` where it is no http address. Its user and password are left out: see `basic`.

        What was asked for is kept: a request looks at its address eight times, and httpx is slow to.
        """
        try:
            parts = urlsplit(url)
            origin = httpx.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port or None)
            # httpx would write some of it anew.
            path = quote(f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", safe=_PRINTABLE)
        except (ValueError, httpx.InvalidURL) as error:
            raise _no_address(url) from error
        if origin.scheme not in ("http", "https") or not _HOST.fullmatch(origin.raw_host.decode()):
            raise _no_address(url)
        return cls(origin, path.encode())

    @property
    def authority(self) -> str:
        """Return `host` or `host:port`, as headers have it."""
        return self.origin.netloc.decode()


def same_origin(url: str, other: str) -> bool:
    """Say whether scheme, host and port are equal, however written: `https://h/` and `https://H:443/` are."""
    ours, theirs = Target.parse(url).origin, Target.parse(other).origin
    return (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)


def basic(url: str) -> tuple[str, dict[str, str]]:
    """Split `url` into itself without user and password, and the Authorization header (RFC 7617) that they are."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _no_address(url) from error
    user, _, rest = parts.netloc.rpartition("@")
    if not user:
        return url, {}
    learn_url(url)
    header = authorization(unquote(parts.username or ""), unquote(parts.password or ""))
    return parts._replace(netloc=rest).geturl(), header


def authorization(user: str, password: str) -> dict[str, str]:
    """Return the header that says who we are (RFC 7617)."""
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def _no_address(url: str) -> InputError:
    return InputError(f"{redacted(url)}: not an http address", next_step="correct the address")
