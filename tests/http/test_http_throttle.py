"""The throttle of a host: everyone waits for what one was told, fewer go at a time, and peace brings them back."""

import contextlib
import threading

import pytest
from support.clock import Time
from support.fake_http import Answer, Request, serving

from cogpack.errors import UnavailableError
from cogpack.http import Http
from cogpack.http.throttle import Throttle, Throttles
from cogpack.progress import Cancellation, Cancelled


def running(throttle: Throttle, count: int) -> Throttle:
    throttle.busy = count
    return throttle


def test_a_throttle_is_open_until_someone_is_throttled() -> None:
    assert running(Throttle(), 64).delay(0) == 0


def test_429_halves_what_runs_and_a_burst_of_them_counts_once() -> None:
    throttle = running(Throttle(), 8)
    for began in (90.0, 95.0, 99.0):
        throttle.throttled(100, began)
    assert throttle.limit == 4
    throttle.throttled(101, 100.5)  # one that began since
    assert throttle.limit == 2
    for now in range(102, 110):
        throttle.throttled(now, now)
    assert throttle.limit == 1


def test_each_minute_of_peace_lets_one_more_go_until_all_are_back() -> None:
    throttle = running(Throttle(), 4)
    throttle.throttled(0, 0)
    assert throttle.limit == 2
    assert throttle.delay(59) > 0
    throttle.busy = 2
    assert throttle.delay(59) > 0
    assert throttle.delay(60) == 0
    assert throttle.limit == 3
    assert throttle.delay(120) == 0
    assert throttle.limit is None


def test_a_429_in_between_starts_the_minute_anew() -> None:
    throttle = running(Throttle(), 8)
    throttle.throttled(0, 0)
    throttle.throttled(50, -1)  # of the old burst: no less, but no peace either
    throttle.delay(100)
    assert throttle.limit == 4
    throttle.delay(110)
    assert throttle.limit == 5


def test_nobody_goes_before_the_moment_that_one_was_told() -> None:
    throttle = Throttle()
    throttle.postponed(100, 7)
    throttle.postponed(100, 3)
    assert throttle.delay(101) == 6
    assert throttle.delay(107) == 0


def test_retry_after_holds_for_all_workers_of_the_host_and_for_no_other_host() -> None:
    time = Time()
    throttles = Throttles(time, time.clock)
    with throttles.turn("h.io") as turn:
        turn.answered(503, 7)
    with throttles.turn("other.io"):
        assert time.waits == []
    done: list[float] = []

    def work() -> None:
        with throttles.turn("h.io"):
            done.append(time.now)

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert done == [1007]


@pytest.mark.parametrize(("status", "after"), [(200, 7.0), (404, 7.0), (429, None), (503, None)])
def test_only_what_asks_for_time_gets_it(status: int, after: float | None) -> None:
    time = Time()
    throttles = Throttles(time, time.clock)
    with throttles.turn("h.io") as turn:
        turn.answered(status, after)
    with throttles.turn("h.io"):
        assert time.waits == []


def test_a_thread_that_is_inside_does_not_wait_for_itself() -> None:
    time = Time()
    throttles = Throttles(time, time.clock)
    with throttles.turn("h.io") as outer:
        outer.answered(429, 5)
        with throttles.turn("h.io"):
            assert time.waits == []


def test_a_place_is_free_again_after_any_end() -> None:
    time = Time()
    throttles = Throttles(time, time.clock)
    with contextlib.suppress(KeyError), throttles.turn("h.io") as turn:
        turn.answered(429, None)
        raise KeyError
    with throttles.turn("h.io"):
        assert time.waits == []


def test_what_must_be_fresh_is_made_after_the_wait_and_again_where_the_throttle_has_closed_meanwhile() -> None:
    time = Time()
    throttles = Throttles(time, time.clock)
    made: list[float] = []

    def prepare() -> None:
        made.append(time.now)
        if len(made) == 1:
            with throttles.turn("h.io") as other:
                other.answered(503, 30)

    with throttles.turn("h.io") as turn:
        turn.answered(503, 7)
    with throttles.turn("h.io", prepare):
        assert made == [1007, 1037]


def test_who_prepares_takes_no_place_that_what_it_waits_for_may_need() -> None:
    time = Time()
    throttles = Throttles(time, time.clock)

    def go() -> None:
        with throttles.turn("h.io"):
            pass

    def prepare() -> None:  # another thread asks the same host for the token that both want
        worker = threading.Thread(target=go)
        worker.start()
        worker.join()

    with throttles.turn("h.io") as turn:
        turn.answered(429, None)  # one at a time
    with throttles.turn("h.io", prepare):
        assert time.waits == []


def test_workers_stand_in_line_and_ctrl_c_takes_them_out() -> None:
    cancellation = Cancellation()
    throttles = Throttles(cancellation, lambda: 0.0)
    outcome: list[str] = []

    def work() -> None:
        try:
            with throttles.turn("h.io"):
                outcome.append("went")
        except Cancelled:
            outcome.append("cancelled")

    with throttles.turn("h.io") as turn:
        turn.answered(429, None)  # one at a time, and that one is us
        worker = threading.Thread(target=work)
        worker.start()
        cancellation.cancel()
        worker.join()
    assert outcome == ["cancelled"]


def test_a_request_goes_after_ten_minutes_though_the_line_does_not_move() -> None:
    time = Time()
    throttles = Throttles(time, time.clock)
    done: list[float] = []

    def work() -> None:
        with throttles.turn("h.io"):
            done.append(time.now)

    with throttles.turn("h.io") as turn:
        turn.answered(429, None)
        turn._throttle._quiet_since = 1e9  # no peace in sight
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
    assert done == [pytest.approx(1600, abs=1)]


def throttling(seconds: str, times: int) -> "list[Answer]":
    return [(429, {"Retry-After": seconds}, b"")] * times + [(200, {}, b"ok")]


@pytest.mark.parametrize(("seconds", "waited"), [("7", 7), ("99999", 300)])
def test_a_request_waits_as_long_as_it_was_told_five_minutes_at_most(seconds: str, waited: float) -> None:
    answers = iter(throttling(seconds, 1))
    time = Time()
    with serving(lambda _: next(answers)) as fake, Http(cancellation=time, clock=time.clock) as http:
        assert http.request("GET", fake.url, origin=fake.url).body == b"ok"
    assert time.now == 1000 + waited


def test_waiting_ends_after_ten_minutes_without_progress() -> None:
    answers = iter(throttling("250", 9))
    time = Time()
    with serving(lambda _: next(answers)) as fake, Http(cancellation=time, clock=time.clock) as http:
        assert http.request("GET", fake.url, origin=fake.url).status == 429
        assert len(fake.seen) == 3
    assert time.now == 1500


def test_failures_without_an_answer_are_given_up_in_the_same_time() -> None:
    time = Time()
    asked: list[str] = []

    def resolver(name: str, port: int) -> list[str]:
        asked.append(name)
        raise OSError("no such name")

    waits = Http(cancellation=time, clock=time.clock, resolver=resolver, backoff=lambda _: 400.0)
    with waits as http, pytest.raises(UnavailableError):
        http.request("GET", "http://h.io/", origin="http://h.io/")
    assert asked == ["h.io", "h.io"]


def test_other_workers_wait_for_what_one_request_was_told() -> None:
    time = Time()
    order: list[str] = []

    def script(request: Request) -> Answer:
        order.append(f"{request.path} at {time.now:.0f}")
        return (429, {"Retry-After": "30"}, b"") if len(order) == 1 else (200, {}, b"")

    with serving(script) as fake, Http(cancellation=time, clock=time.clock) as http:
        assert http.request("GET", f"{fake.url}/a", origin=fake.url, tries="once").status == 429
        with http.open("PUT", f"{fake.url}/b", origin=fake.url, body=[b"x"]) as stream:
            assert stream.status == 200
    assert order == ["/a at 1000", "/b at 1030"]


def test_a_request_is_authorized_when_its_turn_has_come() -> None:
    time = Time()
    with (
        serving(lambda _: (503, {"Retry-After": "30"}, b"")) as fake,
        Http(cancellation=time, clock=time.clock) as http,
    ):
        for _ in range(2):
            with http.open(
                "PUT",
                fake.url,
                origin=fake.url,
                headers={"Authorization": "old", "X-Other": "kept"},
                authorize=lambda: {"Authorization": f"made at {time.now:.0f}"},
            ):
                pass
    assert [request.headers["authorization"] for request in fake.seen] == ["made at 1000", "made at 1030"]
    assert fake.seen[1].headers["x-other"] == "kept"
