"""A TCP proxy on loopback that behaves like a bad line: cuts, delays, and a busy front that answers for itself."""

import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

BLOCK = 256 * 1024
BUSY = (
    b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nRetry-After: 0\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 502 Bad\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>",
)


@dataclass
class BadLine:
    """`carried`: bytes from the client; `cuts`, `refusals`: how often the line did its worst."""

    address: str
    carried: int = 0
    cuts: int = 0
    refusals: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def bad_line(
    target: str, *, seed: int, least: int, most: int, busy: float = 0.05, delay: float = 0.02
) -> Iterator[BadLine]:
    """Each connection is cut after `least` to `most` bytes from the client; `busy` of them are refused at once."""
    rng = random.Random(seed)
    host, _, port = target.rpartition(":")
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    line = BadLine(f"127.0.0.1:{listener.getsockname()[1]}")
    open_: list[socket.socket] = []

    def reset(*ends: socket.socket) -> None:
        for end in ends:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def up(client: socket.socket, server: socket.socket, allowed: int) -> None:
        with suppress(OSError):
            while block := client.recv(BLOCK):
                with line._lock:
                    line.carried += len(block)
                allowed -= len(block)
                if allowed < 0:
                    with line._lock:
                        line.cuts += 1
                    reset(client, server)
                    return
                server.sendall(block)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def down(client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while block := server.recv(BLOCK):
                client.sendall(block)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def serve(client: socket.socket, allowed: int, pause: float, refused: bytes) -> None:
        threading.Event().wait(pause)
        if refused:
            with suppress(OSError):
                client.recv(BLOCK)
                client.sendall(refused)
                client.close()
            with line._lock:
                line.refusals += 1
            return
        server = socket.create_connection((host, int(port)))
        open_.append(server)
        threading.Thread(target=up, args=(client, server, allowed), daemon=True).start()
        down(client, server)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            open_.append(client)
            refused = rng.choice(BUSY) if rng.random() < busy else b""
            arguments = (client, rng.randint(least, most), rng.uniform(0, delay), refused)
            threading.Thread(target=serve, args=arguments, daemon=True).start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield line
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        reset(*open_)
