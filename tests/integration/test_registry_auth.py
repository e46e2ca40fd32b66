"""The real registry behind a token server, and behind TLS."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.certificates import pem
from support.registry import docker_registry
from support.token_server import PASSWORD, USER, TokenServer, token_server

from cogpack.digest import sha256
from cogpack.errors import DeniedError, InputError
from cogpack.http import Http
from cogpack.oci import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor, Manifest, encode
from cogpack.reference import Reference
from cogpack.registry.auth.authorizer import Tokens
from cogpack.registry.credentials import Credentials, Given, Secret
from cogpack.registry.repository import Repository

pytestmark = pytest.mark.integration

LAYER = Descriptor(media_type=OCI_LAYER, digest=sha256(b"layer" * 1000), size=5000)
CONFIG = Descriptor(media_type=OCI_CONFIG, digest=sha256(b"{}"), size=2)
MANIFEST = encode(Manifest(schema_version=2, media_type=OCI_MANIFEST, config=CONFIG, layers=(LAYER,)))


class Registry:
    """A registry as one user sees it, over one session."""

    def __init__(self, http: Http, address: str, password: str | None = PASSWORD) -> None:
        self.http, self.address, self.tokens = http, address, Tokens()
        self.credentials = Credentials([Given(address, USER, Secret(password))] if password else [])

    def repository(self, name: str, *actions: str) -> Repository:
        reference = Reference.parse(f"{self.address}/{name}")
        return Repository(self.http, reference, self.credentials, actions=actions or ("pull",), tokens=self.tokens)

    def push(self, name: str) -> Repository:
        target = self.repository(name, "pull", "push")
        for blob, data in ((LAYER, b"layer" * 1000), (CONFIG, b"{}")):
            if not target.has_blob(blob):
                target.upload([data], descriptor=blob, finished=lambda blob=blob: blob.digest)
        target.put_manifest(MANIFEST, OCI_MANIFEST, "v1")
        return target

    def pull(self, name: str) -> bytes:
        source = self.repository(name)
        found = source.manifest("v1")
        assert found is not None
        assert found.data == MANIFEST
        return source.blob_bytes(LAYER, limit=10_000)


@pytest.fixture
def http() -> Iterator[Http]:
    with Http() as found:
        yield found


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenServer]:
    with token_server(tmp_path / "tokens") as found:
        yield found


def test_push_and_pull_with_tokens(http: Http, tokens: TokenServer, tmp_path: Path) -> None:
    with docker_registry(tmp_path / "registry", token=tokens) as address:
        Registry(http, address).push("a/b")
        assert tokens.asked == [["repository:a/b:pull,push"]]  # the whole push lives on one
        assert Registry(http, address, None).pull("a/b") == b"layer" * 1000
        subprocess.run(
            [shutil.which("skopeo") or pytest.skip("skopeo is not installed"), "inspect", "--tls-verify=false",
             "--creds", f"{USER}:{PASSWORD}", f"docker://{address}/a/b:v1"],
            check=True, capture_output=True,
        )  # fmt: skip


def test_a_mount_has_a_token_for_both_repositories(http: Http, tokens: TokenServer, tmp_path: Path) -> None:
    with docker_registry(tmp_path / "registry", token=tokens) as address:
        registry = Registry(http, address)
        registry.push("a/b")
        target = registry.repository("c/d", "pull", "push")
        assert not target.has_blob(LAYER)
        assert target.mount_or_open(LAYER.digest, "a/b") is None
        assert target.has_blob(LAYER)
        assert tokens.asked[-1] == ["repository:c/d:pull,push", "repository:a/b:pull"]


def test_a_token_of_fewer_rights_is_asked_for_again_once(http: Http, tokens: TokenServer, tmp_path: Path) -> None:
    """`insufficient_scope`: the registry answers 401 to a POST after it let a HEAD through."""
    given = iter([["pull"]])
    tokens.rights = lambda user, name, actions: next(given, actions)
    with docker_registry(tmp_path / "registry", token=tokens) as address:
        Registry(http, address).push("a/b")
        assert len(tokens.issued) == 2
        assert Registry(http, address).pull("a/b") == b"layer" * 1000


def test_the_missing_right_and_whose_it_is_are_named(http: Http, tokens: TokenServer, tmp_path: Path) -> None:
    tokens.rights = lambda user, name, actions: ["pull"]
    with docker_registry(tmp_path / "registry", token=tokens) as address:
        with pytest.raises(DeniedError) as refused:
            Registry(http, address).push("a/b")
    assert refused.value.message.startswith(
        f"{address} refused the right to push to a/b with the password of {USER} from this login (UNAUTHORIZED"
    )
    assert len(tokens.issued) == 2
    assert PASSWORD not in refused.value.message


def test_tokens_of_a_few_seconds_are_renewed_on_the_way(http: Http, tokens: TokenServer, tmp_path: Path) -> None:
    tokens.life = 1
    with docker_registry(tmp_path / "registry", token=tokens) as address:
        registry = Registry(http, address)
        for name in ("a/b", "c/d", "e/f"):
            registry.push(name)
            http.cancellation.wait(0.6)
            assert registry.pull(name) == b"layer" * 1000


@pytest.fixture
def tls_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """`registry.test:PORT`, a name that leads to loopback in this process, with a certificate of a test authority."""
    authority = pem(tmp_path / "tls", "test authority", "test authority", authority=True)
    pair = pem(tmp_path / "tls", "registry", "test authority", names=("registry.test", "127.0.0.1"))
    resolve = socket.getaddrinfo

    def resolved(host: Any, *rest: Any, **more: Any) -> Any:
        return resolve("127.0.0.1" if host in ("registry.test", b"registry.test") else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    monkeypatch.setenv("TEST_AUTHORITY", str(authority.certificate))
    with docker_registry(tmp_path / "registry", htpasswd=True, tls=pair) as address:
        yield f"registry.test:{address.rpartition(':')[2]}"


def test_push_and_pull_over_tls_with_an_authority_of_ones_own(tls_registry: str, tmp_path: Path) -> None:
    with Http(environment={"SSL_CERT_FILE": str(tmp_path / "tls/test authority.crt")}) as http:
        Registry(http, tls_registry).push("a/b")
        assert Registry(http, tls_registry).pull("a/b") == b"layer" * 1000


def test_an_unknown_authority_is_refused_and_the_way_out_named(tls_registry: str) -> None:
    with Http() as http, pytest.raises(InputError, match="certificate") as refused:
        Registry(http, tls_registry).pull("a/b")
    assert "SSL_CERT_FILE" in refused.value.next_step


@pytest.fixture
def loopback_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """(`127.0.0.1:PORT`, the directory that `certs.d` may have for it): a registry that wants TLS and a password."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    pem(tmp_path / "tls", "test authority", "test authority", authority=True)
    pair = pem(tmp_path / "tls", "registry", "test authority", names=("127.0.0.1",))
    with docker_registry(tmp_path / "registry", htpasswd=True, tls=pair) as address:
        yield address, tmp_path / "config/containers/certs.d" / address


def test_a_registry_on_loopback_that_has_certificates_in_certs_d_is_spoken_to_over_tls(
    loopback_tls: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    from cogpack.cli import run

    address, directory = loopback_tls
    directory.mkdir(parents=True)
    shutil.copy(tmp_path / "tls/test authority.crt", directory / "ca.crt")
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD))
    assert run(["login", address, "-u", USER, "--password-stdin"]) == 0
    with Http(environment=os.environ) as http:
        Registry(http, address).push("a/b")
        assert Registry(http, address).pull("a/b") == b"layer" * 1000
    assert run(["copy", f"{address}/a/b:v1", f"{address}/c/d:v1"]) == 0
    assert run(["copy", f"{address}/c/d:v1", str(tmp_path / "layout")]) == 0
    assert run(["registry", "probe", f"{address}/probed/it"]) == 0


def test_one_that_has_none_is_asked_in_the_clear_and_says_where_its_authority_belongs(
    loopback_tls: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import io

    from cogpack.cli import run

    address, _ = loopback_tls
    with Http(environment=os.environ) as http, pytest.raises(InputError, match="speaks TLS") as refused:
        Registry(http, address).push("a/b")
    assert f"certs.d/{address}/ca.crt" in refused.value.next_step
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD))
    assert run(["login", address, "-u", USER, "--password-stdin"]) == 2
    assert f"certs.d/{address}/ca.crt" in capsys.readouterr().err


def test_login_is_what_docker_reads(tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    from cogpack.cli import run

    skopeo = shutil.which("skopeo") or pytest.skip("skopeo is not installed")
    for name, value in (("DOCKER_CONFIG", ""), ("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD))
    with docker_registry(tmp_path / "registry", token=tokens) as address:
        assert run(["login", address, "-u", USER, "--password-stdin"]) == 0
        done = subprocess.run([skopeo, "login", "--get-login", address], check=False, capture_output=True, text=True)
    assert done.stdout.strip() == USER
    assert json.loads((tmp_path / "auth.json").read_text())["auths"].keys() == {address}
