"""How long to go on: so many failures of a host that answers, ten minutes of one that was there and is away."""

import math
import random
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import Notes, Time
from support.fake_http import Answer, Hangup, Request, serving

from cogpack.errors import UnavailableError
from cogpack.http import Backoff, Http, Limits, Retries
from cogpack.http.retries import ATTEMPTS, FLOOR, OUTAGE_ATTEMPTS

BUDGET = Limits().budget


def failed(away: str | None = None, wait: float | None = None) -> UnavailableError:
    error = UnavailableError(f"{away or 'h.io'}: failed", next_step="wait")
    error.away, error.wait = away, wait
    return error


class World:
    """A host `h.io` that was there, and one `new.io` that never was."""

    def __init__(self, attempts: float = ATTEMPTS, backoff: Backoff = lambda attempt: min(30.0, 2.0**attempt)) -> None:
        self.time = Time()
        self.notes = Notes()
        self.http = Http(cancellation=self.time, progress=self.notes, clock=self.time.clock, backoff=backoff)
        self.there()
        self.retries = self.http.retries(attempts)

    def there(self) -> None:
        with self.http._throttles.turn("h.io") as turn:
            turn.answered(200, None)

    def fails(self, error: UnavailableError, retries: Retries | None = None) -> bool:
        """As it is told to the throttle and then to whoever asked; whether that goes on, after its wait."""
        with suppress(UnavailableError), self.http._throttles.turn(error.away or "h.io") as turn:
            if not error.away:
                turn.answered(200, None)
            raise error
        return (retries or self.retries).wait(error)

    def until_over(self, error: UnavailableError, retries: Retries | None = None) -> float:
        """Seconds that `retries` has for it."""
        began = self.time.now
        while self.fails(error, retries):
            pass
        return self.time.now - began


@pytest.mark.parametrize("error", [failed(), failed("new.io")])
def test_a_host_that_answers_or_never_did_has_so_many_failures(error: UnavailableError) -> None:
    world = World(attempts=3)
    assert [world.fails(error) for _ in range(3)] == [True, True, False]
    assert world.time.waits == [2, 4]
    assert world.notes.notes == []


def test_a_host_that_was_there_is_waited_for_ten_minutes_and_the_user_told_once() -> None:
    world = World()
    assert BUDGET - 60 < world.until_over(failed("h.io")) <= BUDGET
    assert world.notes.notes == ["h.io: failed; asked again for up to 10 minutes"]


def test_who_comes_later_waits_no_longer_than_the_others() -> None:
    world = World()
    others = [world.http.retries() for _ in range(2)]
    began = world.time.now
    world.fails(failed("h.io"))
    world.time.now += 400
    world.until_over(failed("h.io"), others[0])
    assert BUDGET - 60 < world.time.now - began <= BUDGET
    world.time.now = began + BUDGET + 1
    assert 0 < world.until_over(failed("h.io"), others[1]) < 60  # as of any host that is not there


def test_after_an_outage_a_failure_is_the_first() -> None:
    world = World(attempts=2)
    for _ in range(10):
        assert world.fails(failed("h.io"))
    world.there()
    assert [world.fails(failed()) for _ in range(2)] == [True, False]


def test_an_outage_does_not_forget_the_failures_before_it() -> None:
    world = World(attempts=3)
    outcomes = [world.fails(failed("h.io" if number % 2 else None)) for number in range(5)]
    assert outcomes == [True, True, True, True, False]


def test_progress_forgets_everything() -> None:
    world = World(attempts=2)
    for _ in range(5):
        assert world.fails(failed())
        world.retries.progressed()
    world.until_over(failed("h.io"))
    world.retries.progressed()
    assert BUDGET - 60 < world.until_over(failed("h.io")) <= BUDGET  # others' requests still come through, it seems


def test_who_can_do_without_does_not_wait() -> None:
    world = World()
    assert world.until_over(failed("h.io"), world.http.retries(wait_out=False)) < 60


def test_what_a_server_asks_for_is_what_is_waited() -> None:
    world = World(attempts=9)
    world.fails(failed(wait=7))
    world.fails(failed("h.io", wait=250))
    assert world.time.waits == [7, 250]
    assert not world.fails(failed(wait=350))  # more than is left of the ten minutes


def test_a_front_that_asks_for_little_time_at_a_time_gets_all_of_it() -> None:
    assert World().until_over(failed("h.io", wait=1.5)) == BUDGET


def test_who_does_not_wait_at_all_asks_so_often_and_no_more() -> None:
    world = World(backoff=lambda _: 0.0)
    world.until_over(failed("h.io"))
    assert len(world.time.waits) == OUTAGE_ATTEMPTS


def test_time_that_is_used_up_ends_what_counts_elsewhere() -> None:
    world = World(attempts=math.inf)
    assert BUDGET - 60 < world.until_over(failed()) <= BUDGET


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_whatever_fails_it_ends(seed: int) -> None:
    """In ten minutes without progress and a bounded number of requests."""
    chance = random.Random(seed)
    world = World(attempts=chance.choice([1, 4, 8]))
    began = world.time.now
    for requests in range(1000):  # noqa: B007
        if chance.random() < 0.2:
            world.there()
        host = chance.choice([None, "h.io", "new.io"])
        if not world.fails(failed(host, chance.choice([None, None, 0.0, 5.0, 299.0]))):
            break
    assert requests <= OUTAGE_ATTEMPTS + 16
    assert world.time.now - began <= BUDGET


# What an error is told


def asked(answer: Answer | None, *, read: bool = False) -> UnavailableError:
    def script(_: Request) -> Answer:
        if answer is None:
            raise Hangup
        return answer

    with serving(script) as fake, Http() as http:
        try:
            with http.open("GET", fake.url, origin=fake.url) as stream:
                if read:
                    stream.body()
                raise UnavailableError(f"HTTP {stream.status}", next_step="wait")
        except UnavailableError as error:
            error.away = error.away and error.away.replace(fake.address, "it")
            return error


@pytest.mark.parametrize(
    ("answer", "away", "wait"),
    [
        (None, "it", None),
        ((503, {"Retry-After": "7"}, b""), "it", 7),
        ((502, {}, b""), "it", None),
        ((500, {"Retry-After": "7"}, b""), None, 7),
        ((429, {"Retry-After": "7"}, b""), None, 7),
        ((404, {"Retry-After": "7"}, b""), None, None),
        ((200, {"Retry-After": "7"}, b""), None, None),
    ],
)
def test_an_error_knows_whether_its_host_is_away_and_for_how_long(
    answer: Answer | None, away: str | None, wait: float | None
) -> None:
    error = asked(answer)
    assert (error.away, error.wait) == (away, wait)


def test_who_breaks_off_in_its_answer_is_not_away() -> None:
    assert asked((200, {"Content-Length": "9", "Connection": "close"}, b"half"), read=True).away is None


def test_nobody_at_the_address_is_away() -> None:
    with serving(lambda _: (200, {}, b"")) as fake:
        pass
    with Http() as http, pytest.raises(UnavailableError) as caught:
        http.request("GET", fake.url, origin=fake.url, tries="once")
    assert caught.value.away == fake.address


def test_the_host_that_is_away_is_the_one_that_a_redirect_led_to() -> None:
    with serving(lambda _: (200, {}, b"")) as gone:
        pass
    with serving(lambda _: (307, {"Location": gone.url}, b"")) as fake, Http() as http:
        with pytest.raises(UnavailableError) as caught, http.follow(fake.url, origin=fake.url):
            pass
    assert caught.value.away == gone.address


def test_the_host_that_is_away_is_the_one_from_which_a_body_was_to_come() -> None:
    with serving(lambda _: (200, {}, b"")) as gone:
        pass

    def body() -> Iterator[bytes]:
        with http.open("GET", gone.url, origin=gone.url) as stream:
            yield from stream.blocks()

    with serving(lambda _: (201, {}, b"")) as fake, Http() as http, pytest.raises(UnavailableError) as caught:
        with http.open("PUT", fake.url, origin=fake.url, body=body()):
            pass
    assert caught.value.away == gone.address


def test_a_request_waits_an_outage_out_and_the_user_is_told() -> None:
    answers = iter([(200, {}, b""), *[(503, {}, b"")] * 20, (200, {}, b"back")])
    time, notes = Time(), Notes()
    with serving(lambda _: next(answers)) as fake, Http(cancellation=time, progress=notes, clock=time.clock) as http:
        http.request("GET", fake.url, origin=fake.url)
        assert http.request("GET", fake.url, origin=fake.url).body == b"back"
        assert notes.notes == [f"{fake.address}: HTTP 503; asked again for up to 10 minutes"]


def slow(seconds: float) -> UnavailableError:
    error = failed()
    error.spent = seconds
    return error


def test_a_drip_that_is_always_progress_ends_after_ten_minutes_of_waiting() -> None:
    """M0."""
    world = World(math.inf)
    for _ in range(5):
        world.retries.progressed()
        world.retries.brought(600)
        assert world.fails(slow(120))
    world.retries.progressed()
    world.retries.brought(600)
    assert not world.fails(slow(120))


def test_a_slow_line_is_never_given_up_that_brings_512_bytes_a_second() -> None:
    """However long it takes, and though no request of it keeps to the pace that a request must."""
    world = World(math.inf)
    for _ in range(1000):
        world.retries.progressed()
        world.retries.brought(120 * FLOOR)
        assert world.fails(slow(120))


def test_an_outage_is_no_drip() -> None:
    world = World(math.inf)
    for _ in range(40):
        away = failed("h.io")
        away.spent = 20
        assert world.fails(away)
        world.there()
        world.retries.progressed()
        world.retries.brought(1)
