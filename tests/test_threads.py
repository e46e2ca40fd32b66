"""Many things at once, all of them or none."""

import pytest

from cogpack.errors import InputError
from cogpack.progress import Cancellation
from cogpack.threads import each


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
