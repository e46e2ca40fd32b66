"""`cogpack weights` on files, directories and images in an OCI layout."""

import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from support import gguf_files
from support.images import fill
from support.safetensors_files import files, made

from cogpack.commands.copy import copy
from cogpack.commands.pull_weights import pull_weights
from cogpack.commands.split_weights import join, split
from cogpack.commands.verify_weights import verify_weights
from cogpack.errors import CogpackError, InputError, MismatchError
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Gzip, Uncompressed
from cogpack.layers.content import LocalFile
from cogpack.layers.fingerprints import Fingerprints
from cogpack.layers.weights.arrangement import Weight, arrange
from cogpack.layers.weights.opaque import JoinSource
from cogpack.model_files import Rule
from cogpack.opening import open_image
from cogpack.registry.server import Server
from cogpack.session import Session, Settings
from cogpack.sinks.layout import LayoutSink

pytestmark = pytest.mark.slow

MiB = 1024 * 1024
BLOCKS = [(f"blk.{n}.w", "Q8_0", [64, 512]) for n in range(6)]
GGUF = gguf_files.made(BLOCKS, pairs={"tokenizer.chat_template": "x"})
MODEL = made([("embed.w", "F32", [MiB // 4]), *((f"layers.{n}.w", "BF16", [MiB // 4]) for n in range(8))])


FILES: dict[str, tuple[Rule, bytes]] = {
    "model__safetensors": ("tensor", MODEL),
    "llm__gguf": ("gguf", GGUF),
    "model-00001-of-00002__gguf": ("none", b"GGUF? whoever made this part made another kind of it"),
    "small__bin": ("none", b"x"),
}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(Settings(cache=tmp_path / "cache", environment=os.environ)) as opened:
        yield opened


def image(root: Path, **weights: tuple[Rule, bytes]) -> Path:
    """An OCI layout with these weights, split to 1 MiB, and the files themselves in `root`/files."""
    found = []
    for number, (rule, data) in enumerate(weights.values()):
        path = root / "files" / list(weights)[number].replace("__", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        found.append(Weight(f"src/m/{path.name}", path.name, LocalFile.of(path), len(data), rule))
    prints = Fingerprints(root / "fingerprints")
    layers = [
        BuiltLayer(layer.source, Gzip() if isinstance(layer.source, JoinSource) else Uncompressed())
        for layer in arrange(found, MiB, prints.when_read, b"program").layers
    ]
    fill(LayoutSink(root / "layout"), layers, ["example/m:v1"])
    return root / "layout"


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(data=files())
def test_what_is_split_and_joined_has_the_same_tensors(tmp_path_factory: object, data: bytes) -> None:
    from safetensors import deserialize

    root: Path = tmp_path_factory.mktemp("split")  # type: ignore[attr-defined]
    (root / "model.safetensors").write_bytes(data)
    session = Session(Settings(cache=root / "cache", environment=os.environ))
    written = split(session, root / "model.safetensors", root / "shards", size=100)
    assert sorted(path.name for path in (root / "shards").iterdir()) == sorted(written.files)
    join(session, root / "shards", root / "again.safetensors")
    again = (root / "again.safetensors").read_bytes()
    assert dict(deserialize(again)) == dict(deserialize(data))


@settings(max_examples=20, deadline=None)
@given(data=gguf_files.files())
def test_a_split_and_joined_gguf_file_is_the_same_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    root = tmp_path_factory.mktemp("split")
    (root / "model.gguf").write_bytes(data)
    session = Session(Settings(cache=root / "cache", environment=os.environ))
    written = split(session, root / "model.gguf", root / "parts", size=100)
    assert sorted(path.name for path in (root / "parts").iterdir()) == sorted(written.files)
    join(session, root / "parts", root / "again.gguf")
    assert (root / "again.gguf").read_bytes() == data


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda parts: parts[1].unlink(), "00002-of-"),
        (lambda parts: parts[1].write_bytes(parts[2].read_bytes()), "is not the part that its name says"),
        (lambda parts: parts[1].write_bytes(GGUF), "is not the part that its name says"),
        (lambda parts: [part.rename(f"{part}.away") for part in parts[:1]], "holds 0 files"),
    ],
    ids=["lost", "twice", "whole", "no first"],
)
def test_parts_that_do_not_belong_together_are_not_joined(
    session: Session, tmp_path: Path, harm: Callable[[list[Path]], object], why: str
) -> None:
    (tmp_path / "model.gguf").write_bytes(GGUF)
    split(session, tmp_path / "model.gguf", tmp_path / "parts", size=MiB)
    harm(sorted((tmp_path / "parts").iterdir()))
    with pytest.raises(CogpackError, match=why):
        join(session, tmp_path / "parts", tmp_path / "again.gguf")
    assert not (tmp_path / "again.gguf").exists()


def test_split_writes_nothing_over_what_is_there(session: Session, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(MODEL)
    (tmp_path / "model.safetensors.index.json").write_text("mine")
    with pytest.raises(InputError, match=r"model\.safetensors\.index\.json: is there already"):
        split(session, tmp_path / "model.safetensors", tmp_path, size=MiB)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.safetensors", "model.safetensors.index.json"]


@pytest.mark.parametrize(
    ("index", "why"),
    [
        ('{"weight_map": {"a": "../model.safetensors"}}', "names the file '../model.safetensors'"),
        ('{"weight_map": {"a": "model.safetensors"}}', "only in one of index and shards"),
        ('{"weight_map": {"a": "gone.safetensors"}}', r"gone\.safetensors"),
        ('{"weight_map": 7}', "weight_map"),
        ("not JSON", r"index\.json"),
    ],
)
def test_an_index_that_can_not_be_is_refused(session: Session, tmp_path: Path, index: str, why: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(MODEL)
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CogpackError, match=why):
        join(session, tmp_path, tmp_path / "joined.safetensors")
    assert not (tmp_path / "joined.safetensors").exists()


def test_weights_of_every_kind_are_found_equal(session: Session, tmp_path: Path) -> None:
    data = random.Random(0).randbytes(3 * MiB + 5)
    layout = image(tmp_path, **FILES, big__pt=("opaque", data))
    found = {file.path: file for file in verify_weights(session, str(layout), tmp_path / "files")}
    assert (found["model.safetensors"].tensors, found["llm.gguf"].tensors) == (9, 6)
    assert {path: file.how for path, file in found.items()} == {
        "model.safetensors": "tensors",
        "llm.gguf": "tensors",
        "model-00001-of-00002.gguf": "whole",
        "big.pt": "parts",
        "small.bin": "whole",
    }


def test_a_directory_is_compared_like_the_image_that_it_came_from(session: Session, tmp_path: Path) -> None:
    pulled = tmp_path / "pulled"
    pull_weights(session, str(image(tmp_path, **FILES)), pulled)
    found = verify_weights(session, str(pulled), tmp_path / "files")
    assert {file.how for file in found} == {"tensors", "whole"}
    shard = next(pulled.rglob("model-layers*.safetensors"))
    changed = bytearray(shard.read_bytes())
    changed[-1] ^= 1
    shard.write_bytes(changed)
    with pytest.raises(MismatchError, match=shard.name):
        verify_weights(session, str(pulled), tmp_path / "files")


@pytest.mark.parametrize("name", ["model.safetensors", "llm.gguf"])
def test_files_behind_links_are_taken_as_the_hubs_cache_has_them(session: Session, tmp_path: Path, name: str) -> None:
    def linked(directory: str) -> Path:
        (tmp_path / directory).mkdir()
        for number, path in enumerate(sorted((tmp_path / "blobs").iterdir())):
            (tmp_path / directory / path.name).symlink_to(path.rename(tmp_path / f"{directory}{number}"))
        return tmp_path / directory

    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / name).write_bytes({"model.safetensors": MODEL, "llm.gguf": GGUF}[name])
    whole = linked("whole")
    split(session, whole / name, tmp_path / "blobs", size=MiB)
    parts = linked("parts")
    join(session, parts, tmp_path / "joined" / name)
    for place in (whole, tmp_path / "joined"):
        verify_weights(session, str(parts), place)


@pytest.mark.parametrize(("name", "why"), [("gone.gguf", "No such file"), (".", "is no file")])
def test_what_is_no_file_is_not_split(session: Session, tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        split(session, tmp_path / name, tmp_path / "parts", size=None)


@pytest.mark.parametrize("name", ["model.safetensors", "llm.gguf", "big.pt", "small.bin"])
def test_one_other_byte_is_found_and_named(session: Session, tmp_path: Path, name: str) -> None:
    data = random.Random(0).randbytes(3 * MiB + 5)
    layout = image(tmp_path, **FILES, big__pt=("opaque", data))
    path = tmp_path / "files" / name
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    with pytest.raises(MismatchError, match=f"{name[:3]}|parts/") as caught:
        verify_weights(session, str(layout), tmp_path / "files")
    assert name in caught.value.message
    if name == "model.safetensors":
        assert "tensor layers.7.w" in caught.value.message
    if name == "llm.gguf":
        assert re.search(r"/src/m/llm-0000\d-of-0000\d\.gguf, tensor blk\.5\.w", caught.value.message)


def test_another_template_of_a_gguf_file_is_found(session: Session, tmp_path: Path) -> None:
    layout = image(tmp_path, **FILES)
    path = tmp_path / "files" / "llm.gguf"
    path.write_bytes(gguf_files.made(BLOCKS, pairs={"tokenizer.chat_template": "y"}))
    with pytest.raises(MismatchError, match=r"llm-00001-of-0000\d\.gguf, its keys and values"):
        verify_weights(session, str(layout), path)


def test_a_tensor_more_or_less_is_found(session: Session, tmp_path: Path) -> None:
    layout = image(tmp_path, model__safetensors=("tensor", MODEL))
    (tmp_path / "files" / "model.safetensors").write_bytes(made([("embed.w", "F32", [MiB // 4])]))
    with pytest.raises(MismatchError, match=r"layers\.0\.w"):
        verify_weights(session, str(layout), tmp_path / "files" / "model.safetensors")


def test_a_file_that_the_image_does_not_have_is_named(session: Session, tmp_path: Path) -> None:
    layout = image(tmp_path, small__bin=("none", b"x"))
    (tmp_path / "files" / "other.bin").write_bytes(b"y")
    with pytest.raises(MismatchError, match=r"no file for other\.bin"):
        verify_weights(session, str(layout), tmp_path / "files")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "layers", "count"),
    [
        ("model.safetensors", r"model-.*\.safetensors", 5),
        ("llm.gguf", r"llm-.*\.gguf", 6),
        ("big.fp16.pt", r"big\.fp16\.pt part .", 4),
        ("small.bin", "none of its own", 0),
    ],
)
def test_layers_of_other_weights_are_not_fetched(
    session: Session, tmp_path: Path, file: str, layers: str, count: int
) -> None:
    data = random.Random(0).randbytes(3 * MiB + 5)
    layout = image(tmp_path, **FILES, big__fp16__pt=("opaque", data))
    with Server(tmp_path / "registry") as server:
        copy(session, str(layout), f"{server.address}/a/b:v1")
        found = open_image(session, f"{server.address}/a/b:v1").layers
    asked: list[str] = []  # of a server of its own: one hears of a file that it sent after its client has it
    with Server(tmp_path / "registry", on_request=lambda method, path, *_: asked.append(f"{method} {path}")) as server:
        verify_weights(session, f"{server.address}/a/b:v1", tmp_path / "files" / file)
    fetched = [name for name, layer in found if f"GET /v2/a/b/blobs/{layer.digest}" in asked]
    several = "2 files below 64 MiB", "2 indexes and tiny shards", "joined at start"
    own = [name for name in fetched if name.removeprefix("weights: ") not in several]
    assert own == [name for name, _ in found if re.fullmatch(f"weights: {layers}", name)]
    blobs = [request for request in asked if request.startswith("GET ") and "/blobs/" in request]
    assert (len(own), len(fetched), len(blobs)) == (count, count + 3, count + 3)


def test_pulled_weights_are_the_shards_and_the_joined_files(session: Session, tmp_path: Path) -> None:
    data = random.Random(0).randbytes(3 * MiB + 5)
    layout = image(tmp_path, **FILES, big__pt=("opaque", data))
    pulled = pull_weights(session, str(layout), tmp_path / "out")
    assert (tmp_path / "out/m/big.pt").read_bytes() == data
    assert (tmp_path / "out/m/small.bin").read_bytes() == b"x"
    assert sorted(pulled.files) == sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()
    )
    (first,) = (tmp_path / "out/m").glob("llm-00001-of-*.gguf")
    join(session, first, tmp_path / "again.gguf")
    assert (tmp_path / "again.gguf").read_bytes() == GGUF
    join(session, tmp_path / "out/m/model.safetensors.index.json", tmp_path / "again.safetensors")
    from safetensors import deserialize

    assert dict(deserialize((tmp_path / "again.safetensors").read_bytes())) == dict(deserialize(MODEL))


def test_a_damaged_layer_leaves_nothing_behind(session: Session, tmp_path: Path) -> None:
    layout = image(tmp_path, small__bin=("none", b"x" * 5000))
    (blob,) = [path for path in (layout / "blobs/sha256").iterdir() if path.stat().st_size > 5000]
    damaged = bytearray(blob.read_bytes())
    damaged[3000] ^= 1
    blob.write_bytes(damaged)
    with pytest.raises(MismatchError):
        pull_weights(session, str(layout), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_weights_are_pulled_into_a_new_directory_only(session: Session, tmp_path: Path) -> None:
    layout = image(tmp_path, small__bin=("none", b"x"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        pull_weights(session, str(layout), tmp_path / "out")
