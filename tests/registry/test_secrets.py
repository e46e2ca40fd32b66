"""Secrets planted wherever credentials pass; nothing that is printed, logged or raised may hold one."""

import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fake_http import Answer, Request, serving
from support.fake_registry import FakeRegistry
from support.faults import answer, reset
from support.personalities import DIST3, error

from cogpack.digest import sha256
from cogpack.errors import CogpackError
from cogpack.http import Http
from cogpack.oci import Descriptor
from cogpack.reference import Reference
from cogpack.registry import profiles
from cogpack.registry.auth.authorizer import Tokens
from cogpack.registry.credentials import Credentials
from cogpack.registry.profiles import Profile
from cogpack.registry.pull.connections import Fetcher
from cogpack.registry.repository import Repository

pytestmark = pytest.mark.slow

PASSWORD, IDENTITY, TOKEN, HELPER = "planted-password", "planted-refresh", "planted-token", "planted-by-helper"
PLANTED = (PASSWORD, IDENTITY, TOKEN, HELPER, "cGxhbnRlZ", "planted")

Script = Callable[[Request, str], Answer]


def bearer(request: Request, address: str) -> Answer:
    return 401, {"WWW-Authenticate": f'Bearer realm="http://{address}/token?key=planted",service="s"'}, b""


def given(request: Request, address: str) -> Answer:
    return 200, {}, json.dumps({"token": TOKEN, "refresh_token": IDENTITY}).encode()


def says(status: int, **headers: str) -> Script:
    return lambda request, address: (status, headers, f"<html>{PASSWORD} {TOKEN}".encode())


ENTRIES: dict[str, dict[str, object]] = {
    "password": {"username": "me", "password": PASSWORD},
    "identity token": {"username": "me", "identitytoken": IDENTITY},
    "registry token": {"registrytoken": TOKEN},
    "broken": {"auth": [PASSWORD]},
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    "token_server", [given, says(200), says(401), says(404), says(500), says(302, Location="https://a/?sig=planted")]
)
def test_no_failure_of_a_login_shows_what_it_was_made_with(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    entry: str,
    token_server: Script,
) -> None:
    caplog.set_level(logging.DEBUG)
    notes: list[str] = []
    places: list[str] = []

    def script(request: Request) -> Answer:
        return (token_server if request.path.startswith("/token") else bearer)(request, places[0])

    with serving(script) as fake, Http() as http:
        places.append(fake.address)
        (tmp_path / "config.json").write_text(json.dumps({"auths": {fake.address: ENTRIES[entry]}}))
        environment = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
        credentials = Credentials.from_environment(environment, http, note=lambda note: notes.append(note.text))
        tokens = Tokens()
        reference = Reference.parse(f"{fake.address}/a/b")
        repository = Repository(http, reference, credentials, actions=("pull", "push"), tokens=tokens)
        with pytest.raises(CogpackError) as failed:
            repository.manifest("v1")
        account = credentials.find(reference.registry, reference.repository)
        values = (repository, tokens, credentials, account, account.login(), credentials.explain(fake.address, "a/b"))
    shown = [
        *traceback.format_exception(failed.value),
        failed.value.next_step,
        *notes,
        *(f"{value!r} {value}" for value in values),
        *(record.getMessage() for record in caplog.records if record.name.partition(".")[0] == "cogpack"),
        *capfd.readouterr(),
    ]
    assert len(shown) > 8
    assert not [secret for secret in PLANTED for text in shown if secret in text]
    assert all(PASSWORD not in request.path and IDENTITY not in request.path for request in fake.seen)


def test_neither_does_a_failing_helper(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "docker-credential-test"
    program.write_text(f"#!/bin/sh\necho {HELPER}; echo {HELPER} >&2; exit 1\n")
    program.chmod(0o755)
    environment = {"DOCKER_AUTH_CONFIG": '{"credsStore": "test"}', "PATH": str(tmp_path), "HOME": str(tmp_path)}
    with pytest.raises(CogpackError) as failed:
        Credentials.from_environment(environment).find("h.io", "a").login()
    assert HELPER not in "".join([*traceback.format_exception(failed.value), *capfd.readouterr()])


FAULTS = {  # more often than a host that was there is asked again
    "reset": reset(after=5, times=999),
    "500": answer(500, b"planted", times=999),
    "401": answer(401, b"planted", times=999),
    "403": answer(403, b"planted", times=999),
    "404": answer(404, b"planted", times=999),
    "400": answer(400, error("DIGEST_INVALID"), times=999),
    "416": answer(416, b"planted", times=999),
    "sent on": answer(307, times=999, Location="http://169.254.169.254/?sig=planted"),
    "downgraded": answer(307, times=999, Location="ftp://127.0.0.1/?sig=planted"),
    "no HTTP": answer(200, times=999, Content_Length="planted"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["POST session", "PUT session", "PATCH session", "GET blob", "GET token"])
def test_no_failure_of_a_transfer_shows_a_token_or_a_signature(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    kind: str,
    fault: str,
) -> None:
    """Of any logger: those of the libraries know every address and header. Whatever the fault, the transfer fails."""
    if kind == "PATCH session":  # else the blob goes as one PUT in the end
        profile = Profile(name="test", hosts=r"127\.0\.0\.1", shapes=("stream",), source="this test")
        monkeypatch.setattr(profiles, "PROFILES", (profile,))
    caplog.set_level(logging.DEBUG)
    data = bytes(100_000)
    blob = Descriptor(media_type="application/octet-stream", digest=sha256(data), size=len(data))
    shown: list[str] = []
    with FakeRegistry(DIST3, auth="token").running() as registry, FakeRegistry().running() as storage, Http() as http:
        registry.locate = lambda path: f"{path.replace('_state=', '_state=planted')}&sig=planted"
        registry.storage = f"http://{storage.address}/v2/s/t/blobs/X?X-Amz-Signature=planted&x="
        config = {"auths": {registry.address: {"username": "user", "password": "open sesame"}}}
        environment = {"HOME": str(tmp_path), "DOCKER_AUTH_CONFIG": json.dumps(config)}
        credentials = Credentials.from_environment(environment, http, note=lambda note: shown.append(note.text))
        reference = Reference.parse(f"{registry.address}/a/b")
        repository = Repository(http, reference, credentials, actions=("pull", "push"))
        for where in (registry, storage):
            where.on(kind, FAULTS[fault])
        if kind == "GET blob":
            registry.add_blob("a/b", data)
        known = None if kind == "PATCH session" else blob

        def moved() -> None:
            if kind != "GET blob":
                return repository.upload([data], descriptor=known, finished=lambda: blob.digest)
            with Fetcher(repository, connections=2, cancellation=http.cancellation) as fetcher:
                list(fetcher.stream(blob, lambda _: None))

        with pytest.raises(CogpackError) as caught:
            moved()
        failed = caught.value
        shown += [*traceback.format_exception(failed), failed.next_step, repr(failed)]
        shown += [repr(value) for value in (repository, credentials, repository.requests)]
    shown += [record.getMessage() for record in caplog.records]
    shown += capfd.readouterr()
    secrets = ("planted", "open sesame", "dXNlcjpvcGVuIHNlc2FtZQ", "Bearer t")
    assert not [(secret, text) for secret in secrets for text in shown if secret in text]
