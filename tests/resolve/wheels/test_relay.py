"""uv reads pages of mapped indexes that name the addresses which are asked for their files."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.error import HTTPError
from urllib.request import Request as Asked
from urllib.request import urlopen

import pytest
from support.fake_http import Answer, Fake, Request, serving

from cogpack.errors import UnavailableError
from cogpack.http import Http, UrlMap
from cogpack.resolve.wheels.relay import Relay

INDEX, FILES = "https://index.test/simple", "https://files.test"


class Index:
    """An index behind a map, whose answers are set."""

    def __init__(self) -> None:
        self.fake: Fake
        self.answer: Answer = 200, {}, b""
        self.closing = ExitStack()

    def __call__(self, request: Request) -> Answer:
        status, headers, body = self.answer
        return status, headers, body.replace(b"HOST", self.fake.url.encode())

    def relay(self, word: str = "word") -> Relay:
        rules = f"https://index.test={self.fake.url}/index {FILES}={self.fake.url}/files"
        http = Http(url_map=UrlMap.parse(rules, where="test"), backoff=lambda _: 0.0)
        relay = Relay(http, word)
        self.closing.callback(http.close)
        self.closing.callback(relay.close)
        return relay


@pytest.fixture
def index() -> Iterator[Index]:
    made = Index()
    with serving(made) as made.fake, made.closing:
        yield made


def read(address: str) -> tuple[str, str]:
    with urlopen(Asked(address, headers={"Accept": "text/html"}), timeout=10) as answer:
        return answer.read().decode(), answer.headers["Content-Type"]


def refusal(address: str) -> int:
    """Give the status of a refusal."""
    with pytest.raises(HTTPError) as refused:
        read(address)
    refused.value.close()
    return refused.value.code


def test_links_of_a_page_are_those_that_are_asked(index: Index) -> None:
    page = (
        b'<a href=\'https://files.test/a.whl#sha256=1\'>a</a><A data-x="1" HREF="../../b.whl?x=1&amp;y=2">b</A>'
        b'<a href="HOST/c.whl">c</a><a href="https://other.test/d.whl">d</a>'
    )
    index.answer = 200, {"Content-Type": "text/html"}, page
    relay = index.relay()
    url = index.fake.url
    text, kind = read(f"{relay.address(INDEX, str)}/one/")
    assert text == (
        f'<a href="{url}/files/a.whl#sha256=1">a</a><A data-x="1" HREF="{url}/index/b.whl?x=1&amp;y=2">b</A>'
        f'<a href="{url}/c.whl">c</a><a href="https://other.test/d.whl">d</a>'
    )
    assert kind == "text/html"
    assert [(one.path, one.headers["accept"]) for one in index.fake.seen] == [("/index/simple/one/", "text/html")]


def test_a_page_that_says_what_its_links_are_relative_to_is_heeded(index: Index) -> None:
    index.answer = 200, {}, b'<base href="https://files.test/x/"><a href="a.whl">a</a>'
    relay = index.relay()
    assert read(relay.address("https://files.test/flat", str))[0] == f'<a href="{index.fake.url}/files/x/a.whl">a</a>'


def test_a_page_in_json_is_rewritten_and_what_is_none_is_left(index: Index) -> None:
    kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    index.answer = 200, kind, json.dumps({"name": "one", "files": [{"url": f"{FILES}/a.whl", "size": 1}]}).encode()
    relay = index.relay()
    address = f"{relay.address(INDEX, str)}/one/"
    found = json.loads(read(address)[0])
    assert found == {"name": "one", "files": [{"url": f"{index.fake.url}/files/a.whl", "size": 1}]}
    for odd in (b"no json", b'{"files": 1}', b'{"files": [1]}', b"[]"):
        index.answer = 200, kind, odd
        assert read(address)[0] == odd.decode()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_passed_on(index: Index, status: int) -> None:
    index.answer = status, {}, b""
    relay = index.relay()
    assert refusal(f"{relay.address(INDEX, str)}/one/") == status
    assert relay.failure() is None


def test_what_can_not_be_had_is_remembered_with_both_addresses_and_told_once(index: Index) -> None:
    index.answer = 503, {}, b""
    relay = index.relay()
    assert refusal(f"{relay.address(INDEX, str)}/one/") == 404
    found = relay.failure()
    assert isinstance(found, UnavailableError)
    assert f"{INDEX}/one/ (through {index.fake.url}/index/simple/one/): HTTP 503" in found.message
    assert relay.failure() is None


def test_the_login_that_there_is_goes_along_and_nobody_without_the_word_is_answered(index: Index) -> None:
    relay = index.relay()
    address = relay.address(INDEX, lambda url: url.replace(INDEX, index.fake.url.replace("://", "://me:secret@")))
    read(f"{address}/one/")
    assert index.fake.seen[0].headers["authorization"].startswith("Basic ")
    for other in (address.replace("/word/", "/other/"), f"{address}x/one/", address.replace("/word", "")):
        assert refusal(other) == 404
    assert len(index.fake.seen) == 1


def test_the_address_is_the_same_in_each_run_and_another_where_its_port_is_taken(index: Index) -> None:
    first = index.relay("mine")
    address = first.address(INDEX, str)
    other = index.relay("mine")
    assert other.address(INDEX, str) != address
    assert read(f"{other.address(INDEX, str)}/one/")[0] == ""
    first.close()
    again = index.relay("mine")
    assert again.address(INDEX, str) == address
