"""One manifest, two images: what Go's parser reads otherwise than ours is refused by us, in a real registry, too."""

import json
import subprocess
import urllib.request
from pathlib import Path

import pytest
from support.registry import docker_registry

from cogpack.cli import run
from cogpack.digest import sha256
from cogpack.oci import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor
from cogpack.reference import Reference
from cogpack.session import Session, Settings

pytestmark = pytest.mark.integration


def test_what_skopeo_reads_otherwise_no_verb_of_ours_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """M1: distribution takes it (201), skopeo lists the second layer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    good, evil, config = (
        b"good",
        b"EVIL",
        b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}',
    )

    def blob(data: bytes, media_type: str) -> dict[str, object]:
        return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}

    first, second = [blob(good, OCI_LAYER)], [blob(evil, OCI_LAYER)]
    data = json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": blob(config, OCI_CONFIG), "layers": first}
        | {"Layers": second}
    ).encode()
    with docker_registry(tmp_path / "registry") as registry:
        with Session(Settings(cache=tmp_path / "cache", environment={"HOME": "/nonexistent"})) as session:
            repository = session.repository(Reference.parse(f"{registry}/a/b"), push=True)
            for one in (good, evil, config):
                repository.upload(
                    [one],
                    descriptor=Descriptor(media_type=OCI_LAYER, digest=sha256(one), size=len(one)),
                    finished=lambda one=one: sha256(one),  # type: ignore[misc]
                )
        request = urllib.request.Request(
            f"http://{registry}/v2/a/b/manifests/x", data, {"Content-Type": OCI_MANIFEST}, method="PUT"
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 201
        seen = subprocess.run(
            ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry}/a/b:x"],
            capture_output=True,
            check=True,
        )
        assert seen.stdout == data
        listed = subprocess.run(
            ["skopeo", "inspect", "--no-tags", "--tls-verify=false", f"docker://{registry}/a/b:x"],
            capture_output=True,
            check=True,
        )
        assert json.loads(listed.stdout)["Layers"] == [sha256(evil)]
        for verb in (
            ["inspect", f"{registry}/a/b:x"],
            ["copy", f"{registry}/a/b:x", "./copied"],
            ["pull", f"{registry}/a/b:x", "-o", "pulled"],
            ["weights", "pull", f"{registry}/a/b:x", "-o", "weights"],
        ):
            assert run(verb) == 2
            assert "'Layers' is 'layers' to a parser that ignores case" in capsys.readouterr().err
        assert {path.name for path in tmp_path.iterdir()} <= {"registry", "cache"}
