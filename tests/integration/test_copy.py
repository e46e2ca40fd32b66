"""Images that Docker, podman, skopeo and umoci made, copied between real registries and layouts, and read again."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from support.dockerd import Docker
from support.images import attach
from support.registry import PASSWORD, USER, docker_registry
from support.tools import tool

from cogpack.digest import Digest
from cogpack.images.referrers import ArtifactFile
from cogpack.images.registry import RegistryImages
from cogpack.oci import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, Descriptor, Platform
from cogpack.progress import SILENT
from cogpack.reference import Reference
from cogpack.registry.server import Server
from cogpack.resolve.base_image import resolve_base_image
from cogpack.session import Session, Settings

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
LIBC = b"\x7fELF... GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n"


def run(*arguments: str, environment: Mapping[str, str] = os.environ) -> str:
    if shutil.which(arguments[0]) is None:
        pytest.skip(f"{arguments[0]} is not installed (Debian has it; `make test` as root installs it)")
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=dict(environment))
    assert done.returncode == 0, f"{arguments}: {done.stderr}{done.stdout}"
    return done.stdout


def cogpack(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "cogpack", *arguments],
        env=environment | more,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's docker-registry: no referrers API."""
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[str]:
    with Server(tmp_path / "ours") as server:
        yield server.address


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(Settings(cache=tmp_path / "cache", environment={"HOME": "/nonexistent"})) as found:
        yield found


def pack(path: Path, **more: bytes) -> Path:
    """A root file system with a glibc and a CPython, as far as one looks for them."""
    files = {"usr/lib/libc.so.6": LIBC, "usr/local/bin/python3.12": b"elf"}
    with tarfile.open(path, "w") as archive:
        tmp = tarfile.TarInfo("tmp")
        tmp.type, tmp.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(tmp)
        for name, data in (files | more).items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("usr/local/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, "python3.12"
        archive.addfile(link)
    return path


@pytest.fixture(scope="module")
def pushed(docker: Docker, registry: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image that Docker imported and pushed: schema 2."""
    root = pack(tmp_path_factory.mktemp("root") / "root.tar")
    name = f"{registry}/by/docker:v1"
    docker("import", "--change", "ENV PATH=/usr/local/bin:/usr/bin", "--change", 'CMD ["python3"]', str(root), name)
    docker("push", name)
    return name


@pytest.fixture(scope="module")
def listed(pushed: str, docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A manifest list that Docker made."""
    name = pushed.replace(":v1", ":list")
    environment = docker.environment | {
        "DOCKER_CONFIG": str(tmp_path_factory.mktemp("docker-config")),
        "DOCKER_CLI_EXPERIMENTAL": "enabled",
    }
    run("docker", "manifest", "create", "--insecure", name, pushed, environment=environment)
    run("docker", "manifest", "push", "--insecure", name, environment=environment)
    return name


def raw(address: str, *, layout: bool = False) -> bytes:
    """A manifest's very bytes, as skopeo sees them."""
    where = [f"oci:{address}"] if layout else ["--tls-verify=false", f"docker://{address}"]
    return run("skopeo", "inspect", "--raw", *where).encode()


def test_what_docker_pushed_is_copied_to_another_registry_and_pulled_there_under_its_digest(
    pushed: str, ours: str, docker: Docker
) -> None:
    done = cogpack("copy", pushed, f"{ours}/there:v2")
    digest = done.stdout.strip().partition("@")[2]
    assert done.stdout == f"{ours}/there@{digest}\n"
    assert "sent " in done.stderr
    assert raw(f"{ours}/there:v2") == raw(pushed)
    assert f"@{digest}" in docker("image", "inspect", "--format", "{{.RepoDigests}}", pushed)
    docker("pull", f"{ours}/there@{digest}")
    again = json.loads(cogpack("copy", "--json", f"{ours}/there:v2", pushed).stdout)
    assert (again["digest"], again["requests"], again["sent"]) == (digest, 0, 0)


def test_a_docker_list_is_copied_as_it_is(listed: str, ours: str, tmp_path: Path) -> None:
    cogpack("copy", listed, f"{ours}/there:v1")
    cogpack("copy", f"{ours}/there:v1", f"{tmp_path}/layout:v1")
    assert json.loads(raw(listed))["mediaType"] == DOCKER_INDEX
    assert raw(f"{ours}/there:v1") == raw(listed)
    index = json.loads((tmp_path / "layout" / "index.json").read_bytes())
    assert [entry["mediaType"] for entry in index["manifests"]] == [DOCKER_INDEX]


def test_what_docker_pushed_is_a_base(session: Session, pushed: str, listed: str) -> None:
    platform = Platform.parse("linux/amd64")
    found = [
        resolve_base_image(reference, platform, session.images(reference), SILENT)
        for reference in (Reference.parse(pushed), Reference.parse(listed))
    ]
    assert [(base.python, base.glibc, base.interpreter) for base in found] == [
        ("3.12", "2.36", "/usr/local/bin/python3.12")
    ] * 2
    assert found[0].digest == found[1].digest
    manifest = session.repository(Reference.parse(pushed)).manifest(found[0].digest)
    assert manifest is not None
    assert manifest.media_type == DOCKER_MANIFEST


def test_what_podman_pushed_comes_back_to_podman(registry: str, ours: str, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as short:  # podman wants a run root of at most 50 characters
        podman = ["podman", "--root", f"{tmp_path}/root", "--runroot", short, "--storage-driver", "vfs"]
        run(*podman, "import", str(pack(tmp_path / "root.tar", podman=b"here")), "local/image:v1")
        name = f"{registry}/by/podman:v1"
        run(*podman, "push", "-q", "--tls-verify=false", "local/image:v1", name)
        cogpack("copy", name, f"{ours}/there:v1")
        assert raw(f"{ours}/there:v1") == raw(name)
        run(*podman, "rmi", "local/image:v1")
        run(*podman, "pull", "-q", "--tls-verify=false", f"{ours}/there:v1")


def test_layouts_are_read_by_skopeo_and_umoci_and_theirs_by_us(registry: str, pushed: str, tmp_path: Path) -> None:
    run("umoci", "init", "--layout", f"{tmp_path}/umoci")
    run("umoci", "new", "--image", f"{tmp_path}/umoci:v1")
    (tmp_path / "file").write_text("content")
    run("umoci", "insert", "--image", f"{tmp_path}/umoci:v1", str(tmp_path / "file"), "/file")
    cogpack("copy", f"{tmp_path}/umoci:v1", f"{registry}/from/umoci:v1")
    assert raw(f"{registry}/from/umoci:v1") == raw(f"{tmp_path}/umoci:v1", layout=True)
    cogpack("copy", f"{registry}/from/umoci:v1", f"{tmp_path}/ours:v1")
    run("umoci", "stat", "--image", f"{tmp_path}/ours:v1")
    run("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{pushed}", f"oci:{tmp_path}/skopeo:v1")
    cogpack("copy", f"{tmp_path}/skopeo", f"{registry}/from/skopeo:v1")
    assert raw(f"{registry}/from/skopeo:v1") == raw(f"{tmp_path}/skopeo:v1", layout=True)
    cogpack("copy", f"{registry}/from/skopeo:v1", f"{tmp_path}/back:v1")
    run("skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{tmp_path}/back:v1", f"docker://{registry}/again:v1")
    assert raw(f"{registry}/again:v1") == raw(f"{tmp_path}/back:v1", layout=True)


def test_an_index_that_skopeo_copied_goes_there_and_back(registry: str, ours: str, listed: str, tmp_path: Path) -> None:
    run("skopeo", "copy", "-q", "--all", "--src-tls-verify=false", "--format", "oci", f"docker://{listed}",
        f"oci:{tmp_path}/layout:v1")  # fmt: skip
    cogpack("copy", f"{tmp_path}/layout:v1", f"{registry}/index:v1")
    cogpack("copy", f"{registry}/index:v1", f"{ours}/index:v1")
    cogpack("copy", f"{ours}/index:v1", f"{registry}/index:back")
    assert json.loads(raw(f"{registry}/index:v1"))["mediaType"] == OCI_INDEX
    assert raw(f"{registry}/index:v1") == raw(f"{registry}/index:back")


def test_referrers_go_to_a_registry_with_the_api_and_to_one_without_and_back(
    session: Session, registry: str, ours: str, pushed: str
) -> None:
    cogpack("copy", pushed, f"{registry}/signed:v1")
    source = session.repository(Reference.parse(f"{registry}/signed"), push=True)
    found = source.manifest("v1")
    assert found is not None
    subject = Descriptor(media_type=found.media_type, digest=found.digest, size=len(found.data))
    signed = ArtifactFile(media_type="text/plain", data=b"signed")
    signature = attach(RegistryImages(source), subject, "application/x-signature", [signed])
    counter = attach(RegistryImages(source), signature, "application/x-signature")
    for start, end in ((f"{registry}/signed", f"{ours}/signed"), (f"{ours}/signed", f"{registry}/signed-back")):
        copied = json.loads(cogpack("copy", "--json", f"{start}:v1", f"{end}:v1").stdout)
        assert set(copied["referrers"]) == {signature.digest, counter.digest}
        there = session.repository(Reference.parse(end))
        for about, artifact in ((subject, signature), (signature, counter)):
            (entry,) = RegistryImages(there).referrers(Digest(about.digest))
            assert (entry.digest, entry.artifact_type) == (artifact.digest, "application/x-signature")


def test_cosigns_tags_that_crane_wrote_go_there_and_back(registry: str, ours: str, tmp_path: Path) -> None:
    pack(tmp_path / "root.tar")
    pack(tmp_path / "signature.tar", payload=b"signed")
    name = f"{registry}/cosigned"
    tool("crane", "append", "--insecure", "-f", str(tmp_path / "root.tar"), "-t", f"{name}:v1")
    tag = tool("crane", "digest", "--insecure", f"{name}:v1").strip().replace(":", "-") + ".sig"
    tool("crane", "append", "--insecure", "-f", str(tmp_path / "signature.tar"), "-t", f"{name}:{tag}")
    for start, end in pairwise([name, f"{tmp_path}/layout", f"{ours}/cosigned", f"{registry}/cosigned-back"]):
        copied = json.loads(cogpack("copy", "--json", f"{start}:v1", f"{end}:v1").stdout)
        assert copied["referrers"] == [tool("crane", "digest", "--insecure", f"{name}:{tag}").strip()]
    for there in (f"{ours}/cosigned", f"{registry}/cosigned-back"):
        assert tool("crane", "manifest", "--insecure", f"{there}:{tag}") == tool(
            "crane", "manifest", "--insecure", f"{name}:{tag}"
        )


def test_credentials_of_both_sides_are_used(pushed: str, tmp_path: Path) -> None:
    with docker_registry(tmp_path / "closed", htpasswd=True) as closed:
        config = json.dumps({"auths": {closed: {"username": USER, "password": PASSWORD}}})
        cogpack("copy", pushed, f"{closed}/a:v1", DOCKER_AUTH_CONFIG=config)
        cogpack("copy", f"{closed}/a:v1", f"{closed}/b:v1", DOCKER_AUTH_CONFIG=config)
        cogpack("copy", f"{closed}/b:v1", f"{tmp_path}/out", DOCKER_AUTH_CONFIG=config)


def test_probe_prints_a_table_and_the_row_it_would_be(registry: str) -> None:
    printed = cogpack("registry", "probe", "-v", f"{registry}/probed").stdout
    assert "\nreferrers        no   no OCI-Subject; the list: HTTP 404\n" in printed
    assert "left behind" not in printed
    assert "\nProfile(\n    name='127.0.0.1',\n" in printed
    found = json.loads(cogpack("registry", "probe", "--json", f"{registry}/probed").stdout)
    assert {finding["what"] for finding in found["findings"]} >= {"put", "mount", "anonymous pull", "delete blob"}
