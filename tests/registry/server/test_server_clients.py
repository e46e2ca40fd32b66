"""Our registry with the clients that people have: Docker, skopeo, podman."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.dockerd import Docker
from support.images import file_layer, fill
from support.validate import validate_layout

from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Gzip, SplicedGzip, Zstd
from cogpack.layers.files import FilesSource, generated
from cogpack.oci import Image
from cogpack.registry.server import Server
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


def skopeo(*arguments: str) -> str:
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")
    done = subprocess.run(["skopeo", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


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
