"""This module does many things at once, all of them or none."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from cogpack.progress import Cancellation

T = TypeVar("T")
U = TypeVar("U")


def each(act: Callable[[U], T], items: Sequence[U], *, jobs: int, name: str, cancellation: Cancellation) -> list[T]:
    """Return `act` of all items, `jobs` at a time, in their order; the first failure stops the others at their next
    block.

    So does Ctrl-C, whenever it comes: threads that nobody told would be waited for.
    """
    pool = ThreadPoolExecutor(jobs, thread_name_prefix=name)
    try:
        futures = [pool.submit(act, item) for item in items]
        left = set(futures)
        while left:
            # Not for ever: a signal may reach another thread first, and then wakes nobody here.
            done, left = wait(left, timeout=0.5, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        return [future.result() for future in futures]
    except BaseException:
        cancellation.cancel()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
