"""Large files come by ranges over several connections."""

import base64
import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.fake_http import Answer, Hangup, Request, serving
from support.world import noise

from cogpack.artifacts import Artifact, Input, Store, Supply
from cogpack.digest import sha256
from cogpack.errors import DeniedError, MismatchError, UnavailableError
from cogpack.http import Http
from cogpack.progress import Cancellation, Cancelled, Task
from cogpack.registry.pull.tuning import Tuning

KiB = 1024
DATA = noise(1024 * KiB)
SMALL = Tuning(ranged=512 * KiB, part=128 * KiB)
WHEEL = Artifact("x.whl", sha256(DATA), len(DATA))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Http() as http:
        store = Store(tmp_path / "store", http, tuning=SMALL)
        yield store
        store.close()


def ranged(request: Request, data: bytes = DATA) -> Answer:
    first, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
    part = data[int(first) : int(last) + 1]
    return 206, {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"}, part


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "store").rglob("*") if path.is_file())


def test_ranges_of_one_file_come_beside_each_other(store: Store, tmp_path: Path) -> None:
    """The first range proves that the server knows them; the next is answered once another one is there."""
    others = iter([True])
    another = threading.Event()

    def script(request: Request) -> Answer:
        if not request.headers["range"].startswith("bytes=0-"):
            if next(others, False):
                assert another.wait(10)
            another.set()
        return ranged(request)

    with serving(script) as fake:
        path, _ = store.verified(WHEEL, lambda: [fake.url])
    assert path.read_bytes() == DATA
    assert len(fake.seen) == 8
    assert left(tmp_path) == [WHEEL.digest[7:]]


def test_the_file_that_was_wanted_first_has_the_connections_first(tmp_path: Path) -> None:
    """Whichever thread and address come first: the first file is the one that takes longest to use."""
    later = noise(len(DATA), 1)
    both, known = threading.Barrier(2), threading.Event()
    asked: list[str] = []

    def script(request: Request) -> Answer:
        if request.headers["range"].startswith("bytes=0-"):
            known.set()
            both.wait(10)
        asked.append(request.path)
        return ranged(request, later if request.path == "/later" else DATA)

    other = Artifact("y.whl", sha256(later), len(later))
    with Http() as http, serving(script) as fake:
        store = Store(tmp_path / "store", http, tuning=Tuning(ranged=512 * KiB, part=8 * KiB, largest_part=8 * KiB))

        @contextmanager
        def late() -> Iterator[None]:
            assert known.wait(10)
            yield

        supply = Supply(store, http.progress, http.cancellation)
        wanted = (
            Input(supply=supply, artifact=WHEEL, noun="wheel", urls=lambda: [f"{fake.url}/first"], hiding=late),
            Input(supply=supply, artifact=other, noun="wheel", urls=lambda: [f"{fake.url}/later"]),
        )
        supply.wait(wanted)
        assert [one.file().path.read_bytes() for one in wanted] == [DATA, later]
        supply.close()
        store.close()
    assert len(asked) == 256
    assert asked[::-1].index("/first") > 64, "most of the later file came before the first one was there"


def test_a_cache_on_a_file_system_without_locks_serves(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with serving(ranged) as fake:
        assert store.fetch(WHEEL, lambda: [fake.url]).read_bytes() == DATA


def test_a_server_without_ranges_sends_the_file_once(store: Store) -> None:
    with serving(lambda _: (200, {}, DATA)) as fake:
        assert store.fetch(WHEEL, lambda: [fake.url]).read_bytes() == DATA
        assert len(fake.seen) == 1


def test_another_file_is_told_of_and_not_kept(store: Store, tmp_path: Path) -> None:
    other = noise(len(DATA), 1)
    with (
        serving(lambda request: ranged(request, other) if "range" in request.headers else (200, {}, other)) as fake,
        pytest.raises(MismatchError, match=f"expected {WHEEL.digest} of {len(DATA)} bytes, found another one") as told,
    ):
        store.fetch(WHEEL, lambda: [fake.url])
    assert "since it was pinned" in told.value.next_step
    assert WHEEL.digest[7:] not in left(tmp_path)


def test_what_came_before_the_process_ended_is_not_fetched_again(tmp_path: Path) -> None:
    asked: list[str] = []
    cancellation = Cancellation()

    def script(request: Request) -> Answer:
        asked.append(request.headers["range"])
        if len(asked) == 5:
            cancellation.cancel()
            raise Hangup
        return ranged(request)

    with serving(script) as fake:
        with Http(cancellation=cancellation) as http:
            first = Store(tmp_path / "store", http, tuning=SMALL)
            with pytest.raises(Cancelled):
                first.fetch(WHEEL, lambda: [fake.url])
            first.close()
        assert len(left(tmp_path)) == 2, "the file and its journal"
        before = len(asked)
        with Http() as http:
            second = Store(tmp_path / "store", http, tuning=SMALL)
            assert second.fetch(WHEEL, lambda: [fake.url]).read_bytes() == DATA
            second.close()
    assert 0 < len(asked) - before < 8
    assert left(tmp_path) == [WHEEL.digest[7:]]


@pytest.mark.slow
def test_a_login_in_the_address_goes_with_each_range(store: Store) -> None:
    def script(request: Request) -> Answer:
        if request.headers.get("authorization") != "Basic " + base64.b64encode(b"me:secret").decode():
            return 401, {}, b""
        return ranged(request)

    with serving(script) as fake:
        url = fake.url.replace("://", "://me:secret@")
        assert store.fetch(WHEEL, lambda: [url]).read_bytes() == DATA
        assert len(fake.seen) == 8
        wrong = Artifact("y.whl", sha256(b""), len(DATA))
        with pytest.raises(DeniedError, match="401") as told:
            store.fetch(wrong, lambda: [fake.url.replace("://", "://me:wrong@")])
    assert "wrong" not in str(told.value)


def test_an_address_that_expired_is_asked_for_again(store: Store) -> None:
    """As those that a front signs for a time: the redirect is kept to while it works."""
    asked: list[str] = []

    def front(request: Request) -> Answer:
        asked.append(request.path)
        return 302, {"Location": f"{storage.url}/{len(asked)}"}, b""

    def script(request: Request) -> Answer:
        if request.path == "/1" and len(storage.seen) > 4:
            return 403, {}, b""
        return ranged(request)

    with serving(script) as storage, serving(front) as fake:
        assert store.fetch(WHEEL, lambda: [fake.url]).read_bytes() == DATA
    assert 2 <= len(asked) < 8


def test_the_next_place_is_tried(store: Store) -> None:
    with serving(lambda _: (404, {}, b"")) as gone, serving(ranged) as fake:
        assert store.fetch(WHEEL, lambda: [gone.url, fake.url]).read_bytes() == DATA
        assert len(gone.seen) == 1  # asked again, it would say the same


def test_what_came_in_vain_is_taken_back_from_the_bar(store: Store) -> None:
    counted: list[int] = []
    moved = threading.Event()

    class Counting:
        def advance(self, size: int) -> None:
            counted.append(size)
            if size > 0:
                moved.set()

        def doing(self, verb: str) -> None: ...

        def done(self, outcome: str) -> None: ...

    task: Task = Counting()

    def script(request: Request) -> Answer:
        if int(request.headers["range"].removeprefix("bytes=").partition("-")[0]) >= 512 * KiB:
            assert moved.wait(10)  # else so many refusals can end the file before its first byte is counted
            return 404, {}, b""
        return ranged(request)

    with serving(script) as fake, pytest.raises(UnavailableError, match="404"):
        store.fetch(WHEEL, lambda: [fake.url], task)
    assert max(counted) > 0
    assert sum(counted) == 0
