"""What must not pass for a request, and who must not keep others out."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
from support import plain
from support.registry import PASSWORD, USER
from support.wire import begin, codes, location, manifest_of, push_blob

from cogpack.registry.server import Server, User
from cogpack.registry.server.connections import Connections
from cogpack.registry.server.patience import Patience

pytestmark = pytest.mark.slow

GET = b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n"
NEXT = b"GET /v2/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


def said(server: Server, request: bytes) -> bytes:
    """All that comes back until the server hangs up."""
    host, _, port = server.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request)
        with suppress(OSError):  # it has answered and hung up already
            connection.shutdown(socket.SHUT_WR)
        found = b""
        while block := connection.recv(65536):
            found += block
    return found


def statuses(server: Server, request: bytes) -> list[int]:
    """Of the answers to `request`, sent as it is, in one connection."""
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d+) ", said(server, request))]


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length : 4",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding\t: chunked",
        b"no colon",
        b": no name",
        b" folded: x",
        b"X: a\r\n folded",
        b"X: a\rb",
        b"X: a\0b",
        b"X: a\x1bb",
        b"X\xff: a",
        b'"X": a',
        b"X: a\n",
        b"Content-Length: 4\r\nTransfer-Encoding: chunked",
        b"Content-Length: 4\r\nContent-Length: 5",
        b"Content-Length: 4, 4",
        b"Content-Length: +4",
        b"Content-Length: 0x4",
        b"Content-Length: -1",
        b"Content-Length:",
        b"Transfer-Encoding: gzip",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        b"Host: localhost",
    ],
)
def test_a_malformed_or_ambiguous_header_is_answered_400_and_what_follows_is_no_request(
    server: Server, line: bytes
) -> None:
    assert statuses(server, GET + line + b"\r\n\r\n" + NEXT) == [400]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /v2/\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\n\r\n", 400),
        (b"GET  /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /v2/ \x1b[2J HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /v2/\x1b[2J HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /v2/\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\nHost: localhost\n\n", 400),
        (b"GET /v2/ http/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.10\r\nHost: localhost\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET /v2/ HTTP/0.9\r\n\r\n", 505),
        (b"POST /v2/a/blobs/uploads/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (GET + b"X: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"BREW /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 501),
        (b"\r\n\r\n\r\n\r\n\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_of_http_1_gets_one_answer_with_a_status_line(
    server: Server, request_: bytes, status: int
) -> None:
    assert statuses(server, request_) == [status]


@pytest.mark.parametrize("before", [b"\r\n", b"\r\n\r\n", b"\n"])
def test_empty_lines_before_a_request_are_ignored(server: Server, before: bytes) -> None:
    assert statuses(server, before + GET + b"\r\n" + before + GET + b"Connection: close\r\n\r\n") == [200, 200]


@pytest.mark.parametrize("ends", [b"\n", b"\r"])
def test_a_chunk_that_ends_otherwise_than_with_crlf_is_no_chunk(
    server: Server, ours: httpx.Client, ends: bytes
) -> None:
    path = location(ours, begin(ours, "a")).raw_path
    head = b"PATCH " + path + b" HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert statuses(server, head + b"3" + ends + b"abc\r\n0\r\n\r\n") == []


def test_two_equal_lengths_are_one(server: Server) -> None:
    assert statuses(server, GET + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n") == [200]


def test_a_client_of_http_1_0_is_answered_and_left(server: Server) -> None:
    assert statuses(server, b"GET /v2/ HTTP/1.0\r\n\r\n" * 2) == [200]
    assert statuses(server, b"GET /v2/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2) == [200, 200]


def test_a_body_that_waits_for_a_100_gets_it_where_it_is_wanted_only(server: Server, ours: httpx.Client) -> None:
    expect = b"Host: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc"
    path = location(ours, begin(ours, "a")).raw_path
    assert statuses(server, b"PATCH " + path + b" HTTP/1.1\r\n" + expect) == [100, 202]
    assert statuses(server, b"PATCH /v2/a/blobs/uploads/none HTTP/1.1\r\n" + expect) == [404]


# Who may call


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "127.0.0.1", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "me.localhost", "localhost."],
)  # fmt: skip
def test_without_a_user_names_of_loopback_get_in(server: Server, host: str) -> None:
    assert plain.get(f"http://{server.address}/v2/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example.com", "localhost.evil.example.com", "127.0.0.1.evil.example.com", "10.0.0.1", "[::2]", "[", "x", "",
     "localhost@evil.example.com"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_user_no_other_name_gets_in(server: Server, host: str, method: str) -> None:
    """DNS rebinding: the name of a site leads here, and a page of that site may then read what it gets."""
    answer = plain.request(method, f"http://{server.address}/v2/a/blobs/uploads/", headers={"Host": host})
    assert answer.status_code == 403
    assert codes(answer) == ["DENIED"]


def test_with_a_user_any_name_serves(tmp_path: Path) -> None:
    with Server(tmp_path, user=User(USER, PASSWORD)) as server:
        answer = plain.get(
            f"http://{server.address}/v2/", headers={"Host": "registry.example.com"}, auth=(USER, PASSWORD)
        )
    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example.com", "null", "http://localhost:1", ""])
def test_a_page_of_another_origin_can_not_push(server: Server, origin: str) -> None:
    answer = plain.post(
        f"http://{server.address}/v2/a/blobs/uploads/", headers={"Origin": origin, "Content-Type": "text/plain"}
    )
    assert (answer.status_code, codes(answer)) == (403, ["DENIED"])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"layers"', '"layers":[],"layers"'),
        lambda text: text.replace('"layers"', '"Layers":[],"layers"'),
        lambda text: text.replace('"layers"', '"\\u017fchemaVersion":2,"layers"'),
        lambda text: text.replace('"layers"', '"manifests":[],"layers"'),
    ],
    ids=["a key twice", "keys that differ by case", "a long s", "layers and manifests"],
)
def test_a_document_that_we_would_not_pull_is_not_taken(ours: httpx.Client, change: Callable[[str], str]) -> None:
    push_blob(ours, "a", b"{}")
    good = manifest_of(b"{}").decode()
    bad = change(good)
    assert bad != good
    answer = ours.put("/a/manifests/v1", content=bad, headers={"Content-Type": json.loads(good)["mediaType"]})
    assert (answer.status_code, codes(answer)) == (400, ["MANIFEST_INVALID"])


# Who keeps others out


def stalled(stack: ExitStack, address: str, request: Callable[[], bytes], places: int = 128) -> None:
    """So many connections have begun such a request, and some that have no place."""
    host, _, port = address.partition(":")
    heads = [request() for _ in range(places + 12)]
    for head in heads:
        stack.enter_context(socket.create_connection((host, int(port)), timeout=20)).sendall(head)


@pytest.mark.parametrize("patience", [Patience(connections=12, grace=0.2)])
def test_bodies_that_are_announced_and_do_not_come_make_room(server: Server, ours: httpx.Client) -> None:
    with ExitStack() as stack:
        heads = b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx"
        stalled(stack, server.address, lambda: b"PATCH " + location(ours, begin(ours, "a")).raw_path + heads, 12)
        with plain.client(base_url=f"http://{server.address}/v2", timeout=20) as another:
            assert another.get("/").status_code == 200


# What the sockets took at once may count as quick.
@pytest.mark.parametrize("patience", [Patience(connections=12, grace=0.2, rate=1 << 40)])
def test_answers_that_are_not_taken_make_room(server: Server, ours: httpx.Client) -> None:
    digest = push_blob(ours, "a", bytes(16 << 20))
    with ExitStack() as stack:
        head = f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        stalled(stack, server.address, head.encode, 12)
        with plain.client(base_url=f"http://{server.address}/v2", timeout=20) as another:
            assert another.get("/").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "request_", [b"PUT /v2/a/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", b"GET /"]
)
def test_who_may_not_use_it_keeps_nobody_waiting(tmp_path: Path, request_: bytes) -> None:
    """Nothing here is made shorter: places of strangers are given away at once, whatever they wait for."""
    with Server(tmp_path / "registry", user=User(USER, PASSWORD)) as server, ExitStack() as stack:
        stalled(stack, server.address, lambda: request_)
        started = time.monotonic()
        with plain.client(base_url=f"http://{server.address}/v2", auth=(USER, PASSWORD), timeout=20) as known:
            assert known.get("/").status_code == 200
            assert time.monotonic() - started < 8  # ten seconds is what a refused body has
            # And who is known stays, while strangers make room for each other.
            stalled(stack, server.address, lambda: request_)
            assert known.get("/").status_code == 200


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair() for _ in range(3)]
    yield made
    for ends in made:
        for end in ends:
            end.close()


def gone(ends: tuple[socket.socket, socket.socket]) -> bool:
    ends[1].setblocking(False)
    try:
        return ends[1].recv(1) == b""
    except BlockingIOError:
        return False


def newcomer(found: Connections, leaving: socket.socket) -> None:
    """One more than there is room for; who was told to leave does."""
    one, other = socket.socketpair()
    with one, other:
        waiting = threading.Thread(target=found.admit, args=(one,))
        waiting.start()
        while leaving not in found._leaving:
            time.sleep(0.001)
        found.forget(leaving)
        waiting.join()
        found.forget(one)


@pytest.fixture
def full(clock: Clock, pairs: list[tuple[socket.socket, socket.socket]]) -> Connections:
    found = Connections(Patience(connections=3, look=0.01), clock)
    for one, _ in pairs:
        assert found.admit(one)
    return found


def test_strangers_go_first_then_who_rests_longest(
    full: Connections, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    first, second, third = (one for one, _ in pairs)
    for known in (third, first):
        with full.at_work(known):
            pass
    newcomer(full, second)
    assert full.admit(second)
    with full.at_work(second):
        pass
    newcomer(full, third)
    assert [gone(ends) for ends in pairs] == [False, True, True]


def test_of_those_at_work_the_slowest_goes_and_who_waits_for_us_does_not(
    full: Connections, clock: Clock, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    first, second, third = (one for one, _ in pairs)
    with full.at_work(first) as idle, full.at_work(second) as dripping, full.at_work(third) as ours:
        with idle.waiting(), dripping.waiting():
            clock.now = 9.0
            dripping.moved(1)
            assert full._dispensable() is None
            clock.now = 1000.0  # `ours` waits for our disk
            newcomer(full, first)
            assert [gone(ends) for ends in pairs] == [True, False, False]
            dripping.moved(1000 * 5000)
        assert ours.pace(clock.now) is None
        assert full._dispensable() is None
