"""`cogpack pull` from the real registry into everything that keeps images."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.dockerd import Docker
from support.images import file_layer, fill
from support.registry import docker_registry
from support.validate import validate_layout

from cogpack.layers.compression import Gzip
from cogpack.sinks.layout import LayoutSink

pytestmark = pytest.mark.integration

MiB = 1024 * 1024
BIG = random.Random(3).randbytes(80 * MiB)
"""Large enough to come in ranges."""


def run(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
    return done.stdout.strip()


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed (Debian has it; `make test` as root installs it)")
    return found


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(name, digest) of an image that skopeo pushed to a real registry, once as OCI's and once as Docker's."""
    needs("skopeo")
    root = tmp_path_factory.mktemp("pull")
    layers = [file_layer("big", {"big": BIG}), file_layer("small", {"small": b"x" * 5000}, Gzip())]
    fill(LayoutSink(root / "layout"), layers, ["v1"])
    with docker_registry(root / "registry") as address:
        name = f"{address}/pulled/image"
        for tag, form in (("v1", "oci"), ("docker", "v2s2")):
            run(
                "skopeo",
                "copy",
                "-q",
                "--format",
                form,
                "--dest-tls-verify=false",
                f"oci:{root}/layout:v1",
                f"docker://{name}:{tag}",
            )
        yield name, json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{name}:v1"))["Digest"]


def cogpack(tmp_path: Path, *arguments: str, **more: str) -> dict[str, object]:
    environment = {**os.environ, "COGPACK_CACHE_DIR": str(tmp_path / "cache"), **more}
    found: dict[str, object] = json.loads(
        run(sys.executable, "-m", "cogpack", *arguments, "--json", environment=environment)
    )
    return found


@pytest.mark.parametrize("tag", ["v1", "docker"])
def test_a_layout_is_what_skopeo_makes_of_it(image: tuple[str, str], tmp_path: Path, tag: str) -> None:
    name, _ = image
    pulled = cogpack(tmp_path, "pull", f"{name}:{tag}", "-o", str(tmp_path / "out"))
    raw = run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}:{tag}")
    assert (tmp_path / "out/blobs/sha256" / str(pulled["digest"])[7:]).read_text() == raw
    run("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{name}:{tag}", f"oci:{tmp_path}/theirs:x")
    theirs = {path.name for path in (tmp_path / "theirs/blobs/sha256").iterdir()}
    ours = {path.name for path in (tmp_path / "out/blobs/sha256").iterdir()}
    if tag == "v1":
        validate_layout(tmp_path / "out")
        assert theirs == ours


def test_docker_and_skopeo_read_the_archive(image: tuple[str, str], docker: Docker, tmp_path: Path) -> None:
    name, digest = image
    cogpack(tmp_path, "pull", f"{name}:v1", "-o", str(tmp_path / "image.tar"))
    assert f"{name}:v1" in docker("load", "-i", str(tmp_path / "image.tar"))
    docker("rmi", f"{name}:v1")
    assert json.loads(run("skopeo", "inspect", f"oci-archive:{tmp_path}/image.tar"))["Digest"] == digest
    run("skopeo", "copy", "-q", f"docker-archive:{tmp_path}/image.tar", f"dir:{tmp_path}/dir")


def test_docker_ends_with_the_image_under_its_name_and_digest(
    image: tuple[str, str], docker: Docker, tmp_path: Path
) -> None:
    """And with no trace of where it pulled from."""
    name, digest = image
    pulled = cogpack(tmp_path, "pull", f"{name}:v1", "--docker", DOCKER_HOST=docker.host)
    try:
        found = json.loads(docker("image", "inspect", f"{name}:v1"))[0]
        assert found["RepoTags"] == [f"{name}:v1"]
        assert found["RepoDigests"] == [f"{name}@{digest}"]
        assert pulled["fetched"]
        container = docker("create", f"{name}:v1")
        docker("cp", f"{container}:/big", str(tmp_path / "big"))
        docker("rm", container)
        assert (tmp_path / "big").read_bytes() == BIG
        assert cogpack(tmp_path, "pull", f"{name}:v1", "--docker", DOCKER_HOST=docker.host)["fetched"] == 0
    finally:
        docker("rmi", "--force", f"{name}:v1")


def wrapped(tmp_path: Path, program: str, *options: str) -> str:
    """A PATH on which `program` has these options: stores of its own, apart from the machine's."""
    real = needs(program)
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / program
    script.write_text(f'#!/bin/sh\nexec {real} {" ".join(options)} "$@"\n')
    script.chmod(0o755)
    return f"{tmp_path}/bin:{os.environ['PATH']}"


def test_podman_ends_with_the_image_under_its_name_and_digest(image: tuple[str, str], tmp_path: Path) -> None:
    name, digest = image
    with tempfile.TemporaryDirectory() as short:  # podman wants a run root of at most 50 characters
        store = ["--root", f"{tmp_path}/root", "--runroot", short, "--storage-driver", "vfs"]
        cogpack(tmp_path, "pull", f"{name}:v1", "--podman", PATH=wrapped(tmp_path, "podman", *store))
        (found,) = json.loads(run("podman", *store, "image", "inspect", f"{name}:v1"))
        assert found["RepoTags"] == [f"{name}:v1"]
        assert f"{name}@{digest}" in found["RepoDigests"]


def test_containerd_ends_with_the_image_under_its_name_and_digest(
    image: tuple[str, str], docker: Docker, tmp_path: Path
) -> None:
    name, digest = image
    address = str(next(Path(docker.host.removeprefix("unix://")).parent.rglob("containerd.sock")))
    options = ["-a", address, "-n", "pulled"]
    cogpack(tmp_path, "pull", f"{name}:v1", "--containerd", PATH=wrapped(tmp_path, "ctr", *options))
    rows = [line.split() for line in run("ctr", *options, "images", "ls").splitlines()[1:]]
    assert [(row[0], row[2]) for row in rows] == [(f"{name}:v1", digest)]
    assert "complete" in run("ctr", *options, "images", "check", f"name=={name}:v1")
