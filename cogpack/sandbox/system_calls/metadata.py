"""A guest with the machine's network doesn't get at the addresses where a cloud tells a machine its credentials.

Sockets of TCP are made by us, with a filter on what they receive (socket(7), `SO_ATTACH_FILTER`) that the guest can't
take off: from these addresses nothing comes, so no connection is made. It is there for whoever means to; others are
told at connect(2), by its argument, that it is refused, and need not wait.

DNS is left, since some clouds have it at the same address.
"""

import ctypes
import errno
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from cogpack.sandbox.system_calls.listener import Notification

NETWORKS = (
    IPv4Network("169.254.0.0/16"),  # AWS, Google, Azure, Oracle, OpenStack; tasks of ECS, pods of EKS
    IPv4Network("100.100.100.200"),  # Alibaba
    IPv4Network("168.63.129.16"),  # Azure's agents
    IPv4Network("192.0.0.192"),  # Oracle, of old
    IPv6Network("fd00:ec2::/32"),  # AWS
    IPv6Network("fd20:ce::/32"),  # Google
)
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 behind NAT64 (RFC 6052)."""
_DNS = 53

_LOAD, _LOAD_HALF, _LOAD_BYTE, _AND, _SHIFT, _EQUAL, _RETURN = 0x20, 0x28, 0x30, 0x54, 0x74, 0x15, 0x06
_NETWORK_HEADER = 0xFFF00000
"""SKF_NET_OFF: from there the IP header is counted; from 0, the TCP header."""
_ATTACH_FILTER, _LOCK_FILTER = 26, 44


def is_metadata(address: str, port: int) -> bool:
    """Tell whether there is what no guest is to have."""
    found = IPv4Address(address) if ":" not in address else IPv6Address(address)
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or (IPv4Address(int(found) & 0xFFFFFFFF) if found in _TRANSLATED else found)
    return port != _DNS and any(found in network for network in NETWORKS)


def receive_filter() -> bytes:
    """Return a filter of what a socket of TCP receives: an array of struct sock_filter, as of `seccomp.program`."""
    steps: list[tuple[int, int | str, int | str, int]] = [
        (_LOAD_BYTE, 0, 0, _NETWORK_HEADER),
        (_SHIFT, 0, 0, 4),
        (_EQUAL, "v6", 0, 6),
        *_matching(12, 4),
        (_RETURN, 0, 0, 0xFFFFFFFF),
    ]
    labels = {"v6": len(steps)}
    steps += [
        *_matching(8, 6),
        (_LOAD, 0, 0, _NETWORK_HEADER + 8),
        (_EQUAL, 0, "other", int(_TRANSLATED.network_address) >> 96),
        *_matching(20, 4),
    ]
    labels["other"] = len(steps)
    steps.append((_RETURN, 0, 0, 0xFFFFFFFF))
    labels["found"] = len(steps)
    steps += [(_LOAD_HALF, 0, 0, 0), (_EQUAL, 0, 1, _DNS), (_RETURN, 0, 0, 0xFFFFFFFF), (_RETURN, 0, 0, 0)]

    def offset(target: int | str, here: int) -> int:
        return target if isinstance(target, int) else labels[target] - here - 1

    return b"".join(
        struct.pack("=HBBI", code, offset(true, here), offset(false, here), operand)
        for here, (code, true, false, operand) in enumerate(steps)
    )


def _matching(at: int, version: int) -> list[tuple[int, int | str, int | str, int]]:
    """Jump to `found` where the address `at` that offset of the IP header, or the first 32 bits of it, is of those."""
    steps: list[tuple[int, int | str, int | str, int]] = []
    for network in NETWORKS:
        if network.version == version:
            shift = 0 if version == 4 else 96
            load = (_LOAD, 0, 0, _NETWORK_HEADER + at)
            mask = (_AND, 0, 0, int(network.netmask) >> shift)
            steps += [load, mask, (_EQUAL, "found", 0, int(network.network_address) >> shift)]
    return steps


def keep_out(made: socket.socket) -> None:
    """Lay the filter on a socket, for good."""
    program = receive_filter()
    buffer = ctypes.create_string_buffer(program, len(program))
    made.setsockopt(
        socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    )
    made.setsockopt(socket.SOL_SOCKET, _LOCK_FILTER, 1)


class NoMetadata:
    """Answers for socket(2) and connect(2)."""

    def __init__(self) -> None:
        self._unfiltered = False
        """Whether there are sockets of TCP that connect(2) alone keeps from there."""

    @property
    def calls(self) -> Sequence[str]:
        return ("socket", "connect")

    def answer(self, asked: Notification) -> int | None:
        return self._connect(asked) if asked.call == "connect" else self._make(asked)

    def _make(self, asked: Notification) -> int | None:
        """Make the socket that was asked for. Its arguments are no memory, and what they are stays."""
        family, kind, protocol = (argument & 0xFFFFFFFF for argument in asked.arguments[:3])
        if kind & 0xF != socket.SOCK_STREAM or protocol not in (0, socket.IPPROTO_TCP):  # others have TCP inside
            return errno.EPROTONOSUPPORT
        flags = socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with socket.socket(family, kind & ~flags, protocol) as made:
            made.setblocking(not kind & socket.SOCK_NONBLOCK)
            try:
                keep_out(made)
                asked.give(made.fileno(), inherited=not kind & socket.SOCK_CLOEXEC)
            except OSError as error:
                # Before Linux 5.14, or where filters are for CAP_NET_ADMIN, connect(2) alone is looked at.
                if error.errno not in (errno.EINVAL, errno.EPERM):
                    raise
                self._unfiltered = True
        return None

    def _connect(self, asked: Notification) -> int | None:
        try:
            name = asked.memory(asked.arguments[1], min(asked.arguments[2] & 0xFFFFFFFF, 28))
        except OSError:  # who lets nobody look at his memory (PR_SET_DUMPABLE) may mean to
            return errno.EACCES if self._unfiltered else None
        with suppress(struct.error):  # which connect(2) will find out
            (family,) = struct.unpack_from("=H", name)
            if family == socket.AF_INET:
                port, address = struct.unpack_from("!H4s", name, 2)
            elif family == socket.AF_INET6:
                port, address = struct.unpack_from("!H4x16s", name, 2)
            else:
                return None
            if is_metadata(socket.inet_ntop(family, address), port):
                return errno.EACCES
        return None
