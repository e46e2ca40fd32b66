"""What connections move together is counted as it is, whatever buffers lie between."""

import threading
import time

import pytest

from cogpack.bench.flows import follow
from cogpack.bench.lanes import Flow, Lane, Lanes, measure_lanes
from cogpack.errors import UnavailableError
from cogpack.progress import Cancellation

MB = 10**6


def flow(monkeypatch: pytest.MonkeyPatch, blocks: list[tuple[float, int]], drained: float | None = None) -> Flow:
    made = Flow(Cancellation())
    for when, size in blocks:
        monkeypatch.setattr("cogpack.bench.lanes.time.monotonic", lambda when=when: when)
        made.moved(size)
    if drained is not None:
        monkeypatch.setattr("cogpack.bench.lanes.time.monotonic", lambda: drained)
        made.drained()
    return made


def test_a_slow_begin_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [(at / 10, 1000 if at < 5 else 10_000) for at in range(21)]
    assert flow(monkeypatch, blocks).rate == pytest.approx(100_000)


def test_what_only_went_into_buffers_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """4 MB at once, then 1 MB a second for two seconds, and the other side has all of it after four more."""
    blocks = [(at / 1000, MB) for at in range(4)] + [(at / 10, MB // 10) for at in range(1, 21)]
    assert flow(monkeypatch, blocks, 6.0).rate == pytest.approx(MB, rel=0.1)


def test_what_all_went_into_buffers_counts_until_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [(at / 1000, MB) for at in range(4)]
    assert flow(monkeypatch, blocks, 2.0).rate == pytest.approx(2 * MB, rel=0.01)


def test_more_connections_are_tried_until_more_move_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {1: 10, 2: 20, 4: 30, 8: 30, 16: 31, 32: 99}
    rooms: list[int] = []

    def measure(count: int, room: int) -> Flow:
        rooms.append(room)
        return flow(monkeypatch, [(at, rates[count]) for at in range(5)])

    lanes, used = measure_lanes((1, 2, 4, 8, 16, 32), 6000, measure, lambda _: None)
    assert [lane.connections for lane in lanes] == [1, 2, 4, 8, 16]
    assert used == 5 * sum(rates[lane.connections] for lane in lanes)
    assert rooms[0] == 1000
    assert all(room > 1000 for room in rooms[1:])


def test_what_kept_the_first_from_moving_is_raised() -> None:
    def measure(_: int, __: int) -> Flow:
        failed = Flow(Cancellation())
        failed.failed(UnavailableError("no way", next_step="none"))
        return failed

    with pytest.raises(UnavailableError, match="no way"):
        measure_lanes((1, 2), 100, measure, lambda _: None)


def test_who_takes_all_is_not_held_to_a_stream() -> None:
    def lanes(*rates: float) -> Lanes:
        return Lanes(lanes=tuple(Lane(connections=2**at, rate=rate) for at, rate in enumerate(rates)))

    assert lanes(10, 20, 40).total is None
    assert lanes(10, 20, 21, 20).total == 21
    assert lanes(10, 10, 10).stream_limit > 1e9
    assert lanes(10, 20, 21, 20).stream_limit == 10


def test_works_are_ended_when_their_time_is_up() -> None:
    made = Flow(Cancellation())
    ended = threading.Event()

    def work() -> None:
        while not made.ended:
            made.moved(1)
            time.sleep(0.001)
        ended.set()

    began = time.monotonic()
    made.run([work, work], 0.1, patience=5.0)
    assert 0.1 <= time.monotonic() - began < 1.0
    assert ended.is_set()


def test_things_move_beside_each_other_and_keep_their_places_to_the_end() -> None:
    steps = follow(
        [100, 100, 100], at_once=2, pace=lambda moving: [100 / len(moving)] * len(moving), before=1, after=lambda _: 0.5
    )
    assert [step.asked for step in steps] == [0, 0, 3.5]
    assert [step.moved for step in steps] == [3, 3, 5.5]
    assert [step.done for step in steps] == [3.5, 3.5, 6]
