import itertools
import socket
import time
import traceback
from contextlib import ExitStack
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from support.fake_http import Answer, Hangup, Request, serving
from support.sockets import answer, flooding, head, talking

from cogpack.errors import InputError, UnavailableError
from cogpack.http import Http, Limits, Response, Trust, is_private, redacted, same_origin
from cogpack.http.retries import retry_after
from cogpack.http.sockets import Connection
from cogpack.progress import Cancellation, Cancelled

MiB = 1024 * 1024


def get(http: Http, url: str, **more: Any) -> Response:
    return http.request("GET", url, origin=url, **more)


def test_what_may_pass_is_tried_again_and_then_told(http: Http) -> None:
    statuses = iter([503, 429, 200])
    with serving(lambda _: (next(statuses), {"Retry-After": "0"}, b"ok")) as fake:
        assert get(http, fake.url).body == b"ok"
    with serving(lambda _: (503, {}, b"")) as fake:
        assert get(http, fake.url).status == 503
        assert len(fake.seen) == 4


def test_a_closed_connection_is_unavailable_and_names_the_place(http: Http) -> None:
    def hang_up(_: Request) -> Answer:
        raise Hangup

    with serving(hang_up) as fake, pytest.raises(UnavailableError, match=fake.address):
        get(http, f"{fake.url}/x?token=secret")


def test_a_host_that_is_not_there_is_unavailable(http: Http) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(UnavailableError):
            get(http, f"http://127.0.0.1:{taken.getsockname()[1]}/")


def test_errors_show_neither_user_nor_query(http: Http) -> None:
    with pytest.raises(UnavailableError) as failed:
        get(http, "http://me:hunter2@127.0.0.1:9/path?token=hunter2")
    assert "hunter2" not in failed.value.message
    assert redacted("https://me:pw@h.io/p?q=1") == "https://h.io/p?..."


def test_a_long_answer_is_not_read_to_its_end(http: Http) -> None:
    with flooding(256 * MiB) as (place, taken):
        with pytest.raises(InputError, match="longer than 99"):
            get(http, place.url(), limit=99)
        assert taken() < 32 * MiB


def test_redirects_end(http: Http) -> None:
    with serving(lambda request: (302, {"Location": request.path + "x"}, b"")) as fake:
        with pytest.raises(UnavailableError, match="redirects"), http.follow(f"{fake.url}/", origin=fake.url):
            pass
        assert len(fake.seen) == 6


def test_authorization_and_the_rest_of_a_host_stay_with_it(http: Http) -> None:
    with serving(lambda _: (200, {}, b"blob")) as storage:
        away = {"Location": f"{storage.url}/blob?sig=1"}
        with serving(lambda request: (307, {"Location": "/b"} if request.path == "/a" else away, b"")) as fake:
            headers = {"Authorization": "Bearer token", "Range": "bytes=0-1"}
            with http.follow(f"{fake.url}/a", origin=fake.url, headers=headers) as stream:
                assert stream.body() == b"blob"
        assert [request.headers.get("authorization") for request in fake.seen] == ["Bearer token"] * 2
        assert "authorization" not in storage.seen[0].headers
        assert storage.seen[0].headers["range"] == "bytes=0-1"


def test_a_user_in_an_address_is_sent_along_redirects_of_its_host_and_never_shown(http: Http) -> None:
    with serving(lambda request: (302, {"Location": "/b"}, b"") if request.path == "/a" else (200, {}, b"ok")) as fake:
        url = f"http://me:p%40w@{fake.address}/a"
        with http.follow(url, origin=url) as stream:
            assert stream.body() == b"ok"
            assert stream.url == f"{fake.url}/b"
    assert [request.headers["authorization"] for request in fake.seen] == ["Basic bWU6cEB3"] * 2


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("https://h.example:443/y?z", True),
        ("https://H.Example", True),
        ("https://h.example:80/", False),
        ("http://h.example:443/", False),
        ("http://h.example/", False),
        ("https://h.example.org/", False),
        ("https://api.h.example/", False),
    ],
)
def test_an_origin_is_scheme_host_and_port_however_they_are_written(other: str, same: bool) -> None:
    assert same_origin("https://h.example/x", other) is same
    assert same_origin(other, "https://h.example/x") is same


@pytest.mark.parametrize(
    "path", ["/v2/a/blobs/uploads/x?_state=a%2Fb%3d=~!$&'()*+,;=:@/?", "/%7euser//y", "/x?a=%zz|{}[]"]
)
def test_what_a_server_wrote_into_an_address_comes_back_to_it_unchanged(http: Http, path: str) -> None:
    with serving(lambda _: (200, {}, b"")) as fake:
        get(http, http.redirect(f"{fake.url}/", path))
        assert fake.seen[0].path == path


def test_what_no_address_may_hold_is_quoted(http: Http) -> None:
    with serving(lambda _: (200, {}, b"")) as fake:
        get(http, f"{fake.url}/a b/\u00e9?c d#fragment")
    assert fake.seen[0].path == "/a%20b/%C3%A9?c%20d"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h.io/",
        "http://",
        "http:///x",
        "h.io/x",
        "http://h.io:x/",
        "http://[::1",
        "http://h io/",
        "http://h.io/\udcff",
    ],
)
def test_what_is_no_http_address_is_said(http: Http, url: str) -> None:
    with pytest.raises(InputError, match="not an http address"):
        get(http, url)
    with pytest.raises(InputError, match="not an http address"), http.follow(url, origin="http://h.io/"):
        pass


def test_every_request_is_as_plain_as_can_be(http: Http) -> None:
    with serving(lambda _: (200, {"Set-Cookie": "session=1"}, b"")) as fake:
        get(http, fake.url)
        get(http, fake.url)
        with http.open("PUT", fake.url, origin=fake.url, body=[b"ab", b"", b"c"]) as stream:
            assert stream.status == 200
        with http.open("POST", fake.url, origin=fake.url):
            pass
    seen = fake.seen[1].headers
    plain = {"host": fake.address, "user-agent": "cogpack", "accept": "*/*", "accept-encoding": "identity"}
    assert seen == plain | {"connection": "keep-alive"}
    assert fake.seen[2].headers["transfer-encoding"] == "chunked"
    assert fake.seen[2].body == b"abc"
    assert fake.seen[3].headers["content-length"] == "0"


def test_credentials_do_not_go_in_the_clear_unless_the_user_said_so() -> None:
    with serving(lambda _: (200, {}, b"")) as fake:
        port = fake.address.rpartition(":")[2]
        url, headers = f"http://reg.example:{port}/", {"Authorization": "Basic c2VjcmV0"}
        for trust, sent in ((Trust(), 0), (Trust(insecure_credentials=frozenset({"reg.example"})), 1)):
            with Http(trust=trust, resolver=lambda name, port: ["127.0.0.1"]) as http:
                if sent:
                    get(http, url, headers=headers)
                else:
                    with pytest.raises(InputError, match="without TLS") as failed:
                        get(http, url, headers=headers)
                    assert "c2VjcmV0" not in repr(failed.value)
            assert len(fake.seen) == sent


@pytest.mark.parametrize("follow", [False, True])
def test_a_login_in_an_address_does_not_go_in_the_clear_unless_the_user_said_so(*, follow: bool) -> None:
    with serving(lambda _: (200, {}, b"")) as fake:
        url = f"http://me:hunter2@reg.example:{fake.address.rpartition(':')[2]}/"
        with Http(resolver=lambda name, port: ["127.0.0.1"]) as http:
            with pytest.raises(InputError, match="without TLS") as failed:
                http.request("GET", url, origin=url, follow=follow)
        assert "hunter2" not in repr(failed.value)
        assert fake.seen == []
        trust = Trust(insecure_credentials=frozenset({"reg.example"}))
        with Http(trust=trust, resolver=lambda name, port: ["127.0.0.1"]) as http:
            http.request("GET", url, origin=url, follow=follow)
        assert fake.seen[0].headers["authorization"] == "Basic bWU6aHVudGVyMg=="


def test_a_header_that_can_not_be_sent_is_not_quoted(http: Http) -> None:
    with serving(lambda _: (200, {}, b"")) as fake:
        with pytest.raises(UnavailableError) as failed:
            get(http, fake.url, headers={"Authorization": "Bearer hunter2\n"}, tries="once")
        assert fake.seen == []
    assert "hunter2" not in failed.value.message
    assert failed.value.__suppress_context__


@pytest.mark.slow
def test_a_416_that_lies_about_its_length_is_an_answer_like_any_other() -> None:
    def script(connection: socket.socket, _: str) -> None:
        answer(connection, "416 Requested Range Not Satisfiable", b"few words", Content_Length="1000000")
        connection.recv(1)  # and stays open: who waited for the rest would wait for long

    with talking(script) as place, Http(limits=Limits(idle=600, refusal=0.1)) as http:
        for _ in range(2):
            found = get(http, place.url())
            assert (found.status, found.body) == (416, b"few words")
        assert len(place.heads) == 2


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found", "500 Oops"])
def test_of_a_refusal_that_breaks_off_the_status_and_what_came_are_known(http: Http, status: str) -> None:
    with talking(lambda connection, _: answer(connection, status, b"half", Content_Length="8")) as place:
        found = get(http, place.url(), tries="once")
    assert (found.status, found.body) == (int(status[:3]), b"half")


def test_an_answer_that_breaks_off_is_unavailable(http: Http) -> None:
    with talking(lambda connection, _: answer(connection, "200 OK", b"half", Content_Length="8")) as place:
        with pytest.raises(UnavailableError):
            get(http, place.url())
        assert len(place.heads) == 4


def test_a_refusal_without_end_is_read_so_far_only(http: Http) -> None:
    with serving(lambda _: (403, {}, b"x" * 10_000_000)) as fake:
        assert 0 < len(get(http, fake.url).body) < 1_000_000


def test_a_header_block_without_end_is_cut_off(http: Http) -> None:
    def script(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X: " + b"y" * 1000 + b"\r\n")

    with talking(script) as place, pytest.raises(UnavailableError):
        get(http, place.url(), tries="once")


def test_what_is_no_http_is_unavailable(http: Http) -> None:
    with talking(lambda connection, _: connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")) as place:
        with pytest.raises(UnavailableError):
            get(http, place.url(), tries="once")


def test_headers_that_come_twice_are_read_as_one(http: Http) -> None:
    def script(connection: socket.socket, _: str) -> None:
        connection.sendall(b'HTTP/1.1 401 No\r\nwww-authenticate: Basic\r\nWWW-Authenticate: Bearer realm="x"\r\n\r\n')

    with talking(script) as place:
        assert get(http, place.url()).headers == {"www-authenticate": 'Basic, Bearer realm="x"'}


def test_a_coded_body_is_handed_on_as_it_came_with_the_coding_named(http: Http) -> None:
    with serving(lambda _: (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b")) as fake:
        with http.open("GET", fake.url, origin=fake.url) as stream:
            assert stream.headers["content-encoding"] == "gzip"
            assert stream.body() == b"\x1f\x8b"


def test_an_answer_of_few_bytes_that_nobody_read_does_not_cost_its_connection(http: Http) -> None:
    def script(connection: socket.socket, first: str) -> None:
        for request in itertools.chain([first], iter(lambda: head(connection), "")):
            if request.startswith("HEAD"):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n")
            elif request.startswith("PUT"):
                answer(connection, "201 Created")
            elif request.startswith("GET /away"):
                answer(connection, "307 Temporary Redirect", b"<a href='/here'>", Location="/here")
            else:
                answer(connection, body=b"here")

    with talking(script) as place:
        for method in ("HEAD", "PUT", "GET", "PUT"):
            with http.open(method, place.url(), origin=place.url()):
                pass
        with http.follow(place.url(path="/away"), origin=place.url()) as stream:
            assert stream.body() == b"here"
        assert len(place.heads) == 1


@pytest.mark.slow
@pytest.mark.parametrize("length", ["99999", "5000000000"])
def test_nobody_waits_long_for_what_nobody_reads(length: str) -> None:
    def script(connection: socket.socket, _: str) -> None:
        answer(connection, body=b"x", Content_Length=length)
        connection.recv(1)

    with talking(script) as place, Http(limits=Limits(idle=600, refusal=0.1)) as http:
        for _ in range(2):
            with http.open("GET", place.url(), origin=place.url()) as stream:
                assert stream.status == 200
        assert len(place.heads) == 2


def test_connections_are_used_again_and_one_that_ended_meanwhile_does_no_harm(http: Http) -> None:
    ports: list[int] = []

    def script(connection: socket.socket, _: str) -> None:
        ports.append(connection.getpeername()[1])
        answer(connection)
        head(connection)
        answer(connection)

    with talking(script) as place:
        for _ in range(4):
            assert get(http, place.url()).status == 200
    assert len(ports) == 2


def test_what_is_sent_behind_a_body_does_not_hold_the_next_request(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection is not taken again; nor waited for, where that comes only when it has been taken."""
    monkeypatch.setattr(Connection, "is_over", False)
    ports: list[int] = []

    def script(connection: socket.socket, _: str) -> None:
        ports.append(connection.getpeername()[1])
        answer(connection)
        time.sleep(0.05)  # else it is read with the answer
        connection.sendall(b"x" * 80 * 1024)
        head(connection)

    with talking(script) as place:
        for _ in range(3):
            assert get(http, place.url()).status == 200
            time.sleep(0.1)
    assert len(set(ports)) == 3


@pytest.mark.parametrize(
    ("origin", "location"),
    [
        ("https://h.io/x", "http://other.io/y"),
        ("https://h.io/x", "https://169.254.169.254/latest"),
        ("https://h.io/x", "http://10.0.0.1/"),
        ("https://h.io/x", "https://localhost/"),
        ("https://h.io/x", "https://user:pw@other.io/"),
        ("https://h.io/x", "file:///etc/passwd"),
        ("https://h.io/x", "ftp://h.io/"),
    ],
)
def test_places_a_server_must_not_send_us_to(http: Http, origin: str, location: str) -> None:
    with pytest.raises(InputError, match=r"h\.io"):
        http.redirect(origin, location)


def test_a_proxy_that_forgot_about_tls_is_met_at_the_same_door(http: Http) -> None:
    assert http.redirect("https://h.io/v2/", "http://h.io/v2/up?x=1") == "https://h.io/v2/up?x=1"


def test_plain_http_is_for_loopback_and_named_hosts() -> None:
    trust = Trust(insecure_hosts=frozenset({"reg.lan:5000"}))
    assert trust.allows_plain("127.0.0.1:5000")
    assert trust.allows_plain("localhost")
    assert trust.allows_plain("[::1]:5000")
    assert trust.allows_plain("reg.lan:5000")
    assert not trust.allows_plain("reg.lan")
    assert not trust.allows_plain("h.io")
    assert not trust.allows_plain("localhost.h.io")


@pytest.mark.parametrize("host", ["127.1.2.3", "10.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]", "[fe80::1]"])
def test_addresses_that_mean_something_only_here(host: str) -> None:
    assert is_private(host)


def test_a_cancelled_session_sends_nothing_more() -> None:
    cancellation = Cancellation()
    with serving(lambda _: (200, {}, b"")) as fake, Http(cancellation=cancellation) as http:
        cancellation.cancel()
        with pytest.raises(Cancelled):
            get(http, fake.url)
        assert fake.seen == []


def test_a_farewell_is_said_after_the_end_and_nobody_minds_how_it_is_taken() -> None:
    cancellation = Cancellation()
    with serving(lambda _: (429, {"Retry-After": "60"}, b"")) as fake, Http(cancellation=cancellation) as http:
        get(http, fake.url, tries="once")  # a throttle that is closed
        cancellation.cancel()
        http.send_and_forget("DELETE", fake.url, origin=fake.url, headers={"Authorization": "Bearer x"})
        assert (fake.seen[-1].method, fake.seen[-1].headers["authorization"]) == ("DELETE", "Bearer x")
        http.send_and_forget("DELETE", "http://127.0.0.1:9/", origin="http://127.0.0.1:9/")
        with pytest.raises(Cancelled):
            get(http, fake.url)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("99999", 300),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 90),
        ("Wednesday, 21-Oct-15 07:28:00 GMT", 90),  # the obsolete forms, RFC 9110 5.6.7
        ("Wed Oct 21 07:28:00 2015", 90),
        ("Wed, 21 Oct 2015 09:28:00 +0200", 90),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 90),
        ("Wed, 21 Oct 2015 08:28:00 GMT", 300),
        ("Wed, 21 Oct 2015 07:26:30 GMT", 0),
        ("Tue, 20 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +9999999999999999", None),
        ("soon", None),
        ("-7", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(
    monkeypatch: pytest.MonkeyPatch, said: str | None, seconds: float | None
) -> None:
    now = datetime(2015, 10, 21, 7, 26, 30, tzinfo=UTC).timestamp()
    monkeypatch.setattr("cogpack.http.retries.time", SimpleNamespace(time=lambda: now))
    assert retry_after({} if said is None else {"retry-after": said}) == seconds


@pytest.mark.parametrize(
    "location",
    [
        b"http://[::1",
        b"https://:80:80/",
        b"http://h:99999999/",
        b"http://h\x7f/",
        b"http://999.1.1.1/",
        b"http://h x/",
        b"http://a..b/",
        b"http://%b.example/" % (b"a" * 64),
    ],
)
def test_a_location_that_is_no_address_is_refused_by_whom_it_is_followed_and_else_is_a_header(location: bytes) -> None:
    """It had ended in a traceback: httpx looks at it, though nothing is followed."""

    def script(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 307 Go\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location)

    with talking(script) as place, Http() as http:
        assert http.request("PUT", place.url(), origin=place.url(), body=b"x").status == 307
        with pytest.raises(InputError, match="not a plain http address"):
            http.request("GET", place.url(), origin=place.url(), follow=True)


def test_an_address_may_be_longer_than_httpx_likes() -> None:
    with serving(lambda request: (200, {}, str(len(request.path)).encode())) as fake, Http() as http:
        assert get(http, f"{fake.url}/?{'a' * 65_000}").body == b"65002"


def test_a_name_beyond_ascii_may_name_itself() -> None:
    with serving(lambda request: (200, {}, request.headers["host"].encode())) as fake:
        with Http(resolver=lambda name, _: ["127.0.0.1"] if name == "xn--bcher-kva.example" else []) as http:
            port = fake.address.rpartition(":")[2]
            assert get(http, f"http://bücher.example:{port}/").body == f"xn--bcher-kva.example:{port}".encode()


@pytest.mark.parametrize("value", ["Bearer hunter2ä", "Bearer hunter2\udcff"])
def test_a_header_beyond_ascii_is_refused_without_being_shown(value: str) -> None:
    with Http() as http, pytest.raises(InputError, match="a header beyond ASCII") as caught:
        get(http, "https://h.example/", headers={"Authorization": value})
    shown = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in shown


@pytest.mark.slow
def test_requests_are_not_limited_in_number_by_who_carries_them() -> None:
    """Who waited for a connection did so without an end, and without hearing Ctrl-C."""
    with serving(lambda _: (200, {}, b"x" * 200_000)) as fake, Http() as http, ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(http.open("GET", fake.url, origin=fake.url))
        assert fake.connections == 80


def test_an_answer_that_was_there_before_its_request_is_not_taken_for_its_answer(http: Http) -> None:
    def script(connection: socket.socket, _: str) -> None:
        if len(place.heads) > 1:
            return answer(connection, body=b"two")
        ours = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
        connection.sendall(ours + b"one" + ours + b"bad")
        head(connection)

    with talking(script) as place:
        assert [get(http, place.url()).body for _ in range(2)] == [b"one", b"two"]
        assert len(place.heads) == 2
