"""Weight files over layers: which get one of their own, in which order, and how often their bytes are read."""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import gguf_files
from support.clock import an_hour_later
from support.images import drain
from support.safetensors_files import made

from cogpack.digest import DiffID
from cogpack.errors import InputError, MismatchError
from cogpack.formats import FORMATS
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Uncompressed
from cogpack.layers.content import LocalFile
from cogpack.layers.entry import Directory, File, HardLink, Symlink
from cogpack.layers.facts import Facts
from cogpack.layers.fingerprints import Fingerprints
from cogpack.layers.known import Claims, Known, Outgoing
from cogpack.layers.layer import Body, LayerSource, key_of
from cogpack.layers.weights.arrangement import MAX_LAYERS, Weight, arrange, largest, layer_size, may_hold
from cogpack.model_files import Rule
from cogpack.oci import LayerInfo

MiB = 1024 * 1024


class Folder:
    """Weight files on disk, and the fingerprints kept of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / "fingerprints"
        self.prints = Fingerprints(self.store)

    def weight(self, path: str, data: bytes | int, rule: Rule = "none") -> Weight:
        """`data`: bytes, or a size for its own name and zeros that take no room."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as stream:
            stream.write(path.encode() if isinstance(data, int) else data)
            if isinstance(data, int):
                stream.truncate(data)
        return Weight(f"src/{path}", path, LocalFile.of(place), place.stat().st_size, rule)

    def arrange(self, weights: Sequence[Weight], size: int = 4 * MiB, max_layers: int = 100) -> list[LayerSource]:
        arrangement = arrange(weights, size, self.prints.when_read, b"program", max_layers=max_layers)
        return [layer.source for layer in arrangement.layers]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize(
    ("gigabytes", "mebibytes"), [(0.1, 128), (7, 128), (10, 256), (20, 512), (32, 512), (40, 1024), (500, 1024)]
)
def test_layers_are_sized_by_the_whole_in_powers_of_two(gigabytes: float, mebibytes: int) -> None:
    assert layer_size(int(gigabytes * 1e9), FORMATS[2]) == mebibytes * MiB
    assert layer_size(int(gigabytes * 1.02e9), FORMATS[2]) == mebibytes * MiB


def test_large_files_stand_alone_and_small_ones_share_a_layer_above(folder: Folder) -> None:
    weights = [folder.weight("a.bin", 10), folder.weight("b.bin", 70 * MiB), folder.weight("c.bin", 10)]
    assert [layer.name for layer in folder.arrange(weights)] == ["weights: b.bin", "weights: 2 files below 64 MiB"]


def test_a_cut_model_has_its_shards_in_order_and_the_index_on_top(folder: Folder) -> None:
    tensors = [("head.w", "U8", [MiB]), ("embed.w", "U8", [2 * MiB])]
    tensors += [(f"layers.{n}.w", "U8", [MiB]) for n in range(8)]
    layers = folder.arrange([folder.weight("m/model.safetensors", made(tensors), "tensor")])
    assert [re.sub(r"-[0-9a-f]{8}\.safetensors", "", layer.name) for layer in layers] == [
        "weights: m/model-embed",
        "weights: m/model-layers.0-3",
        "weights: m/model-layers.4-7",
        "weights: m/model-head",
        "weights: m/model.safetensors.index.json",
    ]
    (index,) = [entry for entry in layers[-1].entries() if isinstance(entry, File)]
    assert index.path == "src/m/model.safetensors.index.json"
    with index.content.open() as stream:
        names = set(json.loads(stream.read())["weight_map"].values())
    held = {entry.path for layer in layers[:-1] for entry in layer.entries() if isinstance(entry, File)}
    assert held == {f"src/m/{name}" for name in names}


@pytest.mark.slow
def test_a_split_gguf_file_has_its_keys_in_a_small_layer_on_top(folder: Folder) -> None:
    data = gguf_files.made([(f"blk.{n}.w", "Q8_0", [1024, 128]) for n in range(16)], pairs={"tokenizer.x": "x"})
    layers = folder.arrange([folder.weight("m/llm.gguf", data, "gguf"), folder.weight("b.bin", b"small")], 18 * MiB)
    assert [layer.name for layer in layers] == [
        "weights: m/llm-00002-of-00005.gguf",
        "weights: m/llm-00003-of-00005.gguf",
        "weights: m/llm-00004-of-00005.gguf",
        "weights: m/llm-00005-of-00005.gguf",
        "weights: b.bin",
        "weights: m/llm-00001-of-00005.gguf",
    ]
    (first,) = [entry for entry in layers[-1].entries() if isinstance(entry, File)]
    assert first.path == "src/m/llm-00001-of-00005.gguf"
    assert first.content.size < 1024


@pytest.mark.slow
def test_there_are_never_more_layers_than_an_image_bears(folder: Folder) -> None:
    cut = made([(f"layers.{n}.w", "U8", [MiB]) for n in range(100)])
    layers = folder.arrange([folder.weight("model.safetensors", cut, "tensor")], 1 * MiB)
    assert len(layers) <= MAX_LAYERS + 1
    whole = [folder.weight(f"{n:03}.bin", 64 * MiB) for n in range(150)]
    layers = folder.arrange(whole, 128 * MiB)
    assert len(layers) <= MAX_LAYERS
    assert [entry.path for layer in layers for entry in layer.entries()] == [weight.path for weight in whole]
    mixed = [*whole, folder.weight("model.safetensors", cut, "tensor"), folder.weight("a.bin", b"small")]
    assert len(folder.arrange([*mixed, folder.weight("b.pt", cut, "opaque")], 1 * MiB, max_layers=9)) <= 9


def test_an_opaque_file_is_parts_of_whole_pages_with_their_hashes_and_a_link(folder: Folder) -> None:
    data = random.Random(1).randbytes(10 * MiB) + b"odd"
    layers = folder.arrange([folder.weight("big.pt", data, "opaque")])
    *parts, join = layers
    files = []
    for layer in parts:
        part, digest = [entry for entry in layer.entries() if isinstance(entry, File)]
        assert digest.path == f"{part.path}.blake3"
        assert part.content.size % 4096 == 0 or layer is parts[-1]
        with part.content.open() as stream:
            files.append(stream.read(part.content.size))
    assert b"".join(files) == data
    entries = {entry.path: entry for entry in join.entries()}
    assert entries["var/lib/cogpack/joined"] == Directory("var/lib/cogpack/joined", mode=0o1777)
    link = entries["src/big.pt"]
    assert isinstance(link, Symlink)
    assert link.target.startswith("/var/lib/cogpack/joined/")


def links(layer: LayerSource) -> dict[str, str]:
    return {entry.path: entry.target for entry in layer.entries() if isinstance(entry, HardLink)}


@pytest.mark.slow
def test_equal_weights_lie_in_one_layer_that_of_the_first(folder: Folder) -> None:
    large, small = random.Random(1).randbytes(70 * MiB), random.Random(2).randbytes(2 * MiB)
    names = {"a.bin": large, "b.bin": large[:-1], "c.bin": small, "d/a.bin": large, "e.bin": small, "f.bin": b"x"}
    layers = folder.arrange([folder.weight(name, data) for name, data in names.items()])
    assert [layer.name for layer in layers] == [
        "weights: a.bin + 1 equal",
        "weights: b.bin",
        "weights: 3 files below 64 MiB",
    ]
    assert [links(layer) for layer in layers] == [{"src/d/a.bin": "src/a.bin"}, {}, {"src/e.bin": "src/c.bin"}]
    assert all(may_hold(layers[0].name, name) for name in ("a.bin", "d.bin"))
    assert not may_hold(layers[1].name, "d.bin")


def test_equal_models_are_cut_alike_and_stored_once(folder: Folder) -> None:
    data = made([(f"layers.{n}.w", "U8", [2 * MiB]) for n in range(4)])
    layers = folder.arrange([folder.weight(f"{name}/model.safetensors", data, "tensor") for name in "ab"])
    *shards, indexes = layers
    assert all(re.fullmatch(r"weights: a/model-.*\.safetensors \+ 1 equal", layer.name) for layer in shards)
    assert [sum(isinstance(entry, File) for entry in layer.entries()) for layer in layers] == [1, 1, 2]
    assert {len(links(layer)) for layer in shards} == {1}
    assert indexes.name == "weights: 2 indexes and tiny shards"


def test_equal_parts_of_one_file_are_stored_once(folder: Folder) -> None:
    data = bytes(8 * MiB) + random.Random(1).randbytes(4 * MiB) + bytes(4 * MiB)
    first, second, _ = folder.arrange([folder.weight("big.pt", data, "opaque")])
    assert [first.name, second.name] == ["weights: big.pt part 1 + 2 equal", "weights: big.pt part 3"]
    assert [target.rpartition("/")[2] for target in links(first).values()] == ["00000", "00000"]


@pytest.mark.slow
def test_of_equal_weights_the_layers_of_a_known_and_an_unread_checkout_are_the_same(folder: Folder) -> None:
    """Whatever of the two was read before."""
    data = random.Random(1).randbytes(65 * MiB)
    weights = [folder.weight(name, data) for name in ("a.bin", "b.bin")]
    keys = set()
    for known in range(3):
        prints = Fingerprints(folder.root / str(known))
        for weight in weights[:known]:
            assert isinstance(weight.content, LocalFile)
            prints.of(weight.content.path)
        (layer,) = arrange(weights, 4 * MiB, prints.when_read, b"program").layers
        keys.add(layer.source.key())
        assert links(layer.source) == {"src/b.bin": "src/a.bin"}
    assert len(keys) == 1
    assert None not in keys


def test_repeated_metadata_has_a_limit(folder: Folder) -> None:
    data = made([("a", "U8", [1])], metadata={"training": "x" * 2 * MiB})
    with pytest.raises(InputError, match="metadata"):
        folder.arrange([folder.weight("model.safetensors", data, "tensor")])


@contextmanager
def counted_reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Bytes that are read of each file, by its name."""
    from cogpack.layers import content

    reads: Counter[str] = Counter()
    original = content._Unchanged.read

    def read(self: content._Unchanged, size: int = -1) -> bytes:
        block = original(self, size)
        reads[self._path.name] += len(block)
        return block

    with monkeypatch.context() as patch:
        patch.setattr(content._Unchanged, "read", read, raising=False)
        yield reads


def test_one_pass_gives_bytes_digest_and_key(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    data = made([(f"layers.{n}.w", "U8", [MiB]) for n in range(8)])
    weight = folder.weight("model.safetensors", data, "tensor")
    with counted_reads(monkeypatch) as reads:
        layers = [BuiltLayer(source, Uncompressed()) for source in folder.arrange([weight])]
        header = reads["model.safetensors"]
        assert any(layer.key is None for layer in layers)
        for layer in layers:
            layer.copy_to(drain)
            assert layer.key is not None
        assert reads["model.safetensors"] - header == 8 * MiB
    assert len({layer.key for layer in layers}) == len(layers)


def test_what_was_read_once_is_recognised_unread(folder: Folder) -> None:
    folder.prints = Fingerprints(folder.store, clock=an_hour_later)
    weight = folder.weight("b.bin", bytes(1000))
    (source,) = folder.arrange([weight])
    layer = BuiltLayer(source, Uncompressed())
    layer.copy_to(drain)
    folder.prints.save()
    folder.prints = Fingerprints(folder.store)
    (source,) = folder.arrange([weight])
    again = BuiltLayer(source, Uncompressed())
    assert again.key == layer.key is not None


def test_who_trusts_no_times_reads_again(folder: Folder) -> None:
    folder.prints = Fingerprints(folder.store, clock=an_hour_later)
    weight = folder.weight("b.bin", b"data")
    BuiltLayer(folder.arrange([weight])[0], Uncompressed()).copy_to(drain)
    folder.prints.save()
    for trusting in (True, False):
        folder.prints = Fingerprints(folder.store, trusting=trusting)
        assert (BuiltLayer(folder.arrange([weight])[0], Uncompressed()).key is None) is not trusting


def test_what_is_said_of_an_unread_layer_is_weighed_in_the_pass_that_reads_it(folder: Folder) -> None:
    def fresh() -> BuiltLayer:
        folder.prints = Fingerprints(folder.root / "no such store")
        (source,) = folder.arrange([folder.weight("b.bin", b"data")])
        return BuiltLayer(source, Uncompressed())

    layer = fresh()
    info = layer.copy_to(drain)
    facts = Facts(folder.root / "facts")
    facts.record(key_of(layer), info)
    again = fresh()
    known = Known.weighed([again], [Claims("the cache", facts)])
    assert known.of(again) is None
    assert Outgoing(again, known).copy_to(drain) == info
    poisoned = fresh()
    wrong = LayerInfo(info.descriptor, DiffID("sha256:" + "0" * 64))
    known = Known.weighed([poisoned], [Claims("cogpack.lock", {key_of(layer): wrong})])
    ended: list[bool] = []

    def consume(body: Body) -> None:
        drain(body)
        ended.append(True)

    with pytest.raises(MismatchError, match=r"cogpack\.lock says"):
        Outgoing(poisoned, known).copy_to(consume)
    assert ended == []


@pytest.mark.parametrize(
    ("layer", "file", "held"),
    [
        ("unet/model.safetensors", "model.safetensors", True),
        ("unet/model.fp16-rest-0a1b2c3d.safetensors", "model.fp16.safetensors", True),
        ("unet/model.safetensors.index.fp16.json", "model.fp16.safetensors", True),
        ("big.pt part 3", "big.pt", True),
        ("llm-00001-of-00003.gguf", "llm.gguf", True),
        ("7 files", "big.pt", True),
        ("joined at start", "big.pt", True),
        ("llm-00001-of-00003.gguf", "llm-00002-of-00003.gguf", False),
        ("unet/model.safetensors.index.fp16.json", "model.bf16.safetensors", False),
        ("big/model.pt", "big", False),
    ],
)
def test_a_layers_name_tells_what_is_not_in_it(layer: str, file: str, held: bool) -> None:
    assert may_hold(f"weights: {layer}", file) is held


def test_limits_leave_no_crumbs() -> None:
    assert largest(128 * MiB) == 192 * MiB
