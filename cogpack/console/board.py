"""A board knows what goes on at the moment: every task with its bytes, and all of them together. Nothing is drawn
here."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from cogpack.progress import Cancellation
from cogpack.trace import TRACE

_WINDOW = 10.0
"""Seconds over which a rate is taken."""
QUIET = 3.0
"""Seconds after which a task that moves bytes, and moved none, is said to wait."""
_MOVING = ("send", "fetch", "ask")
STILL = ("resolve", "compare", "unpack", "load")
"""Verbs of work whose bytes nobody counts."""
REUSED = ("reused", "mounted")


class Rate:
    """Takes bytes a second, from what was seen at some moments."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def seen(self, now: float, size: int) -> None:
        self._seen.append((now, size))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _WINDOW:
            self._seen.popleft()

    def value(self) -> float:
        if len(self._seen) < 2:
            return 0.0
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return max(0.0, (after - before) / (last - first)) if last > first else 0.0


class Display(Protocol):
    """Shows a board."""

    def ended(self, work: "Work", outcome: str) -> None: ...


class Work:
    """A `Task` of the board. `begun`: the moment when it was first worked on, None of what only waits its turn."""

    def __init__(self, board: "Board", name: str, size: int | None) -> None:
        self._board = board
        self.name = name
        self.size = size
        self.verb = ""
        self.moved = 0
        self.begun: float | None = None
        self.last = 0.0
        self.over = False
        self.rate = Rate()

    def doing(self, verb: str) -> None:
        self.rate = Rate()
        self.verb = verb
        self.last = self._board.clock()
        if self.begun is None:
            self.begun = self.last

    def advance(self, size: int) -> None:
        self._board.cancellation.check()
        if not self.over:  # a layer that its registry threw away goes out again
            self.moved += size
            self.last = self._board.clock()

    def done(self, outcome: str) -> None:
        self._board.end(self, outcome)

    def shown_verb(self, now: float) -> str:
        return "wait" if self.verb in _MOVING and now - self.last > QUIET else self.verb

    def seconds(self, now: float) -> float:
        return 0.0 if self.begun is None else now - self.begun


class Total:
    """Sums all tasks. `size`: bytes that move in all, as far as is known; `whole`: all of it is; `there`: bytes that
    need not move; `left`: seconds to come, None where nobody can tell."""

    def __init__(self, *, moved: int, size: int, whole: bool, there: int, rate: float) -> None:
        self.moved, self.size, self.whole, self.there, self.rate = moved, size, whole, there, rate
        self.left = (size - moved) / rate if whole and rate > 0 else None


class Board:
    """Holds all tasks. Thread-safe. `clock`: seconds, monotonic."""

    def __init__(self, display: Display, cancellation: Cancellation, clock: Callable[[], float]) -> None:
        self._display = display
        self.cancellation = cancellation
        self.clock = clock
        self._lock = threading.Lock()
        self._works: list[Work] = []
        self._moved = 0
        self._there = 0
        self._rate = Rate()
        self.tasks = 0
        self.ended = 0

    def task(self, name: str, size: int | None, verb: str) -> Work:
        work = Work(self, name, size)
        with self._lock:
            self._works.append(work)
            self.tasks += 1
        if verb:
            work.doing(verb)
        return work

    def end(self, work: Work, outcome: str) -> None:
        with self._lock:
            if work.over:
                return
            work.over = True
            self._works.remove(work)
            self.tasks -= not outcome
            self.ended += bool(outcome)
            self._moved += work.moved
            if outcome in REUSED and not work.moved:
                self._there += work.size or 0
        if not outcome:
            return
        if TRACE.level:
            told = f"{outcome} {work.name}, {work.moved or work.size or 0} B in {work.seconds(self.clock()):.3f} s"
            TRACE.detailed(told)
        self._display.ended(work, outcome)

    def active(self) -> list[Work]:
        """Return what is worked on, in the order in which it began."""
        with self._lock:
            works = [work for work in self._works if work.begun is not None]
        return sorted(works, key=lambda work: work.begun or 0.0)

    def total(self, now: float) -> Total:
        """Sum all tasks, and look at them for their rates: to be called now and then."""
        with self._lock:
            works = tuple(self._works)
            moved, there = self._moved, self._there
        size = moved
        for work in works:
            work.rate.seen(now, work.moved)
            moved += work.moved
            size += max(work.moved, work.size or 0)
        self._rate.seen(now, moved)
        whole = all(work.size is not None or work.verb in (*STILL, "ask") for work in works)
        return Total(moved=moved, size=size, whole=whole, there=there, rate=self._rate.value())


class Ticker:
    """Calls `act` every `period` seconds, in a thread of its own, until it is stopped."""

    def __init__(self, period: float, act: Callable[[], None]) -> None:
        self._period = period
        self._act = act
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="display", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._period):
            try:
                self._act()
            except (OSError, ValueError):  # nobody is there to read it any more
                return
