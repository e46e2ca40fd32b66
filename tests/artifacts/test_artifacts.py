import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.clock import Notes
from support.fake_http import Answer, Hangup, Request, serving

from cogpack.artifacts import Artifact, Store
from cogpack.artifacts.kept import KeptFiles
from cogpack.depot import file_address
from cogpack.digest import sha256
from cogpack.errors import DeniedError, MismatchError, UnavailableError
from cogpack.file_stat import packed
from cogpack.http import Http
from cogpack.layers.content import LocalFile

DATA = b"wheel" * 100_000
WHEEL = Artifact("x.whl", sha256(DATA), len(DATA))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Http() as http:
        yield Store(tmp_path / "store", http)


def files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_a_file_is_downloaded_once(store: Store, tmp_path: Path) -> None:
    with serving(lambda _: (200, {}, DATA)) as fake:
        assert store.fetch(WHEEL, lambda: [fake.url]).read_bytes() == DATA
        assert store.fetch(WHEEL, lambda: [fake.url]) == store.find(WHEEL)
        assert len(fake.seen) == 1
    assert len(files(tmp_path)) == 1


@pytest.mark.slow
def test_two_who_want_a_file_at_once_share_its_download(store: Store) -> None:
    started = threading.Barrier(2)

    def script(_: Request) -> Answer:
        time.sleep(0.2)  # the other one is at the door by now
        return 200, {}, DATA

    def fetch(_: int) -> int:
        started.wait()
        return store.fetch(WHEEL, lambda: [fake.url]).stat().st_ino

    with serving(script) as fake, ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(fetch, range(2)))) == 1
        assert len(fake.seen) == 1


def test_a_file_that_another_process_fetches_meanwhile_stays(store: Store, tmp_path: Path) -> None:
    """It may be reading it, and takes a file in its place for one that somebody changed."""
    first: list[LocalFile] = []

    def script(_: Request) -> Answer:
        if not first:
            with Http() as http, serving(lambda _: (200, {}, DATA)) as quicker:
                path, found = Store(tmp_path / "store", http).verified(WHEEL, lambda: [quicker.url])
                first.append(LocalFile(path, packed(found)))
        return 200, {}, DATA

    with serving(script) as fake:
        store.verified(WHEEL, lambda: [fake.url])
    with first[0].open() as file:
        assert file.read() == DATA
    assert files(tmp_path) == [first[0].path]


def test_a_cut_file_does_not_stay(store: Store, tmp_path: Path) -> None:
    def script(_: Request) -> Answer:
        path = tmp_path / "store" / "sha256" / WHEEL.digest[7:9] / WHEEL.digest[7:]
        path.write_bytes(DATA[:100])
        return 200, {}, DATA

    with serving(script) as fake:
        path, _ = store.verified(WHEEL, lambda: [fake.url])
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("size", [len(DATA), None])
def test_another_file_is_refused_and_not_kept(store: Store, tmp_path: Path, size: int | None) -> None:
    wanted = Artifact("x.whl", WHEEL.digest, size)
    with serving(lambda _: (200, {}, DATA[:-1] + b"!")) as fake:
        with pytest.raises(MismatchError, match=WHEEL.digest):
            store.fetch(wanted, lambda: [fake.url])
    assert files(tmp_path) == []
    assert store.find(wanted) is None


def test_a_longer_file_is_not_downloaded_to_its_end(store: Store, tmp_path: Path) -> None:
    with serving(lambda _: (200, {}, DATA * 50)) as fake, pytest.raises(MismatchError):
        store.fetch(WHEEL, lambda: [fake.url])
    assert files(tmp_path) == []


def test_a_cut_download_is_tried_again(store: Store) -> None:
    answers = iter([(200, {"Content-Length": str(len(DATA))}, DATA[:1000]), (200, {}, DATA)])

    def script(_: Request) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = next(answers)
        if len(body) < len(DATA):
            raise Hangup
        return status, headers, body

    with serving(script) as fake:
        assert store.fetch(WHEEL, lambda: [fake.url]).read_bytes() == DATA


def test_the_next_place_is_tried_and_all_are_named(store: Store, tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_bytes(DATA)
    with serving(lambda _: (404, {}, b"")) as fake:
        places = [f"{fake.url}/gone?token=secret", (tmp_path / "x.whl").as_uri()]
        assert store.fetch(WHEEL, lambda: places).read_bytes() == DATA
        other = Artifact("y.whl", sha256(b"y"), 1)
        with pytest.raises(UnavailableError) as failed:
            store.fetch(other, lambda: [f"{fake.url}/gone?token=secret", str(tmp_path / "missing")])
    assert "/gone" in failed.value.message
    assert "missing" in failed.value.message
    assert "secret" not in failed.value.message


def test_places_that_all_want_credentials_are_told_as_that(store: Store, tmp_path: Path) -> None:
    with serving(lambda _: (401, {}, b"")) as fake:
        with pytest.raises(DeniedError, match=r"x\.whl .* can't be had: .*: 401"):
            store.fetch(WHEEL, lambda: [fake.url, fake.url])
        with pytest.raises(UnavailableError, match=r"401.*No such file"):
            store.fetch(WHEEL, lambda: [fake.url, str(tmp_path / "none")])


def away(times: int) -> Callable[[Request], Answer]:
    """A place that gives the file, then nothing for so many requests, then the file; each over a connection of its own,
    since a request over a kept one that ends meanwhile is sent again."""
    answers = iter([DATA, *[b""] * times, *[DATA] * 9])

    def script(_: Request) -> Answer:
        if data := next(answers):
            return 200, {"Connection": "close"}, data
        raise Hangup

    return script


def test_a_place_that_goes_away_is_waited_for(store: Store) -> None:
    with serving(away(30)) as fake:
        store.fetch(WHEEL, lambda: [fake.url]).unlink()
        assert store.fetch(WHEEL, lambda: [fake.url]).read_bytes() == DATA
        assert len(fake.seen) == 32


def test_a_place_that_goes_away_is_not_waited_for_where_another_has_the_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_bytes(DATA)
    with serving(away(30)) as fake:
        store.fetch(WHEEL, lambda: [fake.url]).unlink()
        assert store.fetch(WHEEL, lambda: [fake.url, str(tmp_path / "x.whl")]).read_bytes() == DATA
        assert len(fake.seen) == 4


def test_what_came_in_vain_is_taken_back_from_the_bar(tmp_path: Path) -> None:
    notes = Notes()
    half = {"Content-Length": str(len(DATA)), "Connection": "close"}, DATA[: len(DATA) // 2]
    answers = iter([(200, *half), (200, *half), (200, {}, DATA)])
    with serving(lambda _: next(answers)) as fake, Http(progress=notes) as http:
        Store(tmp_path, http).fetch(WHEEL, lambda: [fake.url])
    assert notes.moved == len(DATA)


def test_a_place_that_gives_half_the_file_again_and_again_is_given_up(store: Store) -> None:
    half = 200, {"Content-Length": str(len(DATA)), "Connection": "close"}, DATA[: len(DATA) // 2]
    with serving(lambda _: half) as fake:
        with pytest.raises(UnavailableError, match="can't be had"):
            store.fetch(WHEEL, lambda: [fake.url])
        assert len(fake.seen) == 3


def test_what_a_killed_download_left_is_swept_when_it_is_old(store: Store, tmp_path: Path) -> None:
    with serving(lambda _: (200, {}, DATA)) as fake:
        path = store.fetch(WHEEL, lambda: [fake.url])
        old, young = path.parent / f".cogpack-{'0' * 16}", path.parent / f".cogpack-{'1' * 16}"
        for part in (old, young):
            part.write_bytes(b"part")
        os.utime(old, (time.time() - 90_000,) * 2)
        path.unlink()
        store.fetch(WHEEL, lambda: [fake.url])
    assert not old.exists()
    assert young.exists()


def place(store: Store) -> Path:
    """Of the wheel in the cache, fetched from a file."""
    path = store.find(WHEEL)
    assert path is not None
    return path


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Path:
    """The wheel in the cache, as an earlier run left it."""
    (tmp_path / "x.whl").write_bytes(DATA)
    store.fetch(WHEEL, lambda: [str(tmp_path / "x.whl")])
    return place(store)


@pytest.fixture
def later(tmp_path: Path) -> Iterator[Store]:
    """The same cache in another run."""
    with Http() as http:
        yield Store(tmp_path / "store", http)


def nowhere() -> list[str]:
    raise AssertionError("it is here")


EVIL = b"evil!" * 100_000


@pytest.mark.parametrize("size", [len(DATA), None])
def test_a_file_that_was_replaced_in_the_cache_is_not_used(filled: Path, later: Store, size: int | None) -> None:
    filled.write_bytes(EVIL)
    with pytest.raises(MismatchError) as caught:
        later.verified(Artifact("x.whl", WHEEL.digest, size), nowhere)
    assert caught.value.message.startswith(f"{filled}: this file of the cache is not x.whl any more: ")
    assert caught.value.exit_code == 3
    assert f"{filled}.replaced" in caught.value.next_step


def test_a_replaced_file_is_set_aside_so_that_the_next_run_fetches_it_anew(
    filled: Path, later: Store, tmp_path: Path
) -> None:
    filled.write_bytes(EVIL)
    with pytest.raises(MismatchError):
        later.verified(WHEEL, nowhere)
    assert later.find(WHEEL) is None
    assert filled.with_name(f"{filled.name}.replaced").read_bytes() == EVIL
    path, _ = later.verified(WHEEL, lambda: [str(tmp_path / "x.whl")])
    assert path.read_bytes() == DATA


def test_a_link_in_a_files_place_is_fetched_over(filled: Path, later: Store, tmp_path: Path) -> None:
    (tmp_path / "evil").write_bytes(EVIL)
    filled.unlink()
    filled.symlink_to(tmp_path / "evil")
    path, found = later.verified(WHEEL, lambda: [str(tmp_path / "x.whl")])
    assert not path.is_symlink()
    assert path.read_bytes() == DATA
    assert found.st_ino == path.stat().st_ino
    assert (tmp_path / "evil").read_bytes() == EVIL


def test_a_file_is_hashed_once_in_a_run_and_not_at_all_when_it_was_just_fetched(
    filled: Path, store: Store, later: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []
    whole = KeptFiles._hash

    def counting(self: KeptFiles, artifact: Artifact, path: Path) -> os.stat_result:
        hashed.append(path)
        return whole(self, artifact, path)

    monkeypatch.setattr(KeptFiles, "_hash", counting)
    store.verified(WHEEL, nowhere)
    assert hashed == []
    later.verified(WHEEL, nowhere)
    later.verified(WHEEL, nowhere)
    assert hashed == [filled]


def test_a_file_that_is_swapped_after_it_was_hashed_is_refused_when_it_is_opened(filled: Path, later: Store) -> None:
    path, found = later.verified(WHEEL, nowhere)
    file = LocalFile(path, packed(found))
    filled.with_name("new").write_bytes(EVIL)
    filled.with_name("new").replace(filled)
    os.utime(filled, ns=(found.st_atime_ns, found.st_mtime_ns))
    with pytest.raises(MismatchError, match="changed while it was read"):
        file.open()


def test_what_no_server_has_any_more_comes_from_the_users_own_depot(tmp_path: Path) -> None:
    asked: list[str] = []

    def script(request: Request) -> Answer:
        asked.append(request.path)
        return (200, {}, DATA) if request.path.startswith("/depot/") else (404, {}, b"")

    with serving(script) as fake, Http() as http:
        store = Store(tmp_path / "store", http, last=lambda digest: file_address(f"{fake.url}/depot/", digest))
        path = store.fetch(WHEEL, lambda: [f"{fake.url}/mirror", f"{fake.url}/snapshot"])
        assert path.read_bytes() == DATA
        assert asked == ["/mirror", "/snapshot", f"/depot/blobs/sha256/{WHEEL.digest[7:]}"]
        missing = Artifact("y.whl", sha256(b"y"), 1)
        nobody = Store(tmp_path / "other", http, last=lambda digest: file_address(str(tmp_path), digest))
        with pytest.raises(UnavailableError, match=r"y\.whl .*404.*No such file"):
            nobody.fetch(missing, lambda: [f"{fake.url}/mirror"])


def test_an_index_that_is_away_is_no_reason_not_to_ask_the_users_own_depot(tmp_path: Path) -> None:
    def away() -> list[str]:
        raise UnavailableError("the index is away", next_step="wait")

    path = tmp_path / "blobs" / "sha256" / WHEEL.digest[7:]
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    with Http() as http:
        store = Store(tmp_path / "store", http, last=lambda digest: file_address(str(tmp_path), digest))
        assert store.fetch(WHEEL, away).read_bytes() == DATA
        with pytest.raises(UnavailableError, match="the index is away"):
            store.fetch(Artifact("y.whl", sha256(b"y"), 1), away)


def test_a_file_that_was_cut_hides_none_that_is_whole_elsewhere(tmp_path: Path) -> None:
    with Http() as http:
        whole = Store(tmp_path / "whole", http)
        whole.take("x.whl", [DATA])
        Store(tmp_path / "store", http).take("x.whl", [DATA])
        (cut,) = files(tmp_path)
        cut.write_bytes(DATA[:10])
        found = Store(tmp_path / "store", http, also=tmp_path / "whole").find(WHEEL)
        assert found is not None
        assert found == whole.find(WHEEL)
