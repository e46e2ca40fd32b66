"""Addresses: what may be shown of them, and which mean something only where we run."""

import ipaddress
from urllib.parse import urlsplit, urlunsplit


def redacted(url: str) -> str:
    """`url` as it may be shown: no user, no password, no query."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, "", "")) + ("?..." if parts.query else "")


def host_only(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


def is_loopback(host: str) -> bool:
    """`localhost`, 127/8 or ::1, with or without port."""
    name = host_only(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_private(host: str) -> bool:
    """An address that only means something where we run: loopback, private, link-local (cloud metadata)."""
    if is_loopback(host):
        return True
    try:
        return not ipaddress.ip_address(host_only(host)).is_global
    except ValueError:
        return False
