"""A file of which only the address is known: what comes, where it stays, and what is no file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from support.fake_http import Answer, Fake, Hangup, Request, serving

from cogpack.artifacts import Brought, NotAFileError, Store, bring
from cogpack.digest import sha256
from cogpack.errors import CogpackError, DeniedError, InputError, UnavailableError
from cogpack.http import Http

DATA = bytes(range(256)) * 2000
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def http() -> Iterator[Http]:
    with Http(backoff=lambda _: 0.0) as made:
        yield made


def brought(
    http: Http, tmp_path: Path, script: Callable[[Request], Answer], path: str = "/tool"
) -> tuple[Brought, Fake]:
    store = Store(tmp_path / "store", http)
    with serving(script) as fake:
        found = bring(store, http, fake.url + path, redirects=True)
    assert store.fetch(found.artifact, list).read_bytes()[:3] in (DATA[:3], b"")
    assert not list((tmp_path / "store/sha256/00").iterdir()), "nothing is left of its way here"
    return found, fake


def test_a_file_has_the_digest_of_what_came(http: Http, tmp_path: Path) -> None:
    found, _ = brought(http, tmp_path, lambda _: (200, {}, DATA))
    assert (found.artifact.digest, found.artifact.size, found.address) == (sha256(DATA), len(DATA), None)
    assert brought(http, tmp_path, lambda _: (200, {}, b""))[0].artifact.size == 0


@pytest.mark.parametrize("etag", ['"1"', 'W/"1"', ""])
def test_what_breaks_off_goes_on_where_the_server_says_it_is_the_same_else_from_its_start(
    http: Http, tmp_path: Path, etag: str
) -> None:
    def script(request: Request) -> Answer:
        tag = {"ETag": etag} if etag else {}
        if asked := request.headers.get("range"):
            at = int(asked.removeprefix("bytes=").rstrip("-"))
            assert request.headers["if-range"] == '"1"'
            return 206, {**tag, "Content-Range": f"bytes {at}-{len(DATA) - 1}/{len(DATA)}"}, DATA[at:]
        tries.append(request)
        whole = len(tries) > 1 or etag == ""
        return 200, {**tag, "Content-Length": str(len(DATA)), "Connection": "close"}, DATA if whole else DATA[:200_000]

    tries: list[Request] = []
    found, fake = brought(http, tmp_path, script)
    assert found.artifact.digest == sha256(DATA)
    assert ["range" in request.headers for request in fake.seen] == {
        '"1"': [False, True], 'W/"1"': [False, False], "": [False],
    }[etag]  # fmt: skip


def test_a_server_that_has_another_file_when_it_goes_on_is_asked_from_the_start(http: Http, tmp_path: Path) -> None:
    def script(request: Request) -> Answer:
        if request.headers.get("range"):
            return 200, {"ETag": '"2"'}, DATA  # If-Range (RFC 9110 13.1.5)
        first = not any("range" in each.headers for each in fake.seen)
        size = {"Content-Length": str(len(DATA)), "Connection": "close"} if first else {}
        return 200, {"ETag": '"1"', **size}, DATA[:100_000] if first else DATA

    store = Store(tmp_path / "store", http)
    with serving(script) as fake:
        assert bring(store, http, fake.url, redirects=True).artifact.digest == sha256(DATA)


@pytest.mark.parametrize(
    ("path", "hops", "lasting"),
    [
        ("/releases/latest/download/x", ["/releases/download/v1/x", "/signed?sig=abc"], "/releases/download/v1/x"),
        ("/releases/latest/x", ["/signed?sig=abc"], None),
        ("/latest/x", ["/nightly/x", "/v3/x"], "/v3/x"),
        ("/latest/x", ["/v3/a b"], None),
        ("/v1/x", ["/mirror/x"], None),
        ("/latest/x", ["/get/9f2c81d7e3b54a60/x"], None),
        ("/latest/x", ["/get/eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl/x"], None),
        ("/latest/x", ["/get/1b4e28ba-2fa1-11d2-883f-0016d3cca427/x"], None),
        ("/latest/x", ["/token=abc/x"], None),
        (
            "/latest/a9f2c81d7e3b54a60",
            ["/v1.2.0-rc.1_linux_x86_64/a9f2c81d7e3b54a60"],
            "/v1.2.0-rc.1_linux_x86_64/a9f2c81d7e3b54a60",
        ),
        ("/m/resolve/main/x.bin", ["/cdn?sig=abc"], f"/m/resolve/{COMMIT}/x.bin"),
    ],
)
def test_of_an_address_that_moves_the_one_behind_it_is_kept(
    http: Http, tmp_path: Path, path: str, hops: list[str], lasting: str | None
) -> None:
    way = dict(zip([path, *hops], [*hops, None], strict=True))

    def script(request: Request) -> Answer:
        target = way[unquote(request.path)]
        return (302, {"Location": target, "X-Repo-Commit": COMMIT}, b"") if target else (200, {}, DATA)

    found, fake = brought(http, tmp_path, script, path)
    assert found.address == (fake.url + lasting if lasting else None)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((404, {}, b""), InputError),
        ((410, {}, b""), InputError),
        ((403, {}, b""), DeniedError),
        ((500, {}, b""), UnavailableError),
        ((302, {"Location": "/tool"}, b""), UnavailableError),
        ((200, {"Content-Type": "text/HTML"}, b"<p>"), NotAFileError),
        ((200, {"Content-Encoding": "br"}, b"x"), NotAFileError),
    ],
)
def test_what_is_no_file_is_kept_nowhere(
    http: Http, tmp_path: Path, answer: Answer, error: type[CogpackError | NotAFileError]
) -> None:
    store = Store(tmp_path / "store", http)
    with serving(lambda _: answer) as fake, pytest.raises(error):
        bring(store, http, f"{fake.url}/tool", redirects=True)
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_a_page_that_is_called_one_is_a_file(http: Http, tmp_path: Path) -> None:
    page = lambda _: (200, {"Content-Type": "text/html"}, DATA)  # noqa: E731
    assert brought(http, tmp_path, page, "/index.html")[0].artifact.name == "index.html"


def test_a_server_that_hangs_up_is_asked_again(http: Http, tmp_path: Path) -> None:
    def script(_: Request) -> Answer:
        if len(fake.seen) == 1:
            raise Hangup
        return 200, {}, DATA

    store = Store(tmp_path / "store", http)
    with serving(script) as fake:
        assert bring(store, http, fake.url, redirects=True).artifact.size == len(DATA)
