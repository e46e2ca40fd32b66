"""Whatever a registry does in whatever order: the blob is there and right, or the upload says that it failed.

`COGPACK_EXAMPLES=10000 pytest tests/registry/push/test_upload_properties.py` for a long run.
"""

import os
from dataclasses import dataclass, field
from itertools import accumulate

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from cogpack.digest import Digest, sha256
from cogpack.errors import CogpackError, MismatchError, UnavailableError
from cogpack.registry.profiles import Profile, Shape
from cogpack.registry.push.protocol import Answer, Blob, BrokenError
from cogpack.registry.push.shapes import Shapes
from cogpack.registry.push.upload import TRIES, next_offset, upload

EXAMPLES = int(os.environ.get("COGPACK_EXAMPLES", "500"))
MiB = 1024 * 1024
UNIT = 256 * 1024
"""Bytes that one byte of the modelled blob stands for, so that progress counts in the sizes that it does in life."""

MOVES = ("good", "cut", "lost", "500", "401", "404", "429", "400", "damage", "vanish", "202", "413")


@dataclass
class World:
    """A registry that keeps, loses and misreports. `moves`: what happens to its requests, then all goes well."""

    data: bytes
    moves: list[tuple[str, int]]
    keeps: bool
    told: str
    """How status names an offset: "right", "more", "less", "nothing"."""
    here: bytes | None = None
    sessions: dict[str, bytes] = field(default_factory=dict)
    committed: list[bytes] = field(default_factory=list)
    requests: int = 0
    sent: int = 0
    waited: int = 0
    age: float = 1.0
    """Seconds after which a request breaks."""

    def move(self) -> tuple[str, int]:
        self.requests += 1
        return self.moves.pop(0) if self.moves else ("good", 0)

    def open(self) -> Answer:
        self.requests += 1
        name = f"s{self.requests}"
        self.sessions[name] = b""
        return Answer(202, location=name)

    def send_body(self, method: str, url: str, *, start: int, length: int | None, ranged: bool) -> Answer:
        name, _, digest = url.partition("?")
        start, end = start // UNIT, len(self.data) if length is None else (start + length) // UNIT
        kind, at = self.move()
        body = self.data[start:end]
        if name not in self.sessions:
            return Answer(404)
        if kind == "cut":
            body = body[:at]
            if self.keeps and method == "PATCH":
                self.sessions[name] += body
            else:
                del self.sessions[name]
            self.sent += len(body)
            raise BrokenError(UnavailableError("cut", next_step=""), sent=len(body) * UNIT, age=self.age)
        self.sent += len(body)
        if kind in ("500", "401", "404", "429", "400"):
            self.sessions.pop(name)
            return Answer(int(kind))
        if kind == "413":
            return Answer(413)
        if kind == "vanish":
            self.sessions.pop(name)
            return Answer(202, location=name)
        if kind == "damage" and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        if ranged and start != len(self.sessions[name]):
            return Answer(416)
        self.sessions[name] += body
        if method == "PUT":
            return self._commit(name, digest, kind)
        if kind == "lost":
            raise BrokenError(UnavailableError("lost", next_step=""), sent=len(body) * UNIT, age=self.age)
        return Answer(202, location=name)

    def commit(self, url: str) -> Answer:
        name, _, digest = url.partition("?")
        kind, _ = self.move()
        if name not in self.sessions:
            return Answer(404)
        if kind == "cut":
            raise BrokenError(UnavailableError("cut", next_step=""), sent=0, age=self.age)
        if kind in ("500", "401", "404", "429", "400"):
            return Answer(int(kind))
        return self._commit(name, digest, kind)

    def _commit(self, name: str, digest: str, kind: str) -> Answer:
        found = self.sessions.pop(name)
        if sha256(found) != digest:
            return Answer(400, body=b"DIGEST_INVALID")
        self.here = found
        self.committed.append(found)
        if kind == "lost":
            raise BrokenError(UnavailableError("lost", next_step=""), sent=0, age=self.age)
        return Answer(202 if kind == "202" else 201)

    def status(self, url: str) -> Answer:
        self.requests += 1
        found = self.sessions.get(url)
        if found is None:
            return Answer(404)
        size = len(found) * UNIT + {"right": 0, "more": 5 * UNIT, "less": -UNIT, "nothing": 0}[self.told]
        headers = {"range": f"0-{size - 1}"} if size > 0 else {"range": "0-0"}
        return Answer(204, headers={} if self.told == "nothing" else headers)

    def has(self, blob: Blob) -> bool:
        self.requests += 1
        return self.here is not None and sha256(self.here) == blob.digest

    def measure(self) -> Blob:
        return self.streamed()

    def streamed(self) -> Blob:
        return Blob(sha256(self.data), len(self.data) * UNIT)

    def address(self, url: str, digest: Digest) -> str:
        return f"{url}?{digest}"

    def pause(self, failures: int) -> None:
        self.waited += 1

    def cancel(self, url: str) -> None:
        self.sessions.pop(url, None)

    def refusal(self, answer: Answer) -> CogpackError:
        return UnavailableError(f"HTTP {answer.status}", next_step="")


SHAPES: st.SearchStrategy[tuple[Shape, ...]] = st.sampled_from(
    [("put",), ("stream",), ("chunks",), ("put", "stream", "chunks"), ("stream", "put"), ("chunks", "put")]
)


@settings(max_examples=EXAMPLES, deadline=None)
@example(data=b"\0", moves=[("lost", 0)], order=("chunks", "put"), chunk=1, keeps=False, told="less", known=False)
@given(
    data=st.binary(max_size=40),
    moves=st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 40)), max_size=30),
    order=SHAPES,
    chunk=st.integers(1, 12),
    keeps=st.booleans(),
    told=st.sampled_from(["right", "more", "less", "nothing"]),
    known=st.booleans(),
)
def test_the_blob_is_there_and_right_or_the_upload_failed(
    data: bytes,
    moves: list[tuple[str, int]],
    order: tuple[Shape, ...],
    chunk: int,
    keeps: bool,
    told: str,
    known: bool,
) -> None:
    world = World(data, list(moves), keeps, told)
    shapes = Shapes(Profile(name="", hosts="", shapes=order, chunk=chunk * UNIT, source=""))
    try:
        upload(world, shapes, world.streamed() if known else None, name="blob")
    except CogpackError as error:
        event(f"failed: {type(error).__name__}")
        assert moves, "failed without a fault"
    else:
        event("there")
        assert world.here == data
    assert all(found == data for found in world.committed), "wrong bytes were committed"
    # One session for each move at most, and what each may cost: all the chunks, a status, three looks, a commit.
    assert world.requests <= (len(moves) + 1) * (len(data) // chunk + 8)
    # A lie about an offset costs what was sent on top of it, too, each time that it is told.
    assert world.sent <= ((TRIES + 1) * len(moves) + 1) * len(data)


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.tuples(st.just("cut"), st.integers(0, 40)), min_size=200, max_size=200), SHAPES)
def test_a_line_that_never_holds_is_given_up_in_the_end(moves: list[tuple[str, int]], order: tuple[Shape, ...]) -> None:
    data = bytes(range(40))
    world = World(data, list(moves), keeps=False, told="right")
    shapes = Shapes(Profile(name="", hosts="", shapes=order, chunk=8 * UNIT, source=""))
    with pytest.raises(UnavailableError, match="tries"):
        upload(world, shapes, world.streamed(), name="blob")
    assert world.sent <= len(order) * 20 * len(data)


@given(st.text(max_size=40) | st.from_regex(r"(bytes=)?0-(-?\d{1,25})"))
def test_no_range_breaks_the_reader_or_gives_an_offset_that_is_none(text: str) -> None:
    found = next_offset(text)
    assert found is None or 0 <= found <= 10**18


LIMITS = st.text(max_size=12) | st.integers(-5, 2**40).map(str) | st.integers(2**16, 2**21).map(str)


def bounds(least: str, most: str) -> tuple[int, int]:
    """The least and the largest chunk that these words of a registry ask for, where both can be kept to."""
    floor, ceiling = (int(text) if text.strip().isdecimal() and len(text.strip()) < 16 else 0 for text in (least, most))
    ceiling = ceiling if ceiling >= 65536 else 1024 * MiB
    return (floor, ceiling) if floor <= min(ceiling, 1024 * MiB) else (1, 1024 * MiB)


@given(least=LIMITS, most=LIMITS, size=st.integers(1, 2**40))
def test_a_chunk_is_as_large_as_the_registry_says_and_a_gibibyte_at_most(least: str, most: str, size: int) -> None:
    shapes = Shapes(Profile(name="", hosts="", shapes=("chunks",), source=""))
    shapes.learn({"oci-chunk-min-length": least, "oci-chunk-max-length": most})
    smallest, largest = bounds(least, most)
    assert smallest <= shapes.chunk(size) <= min(largest, 1024 * MiB)


class Counting(World):
    """It takes all, and keeps nothing but where each body began and how long it was."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(b"", [], keeps=True, told="right")
        self.headers = headers
        self.bodies: list[tuple[int, int | None, bool]] = []

    def open(self) -> Answer:
        return Answer(202, location="s1", headers=self.headers)

    def send_body(self, method: str, url: str, *, start: int, length: int | None, ranged: bool) -> Answer:
        self.bodies.append((start, length, ranged))
        return Answer(201 if method == "PUT" else 202, location="s1")

    def commit(self, url: str) -> Answer:
        return Answer(201)


@settings(max_examples=EXAMPLES, deadline=None)
@example(least="", most="65536", pieces=3, rest=0)
@example(least="", most="65536", pieces=0, rest=1)
@example(least="", most="65536", pieces=0, rest=0)
@example(least="2000000", most="1000000", pieces=3, rest=5)
@given(least=LIMITS, most=LIMITS, pieces=st.integers(0, 20), rest=st.integers(0, 2**40))
def test_chunks_add_up_and_are_equal_but_the_last(least: str, most: str, pieces: int, rest: int) -> None:
    world = Counting({"oci-chunk-min-length": least, "oci-chunk-max-length": most})
    shapes = Shapes(Profile(name="", hosts="", shapes=("chunks",), source=""))
    shapes.learn(world.headers)
    chunk = shapes.chunk(1)
    size = pieces * chunk + rest % chunk
    upload(world, shapes, Blob(sha256(b""), size), name="blob")
    lengths = [length or 0 for _, length, _ in world.bodies]
    assert [start for start, _, _ in world.bodies] == [0, *accumulate(lengths)][: len(lengths)]
    assert all(ranged for _, _, ranged in world.bodies) == (size > 0)  # nothing at all is one PUT
    assert sum(lengths) == size
    assert set(lengths[:-1]) <= {chunk}
    smallest, largest = bounds(least, most)
    assert all(smallest <= length <= largest for length in lengths[:-1])
    assert all(0 < length <= largest for length in lengths[-1:]) or size == 0


@pytest.mark.parametrize("size", [2**31 - 1, 2**31, 2**31 + 1, 2**32 + 1, 10**12, 5 * 2**40])
def test_f40_chunks_of_sizes_beyond_32_bits_add_up(size: int) -> None:
    """Sizes without bytes."""
    world = Counting({})
    upload(world, Shapes(Profile(name="", hosts="", shapes=("chunks",), source="")), Blob(sha256(b""), size), name="b")
    lengths = [length or 0 for _, length, _ in world.bodies]
    assert [start for start, _, _ in world.bodies] == [0, *accumulate(lengths)][: len(lengths)]
    assert sum(lengths) == size
    assert len(lengths) <= 10_000


def test_bytes_that_arrive_damaged_twice_are_an_error_of_their_own() -> None:
    world = World(b"data", [("damage", 0)] * 9, keeps=True, told="right")
    with pytest.raises(MismatchError, match="twice"):
        upload(world, Shapes(Profile(name="", hosts="", shapes=("put",), source="")), world.streamed(), name="blob")


@pytest.mark.parametrize("order", [("put", "stream"), ("put", "stream", "chunks"), ("stream", "put", "chunks")])
def test_a_limit_of_time_is_got_over_in_chunks_or_told(order: tuple[Shape, ...]) -> None:
    world = World(bytes(40), [("cut", 5), ("cut", 5)], keeps=False, told="right", age=61.0)
    shapes = Shapes(Profile(name="", hosts="", shapes=order, chunk=8 * UNIT, source=""))
    if "chunks" in order:
        upload(world, shapes, world.streamed(), name="blob")
        assert world.here == bytes(40)
        assert world.moves == []
        assert world.sent == 40 + 5 + 5
    else:
        with pytest.raises(UnavailableError, match="a limit of time on the way"):
            upload(world, shapes, world.streamed(), name="blob")
