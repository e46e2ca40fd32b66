"""The flow from challenge to header, without a socket; and where a realm may lead."""

from urllib.parse import parse_qs, urlsplit

import pytest

from cogpack.errors import DeniedError, InputError, UnavailableError
from cogpack.http import Response, Trust, host_of
from cogpack.http.guard import Guard
from cogpack.registry.auth.challenge import parse_challenges
from cogpack.registry.auth.tokens import Refusal, Registry, Token, TokenRequest, authorize
from cogpack.registry.credentials import Kind, Login, Secret

ME = Login("me", Secret("hunter2"), source="a file")
IDENTITY = Login("", Secret("refresh"), Kind.IDENTITY_TOKEN)
PUBLIC = Registry("reg.example.com", Trust())
REALM = 'Bearer realm="https://auth.example.com/token",service="reg",scope="repository:a/b:pull"'
WANTED = ["repository:a/b:pull,push", "repository:c/d:pull"]


def answered(body: bytes, status: int = 200) -> Response:
    return Response(status, {}, body, "")


def request_for(header: str, login: Login | None, registry: Registry = PUBLIC) -> TokenRequest:
    return next(authorize(parse_challenges(header), login, WANTED, registry))


def outcome(login: Login | None, answer: Response | None, header: str = REALM) -> Token | Refusal:
    steps = authorize(parse_challenges(header), login, WANTED, PUBLIC)
    try:
        next(steps)
        assert answer is not None
        steps.send(answer)
    except StopIteration as stop:
        found: Token | Refusal = stop.value
        return found
    raise AssertionError("it wants a second answer")


def test_each_scope_is_a_parameter_of_its_own_and_credentials_go_along() -> None:
    request = request_for(REALM, ME)
    query = parse_qs(urlsplit(request.url).query)
    assert query == {"scope": WANTED, "service": ["reg"]}
    assert request.authorization == Secret(ME.basic())


def test_without_credentials_none_are_made_up() -> None:
    request = request_for(REALM, None)
    assert request.authorization is None
    assert request.form is None


def test_an_identity_token_is_posted_not_put_into_an_address() -> None:
    request = request_for(REALM, IDENTITY)
    assert (request.method, request.url) == ("POST", "https://auth.example.com/token")
    assert request.form is not None
    form = parse_qs(request.form.reveal())
    assert form["refresh_token"] == ["refresh"]
    assert form["scope"] == [" ".join(WANTED)]


def test_a_registry_token_needs_no_token_server() -> None:
    ready = Login("", Secret("ready"), Kind.REGISTRY_TOKEN)
    assert outcome(ready, None) == Token(Secret("Bearer ready"), float("inf"))


def test_bearer_is_preferred_to_basic_wherever_it_stands() -> None:
    assert outcome(ME, None, "Basic realm=x") == Token(Secret(ME.basic()), float("inf"))
    assert request_for(f"Basic realm=x, {REALM}", ME).method == "GET"


@pytest.mark.parametrize(("header", "login"), [("Basic", None), ("Basic", IDENTITY), ("Negotiate", ME), ("", ME)])
def test_what_can_not_be_answered_is_a_refusal(header: str, login: Login | None) -> None:
    assert isinstance(outcome(login, None, header), Refusal)


PRIVATE = Registry("10.1.2.3:5000", Trust())
LOOPBACK = Registry("localhost:5000", Trust(), plain=True)
PLAIN = Registry("reg.example.com", Trust(), plain=True)


@pytest.mark.parametrize(
    ("realm", "registry"),
    [
        ("https://auth.example.org/token", PUBLIC),
        ("https://10.9.9.9/token", PRIVATE),
        ("http://127.0.0.1:5001/token", LOOPBACK),
        ("https://auth.example.org:8443/token?a=b", PUBLIC),
    ],
)
def test_a_realm_may_be_on_another_host_of_the_same_kind(realm: str, registry: Registry) -> None:
    assert request_for(f'Bearer realm="{realm}"', ME, registry).url.startswith(realm)


@pytest.mark.parametrize(
    ("realm", "registry"),
    [
        ("http://auth.example.com/token", PUBLIC),
        ("http://auth.example.com/token", LOOPBACK),
        ("http://reg.example.com/token", PRIVATE),
        ("https://169.254.169.254/latest", PUBLIC),
        ("https://127.0.0.1/token", PUBLIC),
        ("https://[::ffff:127.0.0.1]/token", PUBLIC),
        ("https://[::1]/token", PUBLIC),
        ("https://2130706433/token", PUBLIC),
        ("https://0x7f.1/token", PUBLIC),
        ("https://10.0.0.1/token", Registry("93.184.216.34", Trust())),
        ("https://auth.example.com\\@evil.example.org/", PUBLIC),
        ("https://user@auth.example.com/", PUBLIC),
        ("https://auth.example.com/#a", PUBLIC),
        ("https://auth.example.com:port/", PUBLIC),
        ("https://[::1/", PUBLIC),
        ("https:///token", PUBLIC),
        ("file:///etc/passwd", PUBLIC),
        ("/token", PUBLIC),
        ("https://a.example$(reboot)/", PUBLIC),  # which an error would name in a command
        ("", PUBLIC),
    ],
)
def test_credentials_never_go_where_a_realm_must_not_point(realm: str, registry: Registry) -> None:
    with pytest.raises(InputError, match=registry.host) as refused:
        request_for(f'Bearer realm="{realm}"', ME, registry)
    assert "hunter2" not in refused.value.message
    if not registry.plain:  # and nobody is asked for a token there either
        with pytest.raises(InputError, match=registry.host):
            request_for(f'Bearer realm="{realm}"', None, registry)


@pytest.mark.parametrize(("where", "allowed"), [("10.1.2.3", True), ("93.184.216.34", False)])
def test_a_private_realm_of_a_registry_with_a_name_is_looked_at_when_connecting(where: str, allowed: bool) -> None:
    """A company's registry may name its token server by address; one that is reached in public may not."""
    request = request_for('Bearer realm="https://10.0.0.1/token"', ME)
    guard = Guard(lambda name, port: [where])
    if allowed:
        guard.check(host_of(request.url), ["10.0.0.1"], origin=PUBLIC.host)
    else:
        with pytest.raises(InputError, match="a private network"):
            guard.check(host_of(request.url), ["10.0.0.1"], origin=PUBLIC.host)


def test_a_refused_realm_is_named_without_what_it_hides() -> None:
    with pytest.raises(InputError, match=r"https://127\.0\.0\.1/token") as refused:
        request_for('Bearer realm="https://127.0.0.1/token?key=hidden"', ME)
    assert "hidden" not in refused.value.message


@pytest.mark.parametrize("header", [REALM, "Basic"])
def test_credentials_are_not_told_in_the_clear_unless_that_is_said_too(header: str) -> None:
    with pytest.raises(InputError, match=r"in the clear") as refused:
        request_for(header, ME, PLAIN)
    assert "--insecure-credentials reg.example.com" in refused.value.next_step
    assert "hunter2" not in refused.value.message
    said = Trust(insecure_credentials=frozenset({PLAIN.host}))
    assert request_for(REALM, ME, Registry(PLAIN.host, said, plain=True)).authorization
    assert request_for(REALM, None, PLAIN).authorization is None


def test_a_token_of_ci_goes_to_its_own_token_servers_only() -> None:
    job = Login("job", Secret("hunter2"), source="CI_REGISTRY_PASSWORD", realms=frozenset({"gitlab.example.com"}))
    assert request_for('Bearer realm="https://gitlab.example.com/jwt"', job)
    assert request_for('Bearer realm="https://reg.example.com/jwt"', job)
    for realm in (
        "https://example.com/jwt",
        "https://gitlab.example.com.evil.org/jwt",
        "https://a.gitlab.example.com/",
    ):
        with pytest.raises(InputError, match="CI_REGISTRY_PASSWORD"):
            request_for(f'Bearer realm="{realm}"', job)


def strict(host: str, *allowed: str) -> Registry:
    return Registry(host, Trust(realms=frozenset(allowed)))


@pytest.mark.parametrize(
    ("host", "realm"),
    [
        ("ghcr.io", "ghcr.io"),
        ("registry.gitlab.com", "gitlab.com"),
        ("registry-1.docker.io", "auth.docker.io"),
        ("reg.example.com", "auth.reg.example.com"),
        ("reg.example.com:5000", "reg.example.com:8443"),
        ("Reg.example.com", "reg.example.com"),
        ("reg.example.com", "REG.example.com."),
        ("registry.company.co.uk", "auth.company.co.uk"),
        ("registry.company.co.uk", "company.co.uk"),
        ("registry", "registry"),
        ("10.1.2.3:5000", "10.1.2.3"),
        ("[fd00::1]:5000", "[fd00::1]"),
    ],
)
def test_strictly_a_registry_has_token_servers_of_its_own_domain(host: str, realm: str) -> None:
    assert request_for(f'Bearer realm="https://{realm}/token"', ME, strict(host)).authorization


@pytest.mark.parametrize(
    ("host", "realm"),
    [
        ("registry.gitlab.com", "gitlab.com.evil.example"),
        ("registry.gitlab.com", "evilgitlab.com"),
        ("registry.example.com", "gitlab.example.com"),  # as it is with evil.github.io and me.github.io
        ("me.github.io", "evil.github.io"),
        ("company.co.uk", "evil.co.uk"),
        ("registry.company.co.uk", "auth.evil.co.uk"),
        ("registry.company.co.uk", "co.uk"),
        ("ghcr.io", "io"),
        ("ghcr.io", "evil.io"),
        ("evil-1.docker.io", "auth.docker.io"),
        ("registry", "evil"),
        ("10.1.2.3", "10.1.2.4"),
        ("10.1.2.3", "9.1.2.3"),
        ("[fd00::1]", "[fd00::2]"),
    ],
)
def test_strictly_no_other_token_server_gets_credentials_unless_it_is_allowed(host: str, realm: str) -> None:
    header = f'Bearer realm="https://{realm}/token"'
    with pytest.raises(InputError) as refused:
        request_for(header, ME, strict(host))
    assert refused.value.message == f"{host} names a token server that is not for a file: 'https://{realm}/token'"
    assert f"add --allow-realm {realm.strip('[]')} " in refused.value.next_step
    assert request_for(header, ME, strict(host, f"{realm.upper()}:443")).authorization
    assert request_for(header, None, strict(host)).authorization is None  # there is nothing to lose
    assert request_for(header, ME, Registry(host, Trust())).authorization


@pytest.mark.parametrize(
    ("host", "realm"),
    [("127.0.0.1:5930", "127.0.0.1:5931"), ("localhost:5930", "127.0.0.1:5930"), ("[::1]:5", "[::1]")],
)
def test_strictly_another_port_of_loopback_may_be_another_users(host: str, realm: str) -> None:
    header = f'Bearer realm="https://{realm}/token"'
    with pytest.raises(InputError) as refused:
        request_for(header, ME, strict(host))
    assert f"add --allow-realm {realm} " in refused.value.next_step
    assert request_for(header, ME, strict(host, realm)).authorization
    assert request_for(header, ME, Registry(host, Trust())).authorization
    assert request_for(f'Bearer realm="https://{host}/token"', ME, strict(host)).authorization


def test_a_token_of_ci_goes_to_a_token_server_that_is_allowed() -> None:
    job = Login("job", Secret("hunter2"), source="CI_REGISTRY_PASSWORD", realms=frozenset({"gitlab.example.com"}))
    allowed = strict("registry.example.com", "auth.example.org")
    assert request_for('Bearer realm="https://auth.example.org/jwt"', job, allowed)
    with pytest.raises(InputError, match="CI_REGISTRY_PASSWORD"):
        request_for('Bearer realm="https://example.com/jwt"', job, allowed)


@pytest.mark.parametrize(
    ("body", "life"),
    [
        (b'{"token":"t","expires_in":300}', 300),
        (b'{"access_token":"t"}', 60),
        (b'{"token":null,"access_token":"t"}', 60),
        (b'{"token":"t","expires_in":7}', 7),
        (b'{"token":"t","expires_in":"3600"}', 3600),
        (b'{"token":"t","expires_in":0}', 60),
        (b'{"token":"t","expires_in":-5}', 60),
        (b'{"token":"t","expires_in":"soon"}', 60),
        (b'{"token":"t","expires_in":null}', 60),
        (b'{"token":"t","expires_in":[1]}', 60),
        (b'{"token":"t","expires_in":1e300}', 86400),
        (b'{"token":"t","issued_at":"2999-01-01T00:00:00Z"}', 60),
    ],
)
def test_a_token_lives_as_long_as_is_said_else_a_minute(body: bytes, life: float) -> None:
    assert outcome(ME, answered(body)) == Token(Secret("Bearer t"), life)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (answered(b"{}"), DeniedError),
        (answered(b'{"token":""}'), DeniedError),
        (answered(b"<html>"), DeniedError),
        (answered(b'{"token":"a b"}'), DeniedError),
        (answered(b'{"token":"a\\r\\nX: y"}'), DeniedError),
        (answered(b'{"token":7}'), DeniedError),
        (answered(b"[" * 100_000), DeniedError),
        (answered(b"", 404), DeniedError),
        (answered(b"", 302), InputError),
        (answered(b"", 429), UnavailableError),
        (answered(b"", 500), UnavailableError),
    ],
)
def test_a_token_server_that_gives_none_is_a_clear_error(answer: Response, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"reg\.example\.com: its token server") as refused:
        outcome(ME, answer)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_token_server_may_refuse_the_credentials(status: int) -> None:
    assert isinstance(outcome(ME, answered(b"hunter2", status)), Refusal)


@pytest.mark.parametrize("status", [404, 405])
def test_a_token_server_without_post_says_that_identity_tokens_are_no_use(status: int) -> None:
    with pytest.raises(DeniedError, match="takes no identity token"):
        outcome(IDENTITY, answered(b"", status))


def test_nothing_on_the_way_shows_a_secret() -> None:
    shown = [
        ME,
        IDENTITY,
        request_for(REALM, ME),
        request_for(REALM, IDENTITY),
        outcome(ME, answered(b'{"token":"tok"}')),
    ]
    text = " ".join(f"{value!r} {value}" for value in shown)
    for secret in ("hunter2", "refresh me", "Bearer tok", ME.basic(), "refresh_token"):
        assert secret not in text
