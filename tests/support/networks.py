"""A network of a test's own, in which it may have any address: a thread's namespace, which ends with it."""

import fcntl
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from cogpack.sandbox import kernel

_SIOCSIFADDR, _SIOCSIFFLAGS = 0x8916, 0x8914


def in_own_network(addresses: tuple[str, ...], act: Callable[[], Any]) -> Any:
    """Call `act` where loopback has these addresses, and there is nothing else; return what it returns."""
    if os.geteuid() != 0:
        pytest.skip("root alone makes a network")
    result: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            kernel.unshare(kernel.CLONE_NEWNET)
            _have(addresses)
            result.append(act())
        except BaseException as error:  # noqa: BLE001 - raised below
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def _have(addresses: tuple[str, ...]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any4, socket.socket(socket.AF_INET6, 2) as any6:
        fcntl.ioctl(any4, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", 0x41))
        for number, address in enumerate(addresses):
            if ":" in address:
                fcntl.ioctl(any6, _SIOCSIFADDR, struct.pack("16sIi", socket.inet_pton(10, address), 128, 1))
                while not _is_there(address):  # the kernel looks first whether others have it, even here
                    time.sleep(0.001)
            else:
                name = f"lo:{number}".encode()
                fcntl.ioctl(any4, _SIOCSIFADDR, struct.pack("16sH2x4s8x", name, 2, socket.inet_aton(address)))


def _is_there(address: str) -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as made:
        try:
            made.bind((address, 0))
        except OSError:
            return False
    return True
