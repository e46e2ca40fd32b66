"""Files of servers are split and judged like files that are here, and little is read for it."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import gguf_files
from support.safetensors_files import bf16, holding

from cogpack.layers.content import LocalFile
from cogpack.layers.fingerprints import Fingerprints
from cogpack.layers.tar import read as read_content
from cogpack.layers.weights.arrangement import Weight, arrange
from cogpack.layers.weights.probe import probe_local
from cogpack.layers.weights.remote import (
    RemoteContent,
    measure,
    opaque_pieces,
    probe_pieces,
    split_remote,
    whole_piece,
)
from cogpack.layers.weights.shards import Piece
from cogpack.model_files import Rule, TensorRule

MiB = 1024 * 1024
SAFETENSORS = holding(
    ("layers.0.w", "BF16", bf16(MiB)),
    ("layers.1.w", "F8_E4M3", bytes(2 * MiB)),
    ("layers.2.w", "BF16", random.Random(0).randbytes(2 * MiB)),
)
GGUF = gguf_files.made(
    [("a", "BF16", [MiB]), ("b", "Q8_0", [64, 1024])], pairs={"tokenizer.words": [f"word {n}" for n in range(20_000)]}
)


class Server:
    """A file that is read by ranges."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.sent = 0

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        assert 0 <= offset < offset + length <= self.size
        for start in range(offset, offset + length, 10_007):
            block = self.data[start : min(start + 10_007, offset + length)]
            self.sent += len(block)
            yield block


def pieces_of(rule: Rule, server: Server, name: str) -> list[Piece]:
    if rule == "none":
        return [whole_piece(server.size)]
    return opaque_pieces(server.size, MiB) if rule == "opaque" else split_remote(rule, server, name, MiB)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("model.safetensors", "tensor"),
        ("model.safetensors", "opaque"),
        ("model.safetensors", "none"),
        ("model.gguf", "gguf"),
        ("model.gguf", "opaque"),
        ("model.gguf", "none"),
    ],
)
def test_pieces_are_the_same_and_judged_the_same_wherever_the_file_lies(tmp_path: Path, name: str, rule: Rule) -> None:
    data = SAFETENSORS if name == "model.safetensors" else GGUF
    path = tmp_path / name
    path.write_bytes(data)
    weight = Weight(f"src/{name}", name, LocalFile.of(path), len(data), rule)
    prints = Fingerprints(tmp_path / "store")
    here = arrange([weight], MiB, prints.when_read, b"", probe_local).parts[weight.path]
    server = Server(data)
    pieces = pieces_of(rule, server, name)
    assert probe_pieces(server, name, pieces) == [part.ratio for part in here]
    _, hashes = measure(server, pieces, lambda size: None)
    for part, piece, digest in zip(here, pieces, hashes, strict=True):
        content = RemoteContent(lambda: server, lambda piece=piece: piece, piece.size, digest)
        assert b"".join(read_content(content)) == b"".join(read_content(part.content))
        assert part.content.blake3 == digest


@pytest.mark.parametrize(("name", "rule"), [("model.safetensors", "tensor"), ("model.gguf", "gguf")])
def test_to_cut_a_file_its_header_is_read_and_not_much_more(name: str, rule: TensorRule) -> None:
    server = Server(SAFETENSORS if rule == "tensor" else GGUF)
    pieces = split_remote(rule, server, name, MiB)
    header = server.size - sum(length for piece in pieces for _, length in piece.ranges)
    assert server.sent <= 2 * header + 64 * 1024
