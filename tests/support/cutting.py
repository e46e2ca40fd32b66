"""A front on loopback that passes one request a connection to a server, and hangs up in the middle of long answers."""

import socket
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from support.serving import served


@dataclass
class Front:
    address: str = ""
    connections: int = 0
    cut: int = 0

    @property
    def url(self) -> str:
        return f"http://{self.address}"


@contextmanager
def cutting(server: str, after: int) -> Iterator[Front]:
    """`server`: HOST:PORT; `after`: bytes of an answer."""
    host, _, port = server.rpartition(":")
    front = Front()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            front.connections += 1
            head = b""
            while (line := self.rfile.readline()).strip():
                head += b"" if line.lower().startswith(b"connection:") else line
            sent = 0
            with socket.create_connection((host, int(port))) as upstream, suppress(ConnectionError):
                upstream.sendall(head + b"Connection: close\r\n\r\n")
                while block := upstream.recv(65536):
                    self.wfile.write(block)
                    sent += len(block)
                    if sent > after:
                        front.cut += 1
                        return

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 64

    listener = Listener(("127.0.0.1", 0), Handler)
    front.address = f"127.0.0.1:{listener.server_address[1]}"
    with served(listener):
        yield front
