"""This module counts the open connections, each with a thread of its own: so many and no more."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from cogpack.registry.server.patience import PATIENCE, Patience


class Place:
    """Measures what a connection did with its time. `known`: a request of it was authorised; `at_work`: one is."""

    def __init__(self, clock: Callable[[], float], patience: Patience) -> None:
        self.known = False
        self.at_work = False
        self._clock = clock
        self._grace = patience.grace
        self._moved = 0
        self._waited = 0.0
        self._since: float | None = None

    def begin(self) -> None:
        """Begin a request: its bytes and seconds count from here."""
        self._moved, self._waited, self._since = 0, 0.0, None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Take the time while the client is waited for: to send, or to take what is sent."""
        self._since = started = self._clock()
        try:
            yield
        finally:
            self._since = None
            self._waited += self._clock() - started

    def moved(self, size: int) -> None:
        self._moved += size

    def pace(self, now: float) -> float | None:
        """Return the bytes a second while it was waited for; None where that was too short to tell."""
        since = self._since
        waited = self._waited + (now - since if since is not None else 0.0)
        return self._moved / waited if waited >= self._grace else None


class Connections:
    """Keeps the open connections. Where one too many comes, another makes room: first who has not said who he is, then
    who rests between two requests, each kind by how long it has; then the slowest of those below `Patience.rate`.

    While all are at work at a fair pace, the next one waits. Nobody keeps others out by saying nothing, or nearly
    nothing; who may not use the server keeps nobody out.
    """

    def __init__(self, patience: Patience = PATIENCE, clock: Callable[[], float] = time.monotonic) -> None:
        self.patience = patience
        self._clock = clock
        self._places: dict[socket.socket, Place] = {}  # in the order in which they came to rest
        self._leaving: set[socket.socket] = set()
        self._changed = threading.Condition()
        self._closed = False

    def admit(self, connection: socket.socket) -> bool:
        """Wait for a place; False once `close` was called."""
        with self._changed:
            told = float("-inf")
            while len(self._places) + len(self._leaving) >= self.patience.connections and not self._closed:
                # One that was told to leave does so at once, unless it hangs on the disk: then another one does.
                if self._clock() >= told + self.patience.look and (last := self._dispensable()):
                    del self._places[last]
                    self._leaving.add(last)
                    _hang_up(last)
                    told = self._clock()
                self._changed.wait(self.patience.look)
            if not self._closed:
                self._places[connection] = Place(self._clock, self.patience)
            return not self._closed

    def _dispensable(self) -> socket.socket | None:
        resting = [(connection, place) for connection, place in self._places.items() if not place.at_work]
        if resting:
            return next((connection for connection, place in resting if not place.known), resting[0][0])
        now = self._clock()
        paces = ((place.pace(now), connection) for connection, place in self._places.items())
        slow = [(pace, connection) for pace, connection in paces if pace is not None and pace < self.patience.rate]
        return min(slow, key=lambda found: found[0])[1] if slow else None

    def place(self, connection: socket.socket) -> Place:
        """Return the place of an admitted connection; of one that was told to leave, one that counts for nothing."""
        with self._changed:
            return self._places.get(connection) or Place(self._clock, self.patience)

    @contextmanager
    def at_work(self, connection: socket.socket) -> Iterator[Place]:
        """Count it as at work, from when a request is authorised to the end of its answer."""
        place = self.place(connection)
        place.known = place.at_work = True
        place.begin()
        try:
            yield place
        finally:
            with self._changed:
                place.at_work = False
                if self._places.pop(connection, None):
                    self._places[connection] = place  # the last one to rest
                self._changed.notify()

    def forget(self, connection: socket.socket) -> None:
        """Free the place of a connection that is about to be closed."""
        with self._changed:
            self._places.pop(connection, None)
            self._leaving.discard(connection)
            self._changed.notify()

    def close(self) -> None:
        """Hang up on all, which wakes the threads that wait for a client; no more are admitted."""
        with self._changed:
            self._closed = True
            for connection in [*self._places, *self._leaving]:
                _hang_up(connection)
            self._changed.notify()


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
