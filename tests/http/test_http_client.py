import socket
from typing import Any

import pytest
from support.fake_http import Answer, Hangup, Request, serving

from cogpack.errors import InputError, UnavailableError
from cogpack.http import Http, Response, Trust, is_private, redacted, retry_after
from cogpack.progress import Cancellation, Cancelled


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
    with serving(lambda _: (200, {}, b"x" * 100)) as fake, pytest.raises(InputError, match="longer than 99"):
        get(http, fake.url, limit=99)


def test_redirects_end(http: Http) -> None:
    with serving(lambda request: (302, {"Location": request.path + "x"}, b"")) as fake:
        with pytest.raises(UnavailableError, match="redirects"), http.follow(f"{fake.url}/", origin=fake.url):
            pass
        assert len(fake.seen) == 6


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


def test_retry_after_is_seconds_or_a_date_and_bounded() -> None:
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after": "99999"}) == 300
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None
