"""Real loaders read what we split, with our names for the shards, and get the very numbers of the unsplit file.

They want torch, transformers, diffusers, accelerate, sentence-transformers (the extra `loaders`).
"""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from cogpack.commands.split_weights import split
from cogpack.session import Session, Settings

pytestmark = pytest.mark.slow

MODEL = Path(__file__).resolve().parents[2] / "examples" / "minilm" / "model"
MiB = 1024 * 1024

NEEDED = "not installed; `make loaders` installs it"
torch: Any = pytest.importorskip("torch", reason=f"torch is {NEEDED}")
transformers: Any = pytest.importorskip("transformers", reason=f"transformers is {NEEDED}")


@pytest.fixture(scope="module")
def whole() -> Path:
    if not (MODEL / "model.safetensors").is_file():
        pytest.skip("examples/minilm/fetch_weights.py was not run")
    return MODEL


def cut(source: Path, target: Path, name: str, size: int) -> Path:
    """A copy of the directory `source` with the file `name` in shards."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(name))
    written = split(
        Session(Settings(cache=target.parent / "cache", environment=os.environ)), source / name, target, size=size
    )
    assert len(written.files) > 3
    return target


@pytest.fixture(scope="module")
def sharded(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut(whole, tmp_path_factory.mktemp("cut") / "model", "model.safetensors", 4 * MiB)


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_safetensors(whole: Path, sharded: Path) -> None:
    from safetensors.torch import load_file

    found: dict[str, Any] = {}
    for path in sharded.glob("*.safetensors"):
        found |= load_file(path)
    assert same(found, load_file(whole / "model.safetensors"))


@pytest.mark.parametrize("dtype", ["auto", "float32"])
def test_transformers(whole: Path, sharded: Path, dtype: str) -> None:
    load = transformers.AutoModel.from_pretrained
    first, second = load(whole, dtype=dtype), load(sharded, dtype=dtype)
    assert same(first.state_dict(), second.state_dict())
    assert first.dtype == second.dtype
    words = torch.arange(100, 120)[None]
    with torch.no_grad():
        assert torch.equal(first(words).last_hidden_state, second(words).last_hidden_state)


def test_transformers_takes_the_dtype_of_half_precision_shards(tmp_path: Path) -> None:
    """`dtype="auto"` looks at the shard that sorts first."""
    config = transformers.LlamaConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4, vocab_size=1000
    )
    model = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(tmp_path / "whole")
    found = cut(tmp_path / "whole", tmp_path / "cut", "model.safetensors", 100_000)
    again = transformers.AutoModelForCausalLM.from_pretrained(found, dtype="auto")
    assert again.dtype == torch.bfloat16
    assert same(again.state_dict(), model.state_dict())


def test_sentence_transformers(whole: Path, sharded: Path) -> None:
    pytest.importorskip("sentence_transformers", reason=f"sentence-transformers is {NEEDED}")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    embeddings = []
    for path in (whole, sharded):
        transformer = Transformer(str(path))
        model = SentenceTransformer(modules=[transformer, Pooling(transformer.get_embedding_dimension())])
        embeddings.append(model.encode(["A sentence.", "Another one."]))
    assert (embeddings[0] == embeddings[1]).all()


def test_accelerate(whole: Path, sharded: Path) -> None:
    accelerate: Any = pytest.importorskip("accelerate", reason=f"accelerate is {NEEDED}")
    first = transformers.AutoModel.from_pretrained(whole)
    second = transformers.AutoModel.from_config(first.config)
    accelerate.load_checkpoint_in_model(second, str(sharded))
    assert same(first.state_dict(), second.state_dict())


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_diffusers(tmp_path: Path, variant: str | None) -> None:
    diffusers: Any = pytest.importorskip("diffusers", reason=f"diffusers is {NEEDED}")
    model = diffusers.UNet2DModel(
        sample_size=8,
        block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        layers_per_block=1,
    )
    model.save_pretrained(tmp_path / "whole", variant=variant)
    name = f"diffusion_pytorch_model.{variant + '.' if variant else ''}safetensors"
    found = cut(tmp_path / "whole", tmp_path / "cut", name, 300_000)
    again = diffusers.UNet2DModel.from_pretrained(found, variant=variant)
    assert same(again.state_dict(), model.state_dict())
