"""Ends that are no end, and servers that keep a client busy with what is no answer."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

import httpx
import pytest
from support.sockets import Place, answer, talking
from support.sockets import server_tls as tls_of
from trustme import CA

from cogpack.errors import UnavailableError
from cogpack.http import Http, Limits, Stream
from cogpack.http.deadlines import READ, Deadlines
from cogpack.http.sockets import Connection
from cogpack.http.tls import TLS
from cogpack.progress import Cancellation

UNTIL_ITS_END = b"HTTP/1.1 200 OK\r\n\r\nall there is"


class Spoken:
    """The server's side of TLS, whose records go where and when a test wants."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def records(self) -> bytes:
        return self._outgoing.read()

    def hear(self, connection: socket.socket) -> None:
        self._incoming.write(connection.recv(1 << 16))

    def shake_hands(self, connection: socket.socket, word: bytes = b"") -> None:
        """`word` goes out with the last of it."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                connection.sendall(self.records())
                self.hear(connection)
            else:
                self.tls.write(word)
                connection.sendall(self.records())
                return

    def head(self, connection: socket.socket) -> None:
        found = b""
        while not found.endswith(b"\r\n\r\n"):
            try:
                found += self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                self.hear(connection)


@contextmanager
def opened(place: Place, environment: dict[str, str], limits: Limits | None = None) -> Iterator[Stream]:
    url = place.url("localhost")
    with Http(environment=environment, resolver=lambda name, port: ["127.0.0.1"], limits=limits) as http:
        with http.open("GET", url, origin=url) as stream:
            yield stream


@contextmanager
def by_hand(script: object, context: ssl.SSLContext) -> Iterator[Place]:
    """`script(connection, spoken)` comes after the head of the request."""

    def serve(connection: socket.socket) -> None:
        spoken = Spoken(context)
        spoken.shake_hands(connection)
        spoken.head(connection)
        assert callable(script)
        script(connection, spoken)

    with raw(serve) as port:
        yield Place(port, "https")


@contextmanager
def raw(serve: object) -> Iterator[int]:
    """`serve(connection)` gets the one connection that is made, before anything is said."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def accept() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                assert callable(serve)
                serve(connection)
            except OSError:
                pass

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("said", [True, False])
def test_a_body_until_its_end_is_whole_only_if_tls_says_that_it_ended(
    version: ssl.TLSVersion, said: bool, authority: CA, environment: dict[str, str]
) -> None:
    """RFC 9112 9.8: else whoever sits in the middle cuts it where he likes."""
    context = tls_of(authority, "localhost")
    context.maximum_version = version

    def script(connection: socket.socket, spoken: Spoken) -> None:
        spoken.tls.write(UNTIL_ITS_END)
        if said:
            with pytest.raises(ssl.SSLWantReadError):
                spoken.tls.unwrap()
        connection.sendall(spoken.records())

    with by_hand(script, context) as place, opened(place, environment) as stream:
        if said:
            assert stream.body() == b"all there is"
        else:
            with pytest.raises(UnavailableError, match="cut off"):
                stream.body()


def test_a_body_until_its_end_that_we_end_ourselves_is_not_whole(environment: dict[str, str]) -> None:
    wait = threading.Event()

    def script(connection: socket.socket, _: str) -> None:
        connection.sendall(UNTIL_ITS_END)
        wait.wait(10)

    with talking(script) as place, opened(place, environment) as stream:
        blocks = stream.blocks()
        assert next(blocks) == b"all there is"
        stream.abort()
        with pytest.raises(UnavailableError, match="cut off"):
            next(blocks)
        wait.set()


def test_who_ends_a_stream_too_late_does_not_end_the_next_one_of_its_connection() -> None:
    late = threading.Event()

    def script(connection: socket.socket, _: str) -> None:
        answer(connection, body=b"ok")
        connection.recv(4096)
        answer(connection, Content_Length="2")
        late.wait(10)
        connection.sendall(b"ok")

    with talking(script) as place, Http() as http:
        url = place.url()
        with http.open("GET", url, origin=url) as first:
            assert first.body() == b"ok"
        with http.open("GET", url, origin=url) as second:
            first.abort()
            late.set()
            assert second.body() == b"ok"
        assert place.connections == 1


def test_a_handshake_of_which_there_is_always_more_ends_in_time(environment: dict[str, str]) -> None:
    """TLS 1.2 passes over a HelloRequest while it shakes hands, however many there are."""

    def serve(connection: socket.socket) -> None:
        request = bytes.fromhex("1603030004 00000000")
        while True:
            connection.sendall(request * 10_000)

    began = time.monotonic()
    with raw(serve) as port, pytest.raises(UnavailableError, match="TLS: nothing came or went"):
        with opened(Place(port, "https"), environment, Limits(connect=0.5)):
            pass
    assert time.monotonic() - began < 10


def test_an_answer_that_comes_with_the_handshake_is_heard_before_anything_is_sent(
    authority: CA, environment: dict[str, str]
) -> None:
    """As of a server that has no room: it reads nothing."""
    context = tls_of(authority, "localhost")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    heard = threading.Event()

    def serve(connection: socket.socket) -> None:
        Spoken(context).shake_hands(connection, b"HTTP/1.1 503 No Room\r\nContent-Length: 0\r\n\r\n")
        heard.wait(10)

    with raw(serve) as port, Http(environment=environment, limits=Limits(idle=2)) as http:
        url = Place(port, "https").url("localhost")
        with http.open("PUT", url, origin=url, body=(bytes(1 << 20) for _ in range(64)), size=64 << 20) as stream:
            assert stream.status == 503
        heard.set()


def test_a_record_of_tls_that_comes_byte_by_byte_is_a_body_that_does_not_move(
    authority: CA, environment: dict[str, str]
) -> None:
    def script(connection: socket.socket, spoken: Spoken) -> None:
        spoken.tls.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
        connection.sendall(spoken.records())
        spoken.tls.write(bytes(10_000))
        for byte in spoken.records()[:200]:
            connection.send(bytes([byte]))
            time.sleep(0.05)

    began = time.monotonic()
    with by_hand(script, tls_of(authority, "localhost")) as place:
        with opened(place, environment, Limits(idle=0.5)) as stream:
            with pytest.raises(UnavailableError, match=r"nothing came or went for 0\.5 s"):
                stream.body()
    assert time.monotonic() - began < 8


class Tickets:
    """A socket from which session tickets come without end."""

    def __init__(self, context: ssl.SSLContext) -> None:
        context.num_tickets = 2_000
        self._spoken = Spoken(context)
        self._left = b""
        self.asked = 0

    def fileno(self) -> int:
        raise NotImplementedError

    def recv(self, size: int, /) -> bytes:
        self.asked += 1
        if not self._left:
            with suppress(ssl.SSLWantReadError):
                self._spoken.tls.do_handshake()
            self._left = self._spoken.records()
        if not self._left:
            raise BlockingIOError
        found, self._left = self._left[:4_096], self._left[4_096:]
        return found

    def send(self, data: memoryview, /) -> int:
        return self._spoken._incoming.write(data)

    def shutdown(self, how: int, /) -> None: ...

    def close(self) -> None: ...


def test_between_records_without_data_somebody_can_look_at_the_clock(
    authority: CA, environment: dict[str, str]
) -> None:
    tickets = Tickets(tls_of(authority, "localhost"))
    context = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
    tls = TLS(context, cast("socket.socket", tickets), "localhost")
    for _ in range(50):
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            continue
        break
    for _ in range(20):
        tickets.asked = 0
        with pytest.raises(ssl.SSLWantReadError):
            tls.recv(100)
        assert tickets.asked == 1


class Renegotiating:
    """TLS that reads no data but what it must answer before there is any: it stands in for a context, too."""

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *, server_hostname: str) -> "Renegotiating":
        self._outgoing = outgoing
        return self

    def read(self, size: int, view: memoryview) -> int:
        self._outgoing.write(b"hello again")
        raise ssl.SSLWantReadError


def test_who_renegotiates_has_our_answer_before_we_wait_for_theirs() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        tls = TLS(cast("ssl.SSLContext", Renegotiating()), ours, "localhost")
        with pytest.raises((BlockingIOError, ssl.SSLWantReadError)):
            tls.recv(100)
        theirs.setblocking(False)
        assert theirs.recv(100) == b"hello again"


def test_what_is_asked_after_the_end_leaves_no_connection_open() -> None:
    ended = threading.Event()

    def script(connection: socket.socket, _: str) -> None:
        answer(connection, body=b"ok")
        if not connection.recv(1):
            ended.set()

    with talking(script) as place:
        http = Http()
        http.close()
        assert http.request("GET", place.url(), origin=place.url()).body == b"ok"
        assert ended.wait(5)


def test_what_another_thread_closes_is_ready_to_say_so() -> None:
    """Between a look at a socket and the wait for it, as `Http.close` may come there."""
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        connection = Connection(ours)
        deadlines = Deadlines(Limits(), Cancellation())
        assert not connection.is_over
        connection.close()
        assert deadlines.wait(ours, READ) == READ
        assert connection.is_over
        with pytest.raises(httpx.ReadError):
            connection.read(1, deadlines)
