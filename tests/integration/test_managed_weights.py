"""Cog's `weights:` entries: files of directories and hubs, in the image at their targets."""

import hashlib
import json
import re
from pathlib import Path

import httpx
import pytest
from integration.conftest import Project
from support import gguf_files
from support.hub import hub
from support.registry import docker_registry
from support.safetensors_files import bf16, holding, made

pytestmark = pytest.mark.integration

MiB = 1024 * 1024
CONFIG = b'{"model_type": "llama"}'
GGUF = gguf_files.made([(f"blk.{n}.w", "Q8_0", [256, 128]) for n in range(4)], pairs={"tokenizer.x": "x"})
MODEL = made([("embed.w", "F32", [MiB // 4]), *((f"layers.{n}.w", "BF16", [MiB // 4]) for n in range(8))])


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory):
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


def configure(project: Project, registry: str, *sources: object, **pack: object) -> None:
    weights = [{"name": "w", "target": "/src/weights", "source": list(sources)}]
    text = f"model: {registry}/managed/hello\nweights: {json.dumps(weights)}"
    project.configure(text, **({"weights": pack} if pack else {}))


def names(result: str) -> list[str]:
    layers = [layer["name"] for layer in json.loads(result)["layers"] if layer["name"].startswith("weights: ")]
    return [re.sub("-[0-9a-f]{8}.safetensors", "", name) for name in layers]


def test_files_of_a_directory_lie_at_the_target(small: Project, registry: str, tmp_path: Path) -> None:
    folder = tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(MODEL)
    (folder / "config.json").write_bytes(CONFIG)
    (folder / "sub" / "skipped.txt").write_text("no")
    (folder / "link.bin").symlink_to(tmp_path / "blob")
    (tmp_path / "blob").write_bytes(b"behind a link, as in the hub's cache")
    configure(small, registry, {"uri": str(folder), "exclude": ["*.txt"]}, layer_size=MiB)
    done = small.cogpack("push", f"{registry}/managed/local:v1", "--json").stdout
    assert "weights: weights/model-embed" in names(done)
    pulled = tmp_path / "pulled"
    small.cogpack("weights", "pull", f"{registry}/managed/local:v1", "-o", str(pulled))
    assert (pulled / "weights/link.bin").read_bytes() == (tmp_path / "blob").read_bytes()
    assert (pulled / "weights/config.json").read_bytes() == CONFIG
    assert not list(pulled.rglob("skipped.txt"))
    small.cogpack("weights", "verify", f"{registry}/managed/local:v1", "--against", str(folder / "model.safetensors"))


@pytest.mark.parametrize("rule", ["auto", "gguf", "opaque", "none"])
def test_a_hubs_files_are_pinned_streamed_and_never_stored(
    small: Project, registry: str, tmp_path: Path, rule: str
) -> None:
    cache = tmp_path / "cache"
    target = f"{registry}/managed/hub-{rule}:v1"
    name, data = ("model.gguf", GGUF) if rule == "gguf" else ("model.safetensors", MODEL)
    with hub({name: data, "config.json": CONFIG, "README.md": b"no"}, token="t0ken") as found:
        small.environment |= {"HF_ENDPOINT": found.endpoint, "HF_TOKEN": "t0ken", "COGPACK_CACHE_DIR": str(cache)}
        source = {"uri": "hf://owner/name", "include": ["model.*", "*.json"]}
        configure(small, registry, source, layer_size=MiB, split={f"**/{name}": rule})
        first = small.cogpack("push", target, "--json")
        expected = {
            "auto": ["weights/model-embed", "weights/model-layers.0-1", "weights/config.json"],
            "gguf": [*(f"weights/model-0000{n}-of-00005.gguf" for n in (1, 2, 5)), "weights/config.json"],
            "opaque": ["weights/model.safetensors part 1", "weights/config.json", "joined at start"],
            "none": ["2 files below 64 MiB"],
        }[rule]
        assert {f"weights: {name}" for name in expected} <= set(names(first.stdout))
        lock = (small.root / "cogpack.lock").read_text()
        assert hashlib.sha256(data).hexdigest() in lock
        assert found.revision in lock
        assert found.endpoint not in lock + first.stderr
        assert "t0ken" not in lock + first.stderr
        assert "s3cret" not in lock + first.stderr
        stored = [path for path in cache.rglob("*") if path.is_file() and "uv" not in path.parts]
        assert not any(data[-1000:] in path.read_bytes() for path in stored)
        assert found.served[name] <= 2.1 * len(data)
        found.served.clear()
        source_file = small.root / "predict.py"
        source_file.write_text(source_file.read_text() + "# changed\n")
        machine = small.fresh(tmp_path / "machine", lock=True)
        machine.environment["COGPACK_CACHE_DIR"] = str(tmp_path / "empty")
        changed = json.loads(machine.cogpack("push", target, "--json").stdout)
        assert [layer["name"] for layer in changed["layers"] if layer["sent"]] == ["project"]
        assert found.served == {}
        checked = machine.cogpack("weights", "pull", target, "-o", str(tmp_path / "pulled"))
        assert checked.returncode == 0
        (tmp_path / name).write_bytes(data)
        machine.cogpack("weights", "verify", target, "--against", str(tmp_path / name))


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_another_machine_makes_the_same_image_of_a_hubs_files(
    small: Project, registry: str, tmp_path: Path, compression: str
) -> None:
    model = holding(("layers.0.w", "BF16", bf16(MiB)), ("layers.1.w", "BF16", MODEL[-2 * MiB :]))
    with hub({"model.safetensors": model, "config.json": CONFIG}) as found:
        small.environment |= {"HF_ENDPOINT": found.endpoint}
        configure(small, registry, {"uri": "hf://owner/name"}, layer_size=MiB, compression=compression)
        first = json.loads(small.cogpack("push", f"{registry}/managed/one:v1", "--json").stdout)
        machine = small.fresh(tmp_path / "machine", lock=True)
        lock = machine.root / "cogpack.lock"
        lock.write_text(lock.read_text().partition("[results]")[0])
        machine.environment["COGPACK_CACHE_DIR"] = str(tmp_path / "empty")
        again = json.loads(machine.cogpack("push", f"{registry}/managed/two:v1", "--json").stdout)
        assert again["digest"] == first["digest"]
        kinds = {layer["name"][:31]: layer["mediaType"].endswith("zstd") for layer in first["layers"]}
        assert kinds["weights: weights/model-layers.0"] == (compression == "zstd")
        assert not kinds["weights: weights/model-layers.1"]


def test_bytes_that_are_not_the_pinned_ones_never_ship(small: Project, registry: str, tmp_path: Path) -> None:
    with hub({"model.safetensors": MODEL, "config.json": CONFIG}) as found:
        # A cache of its own, which knows of no repository that has the right bytes.
        small.environment |= {"HF_ENDPOINT": found.endpoint, "COGPACK_CACHE_DIR": str(tmp_path / "cache")}
        configure(small, registry, {"uri": "hf://owner/name"}, layer_size=MiB)
        small.cogpack("lock")
        changed = bytearray(MODEL)
        changed[-1] ^= 1
        found.files["model.safetensors"] = bytes(changed)
        failed = small.cogpack("push", f"{registry}/managed/changed:v1", ok=False)
        assert failed.returncode == 3
        assert "is not what the lock pins" in failed.stderr
    assert httpx.get(f"http://{registry}/v2/managed/changed/tags/list").status_code == 404


def test_a_hub_that_says_another_hash_than_its_bytes_have_is_not_believed(small: Project, registry: str) -> None:
    with hub({"model.safetensors": MODEL, "config.json": CONFIG}) as found:
        small.environment |= {"HF_ENDPOINT": found.endpoint}
        lie = {"size": 1, "sha256": "0" * 64, "pointerSize": 1}
        found.sibling = lambda name, data: {"rfilename": name, "size": len(data), "blobId": "b" * 40, "lfs": lie}
        configure(small, registry, {"uri": "hf://owner/name"}, layer_size=MiB)
        failed = small.cogpack("lock", ok=False)
        assert failed.returncode == 3
        assert "0" * 64 in failed.stderr
        assert not (small.root / "cogpack.lock").exists()


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("hf://owner/gone", 2, "no such model"),
        ("hf://owner/name@other", 2, "no such model or revision"),
        ("hf://owner", 2, "expected hf://OWNER/NAME"),
        ("./nowhere", 2, "No such file"),
    ],
)
def test_a_source_that_is_not_there_is_named(small: Project, registry: str, source: str, code: int, words: str) -> None:
    with hub({"model.safetensors": MODEL}) as found:
        small.environment |= {"HF_ENDPOINT": found.endpoint}
        configure(small, registry, {"uri": source})
        failed = small.cogpack("push", ok=False)
        assert failed.returncode == code, failed.stderr
        assert words in failed.stderr


def test_a_managed_file_and_a_project_file_can_not_share_a_place(small: Project, registry: str, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.bin").write_text("x")
    (small.root / "weights").mkdir()
    (small.root / "weights" / "a.bin").write_text("y")
    configure(small, registry, {"uri": str(tmp_path / "outside")})
    failed = small.cogpack("push", ok=False)
    assert failed.returncode == 2
    assert "/src/weights/a.bin" in failed.stderr
