"""How long to go on with what fails: one rule for requests, blobs and files."""

import math
from collections.abc import Callable
from typing import TypeVar

from cogpack.errors import UnavailableError
from cogpack.http.retry import ATTEMPTS, BUDGET, PATIENT_ATTEMPTS, Backoff
from cogpack.http.throttle import Gates
from cogpack.notes import Code, Note
from cogpack.progress import Cancellation, Progress
from cogpack.trace import TRACE

FLOOR = 512
"""Bytes a second that all failed requests of one piece of work must have been worth, once ten minutes went on them:
sixteen layers at once over a line of 64 kbit/s. With less, a byte now and then would be progress for ever."""

T = TypeVar("T")


class Patience:
    """Of one piece of work. Not thread-safe.

    `attempts`: failures in a row that end it; `math.inf`: the caller counts them. A host that was there before and is
    away (`UnavailableError.away`) is waited for instead, and the user told, unless not `patient`. Ten minutes without
    progress end anything; those of an outage began with it, whoever waits for its end. What brings less than `FLOOR`
    is no progress.
    """

    def __init__(
        self,
        gates: Gates,
        cancellation: Cancellation,
        progress: Progress,
        clock: Callable[[], float],
        backoff: Backoff,
        *,
        attempts: float,
        patient: bool,
    ) -> None:
        self._gates = gates
        self._cancellation = cancellation
        self._progress = progress
        self._clock = clock
        self._backoff = backoff
        self._attempts = attempts
        self._patient = patient
        self._failures = 0
        self._outages = 0
        self._since: float | None = None
        self._moved = -math.inf
        self._spent = 0.0
        self._brought = 0

    def brought(self, size: int) -> None:
        """So many new bytes came."""
        self._brought += size

    def progressed(self) -> None:
        """All failures are forgotten, but not how long they took."""
        self._failures, self._outages, self._since, self._moved = 0, 0, None, self._clock()

    def awaits(self, error: UnavailableError) -> bool:
        """Whether it is of an outage that is waited for, and no failure to be counted."""
        return self._down(error) is not None

    def delay(self, error: UnavailableError) -> float | None:
        """Seconds until the work is to go on after `error`; None: it is not."""
        now = self._clock()
        self._since = now if self._since is None else self._since
        left = BUDGET - (now - self._since)
        down = self._down(error)
        if down is not None:
            self._outages += 1
            left = min(left, BUDGET - down)
        elif error.away and self._outages:
            return None
        else:
            self._failures += 1
            self._spent += error.spent
            if self._spent > BUDGET and self._brought < FLOOR * self._spent:
                return None
        wait = error.wait or self._backoff(self._failures + self._outages)
        if self._failures >= self._attempts or wait > left:
            return None
        if error.away and self._outages >= ATTEMPTS and self._gates.is_news(error.away):
            text = f"{error.message}; asked again for up to {BUDGET / 60:.0f} minutes"
            self._progress.note(Note(Code.OUTAGE, text))
        return wait

    def wait(self, error: UnavailableError) -> bool:
        """`delay`, waited for. False: the work is not to go on."""
        delay = self.delay(error)
        if TRACE.level:
            TRACE.decided(f"{error.message}: {f'again in {delay:.1f} s' if delay is not None else 'given up'}")
        if delay is not None:
            self._cancellation.wait(delay)
        return delay is not None

    def persist(self, act: Callable[[], T]) -> T:
        """`act`, again where it failed for what may pass."""
        while True:
            try:
                return act()
            except UnavailableError as error:
                if not self.wait(error):
                    raise

    def _down(self, error: UnavailableError) -> float | None:
        """Seconds since the host of `error` is away, where it is waited for."""
        if not self._patient or error.away is None or self._outages >= PATIENT_ATTEMPTS:
            return None
        down = self._gates.down(error.away)
        if down is None:
            return None
        down = min(down, self._clock() - self._moved)
        return down if down < BUDGET else None
