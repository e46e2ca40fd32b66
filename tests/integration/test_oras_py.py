"""oras-py as a second reader of the spec, and its `Registry` over our engine, on our server and on docker-registry."""

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import oras.oci
import oras.provider
import pytest
from oras.layout.layout import NewLayoutFromRegistry
from support.certificates import pem
from support.images import file_layer, fill
from support.nobody import as_nobody
from support.registry import PASSWORD, USER, docker_registry
from support.token_server import token_server

from cogpack.errors import DeniedError, InputError
from cogpack.images.registry import RegistryImages
from cogpack.layers.compression import Gzip
from cogpack.oras import Registry
from cogpack.reference import Reference
from cogpack.registry.server import Server
from cogpack.session import Session, Settings
from cogpack.sinks.registry import RegistrySink

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"oras-py": oras.provider.Registry, "the adapter": Registry}
WEIGHTS = bytes(range(256)) * 8192


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials but those of the test, and its own current directory."""
    as_nobody(tmp_path, monkeypatch)


@pytest.fixture(params=["ours", "docker-registry"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with Server(tmp_path / "ours") if request.param == "ours" else docker_registry(tmp_path / "registry") as found:
        yield found if isinstance(found, str) else found.address


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(Settings(cache=tmp_path / "cache", environment={"HOME": "/nonexistent"})) as found:
        yield found


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest) -> Iterator[oras.provider.Registry]:
    found = KINDS[request.param](insecure=True)
    yield found
    if isinstance(found, Registry):
        found.close()
    else:
        found.session.close()


def cogpack(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cogpack", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def push_image(session: Session, name: str) -> str:
    """An image of two layers, as `cogpack push` sends it; answers its digest."""
    reference = Reference.parse(name)
    sink = RegistrySink(session.images(reference, push=True), session.blob_origins)
    layers = [file_layer("weights", {"src/weights": WEIGHTS}), file_layer("code", {"src/a.py": b"1"}, Gzip())]
    return fill(sink, layers, ["v1"])[1].digest


def sha256_of(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_image_that_cogpack_pushed_is_read_blob_by_blob(
    registry: str, session: Session, client: oras.provider.Registry
) -> None:
    digest = push_image(session, f"{registry}/me/model:v1")
    manifest = client.get_manifest(f"{registry}/me/model:v1")
    assert manifest == client.get_manifest(f"{registry}/me/model@{digest}")
    for blob in (manifest["config"], *manifest["layers"]):
        path = Path(client.download_blob(f"{registry}/me/model", blob["digest"], "blob"))
        assert (sha256_of(path), path.stat().st_size) == (blob["digest"], blob["size"])
    assert client.get_tags(f"{registry}/me/model") == ["v1"]


def test_an_image_that_cogpack_pushed_goes_through_oras_pys_layout(
    registry: str, session: Session, client: oras.provider.Registry, tmp_path: Path
) -> None:
    digest = push_image(session, f"{registry}/me/model:v1")
    layout = NewLayoutFromRegistry(str(tmp_path / "layout"), client, f"{registry}/me/model:v1", "v1")
    index = json.loads((tmp_path / "layout" / "index.json").read_bytes())
    assert [entry["digest"] for entry in index["manifests"]] == [digest]
    layout.push_to_registry(client, f"{registry}/me/again:v1", tag="v1")
    cogpack("copy", f"{registry}/me/again@{digest}", f"{tmp_path}/back:v1")


def test_an_artifact_is_copied_by_cogpack_and_comes_back_from_there(
    registry: str, client: oras.provider.Registry, tmp_path: Path
) -> None:
    Path("model.bin").write_bytes(WEIGHTS)
    Path("tokens").mkdir()
    Path("tokens/vocabulary.txt").write_text("a b c")
    client.push(f"{registry}/me/model:v1", files=["model.bin:application/x-weights", "tokens"])
    cogpack("copy", f"{registry}/me/model:v1", f"{tmp_path}/layout:v1")
    with Server(tmp_path / "other") as other:
        cogpack("copy", f"{tmp_path}/layout:v1", f"{other.address}/there:v2")
        client.pull(f"{other.address}/there:v2", outdir=str(tmp_path / "out"))
    assert (tmp_path / "out" / "model.bin").read_bytes() == WEIGHTS
    assert (tmp_path / "out" / "tokens" / "vocabulary.txt").read_text() == "a b c"


def test_an_artifact_about_an_image_is_listed_and_copied_with_it(
    registry: str, session: Session, tmp_path: Path
) -> None:
    """Also where the registry keeps no list of its own."""
    digest = push_image(session, f"{registry}/me/model:v1")
    Path("report.json").write_text("{}")
    with Registry() as client:
        manifest = client.do_request(f"http://{registry}/v2/me/model/manifests/v1")
        subject = oras.oci.Subject(manifest.headers["Content-Type"], digest, len(manifest.content))
        client.push(f"{registry}/me/model:report", files=["report.json"], subject=subject)
    listed = session.images(Reference.parse(f"{registry}/me/model")).referrers(subject.digest)
    assert [entry.artifact_type for entry in listed] == ["application/vnd.unknown.config.v1+json"]
    with Server(tmp_path / "other") as other:
        cogpack("copy", f"{registry}/me/model:v1", f"{other.address}/there:v1")
        there = session.repository(Reference.parse(f"{other.address}/there"))
        assert RegistryImages(there).referrers(subject.digest) == listed


def test_the_adapter_pushes_and_pulls_where_a_token_server_decides(tmp_path: Path) -> None:
    """A token for push is asked for before the first request that needs it (oras-py #187)."""
    Path("model.bin").write_bytes(WEIGHTS)
    with (
        token_server(tmp_path / "tokens") as tokens,
        docker_registry(tmp_path / "registry", token=tokens) as address,
        Registry(address) as client,
    ):
        client.auth.set_basic_auth(USER, PASSWORD)
        client.push("me/model:v1", files=["model.bin"])
        assert tokens.asked == [["repository:me/model:pull,push"]]
        assert client.pull("me/model:v1", outdir=str(tmp_path / "out")) == [str(tmp_path / "out" / "model.bin")]
        assert (tmp_path / "out" / "model.bin").read_bytes() == WEIGHTS
        assert client.get_tags("me/model") == ["v1"]
        with Registry(address) as anonymous, pytest.raises(DeniedError, match="without credentials"):
            anonymous.push("me/model:v2", files=["model.bin"])
        assert client.delete_tag("me/model", "v1")  # a right that no token was asked for yet


def test_the_adapter_pushes_and_pulls_with_a_password(tmp_path: Path) -> None:
    Path("model.bin").write_bytes(WEIGHTS)
    with docker_registry(tmp_path / "registry", htpasswd=True) as address, Registry(address) as client:
        client.login(USER, PASSWORD)
        client.push("me/model:v1", files=["model.bin"])
        assert client.pull("me/model:v1", outdir=str(tmp_path / "out"))


def test_the_authority_that_the_program_names_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("model.bin").write_bytes(WEIGHTS)
    authority = pem(tmp_path / "tls", "test authority", "test authority", authority=True)
    pair = pem(tmp_path / "tls", "registry", "test authority", names=("registry.test",))
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: resolve("127.0.0.1", *rest, **more))
    with docker_registry(tmp_path / "registry", tls=pair) as address:
        name = f"registry.test:{address.rpartition(':')[2]}/me/model:v1"
        with Registry(tls_verify=str(authority.certificate)) as client:
            client.push(name, files=["model.bin"])
        with Registry() as stranger, pytest.raises(InputError, match="certificate"):
            stranger.pull(name)


def test_memory_does_not_grow_with_the_blob(registry: str, tmp_path: Path) -> None:
    with Path("large.bin").open("wb") as file:
        file.truncate(512 << 20)
    program = (
        "import sys\n"
        "from cogpack.oras import Registry\n"
        "with Registry() as client:\n"
        "    client.push(sys.argv[1], files=['large.bin'])\n"
        "    client.pull(sys.argv[1], outdir=sys.argv[2])\n"
        "print(open('/proc/self/status').read())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, f"{registry}/me/large:v1", str(tmp_path / "out")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    peak = next(line for line in done.stdout.splitlines() if line.startswith("VmHWM:"))
    assert int(peak.split()[1]) < 150 * 1024
    assert (tmp_path / "out" / "large.bin").stat().st_size == 512 << 20
