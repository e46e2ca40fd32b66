"""Things move beside each other, each over a connection of its own: when each is begun and done is followed here."""

import math
from collections.abc import Callable, Sequence

import msgspec


class Step(msgspec.Struct, frozen=True):
    """When a thing was asked for, when its bytes had all moved, and when its place was free for the next: seconds."""

    asked: float
    moved: float
    done: float


def follow(
    sizes: Sequence[int],
    *,
    at_once: int,
    pace: Callable[[Sequence[int]], Sequence[float]],
    before: float = 0.0,
    after: Callable[[int], float] = lambda _: 0.0,
) -> list[Step]:
    """Follow things of so many bytes in their order, `at_once` of them at a time.

    `pace`: bytes a second of each of those that move now, which it is told by their places; `before`: seconds until the
    first byte of one moves; `after`: seconds from the last byte of one until its place is free.
    """
    asked, moved, done = ([0.0] * len(sizes) for _ in range(3))
    left: dict[int, float] = {}
    begins: dict[int, float] = {}
    ending: set[int] = set()
    now, following = 0.0, 0
    while following < len(sizes) or left or ending:
        while following < len(sizes) and len(left) + len(ending) < at_once:
            asked[following] = now
            left[following] = float(sizes[following])
            begins[following] = now + before
            following += 1
        moving = [at for at in left if begins[at] <= now]
        paces = pace(moving) if moving else ()
        # Until one begins or ends, each moves at the same pace.
        steps = [begins[at] - now for at in left if begins[at] > now]
        steps += [done[at] - now for at in ending]
        steps += [left[at] / its if its else math.inf for at, its in zip(moving, paces, strict=True)]
        step = max(0.0, min(steps))
        now += step
        for at, its in zip(moving, paces, strict=True):
            left[at] -= its * step if step else 0.0
            if left[at] <= 1e-6 * sizes[at] or math.isinf(its):
                del left[at]
                moved[at] = now
                done[at] = now + after(at)
                ending.add(at)
        ending -= {at for at in ending if done[at] <= now}
    return [Step(*times) for times in zip(asked, moved, done, strict=True)]
