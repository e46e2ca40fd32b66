"""`cogpack pull --docker` with stand-ins: elsewhere, out of reach, or failing; tests/integration has real ones."""

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.fake_registry import FakeRegistry
from support.faults import answer
from support.verbs import Verbs

from cogpack.commands.pull_into_engine import CONTAINERD, DOCKER, PODMAN, Engine, pull_into
from cogpack.digest import sha256
from cogpack.errors import MismatchError, UnavailableError
from cogpack.oci import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from cogpack.session import Session, Settings

pytestmark = pytest.mark.slow

StandIn = Callable[[str, str], Path]
LAYER = b"a layer" * 1000
ASKS = """\
import sys, urllib.request as u
host, _, rest = sys.argv[-1].partition("/")
repo = rest.partition(":")[0]
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Puts a program on PATH; its arguments are written to the file that is returned."""

    def install(name: str, script: str) -> Path:
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/{name}.log\ncd {tmp_path}\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
        return tmp_path / f"{name}.log"

    return install


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as found:
        config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": []}}).encode()

        def named(data: bytes, kind: str) -> dict[str, object]:
            return {"mediaType": kind, "digest": found.add_blob("a/b", data), "size": len(data)}

        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
        document |= {"config": named(config, OCI_CONFIG), "layers": [named(LAYER, OCI_LAYER)]}
        found.add_manifest("a/b", json.dumps(document).encode(), OCI_MANIFEST, "v1")
        yield found


@pytest.fixture
def progress() -> Verbs:
    return Verbs()


@pytest.fixture
def session(tmp_path: Path, progress: Verbs) -> Iterator[Session]:
    with Session(Settings(cache=tmp_path / "cache", environment={"HOME": "/nonexistent"}), progress) as found:
        yield found


def loaded(path: Path) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


@pytest.mark.parametrize("host", ["tcp://build.example:2376", "ssh://me@build.example"])
def test_a_docker_elsewhere_is_loaded_through_its_own_connection(
    session: Session, registry: FakeRegistry, stand_in: StandIn, tmp_path: Path, host: str
) -> None:
    log = stand_in("docker", f'case "$1" in context) echo {host};; load) cat > loaded.tar;; esac')
    pulled = pull_into(session, f"{registry.address}/a/b:v1", DOCKER)
    assert "pull" not in log.read_text()
    files = loaded(tmp_path / "loaded.tar")
    assert files[f"blobs/sha256/{sha256(LAYER)[7:]}"] == LAYER
    assert json.loads(files["manifest.json"])[0]["RepoTags"] == [f"{registry.address}/a/b:v1"]
    assert pulled.fetched == sum(blob.size for blob in pulled.blobs)


def test_a_docker_that_does_not_reach_our_loopback_is_loaded(
    session: Session, registry: FakeRegistry, stand_in: StandIn, tmp_path: Path
) -> None:
    """Rootless Docker and those in a virtual machine have another."""
    script = 'case "$1" in context) echo unix:///run/docker.sock;; load) cat > loaded.tar;; pull) exit 1;; esac'
    stand_in("docker", script)
    pull_into(session, f"{registry.address}/a/b:v1", DOCKER)
    assert f"blobs/sha256/{sha256(LAYER)[7:]}" in loaded(tmp_path / "loaded.tar")


def test_a_docker_whose_address_is_no_utf_8_is_loaded(
    session: Session, registry: FakeRegistry, stand_in: StandIn, tmp_path: Path
) -> None:
    stand_in("docker", r"""case "$1" in context) printf 'tcp://\377';; load) cat > loaded.tar;; esac""")
    pull_into(session, f"{registry.address}/a/b:v1", DOCKER)
    assert f"blobs/sha256/{sha256(LAYER)[7:]}" in loaded(tmp_path / "loaded.tar")


def test_an_archive_that_is_wrong_is_not_loaded(
    session: Session, registry: FakeRegistry, stand_in: StandIn, tmp_path: Path
) -> None:
    registry.blobs["a/b"][sha256(LAYER)] = bytes(len(LAYER))
    stand_in("docker", 'case "$1" in context) echo tcp://x;; load) cat > loaded.tar && touch whole;; esac')
    with pytest.raises(MismatchError, match=sha256(LAYER)):
        pull_into(session, f"{registry.address}/a/b:v1", DOCKER)
    assert not (tmp_path / "whole").exists()


@pytest.mark.parametrize(("engine", "program"), [(PODMAN, "podman"), (CONTAINERD, "ctr")])
def test_another_engine_that_does_not_reach_us_is_told_with_the_way_round(
    session: Session, registry: FakeRegistry, stand_in: StandIn, engine: object, program: str
) -> None:
    stand_in(program, 'case "$*" in *version) exit 0;; esac; echo no socket >&2; exit 1')
    said = f"{program}: its engine does not run, or can't reach .* ended with 1: no socket"
    with pytest.raises(UnavailableError, match=said) as caught:
        pull_into(session, f"{registry.address}/a/b:v1", engine)  # type: ignore[arg-type]
    assert "-o IMAGE.tar" in caught.value.next_step


def test_an_engine_is_fed_names_the_image_and_forgets_ours(
    session: Session, registry: FakeRegistry, stand_in: StandIn, tmp_path: Path
) -> None:
    (tmp_path / "fetch.py").write_text(
        ASKS + f"open('got', 'wb').write(u.urlopen(f'http://{{host}}/v2/{{repo}}/blobs/{sha256(LAYER)}').read())\n"
    )
    log = stand_in("podman", 'if [ "$1" = pull ]; then python3 fetch.py "$@"; fi')
    pulled = pull_into(session, f"{registry.address}/a/b:v1", PODMAN)
    assert (tmp_path / "got").read_bytes() == LAYER
    assert {blob.digest: blob.fetched for blob in pulled.blobs}[sha256(LAYER)] == len(LAYER)
    pull, tag, untag = [line.split() for line in log.read_text().splitlines()]
    assert tag == ["tag", pull[-1], f"{registry.address}/a/b:v1"]
    assert untag[1] == pull[-1]


@pytest.mark.parametrize(("engine", "program"), [(DOCKER, "docker"), (PODMAN, "podman"), (CONTAINERD, "ctr")])
def test_an_engine_that_unpacks_is_shown_until_it_is_done(
    session: Session, registry: FakeRegistry, stand_in: StandIn, progress: Verbs, engine: Engine, program: str
) -> None:
    """The layers are told as pulled long before: 7 to 13 s for an image of 500 MB."""
    seen: list[list[tuple[str, str]]] = []
    name = f"{registry.address}/a/b:v1"
    run = subprocess.run

    def watched(command: list[str], **options: Any) -> object:
        if "pull" in command:
            seen.append(progress.now())
        return run(command, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("subprocess.run", watched)
        stand_in(program, 'case "$1" in context) echo unix:///run/docker.sock;; esac')
        pull_into(session, name, engine)
    assert seen[0] == [("unpack", name)]
    assert progress.now() == []


def test_a_docker_elsewhere_that_unpacks_is_shown(
    session: Session, registry: FakeRegistry, stand_in: StandIn, progress: Verbs
) -> None:
    stand_in("docker", 'case "$1" in context) echo tcp://x;; load) cat > loaded.tar;; esac')
    name = f"{registry.address}/a/b:v1"
    pull_into(session, name, DOCKER)
    assert progress.ended()[-1] == ("load", name)


def test_containerd_is_asked_before_anything_else_and_not_waited_for_long(
    session: Session, registry: FakeRegistry, stand_in: StandIn, progress: Verbs
) -> None:
    """Its client tries for 10 s by default, with nothing to be seen."""
    log = stand_in("ctr", 'echo "failed to dial \\"/run/containerd/containerd.sock\\"" >&2; exit 1')
    said = "ctr: its engine does not answer: ctr version ended with 1: failed to dial"
    with pytest.raises(UnavailableError, match=said) as caught:
        pull_into(session, f"{registry.address}/a/b:v1", CONTAINERD)
    assert "-o IMAGE.tar" in caught.value.next_step
    assert log.read_text().splitlines() == ["--connect-timeout=2s version"]
    assert registry.seen == []
    assert progress.ended() == [("ask", "ctr")]


def test_what_the_registry_refuses_is_told_and_not_what_the_engine_made_of_it(
    session: Session, registry: FakeRegistry, stand_in: StandIn, tmp_path: Path
) -> None:
    (tmp_path / "fetch.py").write_text(
        ASKS + f"u.urlopen(f'http://{{host}}/v2/{{repo}}/blobs/{sha256(LAYER)}').read()\n"
    )
    stand_in("podman", 'if [ "$1" = pull ]; then python3 fetch.py "$@" || exit 125; fi')
    registry.on("GET blob", answer(410), when=lambda seen: sha256(LAYER) in seen.path)
    with pytest.raises(Exception, match="410"):
        pull_into(session, f"{registry.address}/a/b:v1", PODMAN)


def test_an_engine_that_is_not_there_is_one_error(
    session: Session, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for engine in (DOCKER, PODMAN, CONTAINERD):
        with pytest.raises(UnavailableError, match=f"{engine.program}: can't be started"):
            pull_into(session, f"{registry.address}/a/b:v1", engine)
