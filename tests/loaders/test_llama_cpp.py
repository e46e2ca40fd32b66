"""llama.cpp itself reads the parts of a GGUF file, opened by the first, and answers as with the whole file."""

import os
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest

from cogpack.commands.split_weights import split
from cogpack.session import Session, Settings

pytestmark = pytest.mark.slow

pytest.importorskip("xllamacpp", reason="xllamacpp is not installed; `make loaders` installs it")
WIDTH, HIDDEN, HEADS = 64, 128, 4
PROGRAM = """
import json, sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.warmup = 64, False
server = xllamacpp.Server(params)
answer = server.handle_completions({"prompt": "abc", "max_tokens": 8, "temperature": 0, "logprobs": 3})
print("ANSWER", json.dumps([answer["choices"][0]["text"], answer["choices"][0]["logprobs"]]))
"""


def tiny_model(path: Path, alignment: int) -> None:
    """A llama of two blocks with random weights and letters for tokens."""
    random = np.random.default_rng(0)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", *"abcdefghij"]
    kinds = [2, 3, 3, *[6] * 256, *[1] * 11]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_custom_alignment(alignment)
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(2)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)

    def add(name: str, *shape: int) -> None:
        writer.add_tensor(name, (random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32))

    add("token_embd.weight", len(tokens), WIDTH)
    for block in range(2):
        writer.add_tensor(f"blk.{block}.attn_norm.weight", np.ones(WIDTH, np.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{block}.{name}.weight", WIDTH, WIDTH)
        writer.add_tensor(f"blk.{block}.ffn_norm.weight", np.ones(WIDTH, np.float32))
        add(f"blk.{block}.ffn_gate.weight", HIDDEN, WIDTH)
        add(f"blk.{block}.ffn_up.weight", HIDDEN, WIDTH)
        add(f"blk.{block}.ffn_down.weight", WIDTH, HIDDEN)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    add("output.weight", len(tokens), WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def answer(path: Path) -> str:
    """In a process of its own: the library keeps a server running until the end."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, path], capture_output=True, text=True, timeout=120)
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    assert lines, done.stderr[-2000:]
    return lines[0]


@pytest.mark.parametrize("alignment", [32, 512])
def test_llama_cpp_answers_the_same_from_the_parts(tmp_path: Path, alignment: int) -> None:
    whole = tmp_path / "model.gguf"
    tiny_model(whole, alignment)
    written = split(
        Session(Settings(cache=tmp_path / "cache", environment=os.environ)), whole, tmp_path / "parts", size=100_000
    )
    assert len(written.files) > 3
    assert answer(tmp_path / "parts" / f"model-00001-of-{len(written.files):05d}.gguf") == answer(whole)
