"""A connection over loopback reads long blocks, and hears a single byte all the same."""

import socket
import ssl
import threading
from collections.abc import Iterator

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
    assert ours.reads <= 4, "of 16 pieces"


def test_tls_is_asked_again_when_the_next_block_is_there_too(
    line: tuple[Counted, socket.socket],
    authority: CA,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cogpack.http.sockets._MOMENT", 5.0)
    ours, theirs = line
    begun = threading.Event()

    def send() -> None:
        secured = server_tls(authority, "localhost").wrap_socket(theirs, server_side=True)
        secured.sendall(bytes(BLOCK))
        begun.wait()
        for _ in range(16):
            secured.sendall(bytes(BLOCK // 16))
            threading.Event().wait(0.005)
        secured.close()

    sender = threading.Thread(target=send)
    sender.start()
    context = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
    connection, view = Connection(ours).start_tls(context, "localhost", deadlines()), memoryview(bytearray(BLOCK))
    assert connection.read_into(view, deadlines()) == BLOCK
    ours.reads = 0
    begun.set()
    assert connection.read_into(view, deadlines()) == BLOCK
    sender.join()
    assert ours.reads <= 8, "of 16 pieces"
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1


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
