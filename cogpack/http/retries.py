"""`Retries` says what is tried again, when, and for how long: one rule for requests, blobs and files."""

import email.utils
import math
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal, TypeAlias, TypeVar

from cogpack.errors import UnavailableError
from cogpack.http.throttle import Throttles
from cogpack.notes import Code, Note
from cogpack.progress import Progress
from cogpack.trace import TRACE

ATTEMPTS = 4
OUTAGE_ATTEMPTS = 600
"""Of a host that was there before and is away, in that time; with our own waits between them it is fewer."""
_LONGEST_WAIT = 300.0
FLOOR = 512
"""Bytes a second that all failed requests of one piece of work must have been worth, once ten minutes went on them:
sixteen layers at once over a line of 64 kbit/s. With less, a byte now and then would be progress for ever."""

T = TypeVar("T")

Tries: TypeAlias = Literal["once", "few", "wait out"]
"""How often a request is tried: once; a few times; also for up to ten minutes where the host was there and is away."""

Backoff: TypeAlias = Callable[[int], float]
"""attempt -> seconds before attempt + 1."""


class Retries:
    """Decides whether one piece of work goes on after a failure, and when. Not thread-safe.

    `attempts`: failures in a row that end it; `math.inf`: the caller counts them. With `wait_out`, a host that was
    there before and is away (`UnavailableError.away`) is waited for instead, and the user told. `budget`: seconds
    without progress that end anything (`Limits`); those of an outage began with it, whoever waits for its end. What
    brings less than `FLOOR` is no progress.
    """

    def __init__(
        self,
        throttles: Throttles,
        progress: Progress,
        backoff: Backoff,
        *,
        attempts: float,
        wait_out: bool,
        budget: float,
    ) -> None:
        self._budget = budget
        self._throttles = throttles
        self._cancellation = throttles.cancellation
        self._clock = throttles.clock
        self._progress = progress
        self._backoff = backoff
        self._attempts = attempts
        self._wait_out = wait_out
        self._failures = 0
        self._outages = 0
        self._since: float | None = None
        self._moved = -math.inf
        self._spent = 0.0
        self._brought = 0

    def brought(self, size: int) -> None:
        """Count new bytes that came."""
        self._brought += size

    def progressed(self) -> None:
        """Forget all failures, but not how long they took."""
        self._failures, self._outages, self._since, self._moved = 0, 0, None, self._clock()

    def awaits(self, error: UnavailableError) -> bool:
        """Say whether it is of an outage that is waited for, and no failure to be counted."""
        return self._down(error) is not None

    def delay(self, error: UnavailableError) -> float | None:
        """Return the seconds until the work is to go on after `error`; None: it is not."""
        now = self._clock()
        self._since = now if self._since is None else self._since
        left = self._budget - (now - self._since)
        down = self._down(error)
        if down is not None:
            self._outages += 1
            left = min(left, self._budget - down)
        elif error.away and self._outages:
            return None
        else:
            self._failures += 1
            self._spent += error.spent
            if self._spent > self._budget and self._brought < FLOOR * self._spent:
                return None
        wait = error.wait or self._backoff(self._failures + self._outages)
        if self._failures >= self._attempts or wait > left:
            return None
        if error.away and self._outages >= ATTEMPTS and self._throttles.is_news(error.away):
            text = f"{error.message}; asked again for up to {self._budget / 60:.0f} minutes"
            self._progress.note(Note(Code.OUTAGE, text))
        return wait

    def wait(self, error: UnavailableError) -> bool:
        """Wait for `delay`. False: the work is not to go on."""
        delay = self.delay(error)
        if TRACE.level:
            TRACE.decided(f"{error.message}: {f'again in {delay:.1f} s' if delay is not None else 'given up'}")
        if delay is not None:
            self._cancellation.wait(delay)
        return delay is not None

    def persist(self, act: Callable[[], T]) -> T:
        """Do `act`, again where it failed for what may pass."""
        while True:
            try:
                return act()
            except UnavailableError as error:
                if not self.wait(error):
                    raise

    def _down(self, error: UnavailableError) -> float | None:
        """Return the seconds since the host of `error` is away, where it is waited for."""
        if not self._wait_out or error.away is None or self._outages >= OUTAGE_ATTEMPTS:
            return None
        down = self._throttles.down(error.away)
        if down is None:
            return None
        down = min(down, self._clock() - self._moved)
        return down if down < self._budget else None


def backoff(attempt: int) -> float:
    """Choose the seconds before attempt + 1: half a second doubled each time, at most 30, with full jitter."""
    return random.uniform(0, min(30.0, 0.5 * 2**attempt))  # noqa: S311 - spreads load, keeps no secret


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read the seconds of a Retry-After header (RFC 9110 10.2.3), five minutes at most."""
    text = headers.get("retry-after")
    if text is None:
        return None
    if text.strip().isdecimal():
        return min(float(text), _LONGEST_WAIT)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for the zone of a moment that is none
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - datetime.fromtimestamp(time.time(), UTC)).total_seconds()), _LONGEST_WAIT)
