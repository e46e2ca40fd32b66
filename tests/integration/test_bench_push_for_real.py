"""`cogpack bench push` against a real registry: its uploads end, and nothing of them is left in its storage."""

import base64
import json
import shutil
from pathlib import Path

import pytest
from support import plain
from support.certificates import pem
from support.registry import docker_registry
from support.token_server import PASSWORD, USER, token_server

from cogpack.commands.bench_push import PushBench, bench_push
from cogpack.errors import DeniedError
from cogpack.session import Session, Settings

pytestmark = pytest.mark.integration

MB = 10**6


def measured(directory: Path, target: str, *, commit: bool = False) -> PushBench:
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    host = target.partition("/")[0]
    environment = {"HOME": str(directory), "DOCKER_AUTH_CONFIG": json.dumps({"auths": {host: {"auth": login}}})}
    with Session(Settings(environment=environment, directory=directory, cache=directory / "cache")) as session:
        return bench_push(session, target, room=40 * MB, commit=commit)


def left(storage: Path) -> list[str]:
    """The bytes of uploads and blobs that are there. Distribution 2.8 keeps the state of its hash, 108 bytes, of each
    upload that is cancelled, until it looks for old ones."""
    return [str(path) for path in storage.rglob("data")]


def test_nothing_is_left_in_its_storage(tmp_path: Path) -> None:
    with docker_registry(tmp_path / "registry") as address:
        found = measured(tmp_path, f"{address}/me/new")
        assert left(tmp_path / "registry") == []
    assert found.uploads.cancels
    assert {one.shape for one in found.uploads.shapes if one.taken} == {"stream", "chunks"}
    assert found.uploads.finishing.how == "refused"
    assert found.measured is not None
    assert found.sent <= 40 * MB


def test_the_blob_that_is_made_on_demand_is_deleted(tmp_path: Path) -> None:
    """This registry throws its bytes away only when its garbage is collected (docs/bench.md)."""
    with docker_registry(tmp_path / "registry") as address:
        found = measured(tmp_path, f"{address}/me/new", commit=True)
        (data,) = left(tmp_path / "registry")
        digest = data.split("/")[-2]
        assert plain.head(f"http://{address}/v2/me/new/blobs/sha256:{digest}").status_code == 404
    assert (found.uploads.finishing.how, found.uploads.finishing.size, found.left) == ("stored", 16 * 2**20, ())


def test_the_right_to_delete_is_asked_for_to_cancel(tmp_path: Path) -> None:
    with token_server(tmp_path / "tokens") as tokens, docker_registry(tmp_path / "registry", token=tokens) as address:
        found = measured(tmp_path, f"{address}/me/new")
        assert left(tmp_path / "registry") == []
    assert found.uploads.cancels
    assert {scope for scopes in tokens.asked for scope in scopes} == {
        "repository:me/new:pull,push",
        "repository:me/new:pull,push,delete",
    }


def test_who_may_not_delete_leaves_uploads_to_expire_and_is_told(tmp_path: Path) -> None:
    with token_server(tmp_path / "tokens") as tokens, docker_registry(tmp_path / "registry", token=tokens) as address:
        tokens.rights = lambda _, __, actions: [action for action in actions if action != "delete"]
        found = measured(tmp_path, f"{address}/me/new")
    assert not found.uploads.cancels
    assert found.measured is not None


def test_uploads_over_tls_are_said_to_be(tmp_path: Path) -> None:
    authority = pem(tmp_path / "tls", "test authority", "test authority", authority=True)
    pair = pem(tmp_path / "tls", "registry", "test authority", names=("127.0.0.1",))
    with docker_registry(tmp_path / "registry", htpasswd=True, tls=pair) as address:
        trusted = tmp_path / ".config/containers/certs.d" / address / "ca.crt"
        trusted.parent.mkdir(parents=True)
        shutil.copy(authority.certificate, trusted)
        found = measured(tmp_path, f"{address}/me/new")
        assert left(tmp_path / "registry") == []
    assert (found.uploads.tls, found.uploads.cancels) == (True, True)


def test_who_may_only_read_is_refused(tmp_path: Path) -> None:
    with token_server(tmp_path / "tokens") as tokens, docker_registry(tmp_path / "registry", token=tokens) as address:
        tokens.rights = lambda _, __, actions: [action for action in actions if action == "pull"]
        with pytest.raises(DeniedError, match="the right to push to me/new"):
            measured(tmp_path, f"{address}/me/new")
    assert left(tmp_path / "registry") == []
