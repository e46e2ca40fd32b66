"""A server of the standard library, in a thread, for as long as it is wanted."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def served(server: socketserver.TCPServer) -> Iterator[None]:
    """Serves from here to the end, which is at once."""
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.socket.shutdown(socket.SHUT_RDWR)  # wakes it, which else looks twice a second
            server.shutdown()
            thread.join()
