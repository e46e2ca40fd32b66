"""One throttle per host holds what eight workers know of it together.

They do not hammer a registry that asked one of them to wait, and wait for one that went away for no longer together
than alone.

`Throttle` is the rule, without threads or time of its own; `Throttles` is where workers stand and wait.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cogpack.errors import UnavailableError
from cogpack.progress import Cancellation

RETRIED = frozenset({408, 429, 499, 500, 502, 503, 504, 522, 524})
"""Statuses of failures that may pass (RFC 9110 15, 429)."""
DOWN = frozenset({502, 503, 504, 522})
"""Of these, what a proxy says of a server that is away. (One that throttles says for how long, or means it.)"""
_PEACE = 60.0
"""Seconds without a 429 after which one more request may run."""
_LONGEST = 600.0
"""Seconds after which a request goes although others are still running: they may be waiting for it."""
_TICK = 0.1


class Throttle:
    """Counts the requests to one host and says when the next may go.

    `now`: seconds of any clock that does not go back.
    """

    def __init__(self) -> None:
        self.busy = 0
        self.limit: int | None = None
        self._ceiling = 0
        self._closed_until = float("-inf")
        self._halved = float("-inf")
        self._quiet_since = 0.0
        self._met = False
        self._down_since: float | None = None
        self.told = False

    def delay(self, now: float) -> float:
        """Return the seconds until it is worth asking again; 0: go."""
        while self.limit is not None and now - self._quiet_since >= _PEACE:
            self._quiet_since += _PEACE
            self.limit = self.limit + 1 if self.limit + 1 < self._ceiling else None
        if now < self._closed_until:
            return self._closed_until - now
        return 0.0 if self.limit is None or self.busy < self.limit else _TICK

    def postponed(self, now: float, seconds: float) -> None:
        """Let nobody go for `seconds`."""
        self._closed_until = max(self._closed_until, now + seconds)

    def throttled(self, now: float, began: float) -> None:
        """Halve how many go at a time: a request that began at `began` got 429. All that a burst brings counts once."""
        self._quiet_since = now
        if began < self._halved:
            return
        self._ceiling = max(self._ceiling, self.busy)
        self.limit = max(1, (self.limit or self.busy) // 2)
        self._halved = now

    def went_well(self) -> None:
        self._met, self._down_since, self.told = True, None, False

    def failed(self, now: float) -> None:
        if self._down_since is None:
            self._down_since = now

    def down(self, now: float) -> float | None:
        """Return the seconds since all asked of it fails; None of a host that never was there: it may not exist."""
        return now - (now if self._down_since is None else self._down_since) if self._met else None


class Turn:
    """Takes from one request what it learnt of its host, and tells its failure what is known of it."""

    def __init__(self, host: str, throttle: Throttle, lock: threading.Lock, clock: Callable[[], float]) -> None:
        self._host = host
        self._throttle = throttle
        self._lock = lock
        self._clock = clock
        self._began = clock()
        self._away: str | None = host
        self._wait: float | None = None

    def answered(self, status: int, retry_after: float | None) -> None:
        self._away = self._host if status in DOWN else None
        self._wait = retry_after if status in RETRIED else None
        with self._lock:
            if status not in RETRIED:
                self._throttle.went_well()
                return
            self._throttle.failed(self._clock())
            if retry_after:
                self._throttle.postponed(self._clock(), retry_after)
            if status == 429:
                self._throttle.throttled(self._clock(), self._began)

    def failed(self, error: UnavailableError) -> None:
        """Tell `error`, which came before an answer or for it; what it knows of another host stays."""
        with self._lock:
            self._throttle.failed(self._clock())
        error.away = error.away or self._away
        error.wait = error.wait or self._wait


class Throttles:
    """Keeps the throttles of all hosts. Thread-safe.

    A thread that is inside already is never kept waiting: it would wait for itself.
    """

    def __init__(self, cancellation: Cancellation, clock: Callable[[], float]) -> None:
        self.cancellation = cancellation
        self.clock = clock
        self._throttles: dict[str, Throttle] = {}
        self._lock = threading.Lock()
        self._inside = threading.local()

    def down(self, host: str) -> float | None:
        """Ask `Throttle.down` of `host`."""
        with self._lock:
            return self._throttles[host].down(self.clock()) if host in self._throttles else None

    def is_held(self, host: str) -> bool:
        """Tell whether it asked for time, or for fewer requests at once."""
        with self._lock:
            throttle = self._throttles.get(host)
            return throttle is not None and (throttle.delay(self.clock()) > 0 or throttle.limit is not None)

    def is_news(self, host: str) -> bool:
        """Say whether nobody else has told the user that it is down."""
        with self._lock:
            throttle = self._throttles[host]
            told, throttle.told = throttle.told, True
            return not told

    @contextmanager
    def turn(self, host: str, prepare: Callable[[], None] = lambda: None) -> Iterator[Turn]:
        """Wait until a request to `host` may go; it goes on until its answer is read.

        `prepare`: what must not grow old here. It is called when the wait is over, and again after one that came
        meanwhile; it takes no place, for what it waits for may need one itself.
        """
        inside: dict[str, int] = self._inside.__dict__.setdefault("hosts", {})
        longest = self.clock() + _LONGEST
        prepared = False
        while True:
            with self._lock:
                throttle = self._throttles.setdefault(host, Throttle())
                now = self.clock()
                wait = 0.0 if inside.get(host) or now >= longest else throttle.delay(now)
                if not wait and prepared:
                    throttle.busy += 1
                    break
            if wait:
                self.cancellation.wait(min(wait, longest - now))
            else:
                prepare()
            prepared = not wait
        inside[host] = inside.get(host, 0) + 1
        turn = Turn(host, throttle, self._lock, self.clock)
        try:
            yield turn
        except UnavailableError as error:
            turn.failed(error)
            raise
        finally:
            inside[host] -= 1
            with self._lock:
                throttle.busy -= 1
