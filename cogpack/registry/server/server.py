"""The server: a socket, a thread per connection, and an end that leaves none of them behind."""

import socket
import sys
import threading
from contextlib import suppress
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cogpack.errors import InputError
from cogpack.registry.server.api import Api
from cogpack.registry.server.exchange import OnRequest
from cogpack.registry.server.storage import Storage
from cogpack.registry.server.uploads import Uploads


class Server:
    """Serves the layout in `directory` from `__enter__` to `close`; a new directory becomes an empty registry.

    `port` 0 takes a free one. `on_request(method, path, received, sent)` hears of each request, from several threads.
    """

    def __init__(
        self, directory: Path, *, host: str = "127.0.0.1", port: int = 0, on_request: OnRequest | None = None
    ) -> None:
        storage = Storage(directory)
        self._uploads = uploads = Uploads(storage.layout)
        self._listener = _Listener(
            host, port, {"storage": storage, "uploads": uploads, "on_request": staticmethod(on_request or _silent)}
        )
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,), name="registry")

    @property
    def address(self) -> str:
        """`HOST:PORT`, as it goes into an image reference."""
        host, port = self._listener.server_address[:2]
        return f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def serve_forever(self) -> None:
        """Wait until another thread closes the server, or a signal raises here."""
        self._thread.join()

    def close(self) -> None:
        """End all connections. Blobs and manifests that were answered with 201 are there; open uploads are dropped."""
        if self._thread.is_alive():
            self._listener.shutdown()
            self._thread.join()
        self._listener.hang_up()
        self._listener.server_close()  # joins the connections' threads
        self._uploads.close()


def _silent(method: str, path: str, received: int, sent: int) -> None:
    pass


class _Listener(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, attributes: dict[str, Any]) -> None:
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
                0
            ]
            self.address_family = family
            super().__init__((str(address[0]), int(address[1])), type("_Bound", (Api,), attributes))
        except (OSError, OverflowError) as error:
            raise InputError(
                f"can't listen on {host}:{port}: {error}", next_step="choose another --port, or 0 for a free one"
            ) from error

    def server_bind(self) -> None:
        # The base class's own would ask DNS for this machine's name.
        socket.socket.setsockopt(self.socket, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A bug of ours: to where uncaught exceptions of threads go; the others are served on."""
        threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))

    def hang_up(self) -> None:
        """Wake the threads that wait for a client."""
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
