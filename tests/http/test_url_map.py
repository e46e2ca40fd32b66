"""Addresses are asked for where the user's map says, and named as they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.fake_http import Answer, Fake, Request, serving

from cogpack.errors import InputError, UnavailableError
from cogpack.http import Http, Trust, UrlMap

WHERE = "COGPACK_URL_MAP"


def url_map(*entries: str) -> UrlMap:
    return UrlMap.parse(" ".join(entries), where=WHERE)


@contextmanager
def mapped(server: Fake, *prefixes: str, environment: dict[str, str] | None = None) -> Iterator[Http]:
    """An `Http` to which `prefixes` lie at `server`, each below its own path `/0`, `/1`."""
    entries = (f"{prefix}={server.url}/{number}" for number, prefix in enumerate(prefixes))
    with Http(environment={"HOME": "/nowhere"} | (environment or {}), url_map=url_map(*entries)) as http:
        yield http


def get(http: Http, url: str, **headers: str) -> bytes:
    return http.request("GET", url, origin=url, headers=headers, tries="once", follow=True).body


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://a.test", "https://p.test/all"),
        ("https://a.test/", "https://p.test/all/"),
        ("https://a.test/x/y?q=1&r=%2F#sha256=0", "https://p.test/all/x/y?q=1&r=%2F#sha256=0"),
        ("HTTPS://A.test.:443/x", "https://p.test/all/x"),
        ("https://me:pw@a.test/x", "https://p.test/all/x"),
        ("https://a.test/deep", "http://127.0.0.1:8080"),
        ("https://a.test/deep/x", "http://127.0.0.1:8080/x"),
        ("https://a.test/deeper/x", "https://p.test/all/deeper/x"),
        ("https://a.test/x/../deep/y", "http://127.0.0.1:8080/y"),
        ("https://a.test/deep/kept/x", None),
        ("https://a.test.evil/x", None),
        ("https://b.a.test/x", None),
        ("https://a.test:8443/x", None),
        ("http://a.test/x", None),
        ("https://a.test@b.test/x", None),
        ("http://[::1]:80/x", "http://six.test/x"),
        ("file:///x", None),
        ("no address", None),
        ("https://[", None),
    ],
)
def test_a_rule_holds_for_whole_hosts_and_segments_and_the_longest_wins(url: str, asked: str | None) -> None:
    found = url_map(
        "https://a.test/=https://p.test/all/",
        "https://a.test/deep=http://127.0.0.1:8080",
        "https://a.test/deep/kept=https://A.test/deep/kept",
        "http://[::1]=http://six.test",
    )
    assert found.find(url) == asked
    assert found.of(url) == (asked or url)
    assert found.of(found.of(url)) == found.of(url)


def test_a_map_may_have_commas_between_its_entries_and_equals_signs_in_them() -> None:
    found = url_map("https://a.test/x=1,2=https://p.test/y=3,https://b.test=https://p.test/b")
    assert found.of("https://a.test/x=1,2/z") == "https://p.test/y=3/z"
    assert found.of("https://b.test/z") == "https://p.test/b/z"


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ("https://a.test", "'https://a.test': expected PREFIX=PREFIX"),
        ("a.test=https://p.test", "'a.test=https://p.test': expected PREFIX=PREFIX"),
        ("https://a.test=ftp://p.test", "expected PREFIX=PREFIX"),
        ("https://a.test=https://", "expected PREFIX=PREFIX"),
        ("https://a_b!.test=https://p.test", "has what is no http address"),
        ("https://a.test=https://p.test:x", "has what is no http address"),
        ("https://me:hunter2@a.test=https://p.test", "'https://a.test=https://p.test': an address of a map has"),
        ("https://a.test=https://p.test/x?token=hunter2", "an address of a map has"),
        ("https://a.test=https://p.test/../x", "an address of a map has"),
        ("https://a.test=https://p.test https://A.test:443/=https://q.test", "https://a.test stands there twice"),
        ("https://a.test=https://b.test https://b.test/x=https://c.test", "leads to where https://b.test/x=https://c"),
        ("https://a.test=https://a.test/mirror", "leads to where"),
    ],
)
def test_a_malformed_map_names_what_it_was_read_from_and_the_entry(entries: str, why: str) -> None:
    with pytest.raises(InputError) as failed:
        url_map(entries)
    assert failed.value.message.startswith(f"{WHERE}: ")
    assert why in failed.value.message
    assert "hunter2" not in failed.value.message


def test_what_was_asked_over_tls_goes_in_the_clear_only_to_loopback_and_to_hosts_that_are_named() -> None:
    url_map("https://a.test=http://127.0.0.1:1", "http://b.test=http://p.test").check_plain(Trust())
    bare = url_map("https://a.test=http://p.test:8080")
    bare.check_plain(Trust(insecure_hosts=frozenset({"p.test"})))
    with pytest.raises(InputError, match=r"a\.test=http://p\.test:8080: .* in the clear") as failed:
        bare.check_plain(Trust())
    assert "--insecure-registry p.test:8080" in failed.value.next_step


@pytest.mark.slow
def test_errors_answers_and_redirects_have_the_address_and_name_where_it_was_asked_for() -> None:
    def script(request: Request) -> Answer:
        if request.path == "/0/relative":
            return 302, {"Location": "there?signed=1"}, b""
        if request.path == "/0/away":
            return 302, {"Location": "https://b.test/x"}, b""
        return (200, {}, request.path.encode()) if "missing" not in request.path else (503, {}, b"")

    with serving(script) as fake, mapped(fake, "https://a.test", "https://b.test") as http:
        assert get(http, "https://a.test/x?q=1") == b"/0/x?q=1"
        assert get(http, "https://a.test/relative") == b"/0/there?signed=1"
        assert get(http, "https://a.test/away") == b"/1/x"
        with http.follow("https://a.test/away", origin="https://a.test/away") as stream:
            assert stream.url == "https://b.test/x"
            assert stream.shown == f"https://b.test/x (through {fake.url}/1/x)"
        answer = http.request("GET", "https://a.test/missing", origin="https://a.test/missing", tries="once")
        assert (answer.status, answer.url) == (503, "https://a.test/missing")
        with pytest.raises(InputError, match=rf"https://a.test/x \(through {fake.url}/0/x\): the answer is longer"):
            http.request("GET", "https://a.test/x", origin="https://a.test/x", limit=1)
    with mapped(fake, "https://a.test") as http, pytest.raises(UnavailableError) as failed:
        get(http, "https://a.test/x?token=hunter2")
    assert failed.value.message.startswith(f"https://a.test/x?... (through {fake.url}/0/x?...): ")


def test_a_server_still_may_not_send_us_where_only_this_machine_can_go() -> None:
    def script(request: Request) -> Answer:
        return 302, {"Location": "http://169.254.169.254/latest"}, b""

    with serving(script) as fake, mapped(fake, "https://a.test") as http, pytest.raises(InputError, match="local link"):
        get(http, "https://a.test/x")


def netrc(directory: Path, *hosts: str) -> dict[str, str]:
    file = directory / "netrc"
    file.write_text("".join(f"machine {host} login me password of-{host}\n" for host in hosts))
    return {"NETRC": str(file)}


def test_no_login_of_the_address_reaches_the_host_that_it_is_mapped_to(tmp_path: Path) -> None:
    with serving(lambda _: (200, {}, b"")) as fake:
        with mapped(fake, "https://a.test", environment=netrc(tmp_path, "a.test")) as http:
            headers = {"Authorization": "Bearer hunter2", "X-Amz-Security-Token": "hunter2", "Range": "bytes=0-1"}
            get(http, "https://me:hunter2@a.test/x", **headers)
            with http.open("GET", "https://a.test/x", origin="https://a.test", authorize=lambda: headers):
                pass
            http.send_and_forget("GET", "https://a.test/x", origin="https://a.test", headers=headers)
    assert len(fake.seen) == 3
    for request in fake.seen:
        assert "hunter2" not in str(request.headers)
        assert "authorization" not in request.headers
        assert request.headers["range"] == "bytes=0-1"


def test_the_host_that_is_really_asked_gets_its_own_login_and_keeps_it(tmp_path: Path) -> None:
    def script(request: Request) -> Answer:
        if request.path == "/0/x":
            return 302, {"Location": "/own"}, b""
        if request.path == "/own":
            return 302, {"Location": f"{other.url}/x"}, b""
        return 200, {}, b""

    with serving(lambda _: (200, {}, b"")) as other, serving(script) as fake:
        # One host has both, but the netrc file knows no ports.
        other.address = other.address.replace("127.0.0.1", "localhost")
        with mapped(fake, "https://a.test", environment=netrc(tmp_path, "127.0.0.1", "a.test")) as http:
            get(http, "https://a.test/x")
    assert [request.headers["authorization"] for request in fake.seen] == ["Basic bWU6b2YtMTI3LjAuMC4x"] * 2
    assert "authorization" not in other.seen[0].headers


def test_a_header_does_not_come_back_where_a_redirect_leads_from_a_mapped_address_to_its_own_host() -> None:
    with serving(lambda _: (200, {}, b"")) as origin:
        with serving(lambda _: (302, {"Location": f"{origin.url}/kept/x"}, b"")) as proxy:
            entries = (f"{origin.url}={proxy.url}", f"{origin.url}/kept={origin.url}/kept")
            with Http(url_map=url_map(*entries)) as http:
                get(http, f"{origin.url}/x", Authorization="Bearer hunter2")
    assert [request.headers.get("authorization") for request in (*proxy.seen, *origin.seen)] == [None, None]


def test_registries_are_not_mapped() -> None:
    with serving(lambda _: (200, {}, b"")) as registry, mapped(registry, "https://a.test") as http:
        assert http.unmapped().shown("https://a.test/v2/") == "https://a.test/v2/"
        moved = url_map(f"{registry.url}=http://127.0.0.1:9")
        with Http(url_map=moved) as other:
            assert other.unmapped().request("GET", registry.url, origin=registry.url).status == 200
