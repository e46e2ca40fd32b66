"""The seam to httpx: any of its clients can be given what is below ours."""

import socket
from collections.abc import Iterator

import httpx
import pytest
from support.fake_http import Answer, Hangup, Request, serving
from support.sockets import answer, head, reset, talking

from cogpack.errors import InputError
from cogpack.http.guard import Guard
from cogpack.http.transport import Transport


@pytest.fixture
def client(environment: dict[str, str]) -> Iterator[httpx.Client]:
    transport = Transport(Guard(), environment)
    with httpx.Client(transport=transport) as found:
        yield found


def test_a_client_of_httpx_reads_writes_and_follows_over_it(client: httpx.Client) -> None:
    def script(request: Request) -> Answer:
        if request.path == "/old":
            return 307, {"Location": "/new"}, b""
        return 200, {}, request.body or request.path.encode()

    with serving(script) as fake:
        assert client.get(f"{fake.url}/old", follow_redirects=True).text == "/new"
        assert client.put(fake.url, content=iter([b"one ", b"two"])).text == "one two"
        with client.stream("GET", f"{fake.url}/a%2Fb?c=%7E") as stream:
            assert b"".join(stream.iter_raw()) == b"/a%2Fb?c=%7E"
        assert fake.connections == 1


def test_it_fails_as_transports_of_httpx_do(client: httpx.Client) -> None:
    def hangs_up(_: Request) -> Answer:
        raise Hangup

    with serving(hangs_up) as fake, pytest.raises(httpx.RemoteProtocolError):
        client.get(fake.url)
    with pytest.raises(httpx.ConnectError):
        client.get(fake.url)
    with talking(lambda connection, _: answer(connection, body=b"12", Content_Length="3")) as place:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(place.url())


def test_what_a_server_named_is_checked_for_any_client(client: httpx.Client) -> None:
    with serving(lambda _: (200, {}, b"")) as fake, pytest.raises(InputError, match="this machine itself"):
        client.get(fake.url, extensions={"origin": "registry.example"})


def test_a_short_body_that_nobody_reads_leaves_its_connection_to_the_next(client: httpx.Client) -> None:
    bodies = iter([b"x" * 99_999, b"x" * 100_000, b""])
    with serving(lambda _: (200, {}, next(bodies))) as fake:
        for connections in (1, 1, 2):
            with client.stream("GET", fake.url):
                pass
            assert fake.connections == connections


@pytest.mark.parametrize("resets", [False, True])
def test_what_a_used_connection_does_not_answer_any_more_is_asked_over_a_new_one(
    client: httpx.Client, resets: bool
) -> None:
    """As where it is ended while the request is on its way to it: no failure that anybody must wait after."""

    def script(connection: socket.socket, _: str) -> None:
        answer(connection, body=b"ok")
        head(connection)
        if resets:
            reset(connection)

    with talking(script) as place:
        for _ in range(3):
            assert client.get(place.url()).text == "ok"
        assert place.connections == 3
        with pytest.raises(httpx.RemoteProtocolError):
            client.put(place.url(), content=b"once only")
        assert place.connections == 3


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nX:"])
def test_what_a_new_connection_does_not_answer_is_not_asked_again(client: httpx.Client, said: bytes) -> None:
    with talking(lambda connection, _: connection.sendall(said)) as place:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(place.url())
        assert place.connections == 1


def test_what_a_used_connection_answers_half_is_not_asked_again(client: httpx.Client) -> None:
    def script(connection: socket.socket, _: str) -> None:
        answer(connection, body=b"ok")
        head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX:")

    with talking(script) as place:
        assert client.get(place.url()).text == "ok"
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(place.url())
        assert place.connections == 1
