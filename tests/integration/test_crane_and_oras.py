"""crane and oras, from go-containerregistry and oras-go: they read what we push, and we what they do."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.conftest import Project
from support.registry import docker_registry
from support.tools import tool

from cogpack.registry.server import Server

pytestmark = pytest.mark.integration


@pytest.fixture(params=["docker-registry", "cogpack"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "docker-registry":
        with docker_registry(tmp_path / "registry") as address:
            yield address
    else:
        with Server(tmp_path / "registry") as server:
            yield server.address


def test_crane_validates_lists_and_pulls_what_we_pushed(hello: Project, registry: str, tmp_path: Path) -> None:
    pushed = hello.cogpack("push", f"{registry}/me/hello:v1").stdout.strip()
    name = f"{registry}/me/hello"
    assert tool("crane", "digest", "--insecure", f"{name}:v1").strip() == pushed.partition("@")[2]
    tool("crane", "validate", "--insecure", "--remote", pushed)  # every layer, digest and diff ID
    tags = tool("crane", "ls", "--insecure", name).split()
    assert [tag for tag in tags if not tag.startswith("sha256-")] == ["v1"]  # those are lists of referrers
    labels = json.loads(tool("crane", "config", "--insecure", pushed))["config"]["Labels"]
    assert "run.cog.openapi_schema" in labels
    tool("crane", "pull", "--insecure", "--format", "oci", pushed, str(tmp_path / "layout"))
    hello.cogpack("inspect", str(tmp_path / "layout"))


def test_we_pull_and_copy_what_crane_pushed(small: Project, registry: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from crane")
    with tarfile.open(tmp_path / "layer.tar", "w") as archive:
        archive.add(tmp_path / "file", "file")
    name = f"{registry}/me/appended"
    made = tool("crane", "append", "--insecure", "-f", str(tmp_path / "layer.tar"), "-t", f"{name}:v1").strip()
    digest = made.partition("@")[2]
    pulled = json.loads(small.cogpack("pull", f"{name}:v1", "-o", str(tmp_path / "pulled"), "--json").stdout)
    assert digest in json.dumps(pulled)
    small.cogpack("copy", f"{name}:v1", f"{registry}/me/copied:v1")
    assert tool("crane", "digest", "--insecure", f"{registry}/me/copied:v1").strip() == digest


def test_oras_copies_what_we_pushed_and_what_it_attaches_comes_along_with_ours(
    small: Project, registry: str, tmp_path: Path
) -> None:
    pushed = small.cogpack("push", f"{registry}/me/hello:v1").stdout.strip()
    digest = pushed.partition("@")[2]
    layout = tmp_path / "layout"
    tool("oras", "cp", "--from-plain-http", pushed, "--to-oci-layout", f"{layout}:v1")
    assert digest in (layout / "index.json").read_text()
    (tmp_path / "note.txt").write_text("looked at")
    attached = tool(
        *("oras", "attach", "--plain-http", "--disable-path-validation", "--artifact-type", "application/x.note"),
        *("--format", "json", pushed, f"{tmp_path / 'note.txt'}:text/plain"),
    )
    small.cogpack("copy", pushed, f"{registry}/you/hello:v1")
    found = tool("oras", "discover", "--plain-http", "--format", "json", f"{registry}/you/hello@{digest}")
    assert json.loads(attached)["digest"] in found


def test_an_artifact_that_oras_pushed_is_copied_as_it_is(small: Project, registry: str, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"weights" * 1000)
    name = f"{registry}/me/artifact:v1"
    tool(
        *("oras", "push", "--plain-http", "--disable-path-validation", "--artifact-type", "application/x.weights"),
        *(name, f"{tmp_path / 'weights.bin'}:application/octet-stream"),
    )
    small.cogpack("copy", name, str(tmp_path / "layout"))
    small.cogpack("copy", str(tmp_path / "layout"), f"{registry}/me/back:v1")
    before, after = (
        tool("oras", "manifest", "fetch", "--plain-http", where) for where in (name, f"{registry}/me/back:v1")
    )
    assert before == after
