"""What to ask for next, and whom to believe: a registry that does anything at all never gets wrong bytes accepted."""

import hashlib
import os
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogpack.digest import Digest
from cogpack.registry.pull.ranges import (
    BUDGET,
    Crawlers,
    Download,
    Mode,
    Part,
    Span,
    decode_journal,
    encode_journal,
)
from cogpack.registry.pull.tuning import TUNING

MiB = 1024 * 1024
EXAMPLES = int(os.environ.get("COGPACK_EXAMPLES", "500"))
"""Of the state machine's properties; 10,000 by hand."""


@dataclass
class Answer:
    """What a server sends for a part: `body` from `at` on, `stored` where the part says."""

    part: Part
    body: bytes
    at: int = 0


@dataclass
class World:
    """A server that does what `chance` says, connections, and a store that remembers what was written to it."""

    chance: random.Random
    source: bytes
    faults: int
    lies: bool
    connections: int
    requests: int = 0
    active: list[Answer] = field(default_factory=list)
    written: dict[int, int] = field(default_factory=dict)

    def ask(self, download: Download, part: Part) -> None:
        self.requests += 1
        fault = self.faults > 0 and self.chance.random() < 0.4
        self.faults -= fault
        size = len(self.source)
        status, start, end, total = (206, part.start, part.end, size) if part.ranged else (200, 0, size, size)
        body = self.source[start:end]
        if fault:
            kind = self.chance.choice(["ignored", "refused", "cut", "range", "total", "bits", "416", "unasked", "long"])
            if kind in ("refused", "cut"):
                body = body[: self.chance.randrange(len(body) + 1)] if kind == "cut" else b""
                if kind == "refused":
                    download.release(part, failed=True)
                    return
            elif kind == "ignored":
                status, body = 200, self.source
            elif self.lies:
                if kind == "range":
                    start = start + self.chance.choice([-1, 1])
                elif kind == "total":
                    total += self.chance.choice([-1, 1])
                elif kind == "bits":
                    body = bytes(byte ^ 1 for byte in body)
                elif kind == "long":
                    body += b"more"
                else:
                    status = 416 if kind == "416" else 206
        headers = {"content-range": f"bytes {start}-{end - 1}/{total}"} if status == 206 else {}
        if download.judge(part, status, headers):
            self.active.append(Answer(part, body))
        else:
            download.release(part, failed=True)

    def deliver(self, download: Download, answer: Answer) -> None:
        """A block of the answer, or its end."""
        block = answer.body[answer.at : answer.at + self.chance.randint(1, 40)]
        answer.at += len(block)
        begin = answer.part.start
        for start, end in download.fresh(answer.part, len(block)):
            for place in range(start, end):
                assert place not in self.written, "a byte that is there was written again"
                self.written[place] = block[place - begin]
        download.advance(answer.part, len(block))
        if not block or answer.part.start == answer.part.end or answer.part.revoked:
            self.active.remove(answer)
            download.release(answer.part, failed=answer.part.start < answer.part.end)

    def stored(self) -> bytes:
        return bytes(self.written[place] for place in range(len(self.source)))


def run(world: World, download: Download, *, kill: bool) -> str:
    """ "whole", "unavailable" or "mismatch"."""
    right = hashlib.sha256(world.source).digest()
    for _ in range(100_000):
        spans = [(part.start, part.end) for part in download.live if not part.revoked]
        assert all(one[1] <= other[0] for one, other in zip(sorted(spans), sorted(spans)[1:], strict=False))
        assert set(world.written) == {place for start, end in download.got for place in range(start, end)}
        if download.complete:
            if hashlib.sha256(world.stored()).digest() == right:
                return "whole"
            if not download.restart():
                return "mismatch"
            world.written.clear()
        if download.spent:
            return "unavailable"
        if kill and world.chance.random() < 0.01:  # and another process goes on from its journal
            kill = False
            journal = encode_journal({Digest("sha256:" + "0" * 64): (download.size, download.got)})
            have = decode_journal(journal, {Digest("sha256:" + "0" * 64): download.size})
            download = Download(download.size, next(iter(have.values())), part=16)
            world.active.clear()
        part = download.claim() if len(world.active) < world.connections else None
        if part is not None and world.chance.random() < 0.7:
            world.ask(download, part)
        else:
            if part is not None:
                download.release(part, failed=False)
            if world.active:
                world.deliver(download, world.chance.choice(world.active))
    raise AssertionError("it does not end")


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 2**64), size=st.integers(0, 300), faults=st.integers(0, 60), connections=st.integers(1, 8))
def test_whatever_a_server_does_wrong_bytes_are_never_the_blob(
    seed: int, size: int, faults: int, connections: int
) -> None:
    """Either the stored bytes are the source's or the download fails, after a bounded number of requests."""
    chance = random.Random(seed)
    world = World(chance, chance.randbytes(size), faults, True, connections)
    outcome = run(world, Download(size, part=4, largest=8), kill=chance.random() < 0.5)
    assert outcome in ("whole", "unavailable", "mismatch")
    if outcome == "whole":
        assert world.stored() == world.source
    parts = size // 4 + 1
    assert world.requests <= faults * (connections + 1) + 4 * parts + 4


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 2**64), size=st.integers(0, 300), connections=st.integers(1, 8))
def test_fewer_faults_than_the_budget_never_fail_a_download(seed: int, size: int, connections: int) -> None:
    chance = random.Random(seed)
    world = World(chance, chance.randbytes(size), BUDGET - 1, False, connections)
    assert run(world, Download(size, part=16), kill=True) == "whole"
    assert world.stored() == world.source


def test_ranges_are_long_at_first_and_short_at_the_end() -> None:
    """So that nobody waits long for the last one, and few are asked for."""
    download, sizes = Download(10_000, part=10, largest=100), []
    while part := download.claim():
        sizes.append(part.end - part.start)
        assert download.judge(part, 206, {"content-range": f"bytes {part.start}-{part.end - 1}/10000"})
    assert sum(sizes) == 10_000
    assert sizes[0] == 100
    assert sizes[:-1] == sorted(sizes[:-1], reverse=True)
    assert set(sizes[-30:-1]) == {10}


def claimed(download: Download) -> Part:
    part = download.claim()
    assert part is not None
    return part


def answered(download: Download, part: Part) -> bool:
    return download.judge(part, 206, {"content-range": f"bytes {part.start}-{part.end - 1}/{download.size}"})


def test_one_range_is_tried_before_there_are_several() -> None:
    download = Download(100, part=10)
    first = claimed(download)
    assert first.headers == {"Range": "bytes=0-9"}
    assert download.claim() is None
    assert answered(download, first)
    assert [claimed(download).headers["Range"] for _ in range(3)] == ["bytes=10-19", "bytes=20-29", "bytes=30-39"]


def test_a_server_that_sends_all_to_a_range_is_taken_at_that_and_the_others_stop() -> None:
    """P5."""
    download = Download(100, part=10)
    first = claimed(download)
    assert answered(download, first)
    second, third = claimed(download), claimed(download)
    assert download.judge(second, 200, {})
    assert (second.start, second.end) == (0, 100)
    assert [part.revoked for part in (first, second, third)] == [True, False, True]
    assert download.claim() is None
    download.advance(first, 10)
    assert download.got == ()
    download.advance(second, 60)
    download.release(second, failed=True)
    assert claimed(download).headers == {"Range": "bytes=60-99"}


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (206, {"content-range": "bytes 1-10/100"}),
        (206, {"content-range": "bytes 0-10/100"}),
        (206, {"content-range": "bytes 0-9/101"}),
        (206, {"content-range": "bytes 0-9/*"}),
        (206, {"content-range": "bytes 0-9/100", "content-length": "11"}),
        (206, {"content-type": "multipart/byteranges; boundary=x"}),
        (416, {"content-length": "100"}),
    ],
)
def test_a_range_that_is_not_the_one_asked_for_ends_the_trust_in_ranges(status: int, headers: dict[str, str]) -> None:
    """P6, P7."""
    download = Download(100, part=10)
    first = claimed(download)
    assert not download.judge(first, status, headers)
    download.release(first, failed=True)
    again = claimed(download)
    assert again.headers == {}
    assert (again.start, again.end, download.mode) == (0, 100, Mode.WHOLE)


def test_failures_at_the_same_time_count_once_and_progress_forgets_them() -> None:
    download = Download(6400, part=100)
    first = claimed(download)
    assert answered(download, first)
    others = [claimed(download) for _ in range(7)]
    for part in (first, *others):
        download.release(part, failed=True)
    assert download.failures == 1
    for number in range(2, BUDGET):
        download.release(claimed(download), failed=True)
        assert download.failures == number
    assert not download.spent
    part = claimed(download)
    assert answered(download, part)
    download.advance(part, 99)
    assert download.failures == BUDGET - 1
    download.advance(part, 1)
    assert download.failures == 0


def test_wrong_bytes_are_fetched_once_more_and_whole() -> None:
    """P4: a range that keeps a poisoned part would go on for ever."""
    download = Download(20, [(0, 20)], part=10)
    assert download.complete
    assert download.restart()
    part = claimed(download)
    assert (part.headers, download.got) == ({}, ())
    assert not download.restart()


def test_an_empty_blob_is_not_asked_for() -> None:
    download = Download(0, part=10)
    assert download.complete
    assert download.claim() is None


def found(*rates: float, since: float = TUNING.grace) -> list[int]:
    """Which of the parts crawl that had so many bytes a second for `since` seconds."""
    parts = [Part(0, 10**9, ranged=True, round=0) for _ in rates]
    crawlers = Crawlers(TUNING.grace)
    crawlers.among(parts, 0, 100.0)
    for part, rate in zip(parts, rates, strict=True):
        part.start += int(rate * since)
    slow = crawlers.among(parts, sum(part.start for part in parts), 100.0 + since)
    return [number for number, part in enumerate(parts) if part in slow]


def test_a_range_that_crawls_beside_others_is_named() -> None:
    """P10."""
    assert found(1e6, 1e6, 1.2e6, 0.1, 0.9e6) == [3]
    assert found(1e6, 1e6, 1.2e6, 0.1, 0.9e6, since=TUNING.grace - 1) == []
    assert found(1e6, 0.1) == [], "of two, either may be the odd one"


def test_ranges_that_ended_before_they_could_be_measured_count() -> None:
    """P10: on a quick line none but the slow one lives so long."""
    crawlers, slow = Crawlers(TUNING.grace), Part(0, 10**9, ranged=True, round=0)
    others = [Part(0, 10**6, ranged=True, round=0) for _ in range(3)]
    assert crawlers.among([*others, slow], 0, 100.0) == []
    slow.start = 1
    assert crawlers.among([slow], 3 * 10**6 + 1, 100.5) == []
    assert crawlers.among([slow], 3 * 10**6 + 1, 100.0 + TUNING.grace) == [slow]


def test_a_line_that_is_slow_for_all_leaves_nobody_crawling() -> None:
    assert found(2000, 2100, 1900) == []
    crawlers, parts = Crawlers(TUNING.grace), [Part(0, 10**9, ranged=True, round=0) for _ in range(4)]
    came = 0
    for second in range(100):
        for part in parts:
            part.start += 10**6 if second < 50 else 2 * 10**5
        came = sum(part.start for part in parts)
        assert crawlers.among(parts, came, float(second)) == []


def test_what_stands_still_crawls_after_half_a_minute_however_the_others_fare() -> None:
    crawlers, alone = Crawlers(TUNING.grace), Part(0, 10**9, ranged=True, round=0)
    crawlers.among([alone], 0, 100.0)
    moments = [100.0 + TUNING.grace * count for count in range(1, 9)]
    assert [bool(crawlers.among([alone], 0, moment)) for moment in moments] == [False] * 5 + [True] * 3


TICK = 0.5
"""Seconds between looks at who crawls."""
PAUSE = 1.0
"""Seconds at most until something is asked for after a failure."""


@dataclass
class Line:
    """A pull over eight connections of `pace` bytes a second each, on a clock that only this moves.

    To the request with the number `loris` a byte comes every ten seconds, from `share` of its range on.
    """

    size: int
    pace: int
    loris: int = -1
    share: float = 0.0
    now: float = 0.0
    asked: int = 0
    ended: int = 0
    slow: Part | None = None
    slow_from: int = 0

    def seconds(self) -> float:
        download = Download(self.size, part=4 * MiB, largest=64 * MiB)  # as `Fetcher.into` does it
        crawlers = Crawlers(TUNING.grace)
        connections: list[Part | None] = [None] * 8
        not_before = 0.0
        while not download.complete:
            assert self.now < 3600, "it does not end"
            for number, part in enumerate(connections):
                connections[number] = self._tick(download, part, may_ask=self.now >= not_before)
            self.now += TICK
            came = sum(end - start for start, end in download.got)
            for part in crawlers.among([part for part in connections if part], came, self.now):
                connections[connections.index(part)] = None
                download.release(part, failed=True)
                self.ended += 1
                not_before = self.now + PAUSE
        return self.now

    def _tick(self, download: Download, part: Part | None, *, may_ask: bool) -> Part | None:
        """What one connection brings: of `part`, and of those that it asks for next. Answers the last of them."""
        left = int(self.pace * TICK)
        while left:
            if part is None:
                part = self._claim(download) if may_ask else None
                if part is None:
                    return None
            size = min(left, (self.slow_from if part is self.slow else part.end) - part.start)
            if size <= 0:
                download.advance(part, self.now % 10 == 0)
                return part
            download.advance(part, size)
            left -= size
            if part.start == part.end:
                download.release(part, failed=False)
                part = None
        return part

    def _claim(self, download: Download) -> Part | None:
        part = download.claim()
        if part is not None:
            assert answered(download, part)
            if self.asked == self.loris:
                self.slow, self.slow_from = part, part.start + int(self.share * (part.end - part.start))
            self.asked += 1
        return part


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("pace", [MiB, 13 * MiB, 40 * MiB])
@pytest.mark.parametrize("seconds", [12, 40, 60])
def test_a_range_that_crawls_does_not_double_the_time_of_a_pull(seconds: int, pace: int, share: float) -> None:
    """P10: of pulls that take a dozen seconds or longer, whichever range it is and wherever in it that begins."""
    size = 8 * pace * seconds
    normal = Line(size, pace)
    assert seconds <= normal.seconds() <= 1.15 * seconds
    for loris in {0, 1, normal.asked // 2, normal.asked - 8, normal.asked - 1}:
        line = Line(size, pace, loris, share)
        assert line.seconds() < 2 * normal.now
        assert line.ended == 1


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_range_that_crawls_beside_others_costs_seconds(share: float) -> None:
    """P10: what is slow early, among ranges that take long."""
    normal, line = Line(8 * 60 * MiB, MiB), Line(8 * 60 * MiB, MiB, 3, share)
    assert line.seconds() <= normal.seconds() + 2 * TUNING.grace


SPANS: list[Span] = [(0, 5), (7, 9)]
NAMED = Digest("sha256:" + "a" * 64)


def test_a_journal_is_read_back_for_the_blob_it_was_written_for() -> None:
    data = encode_journal({NAMED: (10, SPANS)})
    assert decode_journal(data, {NAMED: 10}) == {NAMED: SPANS}
    assert decode_journal(data, {NAMED: 11}) == {}
    assert decode_journal(data, {Digest("sha256:" + "b" * 64): 10}) == {}


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(data=st.binary() | st.just(encode_journal({NAMED: (10, SPANS)})), cut=st.integers(0, 100))
def test_a_journal_that_lies_or_is_cut_is_no_error(data: bytes, cut: int) -> None:
    """P12."""
    for start, end in decode_journal(data[:cut], {NAMED: 10}).get(NAMED, []):
        assert 0 <= start < end <= 10


@pytest.mark.parametrize("got", [[[5, 2]], [[-1, 5]], [[0, 11]], [[0, 1e400]], "x", [[0]]])
def test_spans_that_a_blob_does_not_have_are_not_believed(got: object) -> None:
    import json

    data = json.dumps({NAMED: {"size": 10, "got": got}}).replace("Infinity", "1e400").encode()
    assert decode_journal(data, {NAMED: 10}) == {}
