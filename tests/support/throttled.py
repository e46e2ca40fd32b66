"""A front on loopback that passes on only so quickly what a server says, or what it is told: on each connection, and on
all together."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from support.serving import served

_BLOCK = 16 * 1024


class _Pace:
    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._due = time.monotonic()
        self._lock = threading.Lock()

    def wait(self, size: int) -> None:
        if self._rate is None:
            return
        with self._lock:
            self._due = max(self._due, time.monotonic() - 0.01) + size / self._rate
            due = self._due
        time.sleep(max(0.0, due - time.monotonic()))


@contextmanager
def throttled(
    server: str, *, stream: float | None = None, total: float | None = None, upward: bool = False
) -> Iterator[str]:
    """`server`: HOST:PORT; `stream`: bytes a second of a connection, `total`: of all; `upward`: of what it is told.
    Yields its own HOST:PORT."""
    host, _, port = server.rpartition(":")
    everybody = _Pace(total)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((host, int(port))) as upstream, suppress(OSError):
                thread = threading.Thread(target=self._up, args=(upstream,), daemon=True)
                thread.start()
                self._pass_on(upstream, self.request, slowly=not upward)

        def _up(self, upstream: socket.socket) -> None:
            with suppress(OSError):
                self._pass_on(self.request, upstream, slowly=upward)
            with suppress(OSError):
                upstream.shutdown(socket.SHUT_RDWR)

        def _pass_on(self, source: socket.socket, to: socket.socket, *, slowly: bool) -> None:
            own = _Pace(stream)
            while block := source.recv(_BLOCK):
                if slowly:
                    own.wait(len(block))
                    everybody.wait(len(block))
                to.sendall(block)

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 64

    listener = Listener(("127.0.0.1", 0), Handler)
    with served(listener):
        yield f"127.0.0.1:{listener.server_address[1]}"
