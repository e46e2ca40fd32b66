"""Many things at once, all of them or none."""

import contextlib
import os
import signal
import threading
import time

import pytest

from cogpack.errors import InputError
from cogpack.progress import Cancellation, Cancelled
from cogpack.threads import each, wait_for


def test_after_a_failure_nothing_else_begins() -> None:
    """It began now and then: a thread of the pool was quicker than who cancels what has not begun."""
    begun: list[int] = []

    def act(item: int) -> None:
        begun.append(item)
        raise InputError("no", next_step="none")

    for _ in range(200):
        with pytest.raises(InputError):
            each(act, range(5), jobs=1, name="test", cancellation=Cancellation())
    assert set(begun) == {0}


def test_results_come_in_the_order_of_what_was_asked() -> None:
    assert each(lambda item: item * 2, range(9), jobs=4, name="test", cancellation=Cancellation()) == [*range(0, 18, 2)]


def test_a_failure_that_is_caught_leaves_what_its_caller_does_besides_alone() -> None:
    kept, stopped = Cancellation(), []

    def act(item: int) -> None:
        if item:
            raise InputError("no", next_step="none")
        for _ in range(20):
            time.sleep(0.01)
            try:
                kept.check()
            except Cancelled:
                stopped.append(item)
                raise

    for caught in (True, False):
        with pytest.raises(InputError):
            each(act, range(2), jobs=2, name="test", cancellation=kept, caught=caught)
        assert bool(stopped) is not caught


def test_after_a_failure_the_same_cancellation_serves_what_comes_next() -> None:
    """A copy of a damaged layout failed, and the next act of its session was cancelled."""

    def fail(_: int) -> None:
        raise InputError("no", next_step="none")

    def nested(item: int) -> None:
        if item:
            each(fail, range(3), jobs=2, name="inner", cancellation=one)
        else:
            one.wait(30)

    one = Cancellation()
    for act in (fail, nested):
        with pytest.raises(InputError):
            each(act, range(3), jobs=3, name="test", cancellation=one)
        one.check()
        assert each(lambda item: item, range(3), jobs=2, name="test", cancellation=one) == [0, 1, 2]


def test_what_somebody_cancelled_meanwhile_stays_cancelled() -> None:
    one = Cancellation()

    def act(item: int) -> None:
        if item:
            raise InputError("no", next_step="none")
        with contextlib.suppress(Cancelled):
            one.wait(30)
        one.cancel()

    with pytest.raises(InputError):
        each(act, range(2), jobs=2, name="test", cancellation=one)
    with pytest.raises(Cancelled):
        one.check()


@pytest.mark.parametrize("caught", [False, True])
def test_ctrl_c_ends_all_for_good_even_where_failures_are_caught(caught: bool) -> None:
    def act(_: int) -> None:
        raise KeyboardInterrupt

    ended = Cancellation()
    with pytest.raises(KeyboardInterrupt):
        each(act, range(5), jobs=2, name="test", cancellation=ended, caught=caught)
    with pytest.raises(Cancelled):
        ended.check()


def test_why_one_stopped_the_others_is_told_although_they_end_before_it() -> None:
    """A push was told as interrupted: the config's thread ended before that which waited for the refused layer's."""
    for caught in (False, True):
        cancellation, others = Cancellation(), threading.Event()

        def layers(cancellation: Cancellation = cancellation, others: threading.Event = others) -> None:
            cancellation.cancel()
            others.wait(30)
            raise InputError("refused", next_step="none")

        def config(cancellation: Cancellation = cancellation, others: threading.Event = others) -> None:
            threading.Timer(0.2, others.set).start()
            while True:
                cancellation.wait(30)

        with pytest.raises(InputError, match="refused"):
            each(lambda act: act(), [layers, config], jobs=2, name="t", cancellation=cancellation, caught=caught)


def test_a_signal_that_does_not_wake_who_waits_is_heard_all_the_same() -> None:
    """As one that comes between Python's last look and the sleep: a server that was told to end stayed for ever."""
    ended, late = threading.Event(), threading.Event()

    def send() -> None:
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGUSR1)  # this thread gets it: the main one, which has to act on it, sleeps on
        if not late.wait(20):
            late.set()
            ended.set()

    def end(number: int, _frame: object) -> None:
        raise InterruptedError(number)

    thread = threading.Thread(target=send)
    before = signal.signal(signal.SIGUSR1, end)
    thread.start()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        with pytest.raises(InterruptedError):
            wait_for(ended)
        assert not late.is_set()
    finally:
        late.set()
        thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGUSR1, before)
