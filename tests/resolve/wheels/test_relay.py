"""uv reads pages of mapped indexes that name the addresses which are asked for their files."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import RemoteDisconnected
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request as Asked
from urllib.request import urlopen

import pytest
from support.fake_http import Answer, Fake, Request, serving

from cogpack.errors import CogpackError, UnavailableError
from cogpack.http import Http, UrlMap
from cogpack.progress import Cancellation
from cogpack.requirements.model import Requirements
from cogpack.resolve.wheels.compile import Uv, WheelQuestion
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.relay import Relay
from cogpack.resolve.wheels.target import TargetPython

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

    def relay(self, word: str = "word", files: str = "files", cancellation: Cancellation | None = None) -> Relay:
        rules = f"https://index.test={self.fake.url}/index {FILES}={self.fake.url}/{files}"
        http = Http(url_map=UrlMap.parse(rules, where="test"), backoff=lambda _: 0.0, cancellation=cancellation)
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


def test_what_pytorchs_index_forbids_it_has_not(index: Index) -> None:
    """As uv has it of that host, which it does not see here."""
    index.answer = 403, {}, b""
    rules = UrlMap.parse(f"https://download.pytorch.org/whl={index.fake.url}", where="test")
    http = Http(url_map=rules, backoff=lambda _: 0.0)
    index.closing.callback(http.close)
    relay = Relay(http, "word")
    index.closing.callback(relay.close)
    assert refusal(f"{relay.address('https://download.pytorch.org/whl/nightly/cpu', str)}/six/") == 404


def test_what_can_not_be_had_is_remembered_with_both_addresses_and_told_once(index: Index) -> None:
    index.answer = 503, {}, b""
    relay = index.relay()
    assert refusal(f"{relay.address(INDEX, str)}/one/") == 404
    found = relay.failure()
    assert isinstance(found, UnavailableError)
    assert f"{INDEX}/one/ (through {index.fake.url}/index/simple/one/): HTTP 503" in found.message
    assert relay.failure() is None


def test_an_ended_run_answers_nobody_and_says_nothing(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """uv may ask while another download has already failed."""
    said: list[object] = []
    monkeypatch.setattr(threading, "excepthook", said.append)
    cancellation = Cancellation()
    address = index.relay(cancellation=cancellation).address(INDEX, str)
    cancellation.cancel()
    with pytest.raises(RemoteDisconnected):
        read(f"{address}/name/")
    for thread in threading.enumerate():
        if "process_request" in thread.name:
            thread.join(10)
    assert not said


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


def test_another_map_has_another_address_as_what_uv_kept_names_where_the_first_led(index: Index) -> None:
    def path(files: str) -> str:
        return index.relay(files=files).address(INDEX, str).rpartition("/")[2]

    assert path("files") == path("files") != path("others")


def test_a_page_of_links_keeps_the_slash_that_its_links_are_relative_to(index: Index) -> None:
    index.answer = 200, {}, b'<a href="a.whl">a</a>'
    relay = index.relay()
    assert read(relay.address("https://index.test/links/", str))[0] == (
        f'<a href="{index.fake.url}/index/links/a.whl">a</a>'
    )
    read(f"{relay.address('https://index.test/simple/', str)}/one/")
    read(relay.address("https://index.test/links", str))
    assert [one.path for one in index.fake.seen] == ["/index/links/", "/index/simple/one/", "/index/links"]


@pytest.mark.parametrize(
    ("tag", "asked"),
    [
        ('<a data-requires-python=">=3.8" href="../a.whl">', '<a data-requires-python=">=3.8" href="URL/index/a.whl">'),
        ("<a href=a.whl>", '<a href="URL/index/links/a.whl">'),
        ("<a x=y/ href=a.whl#b=1>", '<a x=y/ href="URL/index/links/a.whl#b=1">'),
        ("<a/href = 'a.whl'/>", '<a/href = "URL/index/links/a.whl"/>'),
        ('<a href="a.whl" href="b.whl">', '<a href="URL/index/links/a.whl" href="b.whl">'),
        ('<a data-href="x" href="a.whl">', '<a data-href="x" href="URL/index/links/a.whl">'),
        ('<a data-x="href=b" href="a.whl">', '<a data-x="href=b" href="URL/index/links/a.whl">'),
        ('<a =href="b" href="a.whl">', '<a =href="b" href="URL/index/links/a.whl">'),
        ('<!-- <a href="a.whl"> -->', '<!-- <a href="a.whl"> -->'),
        ('<!--><a href="a.whl">', '<!--><a href="URL/index/links/a.whl">'),
        ('<!doctype html><a href="a.whl">', '<!doctype html><a href="URL/index/links/a.whl">'),
        ("<style><a href=b></STYLE><a href=b>", '<style><a href=b></STYLE><a href="URL/index/links/b">'),
        ("<script>'<a href=b>'</script >", "<script>'<a href=b>'</script >"),
        ('<!-- <base href="/c"> --><a href=b>', '<!-- <base href="/c"> --><a href="URL/index/links/b">'),
        ('<a href=b><base target=_top><base href="/c/">', '<a href="URL/c/b"><base target=_top>'),
        ('<abbr href="b"><a><a href><a href=>', '<abbr href="b"><a><a href><a href=>'),
        ("<a href=''>", '<a href="URL/index/links/">'),
        ('<a href="b', '<a href="b'),
        ("a < b </ > <> <", "a < b </ > <> <"),
    ],
)  # fmt: skip
def test_links_are_found_as_html_says(index: Index, tag: str, asked: str) -> None:
    index.answer = 200, {}, tag.encode()
    address = index.relay().address("https://index.test/links/", str)
    assert read(address)[0] == asked.replace("URL", index.fake.url)


@pytest.mark.parametrize(
    "unit",
    ["<a ", "<base ", '<a href="', "<a href='b", "<!--", "<script>", "<a b= ", "<a =", "</", "<!", "< ", "<a\n\n"],
)  # fmt: skip
def test_a_page_takes_the_time_of_its_length(index: Index, unit: str) -> None:
    index.answer = 200, {}, b"<a " + unit.encode() * (1_000_000 // len(unit))
    address = index.relay().address(INDEX, str)
    start = time.process_time()
    assert len(read(address)[0]) == len(index.answer[2])
    assert time.process_time() - start < 8


def test_a_page_whose_links_would_be_far_longer_than_it_is_is_refused(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogpack.resolve.wheels.links._MOST", 10_000)
    relay = index.relay()
    index.answer = 200, {}, b'<base href="/%s/">' % (b"x" * 1_000) + b"<a href=b>" * 11
    assert refusal(relay.address(INDEX, str)) == 404
    assert "longer than 10000 bytes" in str(relay.failure())
    page = b'<base href="/%s/"><a href=b>' % (b"x" * 9_000)
    index.answer = 200, {}, page
    assert read(relay.address(INDEX, str))[0].startswith(page.decode()[:9_018])


def test_a_base_that_is_no_address_is_left_for_uv_to_complain_of(index: Index) -> None:
    index.answer = 200, {}, b'<base href="http://["><a href="a.whl">a</a>'
    assert read(index.relay().address("https://index.test/links/", str))[0] == (
        f'<base href="http://["><a href="{index.fake.url}/index/links/a.whl">a</a>'
    )


def test_what_nobody_thought_of_is_an_answer_and_an_error_that_names_the_page(index: Index) -> None:
    def fails(url: str) -> str:
        raise ZeroDivisionError

    relay = index.relay()
    assert refusal(f"{relay.address(INDEX, fails)}/one/") == 404
    found = relay.failure()
    assert isinstance(found, UnavailableError)
    assert f"{INDEX}/one/ (through {index.fake.url}/index/simple/one/): its page can't be read: Zero" in found.message


@pytest.mark.parametrize("status", [503, 403])
def test_values_of_variables_in_addresses_are_not_shown(index: Index, status: int, tmp_path: Path) -> None:
    index.answer = status, {}, b""
    relay = index.relay()
    # By a name that redaction takes for nothing secret.
    environment = {"UV_DEFAULT_INDEX": "https://index.test/${PLACE}/simple", "PLACE": "hunter2-and-more"}
    indexes = Indexes.from_environment(
        {"UV_HTTP_RETRIES": "0"} | environment, Requirements(), url_map=relay._http.url_map, relay=relay
    )
    with pytest.raises(CogpackError) as caught:
        Uv(
            target=TargetPython(python="3.12", glibc="2.36", arch="amd64"),
            indexes=indexes,
            cache=tmp_path,
            metadata=tmp_path / "uv",
        ).compile(WheelQuestion(requirements=["one"]))
    assert index.fake.seen[0].path == "/index/hunter2-and-more/simple/one/"
    told = str(caught.value) + str(caught.value.args)
    assert "hunter2" not in told
    assert f"https://index.test/${{PLACE}}/simple{'/one/' * (status == 503)} (through" in told


def test_who_requires_what_is_told_of_nothing_where_an_index_fails_and_that_is_not_told_of_the_next_run(
    index: Index, tmp_path: Path
) -> None:
    index.answer = 503, {}, b""
    relay = index.relay()
    places = {"UV_HTTP_RETRIES": "0", "UV_DEFAULT_INDEX": INDEX}
    uv = Uv(
        target=TargetPython(python="3.12", glibc="2.36", arch="amd64"),
        indexes=Indexes.from_environment(places, Requirements(), url_map=relay._http.url_map, relay=relay),
        cache=tmp_path,
        metadata=tmp_path / "uv",
    )
    assert uv.requirers(WheelQuestion(requirements=["one"]), {"one": "1.0"}) == {}
    assert index.fake.seen
    assert relay.failure() is None


def test_what_uv_says_has_no_values_of_variables(index: Index) -> None:
    relay = index.relay()
    secrets = {"PLACE": "hunter2-and-more"}
    for one in (relay, None):
        found = Indexes(
            default="https://index.test/${PLACE}/simple", secrets=secrets, url_map=relay._http.url_map, relay=one
        )
        assert found.told(f"error: Failed to fetch: `{found.read_at(found.default or '')}/one/`") == (
            "error: Failed to fetch: `https://index.test/${PLACE}/simple/one/"
            f" (through {index.fake.url}/index/${{PLACE}}/simple/one/)`"
        )
