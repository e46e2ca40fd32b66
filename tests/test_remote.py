"""Files of servers, read by ranges: gone on with where a connection breaks, checked where a digest is known."""

import random
from collections.abc import Callable
from itertools import count
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_http import Answer, Hangup, Request, serving
from support.safetensors_files import files

from cogpack.digest import sha256
from cogpack.errors import DeniedError, InputError, MismatchError, UnavailableError
from cogpack.http import Http
from cogpack.layers.tar import read as read_content
from cogpack.layers.weights.remote import RemoteContent, measure, opaque_pieces, split_remote
from cogpack.layers.weights.shards import Piece
from cogpack.remote import Glances, NoRangesError, RemoteFile, remote_size

DATA = random.Random(0).randbytes(5 << 20)


class Memory:
    """What `RemoteFile` is to the layers, without a server."""

    def __init__(self, data: bytes, block: int = 1000) -> None:
        self.data, self.size, self.block = data, len(data), block

    renewed = "ask for them again"

    def read(self, offset: int, length: int):
        for start in range(offset, offset + length, self.block):
            yield self.data[start : min(start + self.block, offset + length)]


def ranged(request: Request) -> Answer:
    first, last = 0, len(DATA) - 1
    if wanted := request.headers.get("range"):
        first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
    return 206, {"Content-Range": f"bytes {first}-{last}/{len(DATA)}"}, DATA[first : last + 1]


def broken_off(request: Request, size: int) -> Answer:
    status, headers, body = ranged(request)
    return status, headers | {"Content-Length": str(len(body)), "Connection": "close"}, body[:size]


def read(script: Callable[[Request], Answer], offset: int = 0, length: int = len(DATA)) -> tuple[bytes, int]:
    """The bytes, and how many requests it took."""
    with serving(script) as fake, Http() as http:
        return b"".join(RemoteFile(http, f"{fake.url}/f", len(DATA)).read(offset, length)), len(fake.seen)


@pytest.mark.parametrize(("offset", "length"), [(0, len(DATA)), (0, 10), (5, 100_000), (len(DATA) - 1, 1), (7, 0)])
def test_a_range_is_just_that_range(offset: int, length: int) -> None:
    assert read(ranged, offset, length)[0] == DATA[offset : offset + length]


@pytest.mark.parametrize("reads", [[(0, 10), (5, 100_000), (len(DATA) - 7, 7)], [(0, len(DATA)), (1, 1)]])
def test_ranges_after_one_another_take_one_connection(reads: list[tuple[int, int]]) -> None:
    with serving(ranged) as fake, Http() as http:
        file = RemoteFile(http, f"{fake.url}/f", len(DATA))
        for offset, length in reads:
            assert b"".join(file.read(offset, length)) == DATA[offset : offset + length]
        assert (len(fake.seen), fake.connections) == (len(reads), 1)


def test_what_comes_behind_a_range_is_not_waited_for() -> None:
    """The server sends more than it was asked for: its connection is dropped, and what came counts."""

    def more(request: Request) -> Answer:
        status, headers, body = ranged(request)
        return status, headers | {"Content-Length": str(len(body) + 1)}, body

    assert read(more, 5, 1000) == (DATA[5:1005], 1)


def test_a_connection_that_breaks_is_gone_on_with() -> None:
    data, requests = read(lambda request: broken_off(request, (5 << 20) // 4))
    assert data == DATA
    assert requests == 4  # nothing that came was asked for again


def test_a_server_that_never_gives_a_byte_is_given_up() -> None:
    def script(request: Request) -> Answer:
        raise Hangup

    with pytest.raises(UnavailableError):
        read(script)


def test_a_server_that_goes_away_is_waited_for() -> None:
    numbers = count()

    def script(request: Request) -> Answer:
        if 0 < next(numbers) < 30:
            raise Hangup
        return broken_off(request, 2 << 20)

    data, requests = read(script)
    assert data == DATA
    assert requests == 3 + 29


def test_a_server_that_breaks_off_at_one_place_is_given_up() -> None:
    seen: list[str] = []

    def script(request: Request) -> Answer:
        seen.append(request.headers.get("range", ""))
        return broken_off(request, 0 if seen[1:] else 1000)

    with pytest.raises(UnavailableError):
        read(script)
    assert seen == ["", *[f"bytes=1000-{len(DATA) - 1}"] * 4]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((404, {}, b""), InputError, "no such file"),
        ((401, {}, b""), DeniedError, "401"),
        ((403, {}, b""), DeniedError, "403"),
        ((503, {"Retry-After": "0"}, b""), UnavailableError, "503"),
        ((200, {}, DATA), InputError, "whole files only"),
        ((206, {"Content-Range": "bytes 0-9/5242880"}, DATA[:10]), UnavailableError, "another range"),
    ],
)
def test_what_a_server_does_not_give_is_named(answer: Answer, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        read(lambda _: answer, 10, 10)


def test_more_bytes_than_asked_for_are_left_out() -> None:
    assert read(lambda _: (200, {}, DATA), 0, 10)[0] == DATA[:10]


@given(files(), st.sampled_from([1, 100, 10**6]), st.integers(1, 5000))
def test_one_pass_measures_the_file_and_all_its_shards(data: bytes, target: int, block: int) -> None:
    reader = Memory(data, block)
    pieces = split_remote("tensor", reader, "model.safetensors", target)
    digest, hashes = measure(reader, pieces, lambda size: None)
    assert digest == sha256(data)
    for piece, hash_ in zip(pieces, hashes, strict=True):
        content = RemoteContent(lambda: reader, lambda piece=piece: piece, piece.size, hash_)
        assert sum(map(len, read_content(content))) == piece.size  # and no MismatchError


@given(st.integers(1, 100_000), st.integers(1, 20_000), st.integers(1, 9000))
def test_one_pass_measures_the_parts_of_any_file(size: int, target: int, block: int) -> None:
    reader = Memory(DATA[:size], block)
    pieces = opaque_pieces(size, target)
    _, hashes = measure(reader, pieces, lambda size: None)
    joined = b""
    for piece, hash_ in zip(pieces, hashes, strict=True):
        content = RemoteContent(lambda: reader, lambda piece=piece: piece, piece.size, hash_)
        joined += b"".join(read_content(content))
    assert joined == DATA[:size]


@pytest.mark.parametrize("digest", [sha256(b"other"), "0" * 64])
def test_content_that_is_not_the_pinned_one_ends_in_an_error(digest: str) -> None:
    content = RemoteContent(lambda: Memory(DATA), lambda: Piece("", ((0, 5000),)), 5000, digest)
    with pytest.raises(MismatchError, match="the lock pins"):
        list(read_content(content))


@given(st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 70_000)), max_size=6))
def test_glances_at_a_file_are_its_bytes(places: list[tuple[int, int]]) -> None:
    data = DATA[:400_000]
    glances = Glances(cast("RemoteFile", Memory(data)))
    for offset, size in places:
        assert glances(offset, size) == data[offset : offset + size]


def test_what_lies_at_the_end_takes_one_request() -> None:
    with serving(ranged) as fake, Http() as http:
        assert remote_size(http, f"{fake.url}/f") == len(DATA)
        glances = Glances(RemoteFile(http, f"{fake.url}/f", len(DATA)))
        for offset, size in ((len(DATA) - 65557, 65557), (len(DATA) - 100_000, 3), (len(DATA) - 5, 100)):
            assert glances(offset, size) == DATA[offset:][:size]
        assert len(fake.seen) == 2
        assert glances(77, 5) == glances(77, 5) == DATA[77:82]
        assert len(fake.seen) == 3


@pytest.mark.parametrize("answer", [(200, {}, DATA), (206, {"Content-Range": "bytes 0-0/*"}, b"x")])
def test_a_server_that_knows_no_ranges_or_no_size_is_told_apart(answer: Answer) -> None:
    with serving(lambda _: answer) as fake, Http() as http, pytest.raises(NoRangesError):
        remote_size(http, f"{fake.url}/f")
