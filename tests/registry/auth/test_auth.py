"""One refresh for all threads, in time; and what follows when a token is refused. The token server is on loopback."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.fake_http import Answer, Request, serving
from support.sockets import flooding
from support.token_server import PASSWORD, REFRESH_TOKEN, USER, TokenServer, token_server

from cogpack.errors import DeniedError, InputError, UnavailableError
from cogpack.http import Http, Trust
from cogpack.registry.auth.authorizer import Authorizer, Tokens
from cogpack.registry.auth.challenge import parse_challenges
from cogpack.registry.auth.remembered import RememberedChallenges
from cogpack.registry.credentials import Account, Credentials, Kind, Login, Secret
from cogpack.registry.credentials.findings import Finding
from cogpack.seal import Seal

pytestmark = pytest.mark.slow

ME = Login(USER, Secret(PASSWORD), source="a file")
WRONG = Login(USER, Secret("hunter2"), source="a file")
HOST = "localhost:5000"
PUSH = "repository:a/b:pull,push"


class Clock:
    """The monotonic clock of `cogpack.registry`, moved by hand."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("cogpack.registry.credentials.login.time", clock)
    return clock


@pytest.fixture
def http(clock: Clock) -> Iterator[Http]:
    with Http(clock=clock.monotonic) as found:
        yield found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TokenServer]:
    with token_server(tmp_path) as found:
        yield found


def account(*logins: Login | None) -> Account:
    """Each look at the sources finds the next of `logins`, the last one for ever."""
    left = list(logins)

    def look() -> Finding:
        return Finding("", left.pop(0) if len(left) > 1 else left[0])

    return Account(HOST, look)


def authorizer(http: Http, who: Account, *wanted: str, tokens: Tokens | None = None) -> Authorizer:
    return Authorizer(http, HOST, who, wanted or (PUSH,), tokens=tokens)


def test_before_the_first_challenge_nothing_is_sent_and_nobody_asked(http: Http) -> None:
    def look() -> Finding:
        raise AssertionError("asked")

    assert authorizer(http, Account(HOST, look)).header() is None


def test_one_refresh_serves_twenty_workers(http: Http, server: TokenServer) -> None:
    shared = authorizer(http, account(ME))
    together = threading.Barrier(20)

    def work(_: int) -> str | None:
        together.wait()
        shared.challenged(server.challenge, None)
        return shared.header()

    with ThreadPoolExecutor(20) as pool:
        headers = set(pool.map(work, range(20)))
    assert headers == {f"Bearer {server.issued[0]}"}
    assert len(server.issued) == 1


def test_the_push_scope_is_asked_first_and_the_challenges_joined_to_it(http: Http, server: TokenServer) -> None:
    one = authorizer(http, account(ME))
    one.challenged(f'{server.challenge},scope="repository:a/b:pull repository:c/d:pull"', None)
    assert server.asked == [[PUSH, "repository:c/d:pull"]]


def test_a_mount_asks_for_its_source_and_leaves_the_other_token_alone(http: Http, server: TokenServer) -> None:
    one = authorizer(http, account(ME))
    one.challenged(server.challenge, None)
    for source in ("c", "d", "e", "f", "g", "c"):
        one.header(f"repository:{source}:pull")
    assert server.asked == [[PUSH]] + [[PUSH, f"repository:{source}:pull"] for source in "cdefg"]
    assert one.header() == f"Bearer {server.issued[0]}"


def test_tokens_are_kept_by_host_account_and_set_of_scopes(http: Http, server: TokenServer) -> None:
    tokens = Tokens()
    other = Login("other", Secret("x"), source="a file")
    first = authorizer(http, account(ME), tokens=tokens)
    first.challenged(server.challenge, None)
    again = authorizer(http, account(ME), tokens=tokens)
    assert again.header() == first.header()  # without a challenge of its own
    assert authorizer(http, account(None), tokens=tokens).header() != first.header()
    assert authorizer(http, account(ME), "repository:a/b:pull", tokens=tokens).header() != first.header()
    elsewhere = Authorizer(http, "localhost:5001", account(ME), (PUSH,), tokens=tokens)
    assert elsewhere.header() is None
    assert len(server.issued) == 3
    assert authorizer(http, account(other), tokens=tokens).header() is None  # refused: the registry shall say so


@pytest.mark.parametrize(
    ("life", "header_renewed_after", "body_renewed_after"),
    [(300, 240, 240), (60, 48, 30), (10, 5, 5), (7200, 6600, 6600)],
)
def test_a_token_is_renewed_before_it_ends_and_earlier_for_a_body(
    http: Http, server: TokenServer, clock: Clock, life: int, header_renewed_after: int, body_renewed_after: int
) -> None:
    server.life = life
    one = authorizer(http, account(ME))

    def renewed(age: float, *, body: bool) -> bool:
        one.challenged(server.challenge, one.header())
        before = len(server.issued)
        clock.now += age
        (one.fresh_header if body else one.header)()
        return len(server.issued) > before

    assert [renewed(header_renewed_after + by, body=False) for by in (-1, 1)] == [False, True]
    assert [renewed(body_renewed_after + by, body=True) for by in (-1, 1)] == [False, True]


def test_the_wall_clock_may_jump(http: Http, server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    one = authorizer(http, account(ME))
    one.challenged(server.challenge, None)
    wall = time.time
    for by in (3600, -3600):
        monkeypatch.setattr(time, "time", lambda by=by: wall() + by)
        assert one.fresh_header() == f"Bearer {server.issued[0]}"


@pytest.mark.slow
def test_a_refresh_that_fails_keeps_the_old_token_until_it_is_refused(
    http: Http, server: TokenServer, clock: Clock
) -> None:
    one = authorizer(http, account(ME))
    one.challenged(server.challenge, None)
    old = one.header()
    clock.now += 299
    server.faults += [(503, {}, b"")] * 4
    assert one.fresh_header() == old
    assert one.fresh_header() == old
    assert not server.faults  # and it is not asked again at once
    server.faults += [(503, {}, b"")] * 999
    with pytest.raises(UnavailableError, match="503"):
        one.challenged(server.challenge, old)


@pytest.mark.parametrize("status", [500, 429])
def test_a_token_server_in_trouble_is_asked_again(http: Http, server: TokenServer, status: int) -> None:
    server.faults += [(status, {}, b"")] * 2
    one = authorizer(http, account(ME))
    one.challenged(server.challenge, None)
    assert one.header() == f"Bearer {server.issued[0]}"


def test_a_redirected_token_server_gets_no_second_request(http: Http, server: TokenServer) -> None:
    with serving(lambda _: (200, {}, b'{"token":"t"}')) as elsewhere:
        server.faults.append((307, {"Location": elsewhere.url}, b""))
        with pytest.raises(InputError, match="sends us elsewhere"):
            authorizer(http, account(ME)).challenged(server.challenge, None)
    assert elsewhere.seen == []


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.1.2.3"])
@pytest.mark.parametrize("who", [ME, Login("", Secret(REFRESH_TOKEN), Kind.IDENTITY_TOKEN), None])
def test_a_token_is_asked_for_on_the_word_of_the_registry_which_may_not_lead_inside(
    server: TokenServer, address: str, who: Login | None
) -> None:
    """A2: where the realm's name leads is looked at when it is connected to."""
    named = {"registry.example": "93.184.216.34", "tokens.example": address}
    challenge = server.challenge.replace("127.0.0.1", "tokens.example")
    trust = Trust(insecure_hosts=frozenset(named), insecure_credentials=frozenset(named))
    with Http(trust=trust, resolver=lambda name, port: [named[name]]) as http:
        one = Authorizer(http, "registry.example", account(who), (PUSH,))
        with pytest.raises(InputError, match=rf"registry\.example sends us to tokens\.example \({address}\)"):
            one.challenged(challenge, None)
    assert server.fake.seen == []


def test_an_answer_of_mebibytes_is_not_read_to_its_end(http: Http) -> None:
    with flooding(256 * 2**20) as (place, taken):
        with pytest.raises(InputError, match="longer than 131072"):
            authorizer(http, account(ME)).challenged(f'Bearer realm="{place.url()}"', None)
        assert taken() < 32 * 2**20


def test_an_identity_token_gets_a_token_by_post(http: Http, server: TokenServer) -> None:
    login = Login("", Secret(REFRESH_TOKEN), Kind.IDENTITY_TOKEN)
    one = authorizer(http, account(login))
    one.challenged(server.challenge, None)
    assert one.header() == f"Bearer {server.issued[0]}"
    assert [request.method for request in server.fake.seen] == ["POST"]
    assert REFRESH_TOKEN not in server.fake.seen[0].path


def test_the_sources_are_asked_again_once_when_the_realm_refuses(http: Http, server: TokenServer) -> None:
    one = authorizer(http, account(WRONG, ME))
    one.challenged(server.challenge, None)
    assert one.header() == f"Bearer {server.issued[0]}"
    with pytest.raises(DeniedError):
        authorizer(http, account(WRONG, Login(USER, Secret("no better")), ME)).challenged(server.challenge, None)
    assert len(server.fake.seen) == 4


def test_a_refusal_names_the_right_and_the_source_and_no_secret(http: Http, server: TokenServer) -> None:
    with pytest.raises(DeniedError) as refused:
        authorizer(http, account(WRONG)).challenged(server.challenge, None)
    assert refused.value.message == (
        f"{HOST} refused the right to push to a/b with the password of user from a file "
        "(its token server answered HTTP 401)"
    )
    assert refused.value.next_step == f"cogpack login {HOST}"
    denied = authorizer(http, account(None), "repository:a/b:pull").denied("DENIED: no")
    assert denied.message == f"{HOST} refused the right to pull from a/b without credentials (DENIED: no)"


def test_a_refused_basic_header_is_not_sent_twice(http: Http) -> None:
    one = authorizer(http, account(ME))
    one.challenged("Basic realm=x", None)
    assert one.header() == ME.basic()
    with pytest.raises(DeniedError, match=r"push to a/b with the password of user from a file \(HTTP 401\)"):
        one.challenged("Basic realm=x", ME.basic())


def test_basic_credentials_are_looked_up_again_when_refused_or_ended(http: Http, clock: Clock) -> None:
    short = Login(USER, Secret("one"), source="AWS", ends=clock.now + 100)
    longer = Login(USER, Secret("two"), source="AWS", ends=clock.now + 1000)
    one = authorizer(http, account(short, longer, ME))
    one.challenged("Basic", None)
    assert one.header() == short.basic()
    clock.now += 101
    assert one.header() == longer.basic()
    one.challenged("Basic", longer.basic())
    assert one.header() == ME.basic()


def test_a_login_that_ends_ends_what_came_of_a_remembered_challenge(http: Http, clock: Clock, tmp_path: Path) -> None:
    remembered = RememberedChallenges(tmp_path, Seal(b"k" * 32), used=lambda _: None)
    remembered.keep(f"{http.base(HOST)}/v2/", parse_challenges("Basic"))
    short = Login(USER, Secret("one"), source="AWS", ends=clock.now + 100)
    longer = Login(USER, Secret("two"), source="AWS")
    one = authorizer(http, account(short, longer), tokens=Tokens(remembered))
    assert one.header() == short.basic()
    clock.now += 101
    assert one.header() == longer.basic()


def test_a_401_without_a_challenge_asks_the_registry_for_one(http: Http, server: TokenServer) -> None:
    def script(request: Request) -> Answer:
        return 401, {"WWW-Authenticate": server.challenge} if request.path == "/v2/" else {}, b""

    with serving(script) as registry:
        one = Authorizer(http, registry.address, account(ME), (PUSH,))
        one.challenged("", None)
        assert one.header() == f"Bearer {server.issued[0]}"
        assert [request.path for request in registry.seen] == ["/v2/"]
        assert "authorization" not in registry.seen[0].headers
        one.challenged("", one.header())
        assert len(registry.seen) == 1  # the challenge is known


def test_a_registry_that_never_says_how_is_a_refusal(http: Http) -> None:
    with serving(lambda _: (401, {}, b"")) as registry:
        with pytest.raises(DeniedError, match="no way to log in"):
            Authorizer(http, registry.address, account(ME), (PUSH,)).challenged("", None)


def test_a_challenge_of_one_repository_adds_nothing_to_anothers_token(http: Http, server: TokenServer) -> None:
    tokens = Tokens()
    authorizer(http, account(ME), tokens=tokens).challenged(f'{server.challenge},scope="{PUSH}"', None)
    authorizer(http, account(ME), "repository:other:pull", tokens=tokens).header()
    assert server.asked[-1] == ["repository:other:pull"]


def test_two_registries_and_two_paths_each_get_their_own_user(tmp_path: Path) -> None:
    auths = {
        "one.example.com": {"username": "host-one", "password": "x"},
        "two.example.com": {"username": "host-two", "password": "x"},
        "two.example.com/team": {"username": "team", "password": "x"},
    }
    environment = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": auths}), "HOME": str(tmp_path)}
    credentials = Credentials.from_environment(environment)

    def user(host: str, repository: str) -> Any:
        login = credentials.find(host, repository).login()
        return login and login.user

    assert user("one.example.com", "team/model") == "host-one"
    assert user("two.example.com", "team/model") == "team"
    assert user("two.example.com", "teams/model") == "host-two"
    assert user("three.example.com", "team/model") is None
