"""Who may use our server, and from where."""

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support import plain
from support.registry import PASSWORD, USER
from support.wire import codes, digest_of

from cogpack.errors import InputError
from cogpack.registry.server import Server, User

pytestmark = pytest.mark.slow


def basic(user: str, password: str, scheme: str = "Basic") -> dict[str, str]:
    return {"Authorization": f"{scheme} {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    with (
        Server(tmp_path / "registry", user=User(USER, PASSWORD)) as server,
        plain.client(base_url=f"http://{server.address}/v2") as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", f"/a/blobs/{digest_of(b'')}"),
        ("HEAD", "/a/manifests/v1"),
        ("POST", "/a/blobs/uploads/"),
        ("PUT", "/a/manifests/v1"),
        ("DELETE", "/a/manifests/v1"),
        ("GET", "/A//none"),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic(USER, PASSWORD + "x"),
        basic(USER, ""),
        basic("other", PASSWORD),
        basic(USER, PASSWORD, "Bearer"),
        {"Authorization": "Basic"},
        {"Authorization": "Basic \xff"},
    ],
    ids=["none", "wrong", "empty", "other user", "bearer", "no token", "no base64"],
)
def test_nobody_else_learns_or_changes_anything(
    client: httpx.Client, method: str, path: str, headers: dict[str, str]
) -> None:
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = client.request(method, path, headers=sent)  # type: ignore[arg-type]
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert method == "HEAD" or codes(answer) == ["UNAUTHORIZED"]


@pytest.mark.parametrize("scheme", ["Basic", "basic"])
def test_the_user_gets_in(client: httpx.Client, scheme: str) -> None:
    assert client.get("/", headers=basic(USER, PASSWORD, scheme)).status_code == 200


@pytest.mark.parametrize("password", ["a:b", "pässwörd", " "])
def test_any_password_may_be_chosen_but_none(tmp_path: Path, password: str) -> None:
    with Server(tmp_path / "registry", user=User("me", password)) as server:
        assert plain.get(f"http://{server.address}/v2/", headers=basic("me", password)).status_code == 200


@pytest.mark.parametrize(("name", "password"), [("", "x"), ("a:b", "x"), ("me", "")])
def test_a_user_who_could_not_log_in_is_refused(name: str, password: str) -> None:
    with pytest.raises(InputError):
        User(name, password)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_server_that_all_may_use_listens_on_loopback_only(tmp_path: Path, host: str) -> None:
    with pytest.raises(InputError, match="anybody may push"):
        Server(tmp_path / "registry", host=host)
    assert not (tmp_path / "registry").exists()
