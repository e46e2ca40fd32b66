"""A connection over loopback reads long blocks, and hears a single byte all the same."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from support.sockets import server_tls
from trustme import CA

from cogpack.http.deadlines import Deadlines, Limits
from cogpack.http.sockets import Connection
from cogpack.progress import Cancellation

BLOCK = 64 * 1024


class Counted(socket.socket):
    """Counts how often it is asked for bytes."""

    reads = 0

    def recv(self, *arguments: object) -> bytes:  # type: ignore[override]
        self.reads += 1
        return super().recv(*arguments)  # type: ignore[arg-type]

    def recv_into(self, *arguments: object) -> int:  # type: ignore[override]
        self.reads += 1
        return super().recv_into(*arguments)  # type: ignore[arg-type]


@pytest.fixture
def line() -> Iterator[tuple[Counted, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    with theirs, Counted(fileno=accepted.detach()) as ours:
        ours.settimeout(0)
        yield ours, theirs


def deadlines() -> Deadlines:
    return Deadlines(Limits(answer=5, idle=5), Cancellation())


def over_tls(ours: socket.socket, environment: dict[str, str]) -> Connection:
    context = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
    return Connection(ours).start_tls(context, "localhost", deadlines())


def test_a_line_that_brought_a_block_is_asked_again_when_the_next_is_there(
    line: tuple[Counted, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogpack.http.sockets._MOMENT", 5.0)
    ours, theirs = line
    connection, view = Connection(ours), memoryview(bytearray(BLOCK))
    theirs.sendall(bytes(BLOCK))
    assert connection.read_into(view, deadlines()) == BLOCK
    ours.reads = 0
    begun = threading.Event()

    def send() -> None:
        begun.wait()
        for _ in range(16):
            theirs.sendall(bytes(BLOCK // 16))
            threading.Event().wait(0.005)

    sender = threading.Thread(target=send)
    sender.start()
    begun.set()
    assert connection.read_into(view, deadlines()) == BLOCK
    sender.join()
    assert ours.reads == 1, "of 16 pieces"


def test_tls_is_asked_again_when_the_next_block_is_there_too(
    line: tuple[Counted, socket.socket],
    authority: CA,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cogpack.http.sockets._MOMENT", 5.0)
    ours, theirs = line
    begun, size = threading.Event(), 8 * BLOCK

    def send() -> None:
        secured = server_tls(authority, "localhost").wrap_socket(theirs, server_side=True)
        secured.sendall(bytes(size))
        begun.wait()
        for _ in range(64):
            secured.sendall(bytes(size // 64))
            threading.Event().wait(0.002)
        secured.close()

    sender = threading.Thread(target=send)
    sender.start()
    connection, view = over_tls(ours, environment), memoryview(bytearray(size))
    assert connection.read_into(view, deadlines()) == size
    ours.reads = 0
    begun.set()
    assert connection.read_into(view, deadlines()) == size
    sender.join()
    assert ours.reads <= 16, "of 64 pieces"
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1


def test_what_tls_has_already_is_not_waited_for(
    line: tuple[Counted, socket.socket],
    authority: CA,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The end of a body of a server that stays: no more will come."""
    monkeypatch.setattr("cogpack.http.sockets._MOMENT", 30.0)
    ours, theirs = line
    read = threading.Event()
    size = 3 * 1024 * 1024 + 12_345

    def send() -> None:
        secured = server_tls(authority, "localhost").wrap_socket(theirs, server_side=True)
        secured.sendall(bytes(size))
        read.wait()
        secured.close()

    sender = threading.Thread(target=send)
    sender.start()
    connection, view = over_tls(ours, environment), memoryview(bytearray(8 * BLOCK))
    began, left = time.monotonic(), size
    while left:
        left -= connection.read_into(view[:left], deadlines())
    assert time.monotonic() - began < 20
    read.set()
    sender.join()


def test_one_byte_is_heard_after_a_block_too(line: tuple[Counted, socket.socket]) -> None:
    ours, theirs = line
    connection, view = Connection(ours), memoryview(bytearray(BLOCK))
    theirs.sendall(bytes(BLOCK))
    assert connection.read_into(view, deadlines()) == BLOCK
    theirs.sendall(b"x")
    assert connection.read_into(view, deadlines()) == 1
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1
    theirs.close()
    assert connection.read_into(view, deadlines()) == 0


def test_moments_in_which_more_is_gathered_count_for_the_pace(line: tuple[Counted, socket.socket]) -> None:
    """A byte now and then, each of which is there when it is asked for, was never waited for."""
    ours, theirs = line
    limits = Deadlines(Limits(answer=60, idle=60, window=0.5), Cancellation())
    limits.answered()
    connection, view, ended = Connection(ours), memoryview(bytearray(BLOCK)), threading.Event()

    def drip() -> None:
        while not ended.wait(0.01):
            theirs.sendall(b"x")

    sender = threading.Thread(target=drip)
    sender.start()
    began = time.monotonic()

    def read() -> None:
        while time.monotonic() < began + 10:
            connection.read_into(view, limits)

    try:
        with pytest.raises(httpx.ReadTimeout, match="only"):
            read()
    finally:
        ended.set()
        sender.join()
    assert limits.spent >= 0.5
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("size", [1, 100, 2 * BLOCK])
def test_what_comes_behind_an_answer_is_the_end_and_no_answer_to_the_next_request(
    line: tuple[Counted, socket.socket], size: int
) -> None:
    """It ended the sending, and the answer to the half of a request was then waited for."""
    ours, theirs = line
    connection = Connection(ours)
    connection.was_used = True
    theirs.sendall(b"x" * size)
    with pytest.raises(httpx.WriteError):
        connection.write(b"GET", deadlines())
    assert connection.read(BLOCK, deadlines()) == b""
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


def test_the_start_of_an_early_answer_is_waited_for_behind_another(line: tuple[Counted, socket.socket]) -> None:
    ours, theirs = line
    connection = Connection(ours)
    connection.was_used = True
    theirs.sendall(b"HTT")
    connection.write(b"GET", deadlines())
    assert connection.read(BLOCK, deadlines()) == b"HTT"
