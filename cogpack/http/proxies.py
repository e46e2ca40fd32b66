"""`Proxies` are those that the environment names, each an HTTP proxy.

`HTTPS_PROXY`, `HTTP_PROXY` by the scheme of the address, else `ALL_PROXY`; lower case goes first, as with curl.
`NO_PROXY` is Go's, so that of docker, podman and skopeo (golang.org/x/net/http/httpproxy): words between commas, each
`*`, a domain (itself and all below it), `.domain` or `*.domain` (what is below it), an address or a network of
addresses (CIDR), any with `:port`. Loopback never goes through a proxy.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import msgspec

from cogpack.errors import InputError
from cogpack.http.addresses import host_of, is_loopback
from cogpack.http.target import Target
from cogpack.redaction import learn_url


class Proxy(msgspec.Struct, frozen=True):
    """Is one proxy. `url`: scheme, host and port. `login`: user and password, or None."""

    url: str
    login: tuple[str, str] | None = None

    def __repr__(self) -> str:
        return self.url


class NoProxy(msgspec.Struct, frozen=True):
    """Is one that can't be asked, as of SOCKS: an error for who has to go through it, and for nobody else."""

    message: str
    next_step: str


class Proxies(msgspec.Struct, frozen=True):
    """Choose between the proxies for `https` and `http` addresses, by the words of NO_PROXY."""

    https: Proxy | NoProxy | None = None
    http: Proxy | NoProxy | None = None
    bypass: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Proxies":
        def value(name: str) -> tuple[str, str] | None:
            found = environment.get(name.lower()) or environment.get(name)
            return (name, found.strip()) if found and found.strip() else None

        def proxy(name: str) -> Proxy | NoProxy | None:
            found = value(name) or value("ALL_PROXY")
            return _parse(*found) if found else None

        _, words = value("NO_PROXY") or ("", "")
        bypass = tuple(word.lower() for word in words.replace(",", " ").split())
        return cls(https=proxy("HTTPS_PROXY"), http=proxy("HTTP_PROXY"), bypass=bypass)

    def choose(self, url: str) -> Proxy | None:
        """Return the proxy to ask for `url`, or None: go there yourself. An `InputError` where it can't be asked."""
        parts = urlsplit(url)
        proxy = self.https if parts.scheme == "https" else self.http
        if proxy is None or is_loopback(host_of(url)):
            return None
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if any(_matches(word, host_of(url), port) for word in self.bypass):
            return None
        if isinstance(proxy, NoProxy):
            raise InputError(proxy.message, next_step=proxy.next_step)
        return proxy


def _parse(variable: str, value: str) -> Proxy | NoProxy:
    url = value if "://" in value else f"http://{value}"
    learn_url(url)
    try:
        origin = Target.parse(url).origin
    except InputError:
        scheme = url.partition("://")[0].lower()
        return NoProxy(
            f"{variable}: no address of an HTTP proxy"
            if scheme in ("http", "https")
            else f"{variable}: expected the address of an HTTP proxy, found the scheme {scheme!r}",
            next_step="write it like http://proxy.example.com:3128",
        )
    parts = urlsplit(url)
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    authority = origin.netloc.decode() + ("" if origin.port else ":443" if origin.scheme == "https" else ":80")
    return Proxy(f"{origin.scheme}://{authority}", login)


def _matches(word: str, host: str, port: int) -> bool:
    if word == "*":
        return True
    name, wanted_port = _split_port(word)
    if wanted_port not in ("", str(port)):
        return False
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        pass
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _split_port(word: str) -> tuple[str, str]:
    """Return (host, port), the port empty where none is named; an IPv6 address needs brackets to have one."""
    if word.startswith("["):
        name, _, rest = word[1:].partition("]")
        return name, rest.removeprefix(":")
    return (word, "") if word.count(":") != 1 else (word.partition(":")[0], word.partition(":")[2])
