"""A connection is opened before anything is asked: the next request takes it, and what failed fails again there."""

import socket
import threading
import time

import pytest
from support.fake_http import Answer, Request, serving
from support.sockets import server_tls
from trustme import CA

from cogpack.errors import UnavailableError
from cogpack.http import Http, Limits
from cogpack.progress import Cancellation, Cancelled


def hello(_: Request) -> Answer:
    return 200, {}, b"hello"


def resolve(_: str, __: int) -> list[str]:
    return ["127.0.0.1"]


def test_the_next_request_takes_it_and_one_beside_that_has_its_own(environment: dict[str, str]) -> None:
    with serving(hello) as fake, Http(environment=environment) as http:
        http.connect_ahead(fake.url, origin=fake.url)
        for _ in range(2):
            assert http.request("GET", fake.url, origin=fake.url).body == b"hello"
        assert fake.connections == 1
        http.connect_ahead(fake.url, origin=fake.url)
        with http.open("GET", fake.url, origin=fake.url), http.open("GET", fake.url, origin=fake.url):
            pass
        assert fake.connections == 2


def test_one_that_is_idle_is_not_left_for_one_that_is_being_opened(environment: dict[str, str]) -> None:
    hold, asked = threading.Event(), []

    def slow(_: str, __: int) -> list[str]:
        asked.append(hold.wait(30) if asked else None)
        return ["127.0.0.1"]

    with serving(hello) as fake, Http(environment=environment, resolver=slow) as http:
        url = fake.url.replace("127.0.0.1", "localhost")
        http.request("GET", url, origin=url)
        http.connect_ahead(url, origin=url)
        assert http.request("GET", url, origin=url).body == b"hello"
        assert asked == [None]
        hold.set()


def test_session_tickets_behind_the_handshake_do_not_end_it(authority: CA, environment: dict[str, str]) -> None:
    """An idle connection that becomes readable has ended, but for these (RFC 8446 4.6.1)."""
    with (
        serving(hello, server_tls(authority, "localhost")) as fake,
        Http(environment=environment, resolver=resolve) as http,
    ):
        url = f"https://localhost:{fake.address.rpartition(':')[2]}"
        http.connect_ahead(url, origin=url)
        time.sleep(0.3)  # they come a moment after it
        for _ in range(2):
            assert http.request("GET", url, origin=url).body == b"hello"
        assert fake.connections == 1


def test_nothing_is_asked_and_one_that_ended_meanwhile_is_none(environment: dict[str, str]) -> None:
    with serving(hello) as fake, Http(environment=environment) as http:
        http.connect_ahead(fake.url, origin=fake.url)
    assert fake.seen == []
    with socket.create_server(("127.0.0.1", 0)) as listener, Http(environment=environment, limits=Limits()) as http:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        http.connect_ahead(url, origin=url)
        listener.accept()[0].close()

        def serve() -> None:
            connection = listener.accept()[0]
            connection.recv(9999)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        assert http.request("GET", url, origin=url, tries="once").body == b"ok"
        thread.join()


def test_what_fails_there_fails_again_for_who_asks(environment: dict[str, str]) -> None:
    def nowhere(name: str, port: int) -> list[str]:
        asked.append(name)
        raise OSError(-2, "Name or service not known")

    asked: list[str] = []
    with Http(environment=environment, resolver=nowhere) as http:
        http.connect_ahead("no address", origin="https://registry.example")
        http.connect_ahead("https://registry.example", origin="https://registry.example")
        with pytest.raises(UnavailableError, match="Name or service not known"):
            http.request("GET", "https://registry.example", origin="https://registry.example", tries="once")
    assert asked == ["registry.example"] * 2


def test_who_waits_for_it_is_interrupted(environment: dict[str, str]) -> None:
    cancellation, gone = Cancellation(), threading.Event()

    def slow(_: str, __: int) -> list[str]:
        gone.wait(30)
        return []

    with Http(environment=environment, resolver=slow, cancellation=cancellation) as http:
        http.connect_ahead("http://localhost:9", origin="http://localhost:9")
        threading.Timer(0.1, cancellation.cancel).start()
        with pytest.raises(Cancelled):
            http.request("GET", "http://localhost:9", origin="http://localhost:9")
        gone.set()
