"""The splits follow names, so that what changes in a model changes one file."""

import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.safetensors_files import files, made

from cogpack.layers.content import LocalFile, Slices
from cogpack.layers.tar import read as read_content
from cogpack.layers.weights.safetensors import Header, Tensor, read_header
from cogpack.layers.weights.shards import TINY, Shard, grouped, index, shards

pytestmark = pytest.mark.slow

KiB = 1024


def header_of(data: bytes) -> Header:
    return read_header(io.BytesIO(data), len(data), where="model.safetensors")


def bytes_of(shard: Shard, data: bytes) -> bytes:
    return shard.head + b"".join(data[offset : offset + length] for offset, length in shard.ranges)


@given(files(), st.sampled_from([1, 64, 1000, 10**9]))
def test_any_file_reads_back_bit_exact_from_its_shards(data: bytes, target: int) -> None:
    from safetensors import deserialize

    parts = shards(header_of(data), stem="model", target=target)
    found = [pair for shard in parts for pair in deserialize(bytes_of(shard, data))]
    assert len(found) == len(dict(found)), "a tensor is in two shards"
    assert dict(found) == dict(deserialize(data))
    document = json.loads(index(parts))
    assert set(document["weight_map"]) == set(dict(found))
    assert document["metadata"]["total_size"] == sum(len(bytes(tensor["data"])) for _, tensor in found)
    for shard in parts:
        assert shard.size == len(bytes_of(shard, data))
        assert re.fullmatch(r"model-[A-Za-z0-9_.-]*-[0-9a-f]{8}\.safetensors", shard.name)
        held = {name for name, _ in deserialize(bytes_of(shard, data))}
        assert {name for name, file in document["weight_map"].items() if file == shard.name} == held


@given(data=files())
def test_the_slices_of_a_file_are_the_shard(tmp_path_factory: object, data: bytes) -> None:
    path = Path(tmp_path_factory.mktemp("slices") / "model.safetensors")  # type: ignore[attr-defined]
    path.write_bytes(data)
    for shard in shards(header_of(data), stem="model", target=100):
        content = Slices(LocalFile.of(path), shard.ranges, shard.head)
        assert content.size == shard.size
        assert b"".join(read_content(content)) == bytes_of(shard, data)


def llama(blocks: int = 12, *, wide: int = 64, more: tuple[tuple[str, str, list[int]], ...] = ()) -> bytes:
    """The names of a decoder: embeddings, a stack, a norm, a head; a block has about 8 * wide**2 bytes."""
    tensors = [("lm_head.weight", "BF16", [4 * wide, wide]), ("model.embed_tokens.weight", "BF16", [4 * wide, wide])]
    tensors += [
        (f"model.layers.{block}.{name}.weight", "BF16", [wide, wide])
        for block in range(blocks)
        for name in ("self_attn.q_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj")
    ]
    tensors.append(("model.norm.weight", "BF16", [wide]))
    return made([*tensors, *more], metadata={"format": "pt"})


def named(data: bytes, target: int) -> dict[str, bytes]:
    return {shard.name: bytes_of(shard, data) for shard in shards(header_of(data), stem="model", target=target)}


def labels(data: bytes, target: int) -> list[str]:
    return [name[len("model-") : -len("-01234567.safetensors")] for name in named(data, target)]


@pytest.mark.slow
def test_a_stack_is_cut_in_aligned_runs_with_embeddings_below_and_the_head_on_top() -> None:
    wide = 1024
    assert labels(llama(10, wide=wide), 4 * 8 * wide**2) == [
        "model.embed_tokens",
        "model.layers.0-3",
        "model.layers.4-7",
        "model.layers.8-11",
        "model.rest",
        "lm_head",
    ]


def test_changed_numbers_change_no_name_and_one_shard() -> None:
    wide = 256
    data = llama(wide=wide)
    target = 2 * 8 * wide**2
    header = header_of(data)
    tensor = next(tensor for tensor in header.tensors if tensor.name == "lm_head.weight")
    at = header.data + tensor.begin
    changed = data[:at] + b"\xff" * tensor.size + data[at + tensor.size :]
    before, after = named(data, target), named(changed, target)
    assert before.keys() == after.keys()
    different = [name for name in before if before[name] != after[name]]
    assert len(different) == 1
    assert len(after[different[0]]) <= 1.05 * tensor.size + 64 * KiB


def test_a_tensor_added_in_the_middle_changes_one_shard() -> None:
    wide = 256
    more = (("model.layers.5.self_attn.q_norm.weight", "BF16", [wide]),)
    before, after = named(llama(wide=wide), 2 * 8 * wide**2), named(llama(wide=wide, more=more), 2 * 8 * wide**2)
    assert len(set(after.items()) - set(before.items())) == 1


def test_a_block_more_changes_no_other_shard() -> None:
    wide = 256
    before, after = named(llama(12, wide=wide), 2 * 8 * wide**2), named(llama(13, wide=wide), 2 * 8 * wide**2)
    assert len(set(after.items()) - set(before.items())) == 1


def test_experts_of_a_block_that_is_too_large_are_cut_among_themselves() -> None:
    tensors = [
        (f"model.layers.{block}.mlp.experts.{expert}.w1", "F32", [64, 1024])
        for block in range(3)
        for expert in range(8)
    ]
    tensors += [(f"model.layers.{block}.self_attn.weight", "F32", [64, 1024]) for block in range(3)]
    found = labels(made(tensors), 4 * 256 * KiB)
    assert "model.layers.0.mlp.experts.0-3" in found
    assert "model.layers.2.self_attn" in found
    assert len(found) == 3 * 3


def test_shards_of_a_regular_model_are_of_about_equal_size() -> None:
    wide = 512
    sizes = [len(data) for name, data in named(llama(32, wide=wide), 4 * 8 * wide**2).items() if "layers" in name]
    assert max(sizes) <= 1.05 * min(sizes)


def test_names_that_no_file_system_would_like_are_made_plain() -> None:
    hostile = ["../../etc/passwd", "a/b\n", "." * 5000, "x" * 5000, "\0", "model.layers." + "9" * 400 + ".w"]
    data = made([(name, "U8", [TINY]) for name in hostile])
    for name in named(data, TINY):
        assert re.fullmatch(r"model-[A-Za-z0-9_.-]{0,80}-[0-9a-f]{8}\.safetensors", name)
        assert "/" not in name


def test_many_small_modules_are_not_one_large_shard() -> None:
    data = made([(f"part_{number:04d}.w", "U8", [TINY // 2]) for number in range(100)])
    sizes = [len(shard) for shard in named(data, 8 * TINY).values()]
    assert max(sizes) <= 8 * TINY + 64 * KiB


def test_very_many_names_beside_one_another_take_the_time_of_their_number() -> None:
    """A header may have 200,000, which took minutes."""
    tensors = [Tensor(f"t{at:06d}", "U8", (1,), at, at + 1) for at in range(100_000)]
    groups = grouped(tensors, 50_000)
    assert [len(group) for _, group in groups] == [50_000] * 2
