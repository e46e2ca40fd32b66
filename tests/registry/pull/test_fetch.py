"""Blobs over many connections against a registry that misbehaves: right, or an error; never a wrong or a cut file."""

import copy
import ctypes
import mmap
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from msgspec import structs
from support.clock import Notes
from support.counted import KiB, MiB
from support.fake_registry import FakeRegistry
from support.faults import Fault, Seen, answer, reset
from support.personalities import Personality
from support.sockets import flooding

from cogpack.digest import sha256
from cogpack.errors import CogpackError, DeniedError, InputError, MismatchError, UnavailableError
from cogpack.http import Http
from cogpack.oci import OCI_LAYER, Descriptor
from cogpack.progress import Cancellation, Cancelled
from cogpack.reference import Reference
from cogpack.registry.credentials import Credentials
from cogpack.registry.pull import blob as blob_fetch
from cogpack.registry.pull import ranges
from cogpack.registry.pull.connections import _BUFFER, Fetcher
from cogpack.registry.pull.partial import Partial, block_buffer, growing
from cogpack.registry.pull.tuning import Tuning
from cogpack.registry.repository import Repository

pytestmark = pytest.mark.slow

DATA = random.Random(4).randbytes(4 * MiB)
BLOB = Descriptor(media_type=OCI_LAYER, digest=sha256(DATA), size=len(DATA))
PARTS = 32
"""Ranges that it comes in."""
SMALL = Tuning(ranged=MiB, part=128 * KiB)
"""A blob of 4 MiB counts as a large one."""


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as found:
        found.add_blob("a/b", DATA)
        yield found


class Pulls:
    """Pulls of BLOB into a file, as many as one likes."""

    def __init__(self, root: Path, registry: FakeRegistry, *, connections: int = 8) -> None:
        self.path = root / "blob.partial"
        self.final = root / "blob"
        self.registry = registry
        self.connections = connections
        self.tuning = SMALL
        self.seen: list[int] = []
        self.settings: dict[str, Any] = {}
        """Of `Http`."""

    def __call__(self, blob: Descriptor = BLOB, cancellation: Cancellation | None = None) -> int:
        """Bytes that came; the file has its name then."""
        cancellation = cancellation or Cancellation()
        reference = Reference.parse(f"{self.registry.address}/a/b")
        with (
            Http(cancellation=cancellation, **self.settings) as http,
            Partial.open(self.path, {blob.digest: blob.size}, cancellation) as partial,
        ):
            repository = Repository(http, reference, Credentials.from_environment({"HOME": "/nonexistent"}, http))
            with Fetcher(
                repository, connections=self.connections, cancellation=cancellation, tuning=self.tuning
            ) as fetcher:
                try:
                    came = fetcher.into(blob, partial.region(blob.digest), self.seen.append)
                except MismatchError:
                    partial.discard()
                    raise
            partial.keep(self.final, blob.size)
        return came

    def fails(self, error: type[CogpackError], match: str = ".", blob: Descriptor = BLOB) -> str:
        """The message; what the journal says is there for the next pull is, and right."""
        with pytest.raises(error, match=match) as caught:
            self(blob)
        if self.path.with_suffix(".journal").exists():
            with Partial.open(self.path, {blob.digest: blob.size}, Cancellation()) as partial:
                region = partial.region(blob.digest)
                for start, end in region.have:
                    assert b"".join(map(bytes, region.read(start, end))) == DATA[start:end]
        return caught.value.message

    @property
    def asked(self) -> list[str]:
        """The ranges that were asked for, "" for none."""
        return [seen.headers.get("range", "") for seen in self.registry.seen if seen.kind == "GET blob"]


@pytest.fixture
def pull(tmp_path: Path, registry: FakeRegistry) -> Pulls:
    return Pulls(tmp_path, registry)


def test_a_large_blob_comes_in_closed_ranges_and_a_small_one_in_one_answer(pull: Pulls, registry: FakeRegistry) -> None:
    assert pull() == len(DATA)
    assert pull.final.read_bytes() == DATA
    size = len(DATA) // PARTS
    assert sorted(pull.asked) == sorted(f"bytes={at}-{at + size - 1}" for at in range(0, len(DATA), size))
    assert sum(pull.seen) == len(DATA)
    assert not pull.path.exists()
    assert list(pull.final.parent.iterdir()) == [pull.final]
    registry.seen.clear()
    small = DATA[: 100 * KiB]
    blob = Descriptor(media_type=OCI_LAYER, digest=registry.add_blob("a/b", small), size=len(small))  # type: ignore[arg-type]
    assert pull(blob) == len(small)
    assert pull.asked == [""]


def test_a_file_is_written_in_whole_blocks_at_multiples_of_them_and_one_after_the_other(
    registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system keeps each such block as one piece; who waits for another's write would spin."""
    monkeypatch.setattr("cogpack.http.sockets._MOMENT", 5.0)
    write, alone, written = os.pwrite, threading.Lock(), []

    def pwrite(file: int, block: memoryview, offset: int) -> int:
        assert alone.acquire(blocking=False)
        time.sleep(0.01)
        written.append((offset, write(file, block, offset)))
        alone.release()
        return written[-1][1]

    monkeypatch.setattr(os, "pwrite", pwrite)
    pull = Pulls(tmp_path, registry, connections=2)
    pull.tuning = Tuning(ranged=MiB, part=2 * MiB)
    pull()
    assert sorted(written) == [(start, MiB // 2) for start in range(0, len(DATA), MiB // 2)]


def test_a_block_buffer_begins_where_a_page_does() -> None:
    buffers = [block_buffer(1000), block_buffer(1_000_000)]
    assert [ctypes.addressof(ctypes.c_char.from_buffer(buffer)) % mmap.PAGESIZE for buffer in buffers] == [0, 0]
    assert list(map(len, buffers)) == [1000, 1_000_000]


def test_an_empty_blob_is_not_asked_for(pull: Pulls, registry: FakeRegistry) -> None:
    assert pull(Descriptor(media_type=OCI_LAYER, digest=sha256(b""), size=0)) == 0
    assert pull.final.read_bytes() == b""
    assert registry.seen == []


@pytest.mark.parametrize(
    ("ranges", "length"),
    [(True, ""), (True, str(128 * KiB)), (False, ""), (False, str(len(DATA))), (False, str(len(DATA) + 100))],
)
def test_a_body_that_is_cut_is_gone_on_with_by_range(
    pull: Pulls, registry: FakeRegistry, *, ranges: bool, length: str
) -> None:
    """P1: whatever its Content-Length said, and where there was none. (That of a range is to be right: P6.)"""
    if ranges:
        pull.connections = 1
        cut, about = 20 * KiB, {"Content_Range": f"bytes 0-{128 * KiB - 1}/{len(DATA)}"}
    else:
        cut, about = 3 * MiB, {}
    broken = answer(206 if ranges else 200, DATA[:cut], then="close", Content_Length=length, **about)
    registry.on("GET blob", broken)
    assert pull() == len(DATA)
    assert pull.final.read_bytes() == DATA
    assert pull.asked[1].startswith(f"bytes={cut}-")
    assert len(pull.asked) == (PARTS + 1 if ranges else 2)


@pytest.mark.parametrize("cut", [Fault("cut", after=20 * KiB, times=6), reset(after=20 * KiB, times=6)])
def test_connections_that_are_cut_are_gone_on_with_by_range(pull: Pulls, registry: FakeRegistry, cut: Fault) -> None:
    """P1."""
    registry.on("GET blob", cut)
    assert pull() == len(DATA)
    assert pull.final.read_bytes() == DATA
    assert len(pull.asked) == PARTS + 6


def test_a_content_length_smaller_than_the_blob_is_no_short_file(pull: Pulls, registry: FakeRegistry) -> None:
    """P2."""
    registry.on("GET blob", answer(200, DATA[:MiB]))
    assert pull() == len(DATA)
    assert pull.final.read_bytes() == DATA


@pytest.mark.parametrize("said", [str(2**30), "", str(len(DATA))])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_blob_of_more_bytes_than_its_descriptor_says_is_cut_off_there(
    tmp_path: Path, ranges: bool, said: str
) -> None:
    """P3: no more than that is stored, and the connection of a body without end is dropped."""
    path = tmp_path / "blob.partial"
    with flooding(2**30, DATA, Content_Length=said) as (place, taken):

        def act(fetcher: Fetcher) -> None:
            if ranges:
                with Partial.open(path, {BLOB.digest: BLOB.size}, Cancellation()) as partial:
                    assert fetcher.into(BLOB, partial.region(BLOB.digest), lambda _: None) == len(DATA)
            else:
                path.write_bytes(b"".join(fetcher.stream(BLOB, lambda _: None, ranges=False)))
            assert taken() < len(DATA) + 32 * MiB

        streaming(f"127.0.0.1:{place.port}", act)
    assert path.read_bytes() == DATA


def test_one_wrong_bit_is_fetched_again_whole_and_then_refused(pull: Pulls, registry: FakeRegistry) -> None:
    """P4."""
    wrong = DATA[:-1] + bytes([DATA[-1] ^ 1])
    registry.blobs["a/b"][BLOB.digest] = wrong
    message = pull.fails(MismatchError, BLOB.digest)
    assert sha256(wrong) in message
    assert pull.asked.count("") == 1
    assert list(pull.final.parent.iterdir()) == []


def test_a_range_that_was_wrong_once_does_not_stay(pull: Pulls, registry: FakeRegistry) -> None:
    """P4."""
    registry.blobs["a/b"][BLOB.digest] = DATA
    registry.on(
        "GET blob",
        answer(206, bytes(128 * KiB), Content_Range=f"bytes {MiB}-{MiB + 128 * KiB - 1}/{len(DATA)}"),
        when=lambda seen: seen.headers.get("range") == f"bytes={MiB}-{MiB + 128 * KiB - 1}",
    )
    assert pull() == 2 * len(DATA)
    assert pull.final.read_bytes() == DATA
    assert sum(pull.seen) == len(DATA)


def test_a_registry_that_ignores_ranges_sends_one_stream(pull: Pulls, registry: FakeRegistry) -> None:
    """P5."""
    registry.personality = Personality("ignores ranges", ranges=False)
    assert pull() == len(DATA)
    assert pull.final.read_bytes() == DATA
    assert len(pull.asked) == 1


def test_a_registry_that_ignores_ranges_now_and_then_is_read_from_that_stream(
    pull: Pulls, registry: FakeRegistry
) -> None:
    """P5: the others stop, what they had brought stays."""
    registry.on("GET blob", answer(200, DATA), when=lambda seen: "range" in seen.headers and len(registry.seen) > 5)
    assert pull() == len(DATA)
    assert pull.final.read_bytes() == DATA
    assert len(pull.asked) < PARTS


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Range": f"bytes 1-{128 * KiB}/{len(DATA)}"},
        {"Content_Range": f"bytes 0-{128 * KiB - 1}/{len(DATA) + 1}"},
        {"Content_Range": f"bytes 0-{256 * KiB - 1}/{len(DATA)}"},
        {"Content_Range": f"bytes 0-{128 * KiB - 1}/{len(DATA)}", "Content_Length": str(128 * KiB + 100)},
        {"Content_Type": "multipart/byteranges; boundary=x"},
        {},
    ],
)
def test_a_range_that_was_not_asked_for_is_not_read_and_the_blob_comes_whole(
    pull: Pulls, registry: FakeRegistry, headers: dict[str, str]
) -> None:
    """P6."""
    registry.on("GET blob", answer(206, bytes(128 * KiB), **headers))
    assert pull() == len(DATA)
    assert pull.final.read_bytes() == DATA
    assert pull.asked[1:] == [""]


def test_a_refused_range_with_a_false_length_does_not_hang(pull: Pulls, registry: FakeRegistry) -> None:
    """P7: distribution's 416 has the blob's Content-Length and a body of 33 bytes."""
    registry.on("GET blob", answer(416, b"x" * 33, then="stall", Content_Length=str(len(DATA))))
    assert pull() == len(DATA)
    assert pull.asked[1:] == [""]


@pytest.fixture
def storage(registry: FakeRegistry) -> Iterator[FakeRegistry]:
    """Where the registry sends everybody who wants a blob; it wants a token itself."""
    with FakeRegistry().running() as found:
        found.add_blob("s/t", DATA)
        registry.auth = "token"
        registry.storage = f"http://{found.address}/v2/s/t/blobs"
        yield found


def test_credentials_stay_with_the_registry_and_its_answer_is_remembered(
    pull: Pulls, registry: FakeRegistry, storage: FakeRegistry
) -> None:
    """P8: the storage gets no Authorization, and the registry is asked once a blob, not once a range."""
    assert pull() == len(DATA)
    assert pull.final.read_bytes() == DATA
    assert not [seen for seen in storage.seen if "authorization" in seen.headers]
    assert all(seen.query == "signature=presigned" for seen in storage.seen)
    assert len(storage.seen) == PARTS
    assert len([seen for seen in registry.seen if seen.kind == "GET blob" and seen.status == 307]) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_expired_address_is_asked_for_again(
    pull: Pulls, registry: FakeRegistry, storage: FakeRegistry, status: int
) -> None:
    """P8: a challenge of the storage is not ours to answer."""
    challenge = f'Bearer realm="http://{storage.address}/token",service="storage"'
    fault = answer(status, b"<Error>Request has expired</Error>", times=2, WWW_Authenticate=challenge)
    storage.on("GET blob", fault, when=lambda seen: len(storage.seen) > 10)
    assert pull() == len(DATA)
    assert pull.final.read_bytes() == DATA
    assert not [seen for seen in storage.seen if seen.path == "/token"]
    assert len([seen for seen in registry.seen if seen.kind == "GET blob" and seen.status == 307]) > 1


def test_a_storage_that_always_refuses_is_given_up(pull: Pulls, registry: FakeRegistry, storage: FakeRegistry) -> None:
    """P8: at most three times with no progress between them."""
    storage.on("GET blob", answer(403, b"", times=100))
    assert "from the storage" in pull.fails(UnavailableError, "HTTP 403")
    assert 3 <= len(storage.seen) <= 6


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("ftp://127.0.0.1/x", "not a plain http address"),
        ("http://user:secret@127.0.0.1/x", "not a plain http address"),
    ],
)
def test_addresses_that_must_not_be_followed_are_refused(
    pull: Pulls, registry: FakeRegistry, location: str, why: str
) -> None:
    """P8; those inside private networks, and those by name, are held by the tests of `http`."""
    registry.on("GET blob", answer(307, Location=location))
    assert "secret" not in pull.fails(InputError, why)


def test_a_redirect_that_goes_round_ends(pull: Pulls, registry: FakeRegistry) -> None:
    """P8."""
    registry.storage = f"http://{registry.address}/v2/a/b/blobs"
    pull.fails(UnavailableError, "redirects")
    assert len(registry.seen) <= 6 * ranges.BUDGET


def test_a_blob_that_comes_with_a_content_coding_is_refused(pull: Pulls, registry: FakeRegistry) -> None:
    """P9."""
    registry.on("GET blob", answer(200, DATA, Content_Encoding="gzip"))
    pull.fails(MismatchError, "Content-Encoding gzip")
    assert registry.seen[0].headers["accept-encoding"] == "identity"


def test_a_blob_in_chunked_transfer_coding_is_read(pull: Pulls, registry: FakeRegistry) -> None:
    """P9."""
    registry.on("GET blob", Fault("chunked"))
    assert pull() == len(DATA)
    assert pull.final.read_bytes() == DATA


@pytest.mark.slow
def test_a_range_that_crawls_is_asked_for_again(pull: Pulls, registry: FakeRegistry) -> None:
    """P10: one of eight connections gives a byte a second; the blob would take a day."""
    pull.tuning = structs.replace(SMALL, grace=0.2, tick=0.1)
    crawl = f"bytes={MiB}-{MiB + 128 * KiB - 1}"
    registry.on("GET blob", Fault("slow", after=1000, rate=1), when=lambda seen: seen.headers.get("range") == crawl)
    registry.on("GET blob", Fault("slow", after=0, rate=64 * KiB, times=20))
    assert pull() == len(DATA)
    assert pull.final.read_bytes() == DATA
    asked = [re.fullmatch(r"bytes=(\d+)-\d+", text) for text in pull.asked]
    assert [found for found in asked if found and MiB + 1000 <= int(found[1]) < MiB + 1100]


def test_a_pull_that_was_killed_goes_on_from_its_journal(pull: Pulls, registry: FakeRegistry) -> None:
    """P11; the process itself is killed in tests/integration."""
    registry.on("GET blob", answer(404, times=1), when=lambda seen: len(registry.seen) > 20)
    pull.fails(InputError)
    with Partial.open(pull.path, {BLOB.digest: BLOB.size}, Cancellation()) as partial:
        there = sum(end - start for start, end in partial.region(BLOB.digest).have)
    assert there > 0
    registry.seen.clear()
    assert pull() == len(DATA) - there
    assert pull.final.read_bytes() == DATA


def test_what_a_kill_would_cost_does_not_grow_where_the_disk_is_slower_than_the_network(
    pull: Pulls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P11: the journal is written while more comes; it is waited for before that is much."""
    pull.tuning = structs.replace(SMALL, sync=256 * KiB, window=MiB)
    held, flights, unsynced = threading.Event(), set(), []
    full, record = blob_fetch.BlobFetch._full, Partial.record

    def watched(self: blob_fetch.BlobFetch, *arguments: object) -> bool:
        flights.add(self)
        found = full(self, *arguments)  # type: ignore[arg-type]
        if found:
            held.set()
        return found

    def slow(self: Partial, *arguments: object) -> None:
        held.wait(20)
        unsynced.extend(one.received - one.synced for one in flights)
        record(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(blob_fetch.BlobFetch, "_full", watched)
    monkeypatch.setattr(Partial, "record", slow)
    assert pull() == len(DATA)
    assert held.is_set()
    assert max(unsynced) < MiB + pull.connections * len(DATA) // PARTS
    assert pull.final.read_bytes() == DATA


@pytest.mark.parametrize("lie", ["all", "more", "cut", "junk", "size"])
def test_a_journal_that_lies_costs_a_fetch_and_no_more(pull: Pulls, registry: FakeRegistry, lie: str) -> None:
    """P12: the digest tells."""
    with Partial.open(pull.path, {BLOB.digest: BLOB.size}, Cancellation()) as partial:
        partial.write(0, bytes(2 * MiB))
        partial.record(BLOB.digest, [(0, len(DATA))])
    journal = pull.path.with_suffix(".journal")
    text = journal.read_bytes()
    if lie == "all":
        with pull.path.open("r+b") as stream:
            stream.truncate(len(DATA))
    elif lie in ("cut", "junk"):
        journal.write_bytes(text[:20] if lie == "cut" else b"\xff" * 1000)
    elif lie == "size":
        journal.write_bytes(text.replace(str(len(DATA)).encode(), b"17"))
    pull()
    assert pull.final.read_bytes() == DATA
    assert sum(seen.status == 206 or seen.status == 200 for seen in registry.seen) <= 2 * PARTS


def test_what_was_left_may_be_longer_than_the_blob(pull: Pulls) -> None:
    with Partial.open(pull.path, {BLOB.digest: BLOB.size}, Cancellation()) as partial:
        partial.write(0, DATA + b"more")
        partial.record(BLOB.digest, [(0, len(DATA))])
    assert pull() == 0
    assert pull.final.read_bytes() == DATA


def test_what_was_left_is_not_believed_unhashed(pull: Pulls, registry: FakeRegistry) -> None:
    """P12: bytes that are wrong on disk are fetched anew, whole; none of them gets a name."""
    with Partial.open(pull.path, {BLOB.digest: BLOB.size}, Cancellation()) as partial:
        partial.write(0, DATA[:MiB] + bytes(3 * MiB))
        partial.record(BLOB.digest, [(0, len(DATA))])
    assert pull() == len(DATA)
    assert pull.asked == [""]
    assert pull.final.read_bytes() == DATA


def test_a_full_disk_is_one_error_and_what_came_is_kept(
    pull: Pulls, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P13."""
    whole = os.pwrite

    def full(file: int, data: memoryview, offset: int) -> int:
        if offset >= MiB:
            raise OSError(28, "No space left on device")
        return whole(file, data, offset)

    monkeypatch.setattr(os, "pwrite", full)
    pull.fails(InputError, "No space left on device")
    monkeypatch.setattr(os, "pwrite", whole)
    registry.seen.clear()
    assert pull() < len(DATA)
    assert pull.final.read_bytes() == DATA


def test_room_is_set_aside_for_what_was_asked_for(pull: Pulls, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not for the whole blob: a killed process leaves it behind."""
    reserved = []

    def fallocate(_file: int, _mode: int, offset: int, size: int) -> int:
        reserved.append((offset, size))
        return 0

    monkeypatch.setattr("cogpack.registry.pull.partial._fallocate", lambda: fallocate)
    pull()
    size = len(DATA) // PARTS
    assert sorted(reserved) == [(at, size) for at in range(0, len(DATA), size)]


def test_a_file_system_that_can_not_set_room_aside_is_written_to_all_the_same(
    pull: Pulls, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Mock(return_value=-1)
    monkeypatch.setattr("cogpack.registry.pull.partial._fallocate", lambda: refused)
    pull()
    assert refused.called
    assert pull.final.read_bytes() == DATA


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "fifo"])
def test_only_a_file_of_ours_is_written_to(pull: Pulls, tmp_path: Path, kind: str) -> None:
    """P13: `O_NOFOLLOW`, and nobody else's name for it."""
    other = tmp_path / "other"
    other.write_bytes(b"precious")
    if kind == "symlink":
        pull.path.symlink_to(other)
    elif kind == "hardlink":
        pull.path.hardlink_to(other)
    else:
        os.mkfifo(pull.path)
    pull.fails(InputError, "blob.partial")
    assert other.read_bytes() == b"precious"


def test_a_partial_file_is_nobody_else_s_to_read(tmp_path: Path) -> None:
    """P13."""
    with Partial.open(tmp_path / "x.partial", {}, Cancellation()):
        assert (tmp_path / "x.partial").stat().st_mode & 0o777 == 0o600


def test_two_pulls_of_one_blob_take_turns(pull: Pulls, registry: FakeRegistry, tmp_path: Path) -> None:
    first = Partial.open(pull.path, {BLOB.digest: BLOB.size}, Cancellation())
    came: list[int] = []
    other = threading.Thread(target=lambda: came.append(pull()))
    other.start()
    other.join(0.5)
    assert other.is_alive()
    assert registry.seen == []
    first.close()
    other.join(30)
    assert came == [len(DATA)]


def test_nothing_is_written_once_a_partial_file_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads of a fetch that was ended early wait for their turn: another file has the number of ours by then."""
    partial = Partial.open(tmp_path / "x.partial", {BLOB.digest: BLOB.size}, Cancellation())
    begun, go, whole = threading.Event(), threading.Event(), os.pwrite
    refused: list[CogpackError] = []

    def slow(file: int, data: memoryview, offset: int) -> int:
        begun.set()
        go.wait(20)
        return whole(file, data, offset)

    def write(number: int) -> None:
        try:
            partial.write(number * KiB, b"x" * KiB)
        except CogpackError as error:
            refused.append(error)

    monkeypatch.setattr(os, "pwrite", slow)
    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
        begun.wait(20)
    closing = threading.Thread(target=partial.close)
    closing.start()
    closing.join(0.2)
    assert closing.is_alive(), "a write is under way"
    go.set()
    closing.join(20)
    with (tmp_path / "other").open("w+b") as other:
        for writer in writers:
            writer.join(20)
        assert os.fstat(other.fileno()).st_size == 0
    written = (tmp_path / "x.partial").read_bytes().count(b"x" * KiB)
    assert 1 <= written == len(writers) - len(refused)
    for late in (
        lambda: partial.write(0, b"y"),
        lambda: partial.read_into(memoryview(bytearray(1)), 0),
        lambda: partial.record(BLOB.digest, [(0, 1)]),
        lambda: partial.keep(tmp_path / "kept", 1),
    ):
        with pytest.raises(InputError, match="Bad file descriptor"):
            late()
    assert not (tmp_path / "x.journal").exists()
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_registry_is_waited_for(pull: Pulls, registry: FakeRegistry, status: int) -> None:
    registry.on("GET blob", answer(status, times=6))
    assert pull() == len(DATA)


def test_a_registry_that_stays_down_is_given_up_after_the_budget(pull: Pulls, registry: FakeRegistry) -> None:
    registry.on("GET blob", answer(503, times=1000))
    pull.fails(UnavailableError)
    assert len(registry.seen) == ranges.BUDGET


def test_progress_refills_the_budget(pull: Pulls, registry: FakeRegistry) -> None:
    pull.connections = 1
    registry.on("GET blob", Fault("cut", after=100 * KiB, times=4 * ranges.BUDGET))
    assert pull() == len(DATA)
    assert pull.final.read_bytes() == DATA


class Outage:
    """The registry can't be reached for `seconds` from when it was `cut`. A wait of a pull is half a minute long."""

    def __init__(self, pull: Pulls, seconds: float) -> None:
        self.now = self.back = 1000.0
        self.seconds = seconds
        self.outages = 0
        self.notes = Notes()
        self._pull = pull
        self._cut: set[int] = set()
        pull.settings = {"clock": lambda: self.now, "resolver": self._resolve, "progress": self.notes}
        pull.settings["backoff"] = self._backoff
        pull.tuning = structs.replace(SMALL, tick=0.01)

    def cut(self, registry: FakeRegistry, connections: int, *, after: int = 3) -> None:
        """In the middle of what these connections are reading, when there were so many requests."""
        self.outages += 1
        fault = reset(after=KiB, times=connections)
        registry.on("GET blob", fault, when=lambda seen: len(registry.seen) > after and self._begin(registry, seen))

    def _begin(self, registry: FakeRegistry, seen: Seen) -> bool:
        self._cut.add(id(seen))
        if self.outages and self.now >= self.back:
            self.outages -= 1
            self._wait_for([other for other in registry.seen if id(other) not in self._cut])
            self.back = self.now + self.seconds
        return True

    def _wait_for(self, whole: list[Seen]) -> None:
        """Until these answers are read: one that ends in the outage shows a registry that is there, and the user is
        told of it once more."""
        bounds = [list(map(int, seen.headers["range"].removeprefix("bytes=").split("-"))) for seen in whole]
        size = sum(end - start + 1 for start, end in bounds)
        end = time.monotonic() + 10
        while sum(self._pull.seen) < size and time.monotonic() < end:
            time.sleep(0.001)

    def _resolve(self, name: str, port: int) -> list[str]:
        if self.now < self.back:
            raise OSError("no route")
        return ["127.0.0.1"]

    def _backoff(self, attempt: int) -> float:
        self.now += 30
        return 0.01


@pytest.mark.parametrize("connections", [1, 8])
@pytest.mark.parametrize("seconds", [60, 500])
def test_a_registry_that_goes_away_is_waited_for_and_gone_on_with(
    pull: Pulls, registry: FakeRegistry, *, connections: int, seconds: int
) -> None:
    outage = Outage(pull, seconds)
    outage.cut(registry, connections)
    pull.connections = connections
    assert pull() == len(DATA)
    assert pull.final.read_bytes() == DATA
    assert outage.now >= 1000 + seconds
    assert len(registry.seen) <= PARTS + 2 * connections
    assert [note.endswith("no route; asked again for up to 10 minutes") for note in outage.notes.notes] == (
        [True] if seconds == 500 else []
    )


def test_each_outage_has_its_ten_minutes(pull: Pulls, registry: FakeRegistry) -> None:
    outage = Outage(pull, 400)
    outage.cut(registry, 8)
    outage.cut(registry, 8, after=20)
    assert pull() == len(DATA)
    assert outage.now >= 1800
    assert len(outage.notes.notes) == 2


def test_a_registry_that_stays_away_is_given_up_after_ten_minutes(pull: Pulls, registry: FakeRegistry) -> None:
    outage = Outage(pull, 10**6)
    outage.cut(registry, 8)
    assert "no route" in pull.fails(UnavailableError)
    assert 1500 <= outage.now <= 1700
    assert len(outage.notes.notes) == 1
    outage.back = 0
    assert pull() < len(DATA)  # what had come is kept


def test_a_front_that_says_for_minutes_that_the_registry_is_away_is_heard_out(
    pull: Pulls, registry: FakeRegistry
) -> None:
    pull.connections = 1
    registry.on("GET blob", answer(502, times=3 * ranges.BUDGET), when=lambda seen: len(registry.seen) > 3)
    assert pull() == len(DATA)


def test_a_registry_that_breaks_off_at_one_place_is_not_away(pull: Pulls, registry: FakeRegistry) -> None:
    """It was there, and after each break it answers: as many tries as ever."""
    pull.connections = 1
    registry.on("GET blob", Fault("cut", after=0, times=1000), when=lambda seen: len(registry.seen) > 3)
    pull.fails(UnavailableError)
    assert len(registry.seen) == 3 + ranges.BUDGET


def test_outages_between_breaks_at_one_place_do_not_make_it_go_on(pull: Pulls, registry: FakeRegistry) -> None:
    pull.connections = 1
    for _ in range(100):
        registry.on("GET blob", Fault("cut", after=0), when=lambda seen: len(registry.seen) > 3)
        registry.on("GET blob", answer(503, times=3), when=lambda seen: len(registry.seen) > 3)
    pull.fails(UnavailableError)
    assert len(registry.seen) == 3 + ranges.BUDGET + 3 * (ranges.BUDGET - 1)


def cancelled(pull: Pulls, ready: Callable[[], object]) -> None:
    """The user ends a pull as soon as `ready`; it would go on for a minute or more."""
    cancellation = Cancellation()
    ended: list[BaseException] = []

    def run() -> None:
        try:
            pull(cancellation=cancellation)
        except BaseException as error:  # noqa: BLE001
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    cancellation.cancel()
    thread.join(20)
    assert isinstance(ended[0], Cancelled)


def test_a_pull_that_waits_for_its_registry_ends_when_the_user_wants(pull: Pulls, registry: FakeRegistry) -> None:
    outage = Outage(pull, 10**6)
    outage.cut(registry, 8)
    waiting = threading.Event()

    def backoff(attempt: int) -> float:
        waiting.set()
        return 599.0

    pull.settings["backoff"] = backoff
    cancelled(pull, lambda: waiting.wait(0.01))


def test_a_refusal_is_an_error_at_once(pull: Pulls, registry: FakeRegistry) -> None:
    registry.on("GET blob", answer(403))
    pull.fails(DeniedError)
    assert len(registry.seen) == 1


def test_a_pull_that_the_user_ends_is_over_in_seconds(pull: Pulls, registry: FakeRegistry) -> None:
    registry.on("GET blob", Fault("stall", after=1000, times=100))
    cancelled(pull, lambda: registry.seen)
    assert pull.path.exists()


def streaming(address: str, act: Callable[[Fetcher], None], connections: int = 8, tuning: Tuning = SMALL) -> None:
    cancellation = Cancellation()
    with Http(cancellation=cancellation) as http:
        reference = Reference.parse(f"{address}/a/b")
        repository = Repository(http, reference, Credentials.from_environment({"HOME": "/nonexistent"}, http))
        with Fetcher(repository, connections=connections, cancellation=cancellation, tuning=tuning) as fetcher:
            act(fetcher)


def test_a_stream_gives_the_blob_in_order_over_many_connections(registry: FakeRegistry) -> None:
    registry.on("GET blob", reset(after=20 * KiB, times=5))

    def act(fetcher: Fetcher) -> None:
        assert b"".join(fetcher.stream(BLOB, lambda _: None)) == DATA
        assert b"".join(fetcher.stream(BLOB, lambda _: None, start=3 * MiB + 17)) == DATA[3 * MiB + 17 :]
        assert b"".join(fetcher.stream(BLOB, lambda _: None, ranges=False)) == DATA

    streaming(registry.address, act)


def test_a_stream_waits_for_its_registry_too(registry: FakeRegistry) -> None:
    registry.on("GET blob", answer(504, times=3 * ranges.BUDGET), when=lambda seen: len(registry.seen) > 3)
    streaming(registry.address, lambda fetcher: verified(fetcher.stream(BLOB, lambda _: None)), connections=1)


def verified(blocks: Iterator[bytes]) -> None:
    assert b"".join(blocks) == DATA


@pytest.mark.parametrize("ranges", [True, False])
def test_a_stream_that_nobody_reads_keeps_to_its_window(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, *, ranges: bool
) -> None:
    monkeypatch.setattr(registry, "personality", Personality("some", ranges=ranges))

    def act(fetcher: Fetcher) -> None:
        came = [0]

        def count(size: int) -> None:
            came[0] += size

        blocks = fetcher.stream(BLOB, count)
        next(blocks)
        time.sleep(0.5)
        # The first block is given away when the second is there; then as much as the window is may come.
        assert came[0] <= _BUFFER + max(_BUFFER, 512 * KiB) < len(DATA) // 2
        blocks.close()

    streaming(registry.address, act, tuning=structs.replace(SMALL, memory=512 * KiB))


def test_a_stream_of_wrong_bytes_ends_before_its_last(registry: FakeRegistry) -> None:
    registry.blobs["a/b"][BLOB.digest] = DATA[:-1] + b"x"
    given: list[bytes] = []

    def act(fetcher: Fetcher) -> None:
        with pytest.raises(MismatchError, match=BLOB.digest):
            given.extend(fetcher.stream(BLOB, lambda _: None))

    streaming(registry.address, act)
    assert sum(map(len, given)) < len(DATA)


def test_many_blobs_share_the_connections(registry: FakeRegistry, tmp_path: Path) -> None:
    """Each waits for its own; no request is made twice."""
    blobs = []
    for number in range(12):
        data = DATA[number * 1000 : number * 1000 + (2 * MiB if number % 3 == 0 else 50 * KiB)]
        blobs.append((Descriptor(media_type=OCI_LAYER, digest=sha256(data), size=len(data)), data))
        registry.add_blob("a/b", data)

    def act(fetcher: Fetcher) -> None:
        def one(blob: Descriptor, data: bytes) -> None:
            path = tmp_path / f"{blob.digest[7:]}.partial"
            with Partial.open(path, {blob.digest: blob.size}, Cancellation()) as part:
                fetcher.into(blob, part.region(blob.digest), lambda _: None)
                part.keep(tmp_path / blob.digest[7:], blob.size)

        threads = [threading.Thread(target=one, args=pair) for pair in blobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    streaming(registry.address, act)
    for blob, data in blobs:
        assert (tmp_path / blob.digest[7:]).read_bytes() == data
    ranged = sum(-(-len(data) // (128 * KiB)) for _, data in blobs if len(data) >= MiB)
    assert len(registry.seen) == ranged + 8


def test_two_connections_that_bring_the_same_bytes_never_write_at_once() -> None:
    """A file is written outside the lock: a slow writer must not come over bytes that were hashed meanwhile."""
    entered, go_on = threading.Event(), threading.Event()
    written: list[tuple[int, bytes]] = []

    class Slow:
        def write(self, start: int, block: bytes) -> None:
            written.append((start, block))
            entered.set()
            assert go_on.wait(30)

    decider = ranges.Download(100, [], part=100, ranges=False)
    both = blob_fetch.BlobFetch(BLOB, Slow(), decider, lambda _: None, Http().retries(), SMALL)  # type: ignore[arg-type]
    part = decider.claim(None)
    assert part is not None
    again = copy.copy(part)
    slow = threading.Thread(target=both.take, args=(part, b"a" * 100, lambda: 0))
    slow.start()
    assert entered.wait(30)
    other = threading.Thread(target=both.take, args=(again, b"b" * 100, lambda: 0))
    other.start()
    other.join(0.2)
    assert other.is_alive(), "it did not wait for its turn"
    assert decider.prefix == 0, "bytes count that are still being written"
    go_on.set()
    slow.join()
    other.join()
    assert written == [(0, b"a" * 100)]
    assert decider.prefix == 100


@pytest.mark.parametrize("name", ["\u6a21" * 85, "a" * 255, os.fsdecode(b"\xff" * 255)])
def test_what_grows_beside_a_file_of_the_longest_name_may_have_its_own(tmp_path: Path, name: str) -> None:
    place = growing(tmp_path / name)
    place.touch()
    place.with_suffix(".journal").touch()
    assert place == growing(tmp_path / name) != tmp_path / name
