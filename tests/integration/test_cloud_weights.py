"""Weights from object stores, end to end: locked, streamed into cogpack's own registry, never stored."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.conftest import Project
from support.cutting import cutting
from support.gcs import TOKEN, gcs
from support.s3 import REGION, Store, s3
from support.safetensors_files import made

from cogpack.registry.server import Server

pytestmark = pytest.mark.integration

MiB = 1024 * 1024
CONFIG = b'{"model_type": "llama"}'
MODEL = made([("embed.w", "F32", [MiB // 4]), *((f"layers.{n}.w", "BF16", [MiB // 4]) for n in range(8))])
FILES = {"llama/model.safetensors": MODEL, "llama/config.json": CONFIG, "llama/README.md": b"no"}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    with Server(tmp_path / "registry") as server:
        yield server.address


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with s3(tmp_path_factory.mktemp("s3")) as found:
        yield found


def configure(project: Project, registry: str, uri: str, rule: str = "auto") -> None:
    source = {"uri": uri, "include": ["*.safetensors", "*.json"]}
    weights = [{"name": "w", "target": "/src/weights", "source": source}]
    text = f"model: {registry}/me/hello\nweights: {json.dumps(weights)}"
    project.configure(text, weights={"layer_size": MiB, "split": rule})


def machine(project: Project, tmp_path: Path, **environment: str) -> None:
    """A cache of its own, and an identity."""
    project.environment |= {"AWS_EC2_METADATA_DISABLED": "true", "COGPACK_CACHE_DIR": str(tmp_path / "cache")}
    project.environment |= environment


def holds_weights(folder: Path) -> bool:
    files = [path for path in folder.rglob("*") if path.is_file() and "uv" not in path.relative_to(folder).parts]
    return any(MODEL[-1000:] in path.read_bytes() for path in files)


@pytest.mark.parametrize("rule", ["auto", "opaque", "none"])
def test_objects_of_s3_go_into_the_registry_over_broken_connections_and_onto_no_disk(
    small: Project, registry: str, store: Store, tmp_path: Path, rule: str
) -> None:
    for name, data in FILES.items():
        store.put(name, data)
    target = f"{registry}/me/hello:v1"
    with cutting(store.endpoint.removeprefix("http://"), after=5 * MiB // 2) as front:
        machine(small, tmp_path, AWS_ENDPOINT_URL_S3=front.url, AWS_REGION=REGION, **store.keys)
        configure(small, registry, "s3://models/llama", rule)
        locked = small.cogpack("lock")
        assert front.cut
        pushed = small.cogpack("push", target, "--locked", "--json")
        lock = (small.root / "cogpack.lock").read_text()
        assert hashlib.sha256(MODEL).hexdigest() in lock
        assert hashlib.md5(MODEL).hexdigest() in lock
        for told in (lock, locked.stderr, pushed.stderr):
            assert front.address not in told
            assert not [value for value in store.keys.values() if value in told]
        assert not holds_weights(tmp_path / "cache")
        assert not holds_weights(small.root)
        asked = front.connections
        (small.root / "predict.py").write_text((small.root / "predict.py").read_text() + "# changed\n")
        other = small.fresh(tmp_path / "machine", lock=True)
        other.environment["COGPACK_CACHE_DIR"] = str(tmp_path / "empty")
        changed = json.loads(other.cogpack("push", target, "--locked", "--json").stdout)
        assert [layer["name"] for layer in changed["layers"] if layer["sent"]] == ["project"]
        assert front.connections == asked
    (tmp_path / "model.safetensors").write_bytes(MODEL)
    small.cogpack("weights", "verify", target, "--against", str(tmp_path / "model.safetensors"))


def test_an_object_that_changed_after_the_lock_never_ships(
    small: Project, registry: str, store: Store, tmp_path: Path
) -> None:
    for name, data in FILES.items():
        store.put(name, data)
    machine(small, tmp_path, AWS_ENDPOINT_URL_S3=store.endpoint, AWS_REGION=REGION, **store.keys)
    configure(small, registry, "s3://models/llama/")
    small.cogpack("lock")
    store.put("llama/model.safetensors", MODEL[:-1] + b"!")
    failed = small.cogpack("push", "--locked", ok=False)
    assert failed.returncode == 3
    assert "s3://models/llama/model.safetensors" in failed.stderr
    assert "was replaced or deleted since it was pinned" in failed.stderr
    assert "cogpack lock" in failed.stderr
    small.cogpack("lock")
    small.cogpack("push", "--locked")


def test_objects_of_google_are_read_as_the_machines_service_account(
    small: Project, registry: str, tmp_path: Path
) -> None:
    with gcs(token=TOKEN) as bucket:
        for name, data in FILES.items():
            bucket.put(name, data)
        machine(small, tmp_path, **bucket.identity)
        configure(small, registry, "gs://models/llama")
        pushed = small.cogpack("push", "--json")
        assert TOKEN not in (small.root / "cogpack.lock").read_text() + pushed.stderr
        assert not holds_weights(tmp_path / "cache")
        lock = small.root / "cogpack.lock"
        lock.write_text(lock.read_text().partition("[results]")[0])
        other = small.fresh(tmp_path / "machine", lock=True)
        other.environment["COGPACK_CACHE_DIR"] = str(tmp_path / "empty")
        again = other.cogpack("push", f"{registry}/other/hello:v1", "--locked", "--json")
        assert json.loads(again.stdout)["digest"] == json.loads(pushed.stdout)["digest"]
