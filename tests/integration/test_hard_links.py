"""Equal files that are stored once: every engine unpacks both, as one file."""

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.dockerd import Docker
from support.world import Template, World, noise, ok

pytestmark = pytest.mark.integration

BIG = noise(2_000_000)
NAMES = ("one.pt", "sub/two.pt")


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian has it; `make test` as root installs it)")


def run(*arguments: str) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{arguments}: {done.stderr}{done.stdout}"
    return done.stdout


@pytest.fixture
def image(tmp_path: Path) -> Iterator[str]:
    with Template.made(tmp_path / "template").world(tmp_path / "world") as world:
        yield pushed(world)


def pushed(world: World) -> str:
    project = world.project(files=dict.fromkeys(NAMES, BIG))
    ok(project.cogpack("push", project.target()))
    return project.target()


def is_one_file(root: Path) -> bool:
    places = [root / "src" / name for name in NAMES]
    assert [place.read_bytes() for place in places] == [BIG, BIG]
    return len({place.stat().st_ino for place in places}) == 1


def test_docker_unpacks_one_file_with_both_names(docker: Docker, image: str) -> None:
    docker("pull", "-q", image)
    container = docker("create", image, "x")
    exported = subprocess.run(
        ["docker", "export", container], env=docker.environment, check=True, capture_output=True, timeout=120
    ).stdout
    docker("rm", container)
    with tarfile.open(fileobj=io.BytesIO(exported)) as archive:
        contents = [archive.extractfile(f"src/{name}") for name in NAMES]
        assert [content.read() for content in contents if content] == [BIG, BIG]
        assert {archive.getmember(f"src/{name}").islnk() for name in NAMES} == {False, True}


def test_containerd_unpacks_one_file_with_both_names(docker: Docker, image: str, tmp_path: Path) -> None:
    needs("ctr")
    address = str(next(Path(docker.host.removeprefix("unix://")).parent.rglob("containerd.sock")))
    ctr = ["ctr", "-a", address, "-n", "links", "images"]
    run(*ctr, "pull", "--plain-http", image)
    run(*ctr, "mount", image, str(tmp_path))
    try:
        assert is_one_file(tmp_path)
    finally:
        run(*ctr, "unmount", "--rm", str(tmp_path))


def test_podman_unpacks_one_file_with_both_names(image: str, tmp_path: Path) -> None:
    needs("podman")
    with tempfile.TemporaryDirectory() as short:  # podman wants a run root of at most 50 characters
        podman = ["podman", "--root", f"{tmp_path}/root", "--runroot", short, "--storage-driver", "vfs"]
        run(*podman, "pull", "--quiet", "--tls-verify=false", image)
    trees = [path.parents[1] for path in (tmp_path / "root").rglob("src/one.pt")]
    assert trees
    assert all(is_one_file(tree) for tree in trees)


def test_umoci_unpacks_one_file_with_both_names(image: str, tmp_path: Path) -> None:
    needs("skopeo", "umoci")
    run("skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{image}", f"oci:{tmp_path}/layout:x")
    run("umoci", "unpack", "--rootless", "--image", f"{tmp_path}/layout:x", f"{tmp_path}/bundle")
    assert is_one_file(tmp_path / "bundle" / "rootfs")
