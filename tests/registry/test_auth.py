from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogpack.errors import DeniedError, InputError
from cogpack.http import Response
from cogpack.registry.auth import Challenge, Token, authorize, parse_challenges
from cogpack.registry.credentials import Login, Secret

ME = Login("me", Secret("hunter2"))
REALM = 'Bearer realm="https://auth.example.com/token",service="reg",scope="repository:a/b:pull"'


def flow(header: str, login: Login | None, answer: Response, host: str = "reg.example.com") -> tuple[object, Token]:
    steps = authorize(parse_challenges(header), login, ["repository:a/b:pull,push"], host=host)
    request = next(steps)
    with pytest.raises(StopIteration) as stop:
        steps.send(answer)
    return request, stop.value.value


def answered(body: bytes, status: int = 200) -> Response:
    return Response(status, {}, body, "")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic realm=x", [Challenge("basic", {"realm": "x"})]),
        ('BASIC realm="Sonatype Nexus"', [Challenge("basic", {"realm": "Sonatype Nexus"})]),
        ('Bearer realm="https://a/t",scope="x:y:pull,push"', [
            Challenge("bearer", {"realm": "https://a/t", "scope": "x:y:pull,push"})
        ]),
        ('Basic realm="a, Bearer b", Bearer realm="https://a"', [
            Challenge("basic", {"realm": "a, Bearer b"}), Challenge("bearer", {"realm": "https://a"})
        ]),
        ('Bearer realm = "a\\"b"', [Challenge("bearer", {"realm": 'a"b'})]),
        ("Basic", [Challenge("basic", {})]),
        ("", []),
    ],
)  # fmt: skip
def test_challenges_in_all_their_shapes(header: str, expected: list[Challenge]) -> None:
    assert parse_challenges(header) == expected


@given(st.text(max_size=300))
def test_no_header_breaks_the_parser(header: str) -> None:
    parse_challenges(header)


def test_push_is_the_first_scope_and_credentials_go_along() -> None:
    request, token = flow(REALM, ME, answered(b'{"token":"t","expires_in":300}'))
    query = parse_qs(urlsplit(request.url).query)
    assert query["scope"] == ["repository:a/b:pull,push", "repository:a/b:pull"]
    assert query["service"] == ["reg"]
    assert request.headers["Authorization"] == ME.basic()
    assert token == Token("Bearer t", 300)


def test_without_credentials_none_are_made_up() -> None:
    request, token = flow(REALM, None, answered(b'{"access_token":"t"}'))
    assert request.headers == {}
    assert token == Token("Bearer t", 60)


def test_an_identity_token_is_posted_not_put_into_an_address() -> None:
    login = Login("", identity_token=Secret("refresh"))
    request, _ = flow(REALM, login, answered(b'{"access_token":"t"}'))
    assert request.method == "POST"
    assert "refresh" not in request.url
    assert parse_qs(request.body.decode())["refresh_token"] == ["refresh"]


@pytest.mark.parametrize(
    "realm",
    [
        "http://auth.example.com/token",
        "https://169.254.169.254/latest",
        "https://127.0.0.1/token",
        "https://10.0.0.1/token",
        "https://user@auth.example.com/",
        "file:///etc/passwd",
        "",
    ],
)
def test_credentials_never_go_where_a_realm_must_not_point(realm: str) -> None:
    steps = authorize([Challenge("bearer", {"realm": realm})], ME, [], host="reg.example.com")
    with pytest.raises(InputError, match=r"reg\.example\.com"):
        next(steps)


@pytest.mark.parametrize(
    "answer",
    [answered(b"", 401), answered(b"{}"), answered(b"<html>"), answered(b'{"token":"a b"}'), answered(b'{"token":7}')],
)
def test_a_token_server_that_gives_none_is_a_refusal(answer: Response) -> None:
    steps = authorize(parse_challenges(REALM), ME, [], host="reg.example.com")
    next(steps)
    with pytest.raises(DeniedError) as refused:
        steps.send(answer)
    assert "hunter2" not in refused.value.message


def test_basic_without_a_login_says_how_to_log_in() -> None:
    with pytest.raises(DeniedError) as refused:
        next(authorize(parse_challenges("Basic realm=x"), None, [], host="reg.example.com"))
    assert refused.value.next_step == "docker login reg.example.com"
