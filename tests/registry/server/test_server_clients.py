"""Our registry with the clients that people have: Docker, skopeo, podman."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.dockerd import Docker
from support.images import file_layer, fill
from support.registry import PASSWORD, USER
from support.validate import validate_layout

from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Gzip, SplicedGzip, Zstd
from cogpack.layers.files import FilesSource, generated
from cogpack.oci import Image
from cogpack.registry.server import Server, User
from cogpack.sinks.layout import LayoutSink

pytestmark = pytest.mark.integration


@pytest.fixture
def requests() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def server(tmp_path: Path, requests: list[tuple[str, str]]) -> Iterator[Server]:
    def note(method: str, path: str, received: int, sent: int) -> None:
        requests.append((method, path))

    with Server(tmp_path / "registry", on_request=note) as server:
        yield server


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Server]:
    """One that only USER may use."""
    with Server(tmp_path / "locked", user=User(USER, PASSWORD)) as server:
        yield server


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """In the layout `tmp_path / "made"`, as `made:v1`."""
    program = Path("/sbin/ldconfig")
    if not program.exists():
        pytest.skip("no statically linked /sbin/ldconfig to run in an image")
    data = program.read_bytes()
    placed = generated("sbin/ldconfig", data, executable=True)
    layers = [
        BuiltLayer(FilesSource("program", [placed]), Gzip()),
        file_layer("wheels", {"opt/venv/x.py": b"x = 1\n" * 500}, SplicedGzip()),
        file_layer("weights", {"src/weights": os.urandom(3 << 20)}),
    ]
    return fill(LayoutSink(tmp_path / "made"), layers, ["made:v1"], command=["/sbin/ldconfig", "-V"])[0]


def run(program: str, *arguments: str, refused: bool = False, stdin: str = "") -> str:
    """Standard output; of one that must be refused, standard error."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([program, *arguments], input=stdin, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == refused, done.stderr
    return done.stderr if refused else done.stdout


def skopeo(*arguments: str) -> str:
    return run("skopeo", *arguments)


def copy_in(server: Server, tmp_path: Path, name: str) -> None:
    target = f"docker://{server.address}/{name}"
    skopeo("copy", "--preserve-digests", "--dest-tls-verify=false", f"oci:{tmp_path}/made:made:v1", target)


def test_skopeo_copies_in_and_out_without_a_changed_byte(server: Server, image: Image, tmp_path: Path) -> None:
    copy_in(server, tmp_path, "me/model:v1")
    source = f"docker://{server.address}/me/model:v1"
    # Left to itself, skopeo compresses plain layers on their way.
    skopeo("copy", "--preserve-digests", "--src-tls-verify=false", source, f"oci:{tmp_path}/out:x")
    out = validate_layout(tmp_path / "out", "x")
    assert (out.manifest_bytes, out.config_bytes) == (image.manifest, image.config)


def test_skopeo_reads_the_directory_itself(server: Server, image: Image, tmp_path: Path) -> None:
    copy_in(server, tmp_path, "me/model:v1")
    found = skopeo("inspect", "--raw", f"oci:{tmp_path}/registry:me/model:v1")
    assert found.encode() == image.manifest


def test_docker_pulls_runs_and_pushes_by_mounting(
    server: Server, image: Image, tmp_path: Path, docker: Docker, requests: list[tuple[str, str]]
) -> None:
    copy_in(server, tmp_path, "me/model:v1")
    name = f"{server.address}/me/model"
    docker("pull", f"{name}:v1")
    assert docker("image", "inspect", "--format", "{{.Id}}", f"{name}:v1") == image.config_descriptor.digest
    assert docker("run", "--rm", "--network", "none", f"{name}:v1").startswith("ldconfig (")
    docker("tag", f"{name}:v1", f"{server.address}/other/copy:v2")
    requests.clear()
    assert docker("push", f"{server.address}/other/copy:v2").count("Mounted from me/model") == len(image.layers)
    assert len([path for method, path in requests if method == "PATCH"]) == 1  # the config
    docker("rmi", "--force", image.config_descriptor.digest)
    docker("pull", f"{server.address}/other/copy:v2")
    assert (
        docker("image", "inspect", "--format", "{{.Id}}", f"{server.address}/other/copy:v2")
        == image.config_descriptor.digest
    )


def test_zstd_layers_reach_a_reader_as_they_are(server: Server, tmp_path: Path) -> None:
    fill(LayoutSink(tmp_path / "made"), [file_layer("project", {"src/x": b"x" * 9000}, Zstd())], ["made:v1"])
    copy_in(server, tmp_path, "me/zstd:v1")
    assert validate_layout(tmp_path / "registry", "me/zstd:v1").read("src/x") == b"x" * 9000


def test_skopeo_needs_the_password(locked: Server, image: Image, tmp_path: Path) -> None:
    target, made = f"docker://{locked.address}/me/model:v1", f"oci:{tmp_path}/made:made:v1"
    copy = ["copy", "--preserve-digests", "--dest-tls-verify=false", "--authfile", f"{tmp_path}/none.json"]
    assert "authentication required" in run("skopeo", *copy, made, target, refused=True)
    wrong = run("skopeo", *copy, "--dest-creds", f"{USER}:wrong", made, target, refused=True)
    assert "unauthorized" in wrong
    creds = f"{USER}:{PASSWORD}"
    skopeo(*copy, "--dest-creds", creds, made, target)
    assert skopeo("inspect", "--raw", "--tls-verify=false", "--creds", creds, target).encode() == image.manifest


def test_docker_logs_in_pushes_and_pulls(
    locked: Server, image: Image, tmp_path: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", f"{tmp_path}/docker")
    name, identity = f"{locked.address}/me/docker:v1", image.config_descriptor.digest
    skopeo("copy", f"oci:{tmp_path}/made:made:v1", f"docker-archive:{tmp_path}/image.tar:{name}")
    docker("load", "--input", f"{tmp_path}/image.tar")
    assert "no basic auth credentials" in docker.run("push", name, ok=False).stderr
    assert docker.run("login", "-u", USER, "-p", "wrong", locked.address, ok=False).returncode != 0
    docker("login", "-u", USER, "-p", PASSWORD, locked.address)
    docker("push", name)
    docker("rmi", "--force", identity)
    docker("pull", name)
    assert docker("image", "inspect", "--format", "{{.Id}}", name) == identity
    docker("rmi", "--force", identity)


def test_podman_logs_in_pushes_and_pulls(locked: Server, image: Image, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as short:  # podman wants a run root of at most 50 characters
        podman = ["--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver", "vfs"]
        login = ["--tls-verify=false", "--authfile", f"{tmp_path}/auth.json"]
        name, identity = f"{locked.address}/me/podman:v1", image.config_descriptor.digest.removeprefix("sha256:")
        run("podman", *podman, "pull", "-q", f"oci:{tmp_path}/made:made:v1")
        run("podman", *podman, "push", *login, identity, f"docker://{name}", refused=True)
        run("podman", "login", *login, "-u", USER, "--password-stdin", locked.address, stdin=PASSWORD)
        run("podman", *podman, "push", *login, identity, f"docker://{name}")
        run("podman", *podman, "rmi", "--force", identity)
        assert run("podman", *podman, "pull", "-q", *login, name).strip() == identity
