"""Addresses are shown without secrets here, and told apart by whether they mean something only where we run."""

import ipaddress
from typing import Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import msgspec

Kind: TypeAlias = Literal["public", "private", "loopback", "never"]
"""`never`: link-local, where clouds keep their machines' credentials, and what is no address of one host."""

_IP: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NEVER = [
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/128", "fe80::/10", "ff00::/8"),
        # Metadata services beyond link-local: Alibaba, Azure, AWS, Google.
        *("100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::254/128", "fd20:ce::254/128"),
    )
]
_PRIVATE = [
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15"),
        *("fc00::/7", "fec0::/10", "64:ff9b:1::/48"),
    )
]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """Says whom we talk to in the clear, and tell secrets then: loopback always, and the hosts named here.

    `realms`: hosts whose token servers may hear secrets besides those of the registry's own domain; None: any may.
    """

    insecure_hosts: frozenset[str] = frozenset()
    insecure_credentials: frozenset[str] = frozenset()
    realms: frozenset[str] | None = None

    def allows_plain(self, host: str) -> bool:
        """Say whether `host`, with or without port, may be talked to in the clear."""
        return is_loopback(host) or self.names_plain(host)

    def names_plain(self, host: str) -> bool:
        """Say whether it is among those named here."""
        return host in self.insecure_hosts or host_only(host) in self.insecure_hosts

    def allows_credentials(self, host: str) -> bool:
        """Say whether `host` may hear secrets over plain http."""
        named = host in self.insecure_credentials or host_only(host) in self.insecure_credentials
        return is_loopback(host) or named


def redacted(url: str) -> str:
    """Return `url` as it may be shown: without user, password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(what is no address)"
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, "", "")) + ("?..." if parts.query else "")


def both_shown(url: str, asked: str) -> str:
    """Return `url` likewise, with the address that was asked for it where that is another."""
    shown, other = redacted(url), redacted(asked)
    return shown if other == shown else f"{shown} (through {other})"


def host_of(url: str) -> str:
    """Return the host of an address, in lower case, without port and brackets; empty where there is none."""
    return (urlsplit(url).hostname or "").rstrip(".")


def host_only(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


def is_loopback(host: str) -> bool:
    """Say whether it is `localhost`, 127/8 or ::1, with or without port."""
    return literal_kind(host) == "loopback"


def is_private(host: str) -> bool:
    """Say whether it only means something where we run: loopback, private, link-local (cloud metadata)."""
    return literal_kind(host) not in (None, "public")


def literal_kind(host: str) -> Kind | None:
    """Say what an address is, by its text alone; None for a name, which could be anything. With or without port."""
    name = host_only(host).lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return "loopback"
    try:
        return address_kind(name)
    except ValueError:
        return None


def address_kind(text: str) -> Kind:
    """Say what a numeric address is; `ValueError` for a name. An IPv4 address inside an IPv6 one counts as itself."""
    address = _embedded(ipaddress.ip_address(text.partition("%")[0]))
    if address.is_loopback:
        return "loopback"
    if any(address in network for network in _NEVER):
        return "never"
    return "private" if any(address in network for network in _PRIVATE) else "public"


def _embedded(address: _IP) -> _IP:
    """Return the IPv4 address to which an IPv6 one leads: mapped (RFC 4291), NAT64 (6052), 6to4 (3056), Teredo."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour or address
    if address.teredo:
        return address.teredo[1]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
