"""The open connections, each with a thread of its own: so many and no more."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_MOST = 128
"""Connections at a time; one that receives a body holds a mebibyte."""


class Connections:
    """Where one too many comes, the one that has been silent longest between two requests makes room.

    While all are at work, the next one waits. Nobody can keep others out by connecting and saying nothing.
    """

    def __init__(self) -> None:
        self._resting: dict[socket.socket, None] = {}  # in the order in which they came to rest
        self._others: set[socket.socket] = set()  # at work, or told to leave
        self._changed = threading.Condition()
        self._closed = False

    def admit(self, connection: socket.socket) -> bool:
        """Waits for a place; False once `close` was called."""
        with self._changed:
            while len(self._resting) + len(self._others) >= _MOST and not self._closed:
                if oldest := next(iter(self._resting), None):
                    del self._resting[oldest]
                    self._others.add(oldest)
                    _hang_up(oldest)
                self._changed.wait()
            if not self._closed:
                self._resting[connection] = None
            return not self._closed

    @contextmanager
    def at_work(self, connection: socket.socket) -> Iterator[None]:
        """From the end of a request's head to the end of its answer."""
        with self._changed:
            self._resting.pop(connection, None)
            self._others.add(connection)
        try:
            yield
        finally:
            with self._changed:
                self._others.discard(connection)
                self._resting[connection] = None
                self._changed.notify()

    def forget(self, connection: socket.socket) -> None:
        """It is about to be closed."""
        with self._changed:
            self._resting.pop(connection, None)
            self._others.discard(connection)
            self._changed.notify()

    def close(self) -> None:
        """Hang up on all, which wakes the threads that wait for a client; no more are admitted."""
        with self._changed:
            self._closed = True
            for connection in [*self._resting, *self._others]:
                _hang_up(connection)
            self._changed.notify()


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
