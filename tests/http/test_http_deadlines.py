"""Time: a server that drips is dropped, one that is slow for a reason is not, and Ctrl-C waits for nobody."""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from support.sockets import Place, answer, talking

from cogpack.errors import UnavailableError
from cogpack.http import Http, Limits
from cogpack.http.deadlines import READ, Deadlines
from cogpack.progress import Cancellation, Cancelled
from cogpack.remote import RemoteFile

pytestmark = pytest.mark.slow

Script = Callable[[socket.socket, str], None]


@contextmanager
def dripping(start: bytes, drop: bytes, pause: float = 0.02) -> Iterator[Place]:
    """A server that sends `start`, then `drop` again and again until it is hung up on."""
    ended = threading.Event()

    def script(connection: socket.socket, _: str) -> None:
        connection.sendall(start)
        while not ended.wait(pause):
            connection.sendall(drop)

    with talking(script) as place:
        try:
            yield place
        finally:
            ended.set()


def get(place: Place, limits: Limits, *, timeout: float | None = None) -> bytes:
    with Http(limits=limits) as http, http.open("GET", place.url(), origin=place.url(), timeout=timeout) as stream:
        return b"".join(stream.blocks())


def test_who_says_nothing_for_a_minute_or_moves_16_kib_a_second_over_two_is_left() -> None:
    """F30, F31: what users are promised; the other tests have smaller figures."""
    limits = Limits(connect=20, answer=60, idle=60, rate=16 * 1024, window=120, refusal=5, commit=300, budget=600)
    with Http() as http:
        assert http.limits == Limits() == limits


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_header_block_that_drips_is_dropped_when_its_time_is_over(start: bytes) -> None:
    limits = Limits(answer=0.3)
    with dripping(start, b"H") as place, pytest.raises(UnavailableError):
        get(place, limits)


def test_a_header_block_without_end_is_told_as_such() -> None:
    with dripping(b"HTTP/1.1 200 OK\r\nX: ", b"H" * 100_000) as place:
        with pytest.raises(UnavailableError, match="its headers are too long to be read"):
            get(place, Limits())


def test_an_answer_that_takes_long_is_waited_for_where_the_caller_knows_why() -> None:
    def script(connection: socket.socket, _: str) -> None:
        answered.wait(0.4)
        answer(connection, body=b"ok")

    answered = threading.Event()
    with talking(script) as place:
        with pytest.raises(UnavailableError, match="nothing came"):
            get(place, Limits(answer=0.05))
        assert get(place, Limits(answer=0.05), timeout=30) == b"ok"


def test_a_body_that_drips_is_dropped_though_every_read_brings_something() -> None:
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    with dripping(start, b"x") as place, pytest.raises(UnavailableError, match=r"only .* bytes in"):
        get(place, Limits(idle=20, window=0.3))


def test_a_body_that_stops_is_dropped() -> None:
    def script(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123")
        connection.recv(1)

    with talking(script) as place, pytest.raises(UnavailableError, match="nothing came"):
        get(place, Limits(idle=0.1))


def test_a_body_above_the_rate_is_not_dropped_however_long_it_takes() -> None:
    block = b"x" * 4096

    def script(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (20 * len(block)))
        for _ in range(20):
            threading.Event().wait(0.02)
            connection.sendall(block)

    with talking(script) as place:
        assert get(place, Limits(rate=100, window=0.05)) == 20 * block


def test_time_that_we_take_ourselves_is_not_the_servers_fault() -> None:
    body = b"x" * 300_000
    with talking(lambda connection, _: answer(connection, body=body)) as place:
        with Http(limits=Limits(window=0.05, rate=1 << 40)) as http:
            with http.open("GET", place.url(), origin=place.url()) as stream:
                got = 0
                for block in stream.blocks():
                    threading.Event().wait(0.03)
                    got += len(block)
    assert got == len(body)


def test_ctrl_c_ends_a_request_that_waits_for_its_answer() -> None:
    cancellation = Cancellation()

    def script(connection: socket.socket, _: str) -> None:
        cancellation.cancel()
        connection.recv(1)

    with talking(script) as place, Http(cancellation=cancellation, limits=Limits(answer=600)) as http:
        with pytest.raises(Cancelled):
            http.request("GET", place.url(), origin=place.url())


def test_ctrl_c_ends_a_body_that_does_not_come_and_one_that_is_not_taken() -> None:
    def stall(connection: socket.socket, head: str) -> None:
        if head.startswith("GET"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123")
        cancellations[-1].cancel()
        while not done:
            connection.getsockname()

    cancellations: list[Cancellation] = []
    done: list[bool] = []
    limits = Limits(idle=600, window=600)
    with talking(stall) as place:
        try:
            for method, body in (("GET", None), ("PUT", [b"x" * (64 << 20)])):
                cancellations.append(Cancellation())
                with Http(cancellation=cancellations[-1], limits=limits) as http, pytest.raises(Cancelled):
                    with http.open(method, place.url(), origin=place.url(), body=body) as stream:
                        stream.body()
        finally:
            done.append(True)


def test_an_address_that_swallows_everything_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:  # fills the queue of connections, so that the next gets no answer at all
                one.settimeout(0)
                one.connect_ex(("127.0.0.1", port))
            url = f"http://127.0.0.1:{port}/"
            with Http(limits=Limits(connect=0.2)) as http, pytest.raises(UnavailableError, match="nothing came"):
                http.request("GET", url, origin=url, tries="once")
        finally:
            for one in waiting:
                one.close()


def test_an_address_that_swallows_everything_is_waited_for_once_and_then_asked_last() -> None:
    """As IPv6 does that leads nowhere: each connection would have waited for it."""

    def resolver(name: str, port: int) -> list[str]:
        return ["127.0.0.9", "127.0.0.1"]

    with (
        talking(lambda connection, _: answer(connection, Connection="close")) as place,
        socket.create_server(("127.0.0.9", place.port), backlog=0) as full,
        Http(resolver=resolver, limits=Limits(connect=0.4, answer=0.4)) as http,
        ExitStack() as waiting,
    ):
        for _ in range(4):  # fills the queue of connections
            one = waiting.enter_context(socket.socket())
            one.settimeout(0)
            one.connect_ex(("127.0.0.9", place.port))
        url = place.url("localhost")
        assert http.request("GET", url, origin=url, tries="once").status == 200
        waiting.enter_context(full.accept()[0])  # now it would take a connection, and say nothing
        assert http.request("GET", url, origin=url, tries="once").status == 200


def test_the_clock_of_an_answer_starts_anew_with_each_request_of_a_tunnel() -> None:
    deadlines = Deadlines(Limits(answer=0.05), Cancellation())
    here, there = socket.socketpair()
    with here, there:
        deadlines.receiving()
        with pytest.raises(TimeoutError):
            deadlines.wait(here, READ)
        deadlines.sending()
        there.send(b"x")
        deadlines.receiving()
        assert deadlines.wait(here, READ) & select.POLLIN


FLOODS = {
    "answers that are none": b"HTTP/1.1 102 Processing\r\n\r\n" * 2000,
    "answers that are none, and no end of one": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1500,
}


@pytest.mark.slow
@pytest.mark.parametrize("flood", FLOODS.values(), ids=list(FLOODS))
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_comes_without_end_and_is_no_answer_ends_with_the_answers_time(flood: bytes, method: str) -> None:
    """M0: bytes that are always there were never waited for, so that the minute never ended."""
    limits = Limits(answer=0.3)
    with dripping(flood, flood, pause=0) as place, Http(limits=limits) as http:
        with pytest.raises(UnavailableError, match=r"not done in 0.3 s|answered before"):
            http.request(method, place.url(), origin=place.url(), body=b"x" if method == "PUT" else None, tries="once")


def test_ctrl_c_is_heard_in_a_flood() -> None:
    cancellation = Cancellation()
    flood = FLOODS["answers that are none"]
    with dripping(flood, flood, pause=0) as place, Http(limits=Limits(answer=600), cancellation=cancellation) as http:
        threading.Timer(0.2, cancellation.cancel).start()
        with pytest.raises(Cancelled):
            http.request("GET", place.url(), origin=place.url(), tries="once")


def test_a_time_that_is_over_is_over_though_bytes_are_there() -> None:
    """As in a handshake that drips, or words of a refusal."""
    here, there = socket.socketpair()
    with here, there:
        there.send(b"x")
        deadlines = Deadlines(Limits(connect=0.01, answer=0.01, refusal=0.01), Cancellation())
        for start in (deadlines.connecting, deadlines.receiving, deadlines.hurry):
            deadlines.sending()
            start()
            threading.Event().wait(0.02)
            with pytest.raises(TimeoutError, match=r"nothing came or went for 0.01 s"):
                deadlines.wait(here, READ)
            with pytest.raises(TimeoutError, match=r"not done in 0.01 s"):
                deadlines.moved(1)


def test_a_file_that_drips_is_given_up_though_every_request_brings_something() -> None:
    """M0: a byte in two minutes was progress, for ever."""
    start = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-9999999/10000000\r\nContent-Length: %d\r\n\r\n"
    ended = threading.Event()

    def script(connection: socket.socket, head: str) -> None:
        begin = int(head.partition("bytes=")[2].partition("-")[0] or 0)
        connection.sendall(start % (begin, 10_000_000 - begin))
        while not ended.wait(0.02):
            connection.sendall(b"x")

    with talking(script) as place, Http(limits=Limits(idle=20, window=0.05, budget=0.3)) as http:
        file = RemoteFile(http, place.url(), 10_000_000)
        try:
            with pytest.raises(UnavailableError, match="only"):
                list(file.read(1, 9_000_000))
        finally:
            ended.set()
