"""Secrets planted wherever credentials pass; nothing that is printed, logged or raised may hold one."""

import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fake_http import Answer, Request, serving

from cogpack.errors import CogpackError
from cogpack.http import Http
from cogpack.reference import Reference
from cogpack.registry.auth import Tokens
from cogpack.registry.client import Repository
from cogpack.registry.credentials import Credentials

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
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    entry: str,
    token_server: Script,
) -> None:
    monkeypatch.setattr("cogpack.http.client.backoff", lambda _: 0.0)
    caplog.set_level(logging.DEBUG)
    notes: list[str] = []
    places: list[str] = []

    def script(request: Request) -> Answer:
        return (token_server if request.path.startswith("/token") else bearer)(request, places[0])

    with serving(script) as fake, Http() as http:
        places.append(fake.address)
        (tmp_path / "config.json").write_text(json.dumps({"auths": {fake.address: ENTRIES[entry]}}))
        environment = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
        credentials = Credentials.from_environment(environment, http, note=notes.append)
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
