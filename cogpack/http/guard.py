"""`Guard` checks where a server may send us, by the addresses that a name has at the moment of connecting.

A realm, a Location and a redirect are words of a server. Followed blindly they reach what only this machine can
reach: its loopback, its cloud's metadata service, its private network (CVE-2020-15157, CVE-2026-33540 and their like).
"""

import socket
from collections.abc import Callable, Sequence
from typing import TypeAlias

from cogpack.errors import InputError
from cogpack.http.addresses import address_kind, literal_kind

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""(name, port) -> numeric addresses, best first. `OSError` where there are none."""

_WHAT = {
    "loopback": "this machine itself",
    "never": "an address of the local link",
    "private": "a private network",
}


def resolve(name: str, port: int) -> Sequence[str]:
    """Ask the system's resolver."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class Guard:
    """Holds the rule, and what it needs to know: which hosts were met at a public address. Thread-safe."""

    def __init__(self, resolver: Resolver = resolve) -> None:
        self._resolver = resolver
        self._public: dict[str, bool] = {}
        self._silent: set[str] = set()

    def addresses(self, host: str, port: int) -> Sequence[str]:
        """Resolve `host`; addresses that said nothing go last, else each connection would wait for them."""
        return sorted(self._resolver(host, port), key=lambda address: address in self._silent)

    def missed(self, address: str) -> None:
        """Remember that nothing came from `address`, as where IPv6 leads nowhere."""
        self._silent.add(address)

    def met(self, host: str, address: str) -> None:
        """Remember that `host` was connected to at `address`. Public once is public for good."""
        self._silent.discard(address)
        self._public[host] = self._public.get(host, False) or address_kind(address) == "public"

    def check(self, host: str, addresses: Sequence[str], *, origin: str) -> None:
        """Refuse, by `InputError`, if the host `origin` may not send us to `host`, which has these addresses.

        A host may always name itself. One on loopback may name loopback; one that is not public, private networks.
        One bad address is enough: which of them is taken is nobody's promise.
        """
        if host == origin:
            return
        for address in addresses:
            kind = address_kind(address)
            allowed = (
                kind == "public"
                or (kind == "loopback" and literal_kind(origin) == "loopback")
                or (kind == "private" and not self._is_public(origin))
            )
            if not allowed:
                raise InputError(
                    f"{origin} sends us to {host}{'' if host == address else f' ({address})'}: {_WHAT[kind]}",
                    next_step="if you trust that server, tell its operator; cogpack does not follow it",
                )

    def check_name(self, host: str, *, origin: str) -> None:
        """Check the text of `host` alone, which says nothing of a name: all there is before a proxy."""
        if kind := literal_kind(host):
            self.check(host, ["127.0.0.1" if kind == "loopback" else host], origin=origin)

    def _is_public(self, host: str) -> bool:
        """Say whether `host` is public; one that is not known counts as such."""
        if kind := literal_kind(host):
            return kind == "public"
        if host not in self._public:  # reached through a proxy, or not by us
            try:
                addresses = self._resolver(host, 443)
            except OSError:
                return True
            return any(address_kind(address) == "public" for address in addresses)
        return self._public[host]
