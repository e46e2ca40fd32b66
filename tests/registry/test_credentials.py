import base64
import json
from pathlib import Path

import pytest

from cogpack.errors import DeniedError
from cogpack.registry.credentials import Credentials, Login


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def found(tmp_path: Path, config: object, host: str, repository: str = "a/b", **environment: str) -> Login | None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    places = {"HOME": str(tmp_path / "nobody"), "DOCKER_CONFIG": str(tmp_path)}
    return Credentials.from_environment(places | environment).find(host, repository)


def password(login: Login | None) -> str | None:
    return login.password.reveal() if login and login.password else None


@pytest.mark.parametrize("key", ["ghcr.io", "https://ghcr.io", "https://ghcr.io/v2/", "GHCR.IO"])
def test_a_host_is_found_however_its_key_is_written(tmp_path: Path, key: str) -> None:
    assert password(found(tmp_path, {"auths": {key: {"auth": basic("me", "a:b")}}}, "ghcr.io")) == "a:b"


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"])
def test_docker_hub_has_many_names(tmp_path: Path, key: str) -> None:
    assert password(found(tmp_path, {"auths": {key: {"username": "me", "password": "x"}}}, "docker.io")) == "x"


def test_the_longest_path_wins_and_other_hosts_get_nothing(tmp_path: Path) -> None:
    auths = {"quay.io": {"auth": basic("me", "host")}, "quay.io/a": {"auth": basic("me", "path")}}
    assert password(found(tmp_path, {"auths": auths}, "quay.io")) == "path"
    assert password(found(tmp_path, {"auths": auths}, "quay.io", "c/d")) == "host"
    assert found(tmp_path, {"auths": auths}, "evil-quay.io") is None
    assert found(tmp_path, {"auths": auths}, "quay.io:5000") is None


def test_base64_may_lack_its_padding(tmp_path: Path) -> None:
    text = basic("me", "four").rstrip("=")
    assert password(found(tmp_path, {"auths": {"h.io": {"auth": text}}}, "h.io")) == "four"


def test_an_identity_token_is_no_password(tmp_path: Path) -> None:
    login = found(tmp_path, {"auths": {"h.io": {"auth": basic("me", ""), "identitytoken": "tok"}}}, "h.io")
    assert login is not None
    assert login.identity_token is not None
    assert login.identity_token.reveal() == "tok"
    assert login.password is None


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    file = {"auths": {"h.io": {"auth": basic("me", "file")}}}
    variable = json.dumps({"auths": {"h.io": {"auth": basic("me", "variable")}}})
    assert password(found(tmp_path, file, "h.io", DOCKER_AUTH_CONFIG=variable)) == "variable"


def test_registry_auth_file_is_exclusive_and_must_be_there(tmp_path: Path) -> None:
    file = {"auths": {"h.io": {"auth": basic("me", "file")}}}
    (tmp_path / "auth.json").write_text("{}")
    assert found(tmp_path, file, "h.io", REGISTRY_AUTH_FILE=str(tmp_path / "auth.json")) is None
    with pytest.raises(DeniedError, match="REGISTRY_AUTH_FILE"):
        found(tmp_path, file, "h.io", REGISTRY_AUTH_FILE=str(tmp_path / "missing"))


def test_a_broken_file_does_not_stop_an_anonymous_push(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"auths": [')
    environment = {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
    assert Credentials.from_environment(environment).find("h.io", "a") is None


def test_secrets_have_no_readable_form(tmp_path: Path) -> None:
    login = found(tmp_path, {"auths": {"h.io": {"auth": basic("me", "hunter2")}}}, "h.io")
    assert "hunter2" not in repr(login)
    assert "hunter2" not in str(login)


class Helper:
    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.program = directory / "docker-credential-test"
        monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")

    def does(self, script: str) -> None:
        self.program.write_text(f"#!/bin/sh\nread server\n{script}\n")
        self.program.chmod(0o755)


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Helper:
    return Helper(tmp_path, monkeypatch)


def test_a_helper_is_asked_for_its_host(tmp_path: Path, helper: Helper) -> None:
    helper.does('printf \'{"ServerURL":"%s","Username":"me","Secret":"for %s"}\' "$server" "$server"')
    assert password(found(tmp_path, {"credHelpers": {"h.io": "test"}}, "h.io")) == "for h.io"
    assert found(tmp_path, {"credHelpers": {"h.io": "test"}}, "other.io") is None


def test_the_store_hides_inline_credentials(tmp_path: Path, helper: Helper) -> None:
    helper.does('printf \'{"Username":"<token>","Secret":"t"}\'')
    login = found(tmp_path, {"credsStore": "test", "auths": {"h.io": {"auth": basic("me", "old")}}}, "h.io")
    assert login is not None
    assert login.identity_token is not None


def test_a_helper_that_knows_nothing_means_anonymous(tmp_path: Path, helper: Helper) -> None:
    helper.does("echo 'credentials not found in native keychain'; exit 1")
    assert found(tmp_path, {"credsStore": "test"}, "h.io") is None


@pytest.mark.parametrize("script", ["echo secret words >&2; echo hunter2; exit 1", "echo hunter2", "printf '[]'"])
def test_a_failing_helper_is_named_and_its_output_kept_secret(tmp_path: Path, helper: Helper, script: str) -> None:
    helper.does(script)
    with pytest.raises(DeniedError) as failed:
        found(tmp_path, {"credsStore": "test"}, "h.io")
    assert "docker-credential-test" in failed.value.message
    assert "hunter2" not in failed.value.message


def test_a_helper_name_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(DeniedError, match="no name of a credential helper"):
        found(tmp_path, {"credsStore": "../../bin/sh"}, "h.io")


def test_a_missing_helper_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeniedError, match="docker-credential-absent"):
        found(tmp_path, {"credsStore": "absent"}, "h.io")
