"""One connection of the fake registry: requests read from a socket and answered, with what the faults do to them."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from support.counted import Counted, KiB
from support.fake_endpoints import Endpoints
from support.faults import Fault, Seen

if TYPE_CHECKING:
    from support.fake_registry import FakeRegistry


class _Gone(Exception):
    """The connection is to be closed at once."""


class _Cut(Exception):
    """The connection is to be reset, once whoever was reading has put things in order."""


class Connection:
    def __init__(self, registry: "FakeRegistry", connection: socket.socket, stop: threading.Event) -> None:
        self._registry = registry
        self._endpoints = Endpoints(registry, self._body)
        self._socket = connection
        self._stop = stop
        self._file = connection.makefile("rb", buffering=64 * KiB)
        self._seen: Seen | None = None
        self._fault: Fault | None = None
        self._lost = False
        self._unread = 0

    def run(self) -> None:
        with suppress(_Gone, OSError, ValueError):
            while self._one():
                pass
        self.close()

    def shut(self) -> None:
        """End it from another thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError, ValueError):
            self._file.close()
        self._socket.close()

    def _one(self) -> bool:
        line = self._file.readline(64 * KiB).decode("latin-1").split()
        if len(line) != 3:
            return False
        headers: dict[str, str] = {}
        while (header := self._file.readline(64 * KiB).decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        path, _, query = line[1].partition("?")
        seen = self._seen = Seen(line[0], path, query, headers)
        fault = self._fault = self._registry.meet(seen)
        if fault and fault.how == "answer":
            self._read(fault.after)
            self._answer(fault.status, dict(fault.headers), fault.body)
            if fault.then == "close":
                raise _Gone
            if fault.then == "stall":
                self._stop.wait(60)
                raise _Gone
            for _ in self._blocks():
                pass
            return True
        if fault and fault.how == "drip":
            for _ in self._body():
                pass
            self._drip()
        if refusal := self._registry.refuses(seen):
            for _ in self._blocks():
                pass
            self._answer(*refusal)
            return True
        try:
            status, answer_headers, body = self._endpoints.handle(seen)
            for _ in self._body():  # what the handler did not want
                pass
        except _Cut:
            self._reset()
        if fault and fault.how == "lost":
            self._reset()
        if fault and fault.how == "late":
            status, answer_headers, body = fault.status, dict(fault.headers), fault.body
        self._answer(status, answer_headers, body)
        return True

    # Reading a body

    def _read(self, size: int) -> None:
        for block in self._blocks():
            assert self._seen
            self._seen.size += len(block)
            size -= len(block)
            if size <= 0:
                return

    def _body(self) -> Iterator[bytes]:
        """The body, cut or held up where the fault says."""
        fault = self._fault
        assert self._seen
        for block in self._blocks():
            if fault and fault.how in ("reset", "stall", "slow") and self._seen.size + len(block) > fault.after:
                if fault.how == "slow":
                    self._stop.wait(len(block) / fault.rate)
                else:
                    kept = block[: max(0, fault.after - self._seen.size)]
                    self._seen.size += len(kept)
                    yield kept
                    if fault.how == "stall":
                        self._stop.wait(60)
                    raise _Cut
            self._seen.size += len(block)
            self._registry.moved(len(block))
            yield block
        if fault and fault.how == "reset" and self._seen.method not in ("GET", "HEAD"):
            raise _Cut

    def _blocks(self) -> Iterator[bytes]:
        seen = self._seen
        if seen is None or seen.headers.get("x-read"):
            return
        if seen.headers.get("transfer-encoding") == "chunked":
            while size := int(self._file.readline(64), 16):
                while size:
                    block = self._some(min(size, 64 * KiB))
                    size -= len(block)
                    yield block
                self._file.readline(8)
            self._file.readline(8)
        else:
            left = int(seen.headers.get("content-length", "0")) - seen.size
            while left > 0:
                block = self._some(min(left, 64 * KiB))
                left -= len(block)
                yield block
        seen.headers["x-read"] = "whole"

    def _some(self, size: int) -> bytes:
        block = self._file.read1(size)
        if not block:
            raise _Gone
        return block

    def _reset(self) -> None:
        """RST instead of FIN: what a broken line looks like."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._file.close()
        self._socket.close()
        raise _Gone

    # Answering

    def _answer(self, status: int, headers: dict[str, str], body: bytes | Counted = b"") -> None:
        assert self._seen
        self._seen.status = status
        named = {"Content-Length": str(len(body))} | headers
        chunked = self._fault is not None and self._fault.how == "chunked"
        if chunked:
            named |= {"Content-Length": "", "Transfer-Encoding": "chunked"}
            body = b"".join(
                b"%x\r\n%b\r\n" % (len(body[at : at + 64 * KiB]), body[at : at + 64 * KiB])
                for at in range(0, len(body) + 1, 64 * KiB)
                if body[at : at + 64 * KiB]
            ) + b"0\r\n\r\n"  # fmt: skip
        named = {name: value for name, value in named.items() if value}
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in named.items()) + "\r\n"
        self._socket.sendall(head.encode("latin-1"))
        if self._seen.method == "HEAD":
            return
        fault = self._fault
        if self._seen.method == "GET" and fault and fault.how in ("reset", "stall", "slow"):
            self._socket.sendall(body[: fault.after])
            if fault.how == "slow":
                for at in range(fault.after, len(body), fault.rate):
                    self._socket.sendall(body[at : at + fault.rate])
                    if self._stop.wait(1):
                        raise _Gone
                return
            if fault.how == "stall":
                self._stop.wait(60)
            self._reset()
        if self._seen.method == "GET" and fault and fault.how == "cut":
            self._socket.sendall(body[: fault.after])
            raise _Gone
        for block in body if isinstance(body, Counted) else (body,):
            self._registry.moved(len(block))
            self._socket.sendall(block)

    def _drip(self) -> NoReturn:
        self._socket.sendall(b"HTTP/1.1 201 X\r\nX: ")
        for _ in range(100):
            if self._stop.wait(0.05):
                break
            self._socket.sendall(b"x")
        raise _Gone
