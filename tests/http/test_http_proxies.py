"""Proxies of the environment: which one for what, and what is said when they refuse."""

from pathlib import Path

import pytest
from support.fake_http import serving
from support.proxy import proxying
from support.sockets import answer as answered
from support.sockets import server_tls, talking
from trustme import CA

from cogpack.errors import CogpackError, DeniedError, InputError, UnavailableError
from cogpack.http import Http
from cogpack.http.connections import Connections
from cogpack.http.proxies import Proxies

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({"HTTPS_PROXY": PROXY}, "https://h.io/", PROXY),
        ({"https_proxy": PROXY}, "https://h.io/", PROXY),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, "https://h.io/", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://h.io/", None),
        ({"HTTP_PROXY": PROXY}, "http://h.io/", PROXY),
        ({"HTTP_PROXY": PROXY}, "https://h.io/", None),
        ({"ALL_PROXY": PROXY}, "https://h.io/", PROXY),
        ({"all_proxy": PROXY}, "http://h.io/", PROXY),
        ({"ALL_PROXY": "http://other:1", "HTTPS_PROXY": PROXY}, "https://h.io/", PROXY),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://h.io/", PROXY),
        ({"HTTPS_PROXY": "http://me:pw@proxy.example:3128/"}, "https://h.io/", PROXY),
        ({"HTTPS_PROXY": "https://proxy.example"}, "https://h.io/", "https://proxy.example:443"),
        ({"HTTPS_PROXY": "http://[fd00::1]:3128"}, "https://h.io/", "http://[fd00::1]:3128"),
        ({"HTTPS_PROXY": ""}, "https://h.io/", None),
        ({"HTTP_PROXY": PROXY}, "http://127.0.0.1:5000/", None),
        ({"HTTP_PROXY": PROXY}, "http://localhost:5000/", None),
        ({"HTTPS_PROXY": PROXY}, "https://[::1]/", None),
    ],
)
def test_the_proxy_is_chosen_by_the_scheme_of_the_address(
    environment: dict[str, str], url: str, expected: str | None
) -> None:
    found = Proxies.from_environment(environment).choose(url)
    assert (found and found.url) == expected


@pytest.mark.parametrize(
    ("bypass", "url", "direct"),
    [
        ("*", "https://h.io/", True),
        ("h.io", "https://h.io/", True),
        ("h.io", "https://a.h.io/", True),
        ("h.io", "https://oh.io/", False),
        (".h.io", "https://a.h.io/", True),
        (".h.io", "https://h.io/", False),
        ("*.h.io", "https://a.b.h.io/", True),
        ("H.IO", "https://h.io/", True),
        ("h.io:5000", "https://h.io:5000/", True),
        ("h.io:5000", "https://h.io/", False),
        ("h.io:443", "https://h.io/", True),
        ("x.io, h.io", "https://h.io/", True),
        ("x.io h.io", "https://h.io/", True),
        ("10.0.0.0/8", "https://10.1.2.3:5000/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.0.0.0/8", "https://h.io/", False),
        ("10.1.2.3", "https://10.1.2.3/", True),
        ("10.1.2.3:5000", "https://10.1.2.3:5000/", True),
        ("10.1.2.3:5000", "https://10.1.2.3:5001/", False),
        ("fd00::/8", "https://[fd12::1]/", True),
        ("fd12::1", "https://[fd12::1]:5000/", True),
        ("[fd12::1]:5000", "https://[fd12::1]:5000/", True),
        ("[fd12::1]:5000", "https://[fd12::1]/", False),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_what_no_proxy_names_is_reached_without(name: str, bypass: str, url: str, direct: bool) -> None:
    proxies = Proxies.from_environment({"ALL_PROXY": PROXY, name: bypass})
    assert (proxies.choose(url) is None) == direct


@pytest.mark.parametrize(
    "value",
    [
        "socks5://127.0.0.1:1080",
        "http://:3128",
        "http://me:hunter2@proxy:port",
        "http://",
        "http://a..b:3128",
        f"http://{'a' * 64}:3128",
        "http://me:hunter2@a b:80",
        "http://[zz::1]:80",
    ],
)
def test_what_is_no_http_proxy_is_refused_without_showing_it(value: str) -> None:
    with Http(environment={"HTTPS_PROXY": value}) as http, pytest.raises(InputError, match="HTTPS_PROXY") as failed:
        http.request("GET", "https://h.example/", origin="https://h.example/")
    assert "hunter2" not in failed.value.message


@pytest.mark.parametrize(("variable", "scheme"), [("ALL_PROXY", "https"), ("HTTP_PROXY", "http")])
@pytest.mark.parametrize("bypass", ["", "registry.internal", "*"])
def test_a_proxy_that_can_not_be_asked_hinders_nobody_who_goes_past_it(variable: str, scheme: str, bypass: str) -> None:
    proxies = Proxies.from_environment({variable: "socks5://me:hunter2@127.0.0.1:1080", "NO_PROXY": bypass})
    assert proxies.choose(f"{scheme}://127.0.0.1:5000/v2/") is None
    assert proxies.choose(f"{scheme}://localhost/v2/") is None
    if bypass:
        assert proxies.choose(f"{scheme}://registry.internal/v2/") is None
    if bypass != "*":
        with pytest.raises(InputError, match=f"{variable}: expected the address of an HTTP proxy, found the scheme"):
            proxies.choose(f"{scheme}://h.example/")


def test_an_address_with_tls_goes_through_a_tunnel_and_its_certificate_is_checked_by_name(
    environment: dict[str, str], authority: CA
) -> None:
    with talking(lambda connection, _: answered(connection, body=b"hi"), server_tls(authority, "h.example")) as server:
        with proxying({"h.example": server.port}, login="me:pw:w") as proxy:
            environment["HTTPS_PROXY"] = f"http://me:pw%3Aw@127.0.0.1:{proxy.port}"
            with Http(environment=environment) as http:
                assert http.request("GET", "https://h.example/x", origin="https://h.example").body == b"hi"
            assert proxy.heads[0].startswith("CONNECT h.example:443 HTTP/1.1\r\n")
            assert "proxy-authorization" not in server.heads[0].lower()
        with proxying({"other.example": server.port}) as proxy, Http(environment=environment) as http:
            environment["HTTPS_PROXY"] = f"http://127.0.0.1:{proxy.port}"
            with Http(environment=environment) as http, pytest.raises(InputError, match="certificate"):
                http.request("GET", "https://other.example/x", origin="https://other.example")


def test_a_proxy_may_itself_be_spoken_to_over_tls(environment: dict[str, str], authority: CA) -> None:
    body = bytes(range(256)) * 4096
    inner, outer = server_tls(authority, "h.example"), server_tls(authority, "127.0.0.1")
    with talking(lambda connection, _: answered(connection, body=body), inner) as server:
        with proxying({"h.example": server.port}, tls=outer) as proxy:
            environment["HTTPS_PROXY"] = f"https://127.0.0.1:{proxy.port}"
            with Http(environment=environment) as http:
                assert http.request("GET", "https://h.example/x", origin="https://h.example").body == body


def test_a_proxy_whose_certificate_is_not_trusted_is_named_and_not_the_host_behind_it(
    environment: dict[str, str],
) -> None:
    with proxying(tls=server_tls(CA(), "127.0.0.1")) as proxy:
        environment["HTTPS_PROXY"] = f"https://127.0.0.1:{proxy.port}"
        with Http(environment=environment) as http, pytest.raises(InputError) as failed:
            http.request("GET", "https://h.example/x", origin="https://h.example")
    assert failed.value.message.startswith(f"the proxy https://127.0.0.1:{proxy.port}: its certificate")
    assert f"certs.d/127.0.0.1:{proxy.port}/ca.crt" in failed.value.next_step


def test_an_address_in_the_clear_is_asked_of_the_proxy() -> None:
    with serving(lambda _: (200, {}, b"hi")) as server, proxying({"h.example": int(server.address[10:])}) as proxy:
        with Http(environment={"HTTP_PROXY": f"127.0.0.1:{proxy.port}"}) as http:
            assert http.request("GET", "http://h.example/x?y=1", origin="http://h.example").body == b"hi"
        # A proxy writes Host from it (RFC 9112 3.2.2), which may be signed.
        assert proxy.heads[0].startswith("GET http://h.example/x?y=1 HTTP/1.1\r\nHost: h.example\r\n")
        assert server.seen[0].path == "/x?y=1"


@pytest.mark.parametrize("url", ["https://h.example/", "http://h.example/"])
def test_a_proxy_that_wants_a_password_says_so_once_and_shows_none(url: str) -> None:
    with proxying(login="me:right") as proxy:
        with Http(environment={"ALL_PROXY": f"http://me:hunter2@127.0.0.1:{proxy.port}"}) as http:
            with pytest.raises(DeniedError, match=f"the proxy http://127.0.0.1:{proxy.port} wants") as failed:
                http.request("GET", url, origin=url)
        assert len(proxy.heads) == 1
    assert "hunter2" not in repr(failed.value) + failed.value.message + failed.value.next_step


def test_a_host_behind_a_tunnel_does_not_speak_for_the_proxy(environment: dict[str, str], authority: CA) -> None:
    """Else it could have the user write a password into the proxy's variable."""
    tls = server_tls(authority, "h.example")
    with talking(lambda connection, _: answered(connection, "407 Proxy Authentication Required"), tls) as server:
        with proxying({"h.example": server.port}) as proxy:
            environment["HTTPS_PROXY"] = f"http://127.0.0.1:{proxy.port}"
            with Http(environment=environment) as http:
                assert http.request("GET", "https://h.example/x", origin="https://h.example").status == 407


@pytest.mark.parametrize(
    ("refusal", "error"), [("403 Forbidden", DeniedError), ("503 Service Unavailable", UnavailableError)]
)
def test_a_proxy_that_does_not_lead_there_is_named_and_asked_again_where_that_may_help(
    refusal: str, error: type[CogpackError]
) -> None:
    with proxying(refusal=refusal) as proxy:
        with Http(environment={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}, backoff=lambda _: 0.0) as http:
            with pytest.raises(error, match=rf"the proxy http://127\.0\.0\.1:{proxy.port} .*{refusal}"):
                http.request("GET", "https://h.example/", origin="https://h.example/", tries="few")
        assert (len(proxy.heads) > 1) is (error is UnavailableError)


def test_a_proxy_that_says_401_for_a_tunnel_wants_a_password_too() -> None:
    with proxying(refusal="401 Unauthorized") as proxy:
        with Http(environment={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}) as http:
            with pytest.raises(DeniedError, match=r"wants a user and a password \(HTTP 401\)"):
                http.request("GET", "https://h.example/", origin="https://h.example/")
        assert len(proxy.heads) == 1


def test_behind_a_proxy_literal_addresses_are_still_refused_to_servers() -> None:
    with proxying() as proxy, Http(environment={"ALL_PROXY": f"http://127.0.0.1:{proxy.port}"}) as http:
        for host in ("169.254.169.254", "10.0.0.1", "[::ffff:10.0.0.1]"):
            with pytest.raises(InputError, match="sends us to"):
                http.request("GET", f"http://{host}/", origin="https://h.example/")
        assert proxy.heads == []


def test_no_proxy_by_network_goes_straight() -> None:
    with serving(lambda _: (200, {}, b"hi")) as server, proxying() as proxy:
        environment = {"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": "198.51.100.0/24"}
        port = server.address.rpartition(":")[2]
        with Http(environment=environment, resolver=lambda name, port: ["127.0.0.1"]) as http:
            url = f"http://198.51.100.7:{port}/"
            assert http.request("GET", url, origin=url).body == b"hi"
        assert proxy.heads == []


def test_a_proxy_whose_authorities_can_not_be_read_is_not_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection stayed open."""
    (tmp_path / "ca.pem").write_text("nonsense")
    met: list[str] = []
    monkeypatch.setattr(Connections, "_connected", lambda *_: met.append("proxy"))
    environment = {"HTTP_PROXY": "https://proxy.example", "SSL_CERT_FILE": str(tmp_path / "ca.pem")}
    with Http(environment=environment) as http, pytest.raises(InputError):
        http.request("GET", "http://h.example/", origin="http://h.example/")
    assert met == []
