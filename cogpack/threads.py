"""This module does many things at once, all of them or none."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Self, TypeVar, cast

from cogpack.errors import CogpackError
from cogpack.progress import Cancellation, Cancelled

T = TypeVar("T")
U = TypeVar("U")

_LOOK = 0.5
"""Seconds after which who waits looks for signals."""


def wait_for(event: threading.Event) -> None:
    """Wait as long as it takes, or until a signal raises here. Of one that comes after Python's last look, but before
    the thread sleeps, a wait without a limit hears when it ends, which may be never."""
    while not event.wait(_LOOK):
        pass


def each(
    act: Callable[[U], T],
    items: Sequence[U],
    *,
    jobs: int,
    name: str,
    cancellation: Cancellation,
    caught: bool = False,
) -> list[T]:
    """Return `act` of all items, `jobs` at a time, in their order.

    The first failure stops the others at their next block, and no other begins after it: the cancellation, which is of
    all the caller's work, is set until they have ended. Ctrl-C, whenever it comes, sets it for good: threads that
    nobody told would be waited for. `caught`: the caller goes on after a failure, so that the cancellation is left
    alone then, and those that have begun are waited for. What is raised is `Cancelled` where nothing else was: one of
    many that began others of its own tells why it stopped all when these have ended, long after the rest.
    """
    failures: list[BaseException] = []

    def begin(item: U) -> T:
        if failures:  # a thread of the pool may be quicker than we who cancel what has not begun
            return cast("T", None)
        try:
            return act(item)
        except BaseException as error:
            failures.append(error)
            raise

    pool = ThreadPoolExecutor(jobs, thread_name_prefix=name)
    try:
        futures = [pool.submit(begin, item) for item in items]
        left = set(futures)
        while left:
            # Not for ever: a signal may reach another thread first, and then wakes nobody here.
            done, left = wait(left, timeout=0.5, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        return [future.result() for future in futures]
    except BaseException as error:
        if caught and isinstance(error, CogpackError):
            raise
        if not isinstance(error, Exception | Cancelled):
            cancellation.cancel()
            raise
        with cancellation.stopping():
            pool.shutdown(wait=True, cancel_futures=True)
        if isinstance(error, Cancelled):
            raise next((one for one in failures if not isinstance(one, Cancelled)), error) from None
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class Turns:
    """Lets `count` threads of many work at a time; of those that wait, the one with the lowest place goes next."""

    def __init__(self, count: int, cancellation: Cancellation) -> None:
        self._free = count
        self._cancellation = cancellation
        self._waiting: list[int] = []
        self._changed = threading.Condition()

    def take(self, place: int) -> "Turn":
        """For a `with`, which begins when it is the turn of `place`. No two have one place."""
        return Turn(self, place)

    def begin(self, place: int) -> None:
        with self._changed:
            self._waiting.append(place)
            try:
                while not self._free or min(self._waiting) != place:
                    self._changed.wait(0.5)
                    self._cancellation.check()
                self._free -= 1
            finally:
                self._waiting.remove(place)
                self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify_all()


class Turn:
    """One of `Turns`."""

    def __init__(self, turns: Turns, place: int) -> None:
        self._turns = turns
        self._place = place
        self._held = False

    def __enter__(self) -> Self:
        self._turns.begin(self._place)
        self._held = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._held:
            self._turns.end()

    def lend(self, wait: Callable[[], object]) -> None:
        """Others work while we `wait`; then it is our turn again."""
        self._held = False
        self._turns.end()
        wait()
        self.__enter__()
