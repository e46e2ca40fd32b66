"""An imitation of Replicate's registry: what a Cog user does there first, and what its users met (replicate/cog).

Its bodies end at a limit of the network in front of it (Cloudflare's 100 MB; 4 MB here), its tokens are given to
who logged in by `cog login`'s own addresses, and its refusals are those of the issues that are named.
"""

import base64
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from support.fake_registry import FakeRegistry
from support.faults import Seen, answer
from support.personalities import CLOUDFLARE, error
from support.world import Done, Project, World, noise, ok

from cogpack.registry import profiles

LOGIN = "Basic " + base64.b64encode(b"me:to/ken").decode()
LIMIT = 4_000_000
HTML = b"<html><h1>413 Request Entity Too Large</h1></html>"
FRONT = replace(
    CLOUDFLARE, minimum=None, maximum=None, equal_chunks=False, needs_length=False,
    largest={"PUT": (LIMIT, 413, HTML), "PATCH": (LIMIT, 413, HTML)},
)  # fmt: skip


class Replicate(FakeRegistry):
    """Gives its tokens to who is logged in."""

    def refuses(self, seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        if seen.path == "/token" and seen.headers.get("authorization") != LOGIN:
            said = "You are not logged in to Replicate. Run 'cog login' and try again."
            return 401, {}, error("UNAUTHORIZED", said)
        return super().refuses(seen)


@pytest.fixture
def replicate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replicate]:
    rows = tuple(
        msgspec.structs.replace(row, hosts=r"127\.0\.0\.1") if row.name == "Replicate" else row
        for row in profiles.PROFILES
    )
    monkeypatch.setattr(profiles, "PROFILES", rows)
    registry = Replicate(FRONT, auth="token")
    registry.pages = {
        "/cog/v1/display-token-url": lambda _: (200, {}, b'{"url": "https://replicate.test/auth/token"}'),
        "/cog/v1/verify-token": lambda body: (
            (200, {}, b'{"username": "me"}') if body == b"token=to%2Fken" else (404, {}, b"")
        ),
    }
    with registry.running():
        yield registry


class User:
    """Types commands in a project whose cog.yaml names the model there."""

    def __init__(self, project: Project, registry: Replicate, home: Path, patch: pytest.MonkeyPatch) -> None:
        self.project = project
        self.variables = {"COG_REGISTRY_HOST": registry.address, "DOCKER_CONFIG": str(home)}
        self.patch = patch

    def cogpack(self, *words: str, typed: str = "") -> Done:
        self.patch.setattr("sys.stdin", io.StringIO(typed))
        return self.project.cogpack(*words, **self.variables)

    def login(self, token: str = "to/ken") -> Done:
        return self.cogpack("login", "--token-stdin", typed=f"{token}\n")


@pytest.fixture
def user(world: World, replicate: Replicate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    files = {"w/model.pt": noise(9_000_000, 7)}
    project = world.project(files=files, config=f"image: {replicate.address}/me/model\n")
    return User(project, replicate, tmp_path / "docker", monkeypatch)


def test_who_logs_in_as_cog_does_pushes_what_cog_yaml_names(user: User, replicate: Replicate) -> None:
    ok(user.login())
    pushed = ok(user.cogpack("push", "--json")).json
    assert replicate.tags["me/model"]["latest"] == pushed["digest"]
    refused = [seen.size for seen in replicate.seen if seen.status == 413]
    assert len(refused) <= 3, "of each shape that is larger, one"
    again = ok(user.cogpack("push", "--json")).json
    assert (again["digest"], again["sent"]) == (pushed["digest"], 0)


def test_who_is_not_logged_in_is_told_how(user: User) -> None:
    """Issues 1243 and 1534."""
    done = user.cogpack("push")
    assert done.code == 4
    assert "right to push to me/model without credentials" in done.err
    assert "next: cogpack login 127.0.0.1" in done.err


@pytest.mark.parametrize(
    ("status", "code", "exit_code"), [(403, "DENIED", 4), (404, "NAME_UNKNOWN", 2)], ids=["issue 2093", "not found"]
)
def test_a_model_that_is_not_there_is_to_be_made(
    user: User, replicate: Replicate, status: int, code: str, exit_code: int
) -> None:
    ok(user.login())
    replicate.on("POST session", answer(status, error(code), times=50))
    done = user.cogpack("push")
    assert done.code == exit_code
    assert "make the model at https://replicate.com/create" in done.err
    assert replicate.tags.get("me/model", {}) == {}


def test_an_internal_error_of_the_last_step_is_tried_again(user: User, replicate: Replicate) -> None:
    """Issue 1278."""
    ok(user.login())
    said = error("UNKNOWN", "Internal error. Please try again!")
    replicate.on("PUT manifest", answer(500, said, times=2))
    pushed = ok(user.cogpack("push", "--json")).json
    assert replicate.tags["me/model"]["latest"] == pushed["digest"]


def test_a_blob_that_is_lost_before_the_last_step_is_sent_by_the_next_push(user: User, replicate: Replicate) -> None:
    """Issue 3164: `unknown blob`."""
    ok(user.login())
    refused = answer(404, error("MANIFEST_BLOB_UNKNOWN", "unknown blob"), times=9)
    lost: list[str] = []
    replicate.on("PUT manifest", refused, when=lambda seen: not lost)
    done = user.cogpack("push")
    assert done.code == 2
    assert "unknown blob" in done.err
    lost += [digest for digest, data in replicate.blobs["me/model"].items() if len(data) < LIMIT][:1]
    del replicate.blobs["me/model"][lost[0]]
    ok(user.cogpack("push"))
    assert lost[0] in replicate.blobs["me/model"]
