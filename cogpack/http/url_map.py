"""`UrlMap` says where an address is really asked for: at a company's proxy, or at a test's own server.

A rule is `PREFIX=PREFIX`. It holds for the address of its left side and all below it: the same scheme, host and port
(RFC 3986 6.2.3), and whole segments of the path. The longest left side wins; what it maps to itself is left as it is.
"""

import re
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec

from cogpack.errors import InputError
from cogpack.http.addresses import Trust, both_shown
from cogpack.http.target import Target
from cogpack.patterns import pattern

VARIABLE = "COGPACK_URL_MAP"
_BETWEEN = pattern(r"\s+|,(?=https?://)", re.IGNORECASE)
_ENTRY = pattern(r"(https?://\S+?)=(https?://\S+)", re.IGNORECASE)
_EXAMPLE = "write it as https://pypi.org=https://proxy.example.com/pypi"


class _Prefix(msgspec.Struct, frozen=True):
    """Is one side of a rule. `path`: without a slash at its end, so "" for all of a host."""

    origin: httpx.URL
    path: str

    def rest(self, origin: httpx.URL, path: str) -> str | None:
        """Return what of `path` is below it; None of another place."""
        inside = self.origin == origin and (path == self.path or path.startswith(f"{self.path}/"))
        return path[len(self.path) :] if inside else None

    def meets(self, other: "_Prefix") -> bool:
        return self.rest(other.origin, other.path) is not None or other.rest(self.origin, self.path) is not None

    @property
    def address(self) -> str:
        return f"{str(self.origin).rstrip('/')}{self.path}"


class Rule(msgspec.Struct, frozen=True):
    """Is one entry of a map."""

    prefix: _Prefix
    target: _Prefix

    def __str__(self) -> str:
        return f"{self.prefix.address}={self.target.address}"


class UrlMap(msgspec.Struct, frozen=True):
    """Holds rules, the longest left side first. `where`: what they were read from.

    Where an address leads to, no rule holds: to map one twice is to map it once.
    """

    rules: tuple[Rule, ...] = ()
    where: str = ""

    @classmethod
    def parse(cls, text: str | Iterable[str], *, where: str) -> "UrlMap":
        """Read entries, or a text that has them with spaces between; an `InputError` names `where` and the entry."""
        entries = list(filter(None, _BETWEEN.split(text.strip()))) if isinstance(text, str) else list(text)
        rules = [_parsed(entry, where) for entry in entries]
        moving = [rule for rule in rules if rule.prefix != rule.target]
        for number, rule in enumerate(rules):
            if any(rule.prefix == other.prefix for other in rules[:number]):
                raise InputError(f"{where}: {rule}: {rule.prefix.address} stands there twice", next_step="remove one")
        for rule in moving:
            for other in moving:
                if rule.target.meets(other.prefix):
                    raise InputError(
                        f"{where}: {rule}: leads to where {other} holds, and an address is mapped once",
                        next_step="name the last address, and keep it apart from those that are mapped",
                    )
        return cls(tuple(sorted(rules, key=lambda rule: -len(rule.prefix.path))), where)

    def check_plain(self, trust: Trust) -> None:
        """Refuse what would leave TLS, unless `trust` allows that host to be talked to in the clear."""
        for rule in self.rules:
            host = rule.target.origin.netloc.decode()
            leaves = rule.prefix.origin.scheme == "https" and rule.target.origin.scheme == "http"
            if leaves and not trust.allows_plain(host):
                raise InputError(
                    f"{self.where}: {rule}: what is asked for over TLS would go in the clear",
                    next_step=f"map it to an https address, or add --insecure-registry {host} if that is meant",
                )

    def find(self, url: str) -> str | None:
        """Return where `url` is asked for instead, without the user and password that it has; None: where it says."""
        if not self.rules:
            return None
        try:
            parts = urlsplit(url)
            origin = _origin(url)
        except (InputError, ValueError):
            return None
        path = urljoin("/", parts.path) if "/." in parts.path else parts.path
        for rule in self.rules:
            rest = rule.prefix.rest(origin, path)
            if rest is not None:
                if rule.prefix == rule.target:
                    return None
                query = f"?{parts.query}" if parts.query else ""
                return f"{rule.target.address}{rest}{query}" + (f"#{parts.fragment}" if parts.fragment else "")
        return None

    def of(self, url: str) -> str:
        """Return the address that is asked for `url`."""
        return self.find(url) or url

    def leads_to(self, url: str) -> bool:
        """Say whether addresses are mapped to the host of `url`."""
        return bool(self.rules) and any(rule.target.origin == _origin(url) for rule in self.rules)

    def shown(self, url: str) -> str:
        """Return `url` as it may be shown, with the address that is asked for it where that is another."""
        return both_shown(url, self.of(url))


NO_MAP = UrlMap()


def _origin(url: str) -> httpx.URL:
    origin = Target.parse(url).origin
    return origin.copy_with(host=origin.host.rstrip("."))


def _parsed(entry: str, where: str) -> Rule:
    # Without what may be a secret, as which it was not meant to stand here.
    shown = re.sub(r"://[^/\s@]*@", "://", entry.partition("?")[0])
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise InputError(f"{where}: {shown!r:.300}: expected PREFIX=PREFIX, two http addresses", next_step=_EXAMPLE)
    return Rule(_prefix(found[1], shown, where), _prefix(found[2], shown, where))


def _prefix(text: str, entry: str, where: str) -> _Prefix:
    try:
        parts = urlsplit(text)
        origin = _origin(text)
    except (InputError, ValueError):
        raise InputError(f"{where}: {entry!r:.300}: has what is no http address", next_step=_EXAMPLE) from None
    if "@" in parts.netloc or "?" in text or "#" in text or "/." in parts.path:
        raise InputError(
            f"{where}: {entry!r:.300}: an address of a map has a host and a path, and no user, query or /.",
            next_step="leave that out; a login for the new host is looked for in ~/.netrc",
        )
    return _Prefix(origin, parts.path.rstrip("/"))
