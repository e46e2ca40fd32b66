"""Inputs of layers on their way: who waits for what, and what becomes of failures."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.clock import Notes
from support.fake_http import Answer, Fake, Request, serving

from cogpack.artifacts import Artifact, Input, Store, Supply
from cogpack.digest import sha256
from cogpack.errors import MismatchError, UnavailableError
from cogpack.http import Http
from cogpack.progress import SILENT, Cancellation, Cancelled
from cogpack.threads import Turns


@pytest.fixture
def supply(tmp_path: Path) -> Iterator[Supply]:
    with Http(backoff=lambda _: 0.0) as http:
        made = Supply(Store(tmp_path / "store", http), SILENT, http.cancellation)
        yield made
        http.cancellation.cancel()
        made.close()


def data_of(name: str) -> bytes:
    return name.encode() * 1000


def given(request: Request) -> Answer:
    return 200, {}, data_of(request.path.lstrip("/"))


def inputs(supply: Supply, fake: Fake, *names: str, noun: str = "wheel") -> list[Input]:
    return [
        Input(
            supply=supply,
            artifact=Artifact(name, sha256(data_of(name)), len(data_of(name))),
            noun=noun,
            urls=lambda name=name: [f"{fake.url}/{name}"],  # type: ignore[misc]
        )
        for name in names
    ]


def test_wheels_and_packages_come_beside_each_other(supply: Supply) -> None:
    both = threading.Barrier(2, timeout=10)

    def script(request: Request) -> Answer:
        both.wait()
        return given(request)

    with serving(script) as fake:
        wanted = [*inputs(supply, fake, "a"), *inputs(supply, fake, "b", noun="Debian package")]
        supply.want(wanted)
        supply.wait(wanted)
        assert [one.file().path.read_bytes() for one in wanted] == [data_of("a"), data_of("b")]
        assert len(fake.seen) == 2


def test_nobody_waits_for_another_ones_file(supply: Supply) -> None:
    late = threading.Event()

    def script(request: Request) -> Answer:
        assert request.path != "/late" or late.wait(10)
        return given(request)

    with serving(script) as fake:
        early, other = inputs(supply, fake, "early", "late")
        supply.want([other, early])
        supply.wait([early])
        assert supply.are_here([early])
        assert not supply.are_here([early, other])
        late.set()
        supply.wait([other])
        assert supply.are_here([other])


def test_a_file_that_can_not_be_had_ends_whoever_waits_for_any(supply: Supply) -> None:
    over = threading.Event()

    def script(request: Request) -> Answer:
        if request.path == "/slow":
            over.wait(20)
        return (404, {}, b"") if request.path == "/gone" else given(request)

    with serving(script) as fake:
        slow, gone = inputs(supply, fake, "slow", "gone")
        supply.want([slow, gone])
        with pytest.raises(UnavailableError, match="gone"):
            supply.wait([slow, gone])
        with pytest.raises(UnavailableError, match="gone"):
            supply.wait([slow])
        over.set()


def test_another_file_than_was_locked_is_refused(supply: Supply) -> None:
    with serving(lambda _: (200, {}, b"x" * 1000)) as fake:
        (one,) = inputs(supply, fake, "a")
        with pytest.raises(MismatchError, match="expected sha256"):
            supply.wait([one])


@pytest.mark.slow
def test_who_waits_is_ended_by_the_user(tmp_path: Path) -> None:
    cancellation, over = Cancellation(), threading.Event()

    def script(request: Request) -> Answer:
        cancellation.cancel()
        over.wait(20)
        return given(request)

    with serving(script) as fake, Http(cancellation=cancellation) as http:
        supply = Supply(Store(tmp_path / "store", http), SILENT, cancellation)
        begun = time.monotonic()
        with pytest.raises(Cancelled):
            supply.wait(inputs(supply, fake, "a"))
        supply.close()
        over.set()
        assert time.monotonic() - begun < 5


def test_files_that_are_wanted_together_are_one_line_a_kind(tmp_path: Path) -> None:
    progress = Notes()
    with serving(given) as fake, Http(progress=progress) as http:
        supply = Supply(Store(tmp_path / "store", http), progress, Cancellation())
        wheels = inputs(supply, fake, "a", "b", "c")
        wanted = [wheels[0], *inputs(supply, fake, "d", noun="Debian package"), *wheels[1:]]
        supply.want(wanted)
        supply.wait(wanted)
        supply.wait(inputs(supply, fake, "e"))
        supply.wait(wheels)
        supply.close()
    assert sorted(progress.named) == ["3 wheels", "d", "e"]


def test_the_first_in_line_has_the_next_turn() -> None:
    turns, order = Turns(1, Cancellation()), list[int]()
    first = turns.take(9)

    def work(place: int) -> None:
        with turns.take(place):
            order.append(place)

    with ThreadPoolExecutor(4) as pool:
        with first:
            for place in (3, 1, 2):
                pool.submit(work, place)
            until(lambda: len(turns._waiting) == 3)
    assert order == [1, 2, 3]


def test_a_turn_that_is_lent_is_anothers_meanwhile() -> None:
    turns, order = Turns(1, Cancellation()), list[str]()

    def other() -> None:
        with turns.take(1):
            order.append("other")

    def wait() -> None:
        order.append("waiting")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(other).result(timeout=10)

    with turns.take(0) as turn:
        turn.lend(wait)
        order.append("again")
    with turns.take(2):
        order.append("free")
    assert order == ["waiting", "other", "again", "free"]


def test_a_wait_that_fails_leaves_the_turn_to_others() -> None:
    turns = Turns(1, Cancellation())

    def fail() -> None:
        raise UnavailableError("gone", next_step="look")

    with pytest.raises(UnavailableError), turns.take(0) as turn:
        turn.lend(fail)
    with turns.take(1):
        pass


@pytest.mark.slow
def test_who_stands_in_line_is_ended_by_the_user() -> None:
    cancellation = Cancellation()
    turns = Turns(0, cancellation)
    cancellation.cancel()
    with pytest.raises(Cancelled):
        turns.begin(0)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_after_a_failure_what_was_on_its_way_is_ended_and_comes_when_it_is_wanted_again(supply: Supply) -> None:
    """The next act of a session waited for files of the one that had failed, or was told of its failure."""
    over, refused = threading.Event(), [404]

    def script(request: Request) -> Answer:
        if request.path == "/slow" and refused:
            over.wait(20)
        return (refused[0], {}, b"") if request.path == "/gone" and refused else given(request)

    with serving(script) as fake:
        wanted = inputs(supply, fake, "slow", "gone")
        with pytest.raises(UnavailableError, match="gone"):
            supply.wait(wanted)
        threading.Timer(0.2, over.set).start()
        supply.stop()
        refused.clear()
        supply.wait(wanted)
        assert [one.file().path.read_bytes() for one in wanted] == [data_of("slow"), data_of("gone")]
