"""`cogpack login`, `logout` and `auth explain`, as they are typed."""

import base64
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.fake_http import Answer, Fake, Request, serving
from support.token_server import PASSWORD, USER, TokenServer, token_server

from cogpack.cli import run
from cogpack.registry.credentials import Credentials, Secret
from cogpack.registry.credentials.keep import Keeper
from cogpack.registry.credentials.replicate import model_page

pytestmark = pytest.mark.slow

BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclass
class Machine:
    root: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    @property
    def config(self) -> Path:
        return self.root / ".docker/config.json"

    def cogpack(self, *arguments: str, typed: str = "") -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code = run(arguments)
        out, err = self.capsys.readouterr()
        return code, out, err

    def login(self, host: str, password: str = PASSWORD) -> tuple[int, str, str]:
        return self.cogpack("login", host, "-u", USER, "--password-stdin", typed=f"{password}\n")

    def written(self) -> Any:
        return json.loads(self.config.read_text())

    def helper(self, name: str = "test") -> Path:
        """A store that keeps what it is given in a file, one a server. Returns the directory."""
        kept = self.root / "kept"
        kept.mkdir()
        program = self.root / f"bin/docker-credential-{name}"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f"#!{sys.executable}\n"
            "import json, pathlib, sys\n"
            f"kept = pathlib.Path({str(kept)!r})\n"
            "told = sys.stdin.read()\n"
            "server = json.loads(told)['ServerURL'] if sys.argv[1] == 'store' else told.strip()\n"
            "file = kept / server.replace('/', '_')\n"
            "if sys.argv[1] == 'store': file.write_text(told)\n"
            "elif not file.exists(): print('credentials not found in native keychain'); sys.exit(1)\n"
            "elif sys.argv[1] == 'erase': file.unlink()\n"
            "else: print(file.read_text())\n"
        )
        program.chmod(0o755)
        return kept


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in ("DOCKER_CONFIG", "DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "GITLAB_CI", "GITHUB_ACTIONS", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return Machine(tmp_path, capsys, monkeypatch)


def basic(request: Request) -> Answer:
    allowed = request.headers.get("authorization") == BASIC
    return (200, {}, b"{}") if allowed else (401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")


@pytest.fixture
def registry() -> Iterator[Fake]:
    with serving(basic) as fake:
        yield fake


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenServer]:
    with token_server(tmp_path / "tokens") as found:
        yield found


def test_a_login_is_tried_and_kept_for_its_owner_only(machine: Machine, registry: Fake) -> None:
    code, out, err = machine.login(registry.address)
    assert (code, out) == (0, f"{registry.address}: {USER}, kept in {machine.config}\n")
    assert machine.written() == {"auths": {registry.address: {"auth": BASIC.removeprefix("Basic ")}}}
    assert machine.config.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in machine.config.parent.iterdir()] == ["config.json"]
    assert PASSWORD not in out + err


def test_what_was_kept_is_what_is_used_and_forgotten(machine: Machine, registry: Fake) -> None:
    machine.login(registry.address)
    code, out, _ = machine.cogpack("auth", "explain", f"{registry.address}/a/b", "--json")
    found = json.loads(out)
    assert (code, found["kind"], found["user"]) == (0, "password", USER)
    assert found["source"] == f"{machine.config} (auths: {registry.address})"
    assert machine.cogpack("logout", registry.address)[:2] == (0, f"{registry.address}: logged out\n")
    assert machine.written() == {"auths": {}}
    assert machine.cogpack("logout", registry.address)[:2] == (0, f"{registry.address}: was not logged in\n")
    assert f"{registry.address}: anonymous\n" in machine.cogpack("auth", "explain", registry.address)[1]


def replicates(request: Request) -> Answer:
    if request.path == "/cog/v1/display-token-url":
        return 200, {}, b'{"url": "https://replicate.test/auth/token"}'
    known = request.method == "POST" and request.path == "/cog/v1/verify-token" and request.body == b"token=to%2Fken"
    return (200, {}, b'{"username": "me"}') if known else (404, {}, b"")


def test_replicates_registry_tells_whose_a_token_is(machine: Machine) -> None:
    with serving(replicates) as fake:
        machine.monkeypatch.setenv("COG_REGISTRY_HOST", fake.address)
        code, out, err = machine.cogpack("login", "--token-stdin", typed="to/ken\n")
        assert (code, out) == (0, f"{fake.address}: me, kept in {machine.config}\n")
        auth = base64.b64encode(b"me:to/ken").decode()
        assert machine.written() == {"auths": {fake.address: {"auth": auth}}}
        assert "to/ken" not in out + err


@pytest.mark.parametrize(
    ("token", "code", "says"),
    [("other", 4, "knows no such token"), ("r8_abcdefgh", 2, "token of Replicate's HTTP API"), ("", 2, "is empty")],
)
def test_a_token_that_is_nobodys_is_not_kept(machine: Machine, token: str, code: int, says: str) -> None:
    with serving(replicates) as fake:
        done = machine.cogpack("login", fake.address, "--token-stdin", typed=f"{token}\n")
    assert (done[0], done[1], says in done[2], "https://replicate.com/auth/token" in done[2]) == (code, "", True, True)
    assert not machine.config.exists()


def test_without_a_host_replicates_registry_is_meant_and_its_token_wants_a_terminal(machine: Machine) -> None:
    machine.monkeypatch.delenv("COG_REGISTRY_HOST", raising=False)
    code, _, err = machine.cogpack("login")
    assert (code, "r8.im: a token can't be asked for without a terminal" in err) == (2, True)


def test_the_registry_that_is_named_in_its_place_wants_a_token_too_unless_a_user_is_given(machine: Machine) -> None:
    machine.monkeypatch.setenv("COG_REGISTRY_HOST", "h.io:5000")
    for words in ([], ["h.io:5000"]):
        code, _, err = machine.cogpack("login", *words)
        assert (code, "h.io:5000: a token can't be asked for without a terminal" in err) == (2, True)
    for words in (["g.io"], ["h.io:5000", "--username", "me"]):
        code, _, err = machine.cogpack("login", *words)
        assert (code, "user and password can't be asked for" in err) == (2, True)


@pytest.mark.parametrize(
    ("reference", "page"),
    [
        ("r8.im/me/model:v1", "https://replicate.com/me/model"),
        (f"r8.im/me/model@sha256:{'0' * 64}", "https://replicate.com/me/model"),
        ("ghcr.io/me/model:v1", None),
    ],
)
def test_a_model_at_replicate_has_a_page(reference: str, page: str | None) -> None:
    assert model_page(reference) == page


@pytest.mark.parametrize(
    ("host", "before"),
    [("docker.io", ["docker.io", "index.docker.io"]), ("h.io:5000", ["https://h.io:5000/v2/", "H.io:5000"])],
)
def test_a_login_goes_before_an_older_one_however_that_was_spelled(
    machine: Machine, host: str, before: list[str]
) -> None:
    old = {"auth": base64.b64encode(b"old:old").decode()}
    machine.config.parent.mkdir()
    machine.config.write_text(json.dumps({"auths": dict.fromkeys([*before, "h.io"], old)}))
    environment = {"HOME": str(machine.root)}
    Keeper(environment).store(host, "new", Secret("new"))
    found = Credentials.from_environment(environment).find(host, "a/b").login()
    assert found is not None
    assert found.user == "new"
    assert machine.written()["auths"]["h.io"] == old
    assert Keeper(environment).erase(host)
    assert machine.written() == {"auths": {"h.io": old}}


def test_a_refused_login_is_not_kept(machine: Machine, registry: Fake) -> None:
    code, out, err = machine.login(registry.address, "hunter2")
    assert (code, out) == (4, "")
    assert f"{registry.address} refused us with the password of {USER} from this login" in err
    assert "hunter2" not in err
    assert not machine.config.exists()


def test_a_login_through_a_token_server_asks_for_no_right(machine: Machine, tokens: TokenServer) -> None:
    def script(request: Request) -> Answer:
        if request.headers.get("authorization") in [f"Bearer {token}" for token in tokens.issued]:
            return 200, {}, b"{}"
        return 401, {"WWW-Authenticate": tokens.challenge}, b""

    with serving(script) as fake:
        assert machine.login(fake.address, "hunter2")[0] == 4
        assert machine.login(fake.address)[0] == 0
    assert tokens.asked == [[], []]
    assert machine.written()["auths"][fake.address]["auth"] == BASIC.removeprefix("Basic ")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), 0),
        (("--strict-realm",), 2),
        (("--allow-realm", "auth.example.com"), 2),
        (("--strict-realm", "--allow-realm", "auth.example.com", "--allow-realm", "localhost"), 0),
    ],
)
def test_strictly_credentials_go_to_no_other_token_server_than_the_registrys_and_those_allowed(
    machine: Machine, tokens: TokenServer, options: tuple[str, ...], code: int
) -> None:
    realm = tokens.realm.replace("127.0.0.1", "localhost")

    def script(request: Request) -> Answer:
        if request.headers.get("authorization") in [f"Bearer {token}" for token in tokens.issued]:
            return 200, {}, b"{}"
        return 401, {"WWW-Authenticate": f'Bearer realm="{realm}"'}, b""

    with serving(script) as fake:
        words = ("login", fake.address, "-u", USER, "--password-stdin", *options)
        ended, _, err = machine.cogpack(*words, typed=f"{PASSWORD}\n")
    assert ended == code
    assert len(tokens.fake.seen) == (code == 0)
    if code:
        assert f"error: {fake.address} names a token server that is not for this login: '{realm}'" in err
        assert f"next: add --allow-realm {urlsplit(realm).netloc} if" in err


@pytest.mark.parametrize(
    ("script", "code", "says"),
    [
        (lambda _: (200, {}, b"{}"), 0, "asks for no credentials"),
        (lambda _: (404, {}, b"<html>"), 2, "is no registry"),
        (lambda _: (403, {}, b""), 4, "refused"),
        (lambda _: (401, {}, b""), 4, "no way to log in"),
    ],
)
def test_what_else_a_host_may_answer(machine: Machine, script: Any, code: int, says: str) -> None:
    with serving(script) as fake:
        found, _, err = machine.login(fake.address)
    assert found == code
    assert says in err
    assert machine.config.exists() == (code == 0)


def test_the_rest_of_the_file_stays_as_it_is(machine: Machine, registry: Fake) -> None:
    machine.config.parent.mkdir()
    number = "12345678901234567890123.4500e1"
    machine.config.write_text(
        '{"auths": {"other.io": {"auth": "b3RoZXI6eA==", "note": [1, null]}}, "psFormat": "table {{.ID}}\\u00e4",'
        f'"strange": {number}, "credHelpers": {{"third.io": "third"}}}}'
    )
    before = machine.written()
    assert machine.login(registry.address)[0] == 0
    after = machine.written()
    del after["auths"][registry.address]
    assert after == before
    assert number in machine.config.read_text()


def test_a_linked_file_stays_a_link(machine: Machine, registry: Fake) -> None:
    (machine.root / "dotfiles").mkdir()
    (machine.root / "dotfiles/docker.json").write_text("{}")
    machine.config.parent.mkdir()
    machine.config.symlink_to("../dotfiles/docker.json")
    assert machine.login(registry.address)[0] == 0
    assert machine.config.is_symlink()
    assert registry.address in (machine.root / "dotfiles/docker.json").read_text()


@pytest.mark.parametrize("text", ["{broken hunter2", "[]", '{"auths": 7}'])
def test_a_broken_file_is_not_written_over(machine: Machine, registry: Fake, text: str) -> None:
    machine.config.parent.mkdir()
    machine.config.write_text(text)
    code, _, err = machine.login(registry.address)
    assert code == 2
    assert f"{machine.config}: not the JSON" in err
    assert "hunter2" not in err
    assert machine.config.read_text() == text


@pytest.mark.parametrize("where", ["credsStore", "credHelpers"])
def test_a_store_keeps_the_secret_and_the_file_only_a_mark(machine: Machine, registry: Fake, where: str) -> None:
    kept = machine.helper()
    machine.config.parent.mkdir()
    named = {where: {registry.address: "test"} if where == "credHelpers" else "test"}
    machine.config.write_text(json.dumps(named))
    assert machine.login(registry.address)[:2] == (
        0,
        f"{registry.address}: {USER}, kept in docker-credential-test\n",
    )
    assert machine.written() == named | {"auths": {registry.address: {}}}
    assert json.loads((kept / registry.address).read_text()) == {
        "ServerURL": registry.address, "Username": USER, "Secret": PASSWORD
    }  # fmt: skip
    said = machine.cogpack("auth", "explain", registry.address)[1]
    assert f"password of {USER} from docker-credential-test ({machine.config})" in said
    assert PASSWORD not in said
    assert machine.cogpack("logout", registry.address)[1].endswith("logged out\n")
    assert list(kept.iterdir()) == []
    assert machine.written() == named | {"auths": {}}


def test_podmans_file_is_written_where_it_is_named(
    machine: Machine, registry: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(machine.root / "new/auth.json"))
    assert machine.login(registry.address)[0] == 0
    assert not machine.config.exists()
    assert f"password of {USER}" in machine.cogpack("auth", "explain", registry.address)[1]


def test_a_logout_tells_what_is_still_there(machine: Machine, registry: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = {"auths": {registry.address: {"username": USER, "password": PASSWORD}}}
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", json.dumps(variable))
    assert "DOCKER_AUTH_CONFIG is set" in machine.login(registry.address)[2]
    assert "still credentials in DOCKER_AUTH_CONFIG" in machine.cogpack("logout", registry.address)[2]


def test_a_logout_names_the_logins_of_paths_below_its_host(machine: Machine, registry: Fake) -> None:
    machine.config.parent.mkdir()
    login = {"username": USER, "password": PASSWORD}
    others = {f"{registry.address}0/me": login, f"{registry.address}/nobody": {}}
    paths = {f"{registry.address}/me/model": login, f"https://{registry.address.upper()}/you": login}
    machine.config.write_text(json.dumps({"auths": {registry.address: login, **others, **paths}}))
    (machine.root / "containers").mkdir()
    podman = machine.root / "containers/auth.json"
    podman.write_text(json.dumps({"auths": {f"{registry.address}/podman": login}}))
    code, out, err = machine.cogpack("logout", registry.address)
    assert (code, out) == (0, f"{registry.address}: logged out\n")
    named = [f"{machine.config} (auths: {path})" for path in paths]
    assert f"still credentials in {', '.join(named)}, {podman} (auths: {registry.address}/podman)" in err
    assert "nobody" not in err
    assert PASSWORD not in err
    assert machine.written()["auths"] == others | paths


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        (("login", "h.io"), ""),
        (("login", "h.io", "-u", "me"), ""),
        (("login", "h.io", "--password-stdin"), "x\n"),
        (("login", "h.io/path", "-u", "me", "--password-stdin"), "x\n"),
        (("login", "h.io", "-u", "me", "--password-stdin"), "\n"),
        (("login", "", "-u", "me", "--password-stdin"), "x\n"),
        (("logout", "../h.io"), ""),
    ],
)
def test_what_is_missing_or_no_host_is_an_error_in_two_lines(
    machine: Machine, arguments: tuple[str, ...], typed: str
) -> None:
    code, out, err = machine.cogpack(*arguments, typed=typed)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 2


def test_a_password_is_no_argument(machine: Machine) -> None:
    for option in ("--password", "-p"):
        code, out, err = machine.cogpack("login", "h.io", "-u", "me", option, "x")
        assert (code, out) == (2, "")
        assert f"no option {option}" in err
        assert "--password-stdin" in err or option == "-p"


@pytest.mark.slow
def test_a_terminal_is_asked_and_shows_no_password(machine: Machine, registry: Fake) -> None:
    prompts = ((b"user for", USER), (b"password for", PASSWORD))
    code, seen = on_a_terminal("login", registry.address, prompts=prompts)
    assert code == 0, seen
    assert USER.encode() in seen
    assert PASSWORD.encode() not in seen
    assert registry.address in machine.written()["auths"]


def on_a_terminal(*words: str, prompts: Iterable[tuple[bytes, str]]) -> tuple[int, bytes]:
    """Run it on a terminal of its own, and answer what it asks; give its exit code, and what the terminal showed."""
    main, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cogpack", *words],
        stdin=other, stdout=other, stderr=other, start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # make it the controlling terminal
        env=dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    os.close(other)
    seen = b""
    for prompt, answer in prompts:
        while prompt not in seen or not seen.endswith(b": "):
            seen += os.read(main, 1024)
        os.write(main, f"{answer}\n".encode())
    try:
        while block := os.read(main, 1024):
            seen += block
    except OSError:  # the other side is closed
        pass
    os.close(main)
    return process.wait(10), seen


@pytest.mark.parametrize(
    "target", ["docker.io", "https://index.docker.io/v1/", "Docker.io", "docker.io/library/python"]
)
def test_docker_hub_is_found_by_all_its_names(machine: Machine, target: str) -> None:
    machine.config.parent.mkdir()
    machine.config.write_text('{"auths": {"https://index.docker.io/v1/": {"username": "me", "password": "x"}}}')
    assert "password of me from " in machine.cogpack("auth", "explain", target)[1].splitlines()[0]


class Broken(io.TextIOBase):
    def isatty(self) -> bool:
        return False

    def read(self, size: int | None = -1) -> str:
        return b"\xff".decode()


@pytest.mark.parametrize(("stdin", "words"), [(None, "is closed"), (Broken(), "can't be read")])
def test_a_standard_input_that_gives_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stdin: object, words: str
) -> None:
    """`<&-`, and bytes that are no text."""
    monkeypatch.setattr("sys.stdin", stdin)
    assert run(["login", "h.io", "--username", "me", "--password-stdin"]) == 2
    assert f"error: standard input{'' if stdin is None else ':'} {words}" in capsys.readouterr().err
