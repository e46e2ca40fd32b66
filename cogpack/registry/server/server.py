"""The server is a socket, a thread per connection, and an end that leaves none of them behind."""

import ipaddress
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from cogpack.errors import InputError
from cogpack.registry.server.access import User
from cogpack.registry.server.api import Api
from cogpack.registry.server.connections import Connections
from cogpack.registry.server.exchange import Exchange, OnRequest
from cogpack.registry.server.patience import PATIENCE, Patience
from cogpack.registry.server.storage import Storage
from cogpack.registry.server.uploads import Uploads
from cogpack.threads import wait_for


class Server:
    """Serves the layout in `directory` from `__enter__` to `close`; a new directory becomes an empty registry.

    `port` 0 takes a free one. `on_request(method, path, received, sent)` hears of each request, from several threads.
    Without a `user`, who must log in, `host` must be loopback. `patience`: for tests.
    """

    def __init__(
        self,
        directory: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        user: User | None = None,
        on_request: OnRequest | None = None,
        patience: Patience = PATIENCE,
    ) -> None:
        address = _address(host, port, open_to_all=user is None)
        self._storage = storage = Storage(directory)
        self._uploads = uploads = Uploads(storage.layout, patience)
        answer = partial(Api, storage=storage, uploads=uploads, user=user, host=host, on_request=on_request or _silent)
        try:
            self._listener = Listener(address, answer, patience)
        except (OSError, OverflowError) as error:
            storage.close()
            raise _unusable(host, port, error) from error
        # A signal that raises in `start`, which waits for the thread to begin, leaves it to nobody who would close it.
        self._thread = threading.Thread(target=self._serve, name="registry", daemon=True)
        self._ended = threading.Event()

    @property
    def address(self) -> str:
        """`HOST:PORT`, as it goes into an image reference."""
        return self._listener.name

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def serve_forever(self) -> None:
        """Wait until another thread closes the server, or a signal raises here."""
        wait_for(self._ended)  # a join that is interrupted takes the thread for one that has ended (Python 3.11)

    def _serve(self) -> None:
        try:
            self._listener.serve_forever()
        finally:
            self._ended.set()

    def close(self) -> None:
        """End all connections. Blobs and manifests that were answered with 201 are there; open uploads are dropped."""
        self._listener.end(self._thread)
        self._uploads.close()
        self._storage.close()


def _silent(method: str, path: str, received: int, sent: int) -> None:
    pass


def _address(host: str, port: int, *, open_to_all: bool) -> tuple[socket.AddressFamily, tuple[str, int]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, OverflowError) as error:
        raise _unusable(host, port, error) from error
    family, _, _, _, address = found[0]
    if open_to_all and not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise InputError(
            f"{host}: others could reach this address, and anybody may push",
            next_step="add --user NAME with a password on standard input, or listen on 127.0.0.1",
        )
    return family, (str(address[0]), int(address[1]))


def _unusable(host: str, port: int, error: Exception) -> InputError:
    why = getattr(error, "strerror", None) or error
    return InputError(f"can't listen on {host}:{port}: {why}", next_step="choose another --port, or 0 for a free one")


class Listener(ThreadingHTTPServer):
    """Accepts connections, and gives each a thread in which `answer` makes an `Exchange` of it."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[socket.AddressFamily, tuple[str, int]],
        answer: Callable[..., Exchange],
        patience: Patience = PATIENCE,
    ) -> None:
        self.connections = Connections(patience)
        self.address_family, place = address
        super().__init__(place, partial(answer, connections=self.connections))

    @property
    def name(self) -> str:
        """`HOST:PORT`."""
        host, port = self.server_address[:2]
        return f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"

    def end(self, thread: threading.Thread) -> None:
        """Hang up on all and wait for all threads; `thread` is the one that serves, if it was started."""
        self.connections.close()
        if thread.is_alive():
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes it, which else looks twice a second
            self.shutdown()
            thread.join()
        self.server_close()  # joins the connections' threads

    def server_bind(self) -> None:
        # The base class's own would ask DNS for this machine's name.
        socket.socket.setsockopt(self.socket, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.connections.admit(request):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        self.connections.forget(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Hand a bug of ours to where uncaught exceptions of threads go; the others are served on."""
        threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
