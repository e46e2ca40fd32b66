"""The server of the playground's page: what it hands on, as what, and whom it refuses."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from support.bundles import make_bundle
from support.fake_coglet import FakeCoglet, Model

from cogpack.running.playground import Playground

SCHEMA = json.dumps({"components": {"schemas": {"Input": {"properties": {"text": {"type": "string"}}}}}})


def words(inputs: dict[str, Any], cancelled: threading.Event) -> Iterator[tuple[str, Any]]:
    yield "log", "asked\n"
    for word in inputs["text"].split():
        yield "output", word
    yield "log", "done\n"


def waits(inputs: dict[str, Any], cancelled: threading.Event) -> Iterator[tuple[str, Any]]:
    yield "output", "first"
    cancelled.wait(30)


@contextmanager
def served(model: Model = words, **more: Any) -> Iterator[tuple[FakeCoglet, int]]:
    with FakeCoglet(model, **more) as fake, Playground(fake.url, make_bundle(schema=SCHEMA), None) as playground:
        yield fake, int(playground.url.rpartition(":")[2])


def ask(
    port: int, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path, body, headers)
    return connection.getresponse()


def predict(port: int, text: str) -> http.client.HTTPResponse:
    body = json.dumps({"input": {"text": text}}).encode()
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
    return ask(port, "PUT", "/predictions/one", body, headers)


def events(answer: http.client.HTTPResponse) -> list[tuple[str, Any]]:
    assert answer.headers.get_content_type() == "text/event-stream"
    found = []
    for block in answer.read().decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_the_events_of_a_model_are_handed_on() -> None:
    with served() as (_, port):
        told = events(predict(port, "a b"))
    assert [(name, data.get("data", data.get("chunk"))) for name, data in told[:-1]] == [
        ("start", None), ("log", "asked\n"), ("output", "a"), ("output", "b"), ("log", "done\n"),
    ]  # fmt: skip
    assert told[-1][0] == "completed"
    assert told[-1][1]["output"] == ["a", "b"]
    assert told[-1][1]["status"] == "succeeded"


def test_of_a_server_that_gives_no_events_there_is_the_last() -> None:
    with served(streams=False) as (_, port):
        ((name, data),) = events(predict(port, "a b"))
    assert (name, data["output"], data["logs"]) == ("completed", ["a", "b"], "asked\ndone\n")


def test_what_the_server_refuses_is_told_as_it_tells_it() -> None:
    with served(refuses={"text": "too short"}) as (_, port):
        answer = predict(port, "a")
        assert answer.status == 422
        assert json.loads(answer.read())["detail"][0]["msg"] == "too short"


@pytest.mark.parametrize("streams", [True, False])
def test_who_hangs_up_cancels(streams: bool) -> None:
    with served(waits, streams=streams) as (fake, port):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            body = b'{"input": {}}'
            head = f"PUT /predictions/one HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            assert fake.begun.wait(10)
        assert fake.ended.wait(10)
        assert fake.statuses == ["canceled"]


def test_a_cancel_reaches_the_model() -> None:
    with served(waits) as (_, port):
        answer = predict(port, "a")
        assert ask(port, "POST", "/predictions/one/cancel", b"").status == 200
        assert events(answer)[-1][1]["status"] == "canceled"


def test_a_server_that_is_gone_is_told_of() -> None:
    with served() as (_, port), FakeCoglet(words) as gone:
        pass
    with Playground(gone.url, make_bundle(schema=SCHEMA), None) as playground:
        answer = predict(int(playground.url.rpartition(":")[2]), "a")
        assert answer.status == 502
        assert "does not answer" in json.loads(answer.read())["error"]
    assert port


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {"Host": "evil.example"}),
        ("GET", "/", {"Host": "127.0.0.1.evil.example:80"}),
        ("PUT", "/predictions/one", {"Host": "evil.example", "Origin": "http://evil.example"}),
        ("PUT", "/predictions/one", {"Origin": "http://evil.example"}),
        ("PUT", "/predictions/one", {"Origin": "null"}),
        ("POST", "/predictions/one/cancel", {"Origin": "https://127.0.0.1"}),
        ("POST", "/predictions/one/cancel", {"Origin": "http://127.0.0.1:1"}),
    ],
)
def test_pages_of_others_may_not_ask(method: str, path: str, headers: dict[str, str]) -> None:
    with served() as (fake, port):
        answer = ask(port, method, path, b"{}", headers)
        assert answer.status == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert fake.asked == []


def test_a_page_that_comes_through_a_tunnel_may_ask() -> None:
    with served() as (_, port):
        head = {"Host": "localhost:9000", "Origin": "http://localhost:9000"}
        answer = ask(port, "PUT", "/predictions/two", b'{"input": {"text": "a"}}', head)
        assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/other", 404),
        ("PUT", "/predictions/a/b", 404),
        ("POST", "/shutdown", 404),
        ("POST", "/predictions/../x/cancel", 404),
        ("DELETE", "/", 501),
    ],
)
def test_nothing_else_is_handed_on(method: str, path: str, status: int) -> None:
    with served() as (fake, port):
        assert ask(port, method, path, b"{}").status == status
        assert fake.asked == []


def test_a_body_without_a_length_or_beyond_what_the_model_takes_is_not_read() -> None:
    with served() as (_, port):
        for length, status in ((None, 411), ("-1", 411), (str(101 * 1024 * 1024), 413)):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                field = f"Content-Length: {length}\r\n" if length else ""
                connection.sendall(f"PUT /predictions/a HTTP/1.1\r\nHost: localhost\r\n{field}\r\n".encode())
                assert connection.recv(100).startswith(f"HTTP/1.1 {status} ".encode())


def test_the_page_says_by_its_headers_that_nobody_may_frame_or_keep_it() -> None:
    with served() as (_, port):
        answer = ask(port, "GET", "/")
    assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_page_has_the_port_beside_the_models_or_any_if_that_is_taken() -> None:
    with FakeCoglet(words) as fake:
        port = int(fake.url.rpartition(":")[2])
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            beside = f"http://127.0.0.1:{taken.getsockname()[1] - 1}"
            with Playground(beside, make_bundle(schema=SCHEMA), None) as playground:
                assert playground.url != f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Playground(f"http://127.0.0.1:{port}", make_bundle(schema=SCHEMA), None) as playground:
            assert playground.url
