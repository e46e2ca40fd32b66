"""A connection is opened before anything is asked: the next request takes it, and what failed fails again there."""

import socket
import ssl
import threading
import time

import pytest
from support.fake_http import Answer, Request, serving
from support.sockets import server_tls, talking
from trustme import CA

from cogpack.errors import UnavailableError
from cogpack.http import Http, Limits
from cogpack.http.deadlines import Deadlines
from cogpack.http.sockets import Connection
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
        http.connect_ahead(fake.url, origin=fake.url, count=2)
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
        http.connect_ahead(url, origin=url, count=2)
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


def test_who_sent_tickets_and_then_ended_has_ended(authority: CA, environment: dict[str, str]) -> None:
    """Without a word of TLS, as Python's servers do. It was found alive, and the request that took it failed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            server_tls(authority, "localhost").wrap_socket(listener.accept()[0], server_side=True).close()

        thread = threading.Thread(target=serve)
        thread.start()
        deadlines = Deadlines(Limits(), Cancellation())
        plain = Connection.to("127.0.0.1", listener.getsockname()[1], deadlines)
        context = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
        connection = plain.start_tls(context, "localhost", deadlines)
        thread.join()
    try:
        time.sleep(0.2)
        assert connection.is_over
    finally:
        connection.close()


def test_no_more_are_opened_than_are_missing(environment: dict[str, str]) -> None:
    hold, asked = threading.Event(), list[str]()

    def slow(name: str, _: int) -> list[str]:
        asked.append(name)
        hold.wait(30)
        return ["127.0.0.1"]

    with serving(hello) as fake, Http(environment=environment, resolver=slow) as http:
        url = fake.url.replace("127.0.0.1", "localhost")
        for count in (1, 3, 2, 3):
            http.connect_ahead(url, origin=url, count=count)
        hold.set()
        with http.open("GET", url, origin=url), http.open("GET", url, origin=url), http.open("GET", url, origin=url):
            http.connect_ahead(url, origin=url)
        while fake.connections < 4:
            time.sleep(0.01)
        http.request("GET", url, origin=url)
        http.connect_ahead(url, origin=url, count=3)
        time.sleep(0.2)
        assert (len(asked), fake.connections) == (4, 4)


def test_a_host_that_asked_for_fewer_gets_none(environment: dict[str, str]) -> None:
    answers = [(429, {}, b""), (200, {"Connection": "close"}, b"")]
    with serving(lambda _: answers.pop(0)) as fake, Http(environment=environment) as http:
        for _ in range(2):
            http.request("GET", fake.url, origin=fake.url, tries="once")
        made = fake.connections
        http.connect_ahead(fake.url, origin=fake.url, count=4)
        time.sleep(0.2)
        assert fake.connections == made


def test_a_proxy_that_says_nothing_is_not_waited_for_as_long_as_by_who_asks(
    authority: CA, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogpack.http.transport._AHEAD", 0.3)
    silent, done = threading.Event(), threading.Event()

    def swallow(_: socket.socket, __: str) -> None:
        silent.set()
        done.wait(30)

    with talking(swallow) as proxy:
        proxied = environment | {"HTTPS_PROXY": proxy.url()}
        with Http(environment=proxied, limits=Limits(answer=2)) as http:
            url = "https://registry.example/"
            http.connect_ahead(url, origin=url)
            assert silent.wait(30)
            began = time.monotonic()
            with pytest.raises(UnavailableError):
                http.request("GET", url, origin=url, tries="once")
            assert time.monotonic() - began < 3.5, "it and its own try"
            assert proxy.connections == 2
        done.set()


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
