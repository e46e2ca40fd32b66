"""`Deadlines` keep the time that a server has for each part of a request. A byte now and then is no progress."""

import select
import threading
import time
from typing import Protocol

import msgspec

from cogpack.progress import Cancellation

READ = select.POLLIN
WRITE = select.POLLOUT
_GLANCE = 0.25
"""Seconds between looks at the cancellation."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Are what a server has to keep to; no option of users: who keeps to none of these is as good as gone.

    `connect`: seconds for the connection, and again for its TLS. `answer`: seconds from the end of a request to the
    end of the header block of its answer. `idle`: seconds in which a body does not move. `rate`: bytes per second that
    it must make over `window` seconds of waiting, in either direction. `refusal`: seconds for the words of a refusal.
    `commit`: seconds to the answer that ends an upload, and as many more as the blob's size is worth; `told`: after
    which the user is told that this is what is waited for. `budget`: seconds of all tries together that may go by
    without progress.
    """

    connect: float = 20
    answer: float = 60
    idle: float = 60
    rate: int = 16 * 1024
    window: float = 120
    refusal: float = 5
    commit: float = 300
    told: float = 15
    budget: float = 600


class Waitable(Protocol):
    def fileno(self) -> int: ...


class Deadlines:
    """Keep the time of one request. Only waiting counts: how long we take ourselves is not the server's fault.

    `answer`: in place of the limit, for what takes a server long (the commit of a large blob).
    """

    def __init__(self, limits: Limits, cancellation: Cancellation, *, answer: float | None = None) -> None:
        self._limits = limits
        self._cancellation = cancellation
        self._answer = answer or limits.answer
        self._answered = False
        self._until: float | None = None
        self._time, self._came = 0.0, 0
        self._still: float | None = None
        """Since when they are waited for and nothing moves: TLS wakes us for what is no data, too."""
        self._waited = 0.0
        self._moved = 0
        self.spent = 0.0
        """Seconds that were waited for the server, in all parts of the request."""

    def connecting(self, attempts: int = 1) -> None:
        """Start the clock of a connection, one of `attempts` that share the time."""
        self._give(self._limits.connect / attempts)

    def sending(self) -> None:
        self._until = self._still = None

    def receiving(self) -> None:
        """Start the header block's clock, with the first read after a request and not with each."""
        if not self._answered and self._until is None:
            self._give(self._answer)

    def answered(self) -> None:
        self._answered = True
        self._until = None
        self._waited, self._moved = 0.0, 0

    def hurry(self) -> None:
        """Leave little time for what comes now: it is not worth waiting for."""
        self._give(self._limits.refusal)

    def _give(self, seconds: float) -> None:
        self._time = seconds
        self._until = time.monotonic() + seconds
        self._came = 0

    def moved(self, size: int) -> None:
        """Count bytes; `TimeoutError` where the time is over, for what always has bytes for us is never waited for."""
        self._moved += size
        self._came += size
        self._still = None
        self._in_time()

    def _in_time(self) -> None:
        if self._until is not None:
            self._cancellation.check()
            if time.monotonic() > self._until:
                raise self._late()

    def _late(self) -> TimeoutError:
        if self._until is not None and self._came:
            return TimeoutError(f"not done in {self._time:.3g} s")
        given = self._limits.idle if self._until is None else self._time
        return TimeoutError(f"nothing came or went for {given:.3g} s")

    def wait(self, socket: Waitable, events: int) -> int:
        """Wait until `socket` is ready for some of `events`: which. `TimeoutError`, or `Cancelled` after Ctrl-C."""
        began = time.monotonic()
        self._still = self._still or began
        until = self._still + self._limits.idle if self._until is None else self._until
        self._cancellation.check()
        if began > until:
            raise self._late()
        poll = select.poll()
        try:
            poll.register(socket, events)
        except ValueError:  # closed by another thread, as the next call of it says
            return events
        try:
            while True:
                left = until - time.monotonic()
                if ready := poll.poll(max(0.0, min(left, _GLANCE)) * 1000):
                    break
                self._cancellation.check()
                if left <= 0:
                    raise self._late()
        finally:
            waited = time.monotonic() - began
            self.spent += waited
        self._in_time()
        self._count(waited)
        return ready[0][1]

    def gathered(self, seconds: float) -> None:
        """Count a moment in which more was waited for than a byte. `TimeoutError`: a server that drips."""
        self.spent += seconds
        self._count(seconds)

    def _count(self, waited: float) -> None:
        if self._until is None:
            self._waited += waited
            self._pace()

    def wait_for(self, event: threading.Event) -> None:
        """Wait for another thread, whose own deadlines end it; `Cancelled` after Ctrl-C."""
        while not event.wait(_GLANCE):
            self._cancellation.check()

    def _pace(self) -> None:
        if self._waited < self._limits.window:
            return
        if self._moved < self._limits.rate * self._limits.window:
            raise TimeoutError(f"only {self._moved} bytes in {self._waited:.3g} s")
        self._waited, self._moved = 0.0, 0
