"""One request and its answer over a pair of sockets: what belongs to the answer, and whether another may follow."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cogpack.http.deadlines import Deadlines, Limits
from cogpack.http.exchange import Exchange
from cogpack.http.sockets import Connection
from cogpack.progress import Cancellation

BODY = b"0123456789abcdef" * 600


@contextmanager
def answered(answer: bytes, *, sizes: list[int], method: str = "GET", ends: bool = False) -> Iterator[Exchange]:
    """An exchange whose answer comes in pieces of `sizes`, the rest in one. `ends`: the connection ends with it."""
    ours, theirs = socket.socketpair()
    ours.settimeout(0)

    def send() -> None:
        with suppress(OSError):  # who has read all that counts may be gone
            theirs.recv(4_096)
            left = answer
            for size in sizes:
                theirs.sendall(left[:size])
                left = left[size:]
            theirs.sendall(left)
            if ends:
                theirs.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    connection = Connection(ours)
    try:
        thread.start()
        deadlines = Deadlines(Limits(answer=2, idle=2), Cancellation())
        yield Exchange(connection, deadlines, method, b"/", [(b"Host", b"there")])
    finally:
        connection.close()
        thread.join()
        theirs.close()


def by_blocks(exchange: Exchange) -> bytes:
    return b"".join(exchange.blocks())


def by_filling(exchange: Exchange) -> bytes:
    found, buffer = bytearray(), memoryview(bytearray(1_000))
    while size := exchange.fill(buffer):
        found += buffer[:size]
    return bytes(found)


READERS = [by_blocks, by_filling]

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
    b"%x\r\n%b\r\n" % (len(BODY[start : start + 3_000]), BODY[start : start + 3_000])
    for start in range(0, len(BODY), 3_000)
)
CHUNKED += b"0\r\n\r\n"
UNTIL_ITS_END = b"HTTP/1.1 200 OK\r\n\r\n" + BODY


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("answer", [SIZED, CHUNKED], ids=["length", "chunks"])
@settings(phases=[Phase.explicit, Phase.generate])  # shrinking waits for what does not come
@given(st.lists(st.integers(1, 2_000), max_size=12))
def test_a_body_is_the_same_however_it_comes_and_is_read(
    answer: bytes, read: Callable[[Exchange], bytes], sizes: list[int]
) -> None:
    with answered(answer, sizes=sizes) as exchange:
        assert read(exchange) == BODY
        assert read(exchange) == b""
        assert exchange.again


@pytest.mark.parametrize("read", READERS)
def test_a_body_without_a_length_ends_with_its_connection(read: Callable[[Exchange], bytes]) -> None:
    with answered(UNTIL_ITS_END, sizes=[10, 500], ends=True) as exchange:
        assert read(exchange) == BODY
        assert not exchange.again


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("answer", [SIZED[:-1], CHUNKED[:-1]], ids=["length", "chunks"])
def test_a_body_that_breaks_off_is_no_body(answer: bytes, read: Callable[[Exchange], bytes]) -> None:
    with answered(answer, sizes=[], ends=True) as exchange, pytest.raises(httpx.RemoteProtocolError):
        read(exchange)


def test_the_two_ways_to_read_may_take_turns() -> None:
    with answered(SIZED, sizes=[100]) as exchange:
        buffer = memoryview(bytearray(7))
        assert exchange.fill(buffer) == 7
        assert bytes(buffer) + next(exchange.blocks()) + by_filling(exchange) == BODY


def test_what_comes_with_the_head_is_filled_up_with_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogpack.http.sockets._MOMENT", 5.0)
    with answered(SIZED, sizes=[len(SIZED) - len(BODY) + 10]) as exchange:
        buffer = memoryview(bytearray(len(BODY)))
        assert exchange.fill(buffer) == len(BODY)
        assert bytes(buffer) == BODY
        assert exchange.again


def test_what_comes_with_the_head_is_had_although_nothing_follows() -> None:
    with answered(SIZED[:-1], sizes=[len(SIZED) - len(BODY) + 10], ends=True) as exchange:
        buffer = memoryview(bytearray(len(BODY)))
        assert exchange.fill(buffer) == len(BODY) - 1
        with pytest.raises(httpx.RemoteProtocolError):
            exchange.fill(buffer)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x, close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
    ],
    ids=["close", "an option close", "HTTP/1.0", "more than the length", "more than the chunks"],
)
def test_a_connection_on_which_more_was_said_or_that_ends_takes_no_other_request(answer: bytes) -> None:
    with answered(answer, sizes=[]) as exchange:
        assert by_blocks(exchange) == b"ok"
        assert not exchange.again


@pytest.mark.parametrize("status", [b"200 OK", b"416 Range Not Satisfiable"])
def test_the_length_of_what_head_would_have_is_not_waited_for(status: bytes) -> None:
    with answered(b"HTTP/1.1 %b\r\nContent-Length: 99\r\n\r\n" % status, sizes=[], method="HEAD") as exchange:
        assert by_blocks(exchange) == b""
        assert exchange.again


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_some_answers_have_no_body_whatever_they_announce(status: bytes) -> None:
    with answered(b"HTTP/1.1 %b\r\nContent-Length: 99\r\n\r\n" % status, sizes=[]) as exchange:
        assert by_filling(exchange) == b""
        assert exchange.again


def test_words_before_the_answer_are_passed_over() -> None:
    before = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    with answered(before + SIZED, sizes=[5, 30]) as exchange:
        assert exchange.status == 200
        assert by_blocks(exchange) == BODY


@pytest.mark.parametrize(
    "lengths", [b"Content-Length: 2\r\nContent-Length: 3", b"Content-Length: 2, 3", b"Content-Length: -1"]
)
def test_lengths_that_differ_or_are_none_are_no_http(lengths: bytes) -> None:
    with pytest.raises(httpx.RemoteProtocolError), answered(b"HTTP/1.1 200 OK\r\n%b\r\n\r\nok" % lengths, sizes=[]):
        pass


def test_chunks_count_before_a_length() -> None:
    both = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n", 1)
    with answered(both, sizes=[]) as exchange:
        assert by_blocks(exchange) == BODY
