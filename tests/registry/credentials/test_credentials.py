"""Where credentials come from, in which order, and what is said of the rest."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from cogpack.errors import DeniedError
from cogpack.registry.credentials import Credentials, Kind, Login, Secret


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def config(password: str, key: str = "h.io") -> dict[str, Any]:
    return {"auths": {key: {"auth": basic("me", password)}}}


class Machine:
    """A home directory, an environment, and what cogpack says about them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes: list[str] = []
        self.environment = {
            "HOME": str(root),
            "XDG_RUNTIME_DIR": str(root / "run"),
            "XDG_CONFIG_HOME": str(root / "xdg"),
            "PATH": f"{root / 'bin'}:/usr/bin:/bin",
        }

    def file(self, path: str, content: object) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content if isinstance(content, str) else json.dumps(content))
        return target

    def docker(self, content: object) -> Path:
        return self.file(".docker/config.json", content)

    def helper(self, script: str, name: str = "test") -> None:
        """A program that has read the server's name before `script` begins."""
        self.file(f"bin/docker-credential-{name}", f"#!/bin/sh\nread server\n{script}\n").chmod(0o755)

    def credentials(self, **environment: str) -> Credentials:
        return Credentials.from_environment(
            self.environment | environment, note=lambda note: self.notes.append(note.text)
        )

    def find(self, host: str = "h.io", repository: str = "a/b", **environment: str) -> Login | None:
        return self.credentials(**environment).find(host, repository).login()

    def password(self, host: str = "h.io", repository: str = "a/b", **environment: str) -> str | None:
        login = self.find(host, repository, **environment)
        return login and login.secret.reveal()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# One file


@pytest.mark.parametrize("key", ["ghcr.io", "https://ghcr.io", "https://ghcr.io/v2/", "http://ghcr.io/v1/", "GHCR.IO"])
def test_a_host_is_found_however_its_key_is_written(machine: Machine, key: str) -> None:
    machine.docker(config("a:b", key))
    assert machine.password("ghcr.io") == "a:b"
    assert machine.password("GHCR.io") == "a:b"


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io", "index.docker.io"])
def test_docker_hub_has_many_names(machine: Machine, key: str) -> None:
    machine.docker({"auths": {key: {"username": "me", "password": "x"}}})
    assert machine.password("docker.io", "library/python") == "x"


def test_the_key_that_is_spelled_like_the_host_wins(machine: Machine) -> None:
    machine.docker({"auths": {"https://h.io/v1/": {"auth": basic("me", "old")}, "h.io": {"auth": basic("me", "new")}}})
    assert machine.password() == "new"


def test_the_longest_path_wins_and_other_hosts_get_nothing(machine: Machine) -> None:
    names = {"quay.io": "host", "quay.io/a": "path", "quay.io/a/b/c": "longest"}
    machine.docker({"auths": {key: {"auth": basic("me", password)} for key, password in names.items()}})
    assert machine.password("quay.io", "a/b/c") == "longest"
    assert machine.password("quay.io", "a/b") == "path"
    assert machine.password("quay.io", "ab") == "host"
    assert machine.password("quay.io", "c/a/b") == "host"
    assert machine.find("evil-quay.io") is None
    assert machine.find("quay.io:5000") is None
    assert machine.find("quay.io.evil.org") is None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": basic("me", "four").rstrip("=")}, ("me", "four", Kind.PASSWORD)),
        ({"auth": base64.b64encode(b"me:nul\0").decode()}, ("me", "nul", Kind.PASSWORD)),
        ({"auth": basic("me", "a:b:c") + "\n"}, ("me", "a:b:c", Kind.PASSWORD)),
        ({"username": "me", "password": "pä"}, ("me", "pä", Kind.PASSWORD)),
        ({"auth": basic("me", ""), "identitytoken": "t"}, ("me", "t", Kind.IDENTITY_TOKEN)),
        ({"registrytoken": "t"}, ("", "t", Kind.REGISTRY_TOKEN)),
        ({"auth": basic("me", "x"), "email": 7, "unknown": {}}, ("me", "x", Kind.PASSWORD)),
        ({}, None),
        (None, None),
        ({"auth": ""}, None),
        ({"auth": basic("me", "")}, None),
    ],
)
def test_an_entry_in_all_its_shapes(machine: Machine, entry: object, expected: tuple[str, str, Kind] | None) -> None:
    machine.docker({"auths": {"h.io": entry}})
    login = machine.find()
    assert expected == (login and (login.user, login.secret.reveal(), login.kind))
    assert machine.notes == []


@pytest.mark.parametrize(
    "text",
    ['{"auths": [', "hunter2",
     '{"auths": {"h.io": {"auth": "hunter2!"}}}', '{"auths": {"h.io": {"auth": ["hunter2"]}}}',
     '{"auths": "hunter2"}', "[" * 10_000, '{"auths": {"h.io": {"auth": "//79"}}}'],
)  # fmt: skip
def test_a_broken_file_is_named_not_quoted_and_does_not_stop_the_next(machine: Machine, text: str) -> None:
    path = machine.docker(text)
    machine.file("run/containers/auth.json", config("next"))
    assert machine.password() == "next"
    assert len(machine.notes) == 1
    assert str(path) in machine.notes[0]
    assert "hunter2" not in machine.notes[0]


def test_a_broken_entry_spoils_only_itself(machine: Machine) -> None:
    machine.docker({"auths": {"h.io": {"auth": basic("me", "x")}, "other.io": 7}})
    assert machine.password() == "x"
    assert machine.notes == []


def test_a_file_that_is_a_directory_or_too_long_is_passed_over_and_told_once(machine: Machine) -> None:
    (machine.root / ".docker/config.json").mkdir(parents=True)
    machine.file("run/containers/auth.json", " " * (1024 * 1024 + 1))
    credentials = machine.credentials()
    assert credentials.find("h.io", "a").login() is None
    assert credentials.find("h.io", "b").login() is None
    assert [note.split(" ")[0] for note in machine.notes] == [
        f"{machine.root}/.docker/config.json", f"{machine.root}/run/containers/auth.json"
    ]  # fmt: skip


def test_a_file_that_is_not_ours_to_read_is_named_once_and_passed_over(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A8. (Root, who runs tests in containers, may read all: so the refusal is made up.)"""
    closed = machine.root / ".docker/config.json"
    for place, user in ((".docker/config.json", "other"), ("run/containers/auth.json", "me")):
        machine.file(place, json.dumps({"auths": {"h.io": {"username": user, "password": "x"}}}))
    opened = Path.open

    def refusing(path: Path, *arguments: Any, **more: Any) -> Any:
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", refusing)
    credentials = machine.credentials()
    for repository in ("a", "b"):
        login = credentials.find("h.io", repository).login()
        assert login is not None
        assert login.user == "me"
    (note,) = machine.notes
    assert note.startswith(f"{closed}")
    assert "can't be read (Permission denied)" in note


# The order of files and variables

PLACES = [
    ("DOCKER_AUTH_CONFIG", None),
    ("docker", ".docker/config.json"),
    ("runtime", "run/containers/auth.json"),
    ("config", "xdg/containers/auth.json"),
]


@pytest.mark.parametrize("first", range(len(PLACES)))
def test_the_first_file_with_an_entry_wins(machine: Machine, first: int) -> None:
    environment = {}
    for name, path in PLACES[first:]:
        if path is None:
            environment[name] = json.dumps(config(name))
        else:
            machine.file(path, config(name))
    for _, path in PLACES[1:first]:
        assert path
        machine.file(path, {"auths": {}})  # an empty one lies about in many images
    machine.file(".dockercfg", {"h.io": {"auth": basic("me", "old")}})
    assert machine.password(**environment) == PLACES[first][0]


def test_the_old_flat_file_comes_last(machine: Machine) -> None:
    machine.file(".dockercfg", {"https://h.io/v1/": {"auth": basic("me", "old"), "email": "me@h.io"}})
    assert machine.password() == "old"


def test_places_without_xdg(machine: Machine) -> None:
    del machine.environment["XDG_RUNTIME_DIR"], machine.environment["XDG_CONFIG_HOME"]
    machine.file(".config/containers/auth.json", config("x"))
    assert machine.password() == "x"
    looked = [row.source for row in machine.credentials().explain("h.io", "").looked]
    assert f"/run/containers/{os.getuid()}/auth.json" in looked


def test_docker_config_names_another_directory(machine: Machine) -> None:
    machine.docker(config("home"))
    machine.file("elsewhere/config.json", config("elsewhere"))
    assert machine.password(DOCKER_CONFIG=str(machine.root / "elsewhere")) == "elsewhere"


def test_registry_auth_file_is_exclusive_and_must_be_there(machine: Machine) -> None:
    machine.docker(config("docker"))
    chosen = machine.file("chosen.json", "{}")
    assert machine.find(REGISTRY_AUTH_FILE=str(chosen), DOCKER_AUTH_CONFIG=json.dumps(config("variable"))) is None
    chosen.write_text(json.dumps(config("chosen")))
    assert machine.password(REGISTRY_AUTH_FILE=str(chosen)) == "chosen"
    for content in (None, "hunter2"):
        chosen.unlink()
        if content:
            chosen.write_text(content)
        with pytest.raises(DeniedError, match="REGISTRY_AUTH_FILE") as refused:
            machine.find(REGISTRY_AUTH_FILE=str(chosen))
        assert "hunter2" not in refused.value.message
        chosen.touch()


def test_an_empty_variable_is_not_set(machine: Machine) -> None:
    machine.docker(config("docker"))
    assert machine.password(DOCKER_AUTH_CONFIG="", REGISTRY_AUTH_FILE="", DOCKER_CONFIG="") == "docker"


def test_nothing_is_read_before_a_login_is_wanted(machine: Machine) -> None:
    account = machine.credentials().find("h.io", "a/b")
    machine.docker(config("later"))
    assert account.login()


# Variables for one host


def test_our_own_variables_come_first(machine: Machine) -> None:
    machine.docker(config("file"))
    login = machine.find(COGPACK_REGISTRY_H_IO_USER="robot", COGPACK_REGISTRY_H_IO_PASSWORD="variable")
    assert login is not None
    assert (login.user, login.secret.reveal()) == ("robot", "variable")


@pytest.mark.parametrize(
    ("host", "stem"),
    [
        ("ghcr.io", "GHCR_IO"),
        ("my-registry.example.com:5000", "MY__REGISTRY_EXAMPLE_COM___5000"),
        ("my.registry.example.com:5000", "MY_REGISTRY_EXAMPLE_COM___5000"),
        ("xn--caf-dma.fr", "XN____CAF__DMA_FR"),
    ],
)
def test_no_two_hosts_share_a_variable(machine: Machine, host: str, stem: str) -> None:
    variables = {f"COGPACK_REGISTRY_{stem}_USER": "u", f"COGPACK_REGISTRY_{stem}_PASSWORD": "p"}
    assert machine.password(host, **variables) == "p"
    for other in ("my-registry.example.com:5000", "my.registry.example.com:5000", "my-registry.example.com", "ghcr-io"):
        if other != host:
            assert machine.find(other, **variables) is None
    assert machine.find("[::1]:5000", **variables) is None


def test_half_a_login_is_told(machine: Machine) -> None:
    assert machine.find(COGPACK_REGISTRY_H_IO_PASSWORD="hunter2") is None
    assert machine.notes == ["environment is passed over: COGPACK_REGISTRY_H_IO_USER is not set"]


GITLAB = {
    "GITLAB_CI": "true",
    "CI_REGISTRY": "registry.example.com:5050",
    "CI_SERVER_HOST": "gitlab.example.com",
    "CI_REGISTRY_USER": "gitlab-ci-token",
    "CI_REGISTRY_PASSWORD": "job",
}
GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "me", "GITHUB_TOKEN": "job"}


@pytest.mark.parametrize(
    ("variables", "host", "realms"),
    [
        (GITLAB, "registry.example.com:5050", {"registry.example.com", "gitlab.example.com"}),
        (GITHUB, "ghcr.io", {"ghcr.io"}),
    ],
)
def test_a_ci_gives_its_own_registry_its_token(
    machine: Machine, variables: dict[str, str], host: str, realms: set[str]
) -> None:
    login = machine.find(host, **variables)
    assert login is not None
    assert login.secret.reveal() == "job"
    assert login.realms == realms


@pytest.mark.parametrize(
    ("variables", "host"),
    [
        (GITLAB, "registry.example.com"),
        (GITLAB, "example.com:5050"),
        (GITLAB, "registry.example.com:5050.evil.org"),
        (GITLAB | {"GITLAB_CI": ""}, "registry.example.com:5050"),
        (GITLAB | {"CI_REGISTRY": ""}, "registry.example.com:5050"),
        (GITHUB, "docker.ghcr.io"),
        (GITHUB, "github.com"),
        (GITHUB | {"GITHUB_ACTIONS": ""}, "ghcr.io"),
        (GITHUB | {"GITHUB_TOKEN": ""}, "ghcr.io"),
    ],
)
def test_and_nobody_else(machine: Machine, variables: dict[str, str], host: str) -> None:
    assert machine.find(host, **variables) is None


def test_files_come_before_a_ci(machine: Machine) -> None:
    machine.docker(config("file", "ghcr.io"))
    assert machine.password("ghcr.io", **GITHUB) == "file"


# Helpers


def test_a_helper_is_asked_for_its_host(machine: Machine) -> None:
    machine.helper('printf \'{"ServerURL":"%s","Username":"me","Secret":"for %s"}\' "$server" "$server"')
    machine.docker({"credHelpers": {"h.io": "test", "https://docker.io": "test"}})
    assert machine.password() == "for h.io"
    assert machine.password("docker.io") == "for https://index.docker.io/v1/"
    assert machine.find("other.io") is None


def test_within_a_file_the_most_particular_wins(machine: Machine) -> None:
    machine.helper('printf \'{"Username":"me","Secret":"host helper"}\'', "host")
    machine.helper('printf \'{"Username":"me","Secret":"store"}\'', "store")
    auths = {"auths": {"h.io": {"auth": basic("me", "host")}, "h.io/a": {"auth": basic("me", "path")}}}
    stored = auths | {"credsStore": "store"}
    for content, expected in [
        (stored | {"credHelpers": {"h.io": "host"}}, "host helper"),
        (stored, "path"),
        (auths, "path"),
    ]:
        machine.docker(content)
        assert machine.password() == expected
    machine.docker(stored)
    assert machine.password(repository="c/d") == "store"
    machine.docker(auths)
    assert machine.password(repository="c/d") == "host"


def test_the_store_hides_inline_credentials(machine: Machine) -> None:
    machine.helper("echo 'credentials not found in native keychain'; exit 1")
    machine.docker(config("old") | {"credsStore": "test"})
    assert machine.find() is None


def test_an_identity_token_comes_under_the_name_token(machine: Machine) -> None:
    machine.helper('printf \'{"Username":"<token>","Secret":"t"}\'')
    machine.docker({"credsStore": "test"})
    login = machine.find()
    assert login is not None
    assert (login.kind, login.user) == (Kind.IDENTITY_TOKEN, "")


def test_a_helper_that_knows_nothing_leaves_it_to_the_next_source(machine: Machine) -> None:
    machine.helper("echo 'credentials not found in native keychain'; exit 1")
    machine.docker({"credsStore": "test"})
    assert machine.find() is None
    machine.file("run/containers/auth.json", config("podman"))
    assert machine.password() == "podman"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("echo hunter2 >&2; echo hunter2; exit 1", "exit code 1"),
        ("echo hunter2", "no credentials"),
        ("printf '[]'", "no credentials"),
        ("printf '[%.0s' $(seq 30000)", "no credentials"),
        ('printf \'{"Username":"hunter2"}\'', "no credentials"),
        ("kill -9 $$", "exit code -9"),
        ("exec cat /dev/zero", "more than 65536 bytes"),
        ("exec head -c 1G /dev/zero >&2", "no credentials"),
    ],
)
def test_a_failing_helper_is_named_and_its_output_kept_secret(machine: Machine, script: str, how: str) -> None:
    machine.helper(script)
    machine.docker({"credsStore": "test"})
    with pytest.raises(DeniedError, match=r"docker-credential-test .* for h\.io") as failed:
        machine.find()
    assert how in failed.value.message
    assert "hunter2" not in failed.value.message


@pytest.mark.slow
@pytest.mark.parametrize("script", ["exec sleep 60", "exec >&-; exec sleep 60", "while :; do sleep 1; done"])
def test_a_helper_that_hangs_is_ended(machine: Machine, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr("cogpack.registry.credentials.helpers._SECONDS", 0.05)
    machine.helper(script)
    machine.docker({"credsStore": "test"})
    with pytest.raises(DeniedError, match="gave no answer"):
        machine.find()


@pytest.mark.parametrize("name", ["../../bin/sh", "/bin/sh", "a b", "a\nb"])
def test_a_helper_name_is_no_path(machine: Machine, name: str) -> None:
    machine.docker({"credsStore": name})
    with pytest.raises(DeniedError, match="no name of a credential helper"):
        machine.find()


def test_a_missing_helper_is_named(machine: Machine) -> None:
    machine.docker({"credsStore": "absent"})
    with pytest.raises(DeniedError, match="docker-credential-absent"):
        machine.find()


def test_a_helper_that_can_not_be_run_is_named(machine: Machine) -> None:
    machine.file("bin/docker-credential-test", "\0no program").chmod(0o755)
    machine.docker({"credsStore": "test"})
    with pytest.raises(DeniedError, match="docker-credential-test can't be run"):
        machine.find()


def test_a_helper_is_asked_once_and_again_only_after_a_refusal(machine: Machine) -> None:
    count = machine.root / "count"
    machine.helper(f'echo x >> {count}; printf \'{{"Username":"me","Secret":"%s"}}\' $(wc -l < {count})')
    machine.docker({"credsStore": "test"})
    account = machine.credentials().find("h.io", "a/b")
    first = account.login()
    assert first is not None
    assert account.login() == first
    second = account.renewed(first)
    assert second is not None
    assert [first.secret.reveal(), second.secret.reveal()] == ["1", "2"]
    assert account.login() == account.renewed(first) == second  # another thread's late refusal of the first


# What is shown


@pytest.mark.parametrize(
    ("user", "password", "source", "same"),
    [
        ("me", "new", "a file", True),  # a cloud's, another each time
        ("me", "old", "elsewhere", True),
        ("me", "new", "elsewhere", False),
        ("you", "old", "a file", False),
    ],
)
def test_two_logins_are_one_accounts(user: str, password: str, source: str, same: bool) -> None:
    login = Login("me", Secret("old"), source="a file")
    assert Login(user, Secret(password), source=source).is_of(login) is same


def test_secrets_have_no_readable_form(machine: Machine) -> None:
    machine.docker(config("hunter2"))
    account = machine.credentials().find("h.io", "a")
    login = account.login()
    assert "hunter2" not in f"{login!r} {login} {account!r} {account} {login and login.secret}"
    assert str(account) == f"with the password of me from {machine.root}/.docker/config.json (auths: h.io)"
    assert account.advice == "cogpack login h.io"


def test_explain_says_what_each_source_said_and_no_secret(machine: Machine) -> None:
    machine.helper("echo 'credentials not found in native keychain'; exit 1")
    machine.docker({"credHelpers": {"h.io": "test"}})
    machine.file("run/containers/auth.json", "{hunter2")
    machine.file("xdg/containers/auth.json", config("hunter2", "h.io/a"))
    found = machine.credentials(DOCKER_AUTH_CONFIG='{"auths": {}}').explain("h.io", "a/b")
    home = machine.root
    assert (found.name, found.kind, found.user) == ("h.io/a/b", "password", "me")
    assert found.source == f"{home}/xdg/containers/auth.json (auths: h.io/a)"
    assert [(row.source, row.said) for row in found.looked] == [
        ("environment", "COGPACK_REGISTRY_H_IO_USER and _PASSWORD are not set"),
        ("DOCKER_AUTH_CONFIG", "no entry for h.io"),
        (f"{home}/.docker/config.json", "credHelpers: test has nothing for h.io"),
        (f"{home}/run/containers/auth.json", "not the JSON of a Docker config"),
        (f"{home}/xdg/containers/auth.json", "auths: h.io/a"),
        (f"{home}/.dockercfg", "not asked"),
        ("GitLab CI (CI_REGISTRY_PASSWORD)", "not asked"),
        ("GitHub Actions (GITHUB_TOKEN)", "not asked"),
    ]
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("variables", "advice"),
    [
        (
            {"COGPACK_REGISTRY_H_IO_USER": "me", "COGPACK_REGISTRY_H_IO_PASSWORD": "x"},
            "correct COGPACK_REGISTRY_H_IO_PASSWORD: it goes before what cogpack login keeps",
        ),
        (
            {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {"h.io": {"auth": base64.b64encode(b"me:x").decode()}}})},
            "correct DOCKER_AUTH_CONFIG (auths: h.io): it goes before what cogpack login keeps",
        ),
    ],
)
def test_who_is_refused_is_not_sent_to_a_login_that_would_not_be_used(variables: dict[str, str], advice: str) -> None:
    account = Credentials.from_environment({"HOME": "/nonexistent"} | variables).find("h.io", "a/b")
    account.login()
    assert account.advice == advice


def test_explain_tells_of_a_failure_that_would_end_a_push(machine: Machine) -> None:
    machine.helper("echo hunter2; exit 3")
    machine.docker({"credsStore": "test"})
    found = machine.credentials().explain("h.io", "")
    assert found.source is None
    assert found.who == "an error: docker-credential-test failed with exit code 3 for h.io"
    said = [row.said for row in found.looked]
    assert "docker-credential-test failed with exit code 3 for h.io" in said
    assert said[-1] == "not asked: that failure ends the search"
