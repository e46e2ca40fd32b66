"""A registry's challenge is remembered from run to run: a hint, which ends nothing when it is wrong."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.fake_http import Answer, Fake, Request, serving
from support.sockets import server_tls
from support.token_server import TokenServer, token_server
from trustme import CA

from cogpack.http import Http
from cogpack.reference import Reference
from cogpack.registry.auth.authorizer import Tokens
from cogpack.registry.auth.challenge import parse_challenges
from cogpack.registry.auth.remembered import RememberedChallenges
from cogpack.registry.credentials import Credentials
from cogpack.registry.requests import Requests
from cogpack.seal import Seal

SEAL = Seal(b"k" * 32)
AUTHORITY = CA()
DAY = 24 * 3600.0


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenServer]:
    with token_server(tmp_path / "tokens", server_tls(AUTHORITY, "127.0.0.1")) as found:
        yield found


def wanting(tokens: TokenServer, methods: str = "GET PUT", *, wrong: int = 401) -> Callable[[Request], Answer]:
    """Answer as a registry does that wants a token for some methods, `wrong` to one that is none of its own."""

    def script(request: Request) -> Answer:
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if request.method in methods and sent not in tokens.issued:
            return wrong if sent else 401, {"WWW-Authenticate": tokens.challenge}, b"{}"
        return 200, {}, b"{}"

    return script


def memory(place: Path) -> RememberedChallenges:
    return RememberedChallenges(place, SEAL, used=lambda _: None)


def run(fake: Fake, place: Path, *methods: str, seal: Seal = SEAL, status: int = 200) -> list[str]:
    """Ask as one run of ours does; answer the methods that the registry saw, those with a token in capitals.
    `status`: of the last answers."""
    remembered = RememberedChallenges(place, seal, used=lambda _: None)
    credentials = Credentials.from_environment({"HOME": "/nonexistent"})
    before = len(fake.seen)
    AUTHORITY.cert_pem.write_to_path(trusted := f"{place}.pem")
    with Http(environment={"SSL_CERT_FILE": trusted, "HOME": "/nonexistent"}) as http:
        reference = Reference.parse(f"{fake.address}/a/b")
        requests = Requests(http, reference, credentials, ("pull",), Tokens(remembered))
        requests.approach()
        for method in methods:
            answer = requests.request(method, requests.url("manifests", "v1"), body=b"{}" if method == "PUT" else None)
            assert answer.status == status
    seen = fake.seen[before:]
    return [one.method if "authorization" in one.headers else one.method.lower() for one in seen]


def test_the_next_run_has_its_token_before_it_asks(tokens: TokenServer, tmp_path: Path) -> None:
    with serving(wanting(tokens)) as fake:
        assert run(fake, tmp_path / "kept", "GET", "GET") == ["get", "GET", "GET"]
        assert run(fake, tmp_path / "kept", "GET", "GET") == ["GET", "GET"]
        assert len(tokens.issued) == 2
        assert (fake.connections, tokens.fake.connections) == (2, 2), "those that were opened before are taken"


def test_what_another_laid_there_does_not_count(tokens: TokenServer, tmp_path: Path) -> None:
    with serving(wanting(tokens)) as fake:
        run(fake, tmp_path / "kept", "GET", seal=Seal(b"o" * 32))
        assert run(fake, tmp_path / "kept", "GET") == ["get", "GET"]
        (kept,) = (tmp_path / "kept").iterdir()
        kept.write_bytes(b"half")
        assert run(fake, tmp_path / "kept", "GET") == ["get", "GET"]


def test_a_registry_that_moved_its_token_server_says_so_anew(tokens: TokenServer, tmp_path: Path) -> None:
    with serving(lambda _: (404, {}, b""), server_tls(AUTHORITY, "127.0.0.1")) as gone:
        old = f'Bearer realm="{gone.url}/token"'
        with serving(wanting(tokens)) as fake:
            memory(tmp_path / "kept").keep(f"{fake.url}/v2/", parse_challenges(old))
            assert run(fake, tmp_path / "kept", "GET") == ["get", "GET"]
            assert len(gone.seen) == 1
            assert run(fake, tmp_path / "kept", "GET") == ["GET"]


@pytest.mark.parametrize(
    ("wrong", "asked"), [(401, ["GET", "GET"]), (400, ["GET", "get", "GET"]), (403, ["GET", "get", "GET"])]
)
def test_a_token_of_a_wrong_memory_is_refused_once(
    tokens: TokenServer, tmp_path: Path, wrong: int, asked: list[str]
) -> None:
    """Another token server gives tokens, too, which are none for this registry."""
    with token_server(tmp_path / "others", server_tls(AUTHORITY, "127.0.0.1")) as others:
        with serving(wanting(tokens, wrong=wrong)) as fake:
            memory(tmp_path / "kept").keep(f"{fake.url}/v2/", parse_challenges(others.challenge))
            assert run(fake, tmp_path / "kept", "GET") == asked
            assert run(fake, tmp_path / "kept", "GET") == ["GET"]
            assert len(others.issued) == 1


def test_a_refusal_without_a_challenge_has_the_registry_say_one_and_not_the_memory(
    tokens: TokenServer, tmp_path: Path
) -> None:
    """As gcr.io refuses: what an earlier run left may be what was refused, and would be asked again for nothing."""

    def script(request: Request) -> Answer:
        answer = wanting(tokens)(request)
        return (401, {}, b"{}") if answer[0] == 401 and request.path != "/v2/" else answer

    with token_server(tmp_path / "others", server_tls(AUTHORITY, "127.0.0.1")) as others, serving(script) as fake:
        memory(tmp_path / "kept").keep(f"{fake.url}/v2/", parse_challenges(others.challenge))
        assert run(fake, tmp_path / "kept", "GET") == ["GET", "get", "GET"]
        assert len(others.issued) == 1


def test_where_a_memory_was_borne_out_a_refusal_is_one(tokens: TokenServer, tmp_path: Path) -> None:
    """And where it was not, the registry is asked once without: it says how it wants to be asked, and refuses again."""

    def script(request: Request) -> Answer:
        answer = wanting(tokens)(request)
        return (403, {}, b"{}") if answer[0] == 200 and request.method == "PUT" else answer

    with serving(script) as fake:
        run(fake, tmp_path / "kept", "GET")
        assert run(fake, tmp_path / "kept", "PUT", status=403) == ["PUT", "put", "PUT"]
        fake.seen.clear()
        credentials = Credentials.from_environment({"HOME": "/nonexistent"})
        AUTHORITY.cert_pem.write_to_path(trusted := f"{tmp_path}/trusted.pem")
        with Http(environment={"SSL_CERT_FILE": trusted, "HOME": "/nonexistent"}) as http:
            reference = Reference.parse(f"{fake.address}/a/b")
            requests = Requests(http, reference, credentials, ("pull",), Tokens(memory(tmp_path / "kept")))
            for method in ("GET", "PUT"):
                requests.request(method, requests.url("manifests", "v1"), body=b"{}" if method == "PUT" else None)
        assert ["authorization" in one.headers for one in fake.seen] == [True, True]


def test_a_token_server_without_tls_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever had its port by the next run would be sent the password, and the registry not be asked."""
    with token_server(tmp_path / "tokens") as plain, serving(wanting(plain)) as fake:
        base = f"{fake.url}/v2/"
        run(fake, tmp_path / "kept", "GET")
        assert not (tmp_path / "kept").exists()
        before = memory(tmp_path / "kept")
        before.keep(base, parse_challenges("Basic"))
        before.find(base)
        before.keep(base, parse_challenges(plain.challenge))
        assert memory(tmp_path / "kept").find(base) == [], "what it said before does not hold any more"
        with monkeypatch.context() as patch:
            patch.setattr("cogpack.registry.auth.remembered._may_be_kept", lambda *_: True)
            memory(tmp_path / "kept").keep(base, parse_challenges(plain.challenge))
        asked = len(plain.fake.seen)
        assert run(fake, tmp_path / "kept", "GET") == ["get", "GET"], "nor is one that was kept used"
        assert len(plain.fake.seen) == asked + 1


def test_a_registry_that_is_its_own_token_server_is_remembered_by_its_very_port(tmp_path: Path) -> None:
    with token_server(tmp_path / "tokens") as plain:

        def script(request: Request) -> Answer:
            if request.path.startswith("/token"):
                return plain.answer(request)
            status, headers, body = wanting(plain)(request)
            return status, {name: text.replace(plain.fake.url, fake.url) for name, text in headers.items()}, body

        with serving(script) as fake:
            assert run(fake, tmp_path / "kept", "GET") == ["get", "get", "GET"]
            assert run(fake, tmp_path / "kept", "GET") == ["get", "GET"], "the first is for the token"


def test_a_memory_serves_for_a_week(tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    with serving(wanting(tokens)) as fake:
        for later, asked in ((0, 2), (6 * DAY, 1), (8 * DAY, 2), (14 * DAY, 1), (7 * DAY, 2)):
            with monkeypatch.context() as patch:
                patch.setattr("cogpack.registry.auth.remembered.time.time", lambda later=later: now + later)
                assert len(run(fake, tmp_path / "kept", "GET")) == asked, later


def test_a_registry_that_answers_everybody_at_first_is_not_remembered(tokens: TokenServer, tmp_path: Path) -> None:
    """Else a pull of what is public would wait for a token that it does not want."""
    with serving(wanting(tokens, "PUT")) as fake:
        assert run(fake, tmp_path / "kept", "GET", "PUT") == ["get", "put", "PUT"]
        assert not (tmp_path / "kept").exists()
        assert run(fake, tmp_path / "kept", "GET") == ["get"]


def test_a_refusal_of_one_repository_leaves_the_memory_of_the_registry(tokens: TokenServer, tmp_path: Path) -> None:
    with serving(wanting(tokens)) as fake:
        run(fake, tmp_path / "kept", "GET")
        tokens.faults.append((403, {}, b"{}"))
        asked = len(tokens.fake.seen)
        assert run(fake, tmp_path / "kept", "HEAD", "HEAD") == ["head", "head"]
        assert len(tokens.fake.seen) == asked + 1, "it is asked once, and not before each request"
        assert run(fake, tmp_path / "kept", "GET") == ["GET"]


def test_what_was_said_or_written_meanwhile_is_not_forgotten(tmp_path: Path) -> None:
    base, old, new = "https://registry.example/v2/", parse_challenges("Basic"), parse_challenges('Basic realm="new"')
    memory(tmp_path).keep(base, old)
    mine = memory(tmp_path)
    assert mine.find(base) == old
    memory(tmp_path).keep(base, new)
    mine.forget(base)
    assert memory(tmp_path).find(base) == new
    tokens = Tokens(mine)
    assert tokens.challenges(base) == new
    tokens.hear(base, new, first=True)
    tokens.forget(base)
    assert (tokens.challenges(base), memory(tmp_path).find(base)) == (new, new)
    tokens = Tokens(mine)
    assert tokens.challenges(base) == new
    tokens.forget(base)
    assert (tokens.challenges(base), memory(tmp_path).find(base)) == ([], [])
