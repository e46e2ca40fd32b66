"""Servers below HTTP, on loopback: a script gets each connection, and may do with it what no HTTP server would."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from trustme import CA


@dataclass
class Place:
    """`heads`: the header blocks of all requests so far; `connections`: how many were made, those of no request too."""

    port: int
    scheme: str
    heads: list[str] = field(default_factory=list)
    connections: int = 0

    def url(self, host: str = "127.0.0.1", path: str = "/") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextmanager
def talking(script: Callable[[socket.socket, str], None], tls: ssl.SSLContext | None = None) -> Iterator[Place]:
    """`script` is called with each connection and the header block of its first request; then it is closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    place = Place(listener.getsockname()[1], "https" if tls else "http")
    workers: list[threading.Thread] = []
    opened: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if tls:
                connection = tls.wrap_socket(connection, server_side=True)
                opened.append(connection)
            place.heads.append(head(connection))
            script(connection, place.heads[-1])
        connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            place.connections += 1
            # Else an answer may wait for the acknowledgement of what went before it, and be lost when it is closed.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.append(connection)
            workers.append(threading.Thread(target=serve, args=(connection,)))
            workers[-1].start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield place
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in opened:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for worker in workers:
            worker.join()
        for connection in opened:
            connection.close()


@contextmanager
def flooding(size: int, start: bytes = b"", **headers: str) -> Iterator[tuple[Place, Callable[[], int]]]:
    """A server whose every answer is `start` and zeros, `size` bytes in all, as long as they are taken.

    The second: waits until nothing more is sent; how many bytes of the longest answer went, what lies in buffers among
    them.
    """
    sent, ended = [0], threading.Event()

    def script(connection: socket.socket, _: str) -> None:
        zeros = memoryview(bytes(64 * 1024))
        at = len(start) + len(zeros)
        try:
            # With some of the zeros, so that they are there when who wants no more than `start` has read that.
            answer(connection, body=start + zeros, **({"Content_Length": str(size)} | headers))
            while at < size:
                connection.sendall(zeros)
                at += len(zeros)
        finally:
            sent.append(at)
            ended.set()

    def taken() -> int:
        assert ended.wait(30), "it is neither read nor hung up on"
        return max(sent)

    with talking(script) as place:
        yield place, taken


def head(connection: socket.socket) -> str:
    """A header block, read byte by byte so that what follows it stays in the socket."""
    found = b""
    while not found.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionError
        found += byte
    return found.decode()


def answer(connection: socket.socket, status: str = "200 OK", body: bytes = b"", **headers: str) -> None:
    lines = [
        f"{name.replace('_', '-')}: {value}\r\n"
        for name, value in ({"Content_Length": str(len(body))} | headers).items()
        if value
    ]
    connection.sendall(f"HTTP/1.1 {status}\r\n{''.join(lines)}\r\n".encode() + body)


def reset(connection: socket.socket) -> None:
    """End it with RST, as a server that dies with unread bytes does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.close()


def server_tls(authority: CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context
