"""A registry's challenge is remembered from run to run: a hint, which ends nothing when it is wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.fake_http import Answer, Fake, Request, serving
from support.token_server import TokenServer, token_server

from cogpack.http import Http
from cogpack.reference import Reference
from cogpack.registry.auth.authorizer import Tokens
from cogpack.registry.auth.challenge import parse_challenges
from cogpack.registry.auth.remembered import RememberedChallenges
from cogpack.registry.credentials import Credentials
from cogpack.registry.requests import Requests
from cogpack.seal import Seal

SEAL = Seal(b"k" * 32)


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenServer]:
    with token_server(tmp_path / "tokens") as found:
        yield found


def wanting(tokens: TokenServer, methods: str = "GET PUT") -> Callable[[Request], Answer]:
    """Answer as a registry does that wants a token for some methods."""

    def script(request: Request) -> Answer:
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if request.method in methods and sent not in tokens.issued:
            return 401, {"WWW-Authenticate": tokens.challenge}, b"{}"
        return 200, {}, b"{}"

    return script


def run(fake: Fake, place: Path, *methods: str, seal: Seal = SEAL) -> list[str]:
    """Ask as one run of ours does; answer the methods that the registry saw, those with a token in capitals."""
    remembered = RememberedChallenges(place, seal, used=lambda _: None)
    credentials = Credentials.from_environment({"HOME": "/nonexistent"})
    before = len(fake.seen)
    with Http() as http:
        reference = Reference.parse(f"{fake.address}/a/b")
        requests = Requests(http, reference, credentials, ("pull",), Tokens(remembered))
        requests.approach()
        for method in methods:
            answer = requests.request(method, requests.url("manifests", "v1"), body=b"{}" if method == "PUT" else None)
            assert answer.status == 200
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
    with serving(lambda _: (404, {}, b"")) as gone:
        old = f'Bearer realm="{gone.url}/token"'
        kept = RememberedChallenges(tmp_path / "kept", SEAL, used=lambda _: None)
        with serving(wanting(tokens)) as fake:
            kept.keep(f"{fake.url}/v2/", parse_challenges(old))
            assert run(fake, tmp_path / "kept", "GET") == ["get", "GET"]
            assert len(gone.seen) == 1
            assert run(fake, tmp_path / "kept", "GET") == ["GET"]


def test_a_token_of_a_wrong_memory_is_refused_once(tokens: TokenServer, tmp_path: Path) -> None:
    """Another token server gives tokens, too, which are none for this registry."""
    with token_server(tmp_path / "others") as others, serving(wanting(others)) as before:
        run(before, tmp_path / "kept", "GET")
        (kept,) = (tmp_path / "kept").iterdir()
        with serving(wanting(tokens)) as fake:
            memory = RememberedChallenges(tmp_path / "kept", SEAL, used=lambda _: None)
            memory.keep(f"{fake.url}/v2/", parse_challenges(others.challenge))
            assert run(fake, tmp_path / "kept", "GET") == ["GET", "GET"]
            assert run(fake, tmp_path / "kept", "GET") == ["GET"]
        assert kept.exists()


def test_a_registry_that_answers_everybody_at_first_is_not_remembered(tokens: TokenServer, tmp_path: Path) -> None:
    """Else a pull of what is public would wait for a token that it does not want."""
    with serving(wanting(tokens, "PUT")) as fake:
        assert run(fake, tmp_path / "kept", "GET", "PUT") == ["get", "put", "PUT"]
        assert not (tmp_path / "kept").exists()
        assert run(fake, tmp_path / "kept", "GET") == ["get"]
