"""Answers that come while the body is still being sent: heard in time, in whatever manner the server goes on."""

import socket
import ssl
from collections.abc import Callable, Iterator
from queue import Queue

import pytest
from support.sockets import Place, answer, reset, server_tls, talking
from trustme import CA

from cogpack.errors import MismatchError, UnavailableError
from cogpack.http import Http, Limits

PIECE = b"x" * (1 << 20)
PIECES = 96  # far more than the buffers of two sockets hold


class Body:
    """Blocks on their way, counted. `passes`: how often they were asked for from the start."""

    def __init__(self, pieces: int = PIECES) -> None:
        self.pieces = pieces
        self.sent = 0
        self.passes = 0

    def __iter__(self) -> Iterator[bytes]:
        self.passes += 1
        for _ in range(self.pieces):
            self.sent += 1
            yield PIECE


def drain(connection: socket.socket) -> int:
    size = 0
    while block := connection.recv(1 << 20):
        size += len(block)
    return size


def drains(connection: socket.socket, _: str) -> None:
    answer(connection, "401 Unauthorized", b"who?", WWW_Authenticate="Basic")
    drain(connection)


def closes(connection: socket.socket, _: str) -> None:
    answer(connection, "401 Unauthorized", b"who?", WWW_Authenticate="Basic", Connection="close")


def resets(connection: socket.socket, _: str) -> None:
    connection.recv(1 << 20)
    answer(connection, "401 Unauthorized", b"who?", WWW_Authenticate="Basic")
    connection.recv(1)  # so that the answer is there before the reset is
    reset(connection)


@pytest.fixture(params=["plain", "TLS 1.2", "TLS 1.3"])
def tls(request: pytest.FixtureRequest, authority: CA) -> ssl.SSLContext | None:
    if request.param == "plain":
        return None
    context = server_tls(authority, "localhost")
    context.maximum_version = ssl.TLSVersion.TLSv1_2 if request.param == "TLS 1.2" else ssl.TLSVersion.TLSv1_3
    return context


@pytest.fixture
def trusting(environment: dict[str, str]) -> Iterator[Http]:
    with Http(environment=environment, resolver=lambda name, port: ["127.0.0.1"]) as found:
        yield found


def send(http: Http, place: Place, body: Body, *, known: bool = True) -> int:
    url = place.url("localhost")
    size = body.pieces * len(PIECE) if known else None
    with http.open("PUT", url, origin=url, body=body, size=size) as stream:
        assert stream.status >= 300 or not stream.body()
        if stream.status == 401:
            assert stream.headers["www-authenticate"] == "Basic"
        return stream.status


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("manner", [drains, closes, resets])
def test_an_early_refusal_is_heard_and_ends_the_sending(
    manner: Callable[[socket.socket, str], None], known: bool, tls: ssl.SSLContext | None, trusting: Http
) -> None:
    body = Body()
    with talking(manner, tls) as place:
        assert send(trusting, place, body, known=known) == 401
    assert body.passes == 1
    assert body.sent < PIECES


def test_an_early_refusal_is_heard_of_a_server_that_stops_reading(tls: ssl.SSLContext | None, trusting: Http) -> None:
    body = Body()
    heard: list[int] = []

    def script(connection: socket.socket, _: str) -> None:
        answer(connection, "413 Content Too Large", b"too much")
        while not heard:  # neither reads nor closes before the client has heard
            connection.getsockname()

    with talking(script, tls) as place:
        try:
            heard.append(send(trusting, place, body))
        finally:
            heard.append(0)
    assert heard[0] == 413
    assert body.sent < PIECES


def test_a_connection_on_which_an_answer_came_early_is_not_used_again(trusting: Http) -> None:
    with talking(drains) as place:
        assert [send(trusting, place, Body()) for _ in range(2)] == [401, 401]
        assert len(place.heads) == 2


def test_a_server_that_says_100_unasked_gets_the_whole_body(tls: ssl.SSLContext | None, trusting: Http) -> None:
    received: list[int] = []

    def script(connection: socket.socket, _: str) -> None:
        left = 8 << 20
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLi")
        while left > 0:
            left -= len(connection.recv(1 << 20))
        received.append(left)
        connection.sendall(b"nk: </x>\r\n\r\n")
        answer(connection, "201 Created")

    with talking(script, tls) as place:
        assert send(trusting, place, Body(8)) == 201
    assert received == [0]


def test_a_server_that_never_ends_its_early_words_is_cut_off(trusting: Http) -> None:
    def script(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 100 Continue\r\nX: ")
        while True:
            connection.sendall(PIECE)

    body = Body()
    with talking(script) as place, pytest.raises(UnavailableError):
        send(trusting, place, body)
    assert body.sent < PIECES


def test_a_server_that_hangs_up_in_the_middle_is_unavailable(tls: ssl.SSLContext | None, trusting: Http) -> None:
    with talking(lambda connection, _: reset(connection), tls) as place, pytest.raises(UnavailableError):
        send(trusting, place, Body())


@pytest.mark.parametrize(("blocks", "arrived"), [([b"abc"], 3), ([b"abc", b"de"], 3)])
def test_a_body_of_another_size_than_announced_is_never_a_whole_request(
    blocks: list[bytes], arrived: int, trusting: Http
) -> None:
    got: Queue[int] = Queue()
    with talking(lambda connection, _: got.put(drain(connection))) as place:
        url = place.url("localhost")
        with pytest.raises(MismatchError, match="4 bytes was announced"):
            with trusting.open("PUT", url, origin=url, body=blocks, size=4):
                pass
        assert got.get(timeout=30) == arrived


@pytest.mark.slow
def test_a_server_that_takes_a_byte_now_and_then_is_dropped(environment: dict[str, str]) -> None:
    done: list[bool] = []

    def script(connection: socket.socket, _: str) -> None:
        while not done:
            connection.recv(1)

    limits = Limits(rate=1 << 30, window=0.2)
    with talking(script) as place, Http(limits=limits) as http:
        try:
            with pytest.raises(UnavailableError, match=r"only .* bytes in"):
                with http.open("PUT", place.url(), origin=place.url(), body=Body(), size=PIECES << 20):
                    pass
        finally:
            done.append(True)


def test_an_answer_is_heard_behind_words_whose_lines_end_without_cr(trusting: Http) -> None:
    def script(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 100 Continue\n\n")
        answer(connection, "413 Content Too Large")
        drain(connection)

    body = Body()
    with talking(script) as place:
        assert send(trusting, place, body) == 413
    assert body.sent < PIECES
