"""Weights of which something is missing are told of, and those that are whole are not."""

import io
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import gguf_files
from support.safetensors_files import made

from cogpack.layers.content import LocalFile
from cogpack.layers.weights.complete import incomplete, unsound
from cogpack.layers.weights.gguf_end import cut_off
from cogpack.notes import Code


def index(*files: str) -> bytes:
    return json.dumps({"metadata": {}, "weight_map": {f"t{n}": file for n, file in enumerate(files)}}).encode()


def shards(count: int, stem: str = "model", suffix: str = ".safetensors", first: int = 1) -> list[str]:
    return [f"{stem}-{number:05}-of-{count:05}{suffix}" for number in range(first, first + count)]


def told(files: Mapping[str, bytes]) -> list[str]:
    notes = list(incomplete(files.keys(), files.get))
    assert {note.code for note in notes} <= {Code.INCOMPLETE_WEIGHTS}
    return [note.text for note in notes]


@pytest.mark.parametrize(
    "name",
    [
        *("model.safetensors.index.json", "pytorch_model.bin.index.json", "model.safetensors.index.fp16.json"),
        "unet/diffusion_pytorch_model.safetensors.index.json",
    ],
)
def test_an_index_that_names_a_missing_file_is_named_with_it(name: str) -> None:
    folder = name[: name.rfind("/") + 1]
    named = shards(2, stem="w", suffix=".bin")
    present = {folder + named[0]: b"", name: index(*named)}
    assert told(present) == [f"{name}: names {folder}w-00002-of-00002.bin, which is not there"]
    assert told(present | {folder + named[1]: b""}) == []


def test_an_index_alone_is_named_unless_the_model_is_there_in_another_format() -> None:
    name = "m/model.safetensors.index.json"
    alone = {name: index(*shards(5))}
    assert told(alone) == [
        (
            f"{name}: names m/model-00001-of-00005.safetensors, m/model-00002-of-00005.safetensors, "
            "m/model-00003-of-00005.safetensors and 2 more, which are not there"
        )
    ]
    assert told(alone | {"m/consolidated.pth": b""}) == []
    assert told(alone | {"other/consolidated.pth": b""}) != []


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"weight_map": 3}', b'{"weight_map": {"a": 3}}', b"\xff"])
def test_what_is_no_index_names_nothing(document: bytes) -> None:
    assert told({"model.safetensors.index.json": document}) == []


def test_parts_that_count_are_missed_without_an_index_too() -> None:
    first, second, third = shards(3, stem="unet/diffusion_pytorch_model", suffix=".fp16.safetensors")
    assert told({second: b""}) == [f"{second}: belongs to {first}, {third}, which are not there"]
    assert told(dict.fromkeys((first, second, third), b"")) == []


@pytest.mark.parametrize(
    ("suffix", "stem", "first"), [(".gguf", "m", 1), (".safetensors", "m", 0), ("", "ckpt/variables.data", 0)]
)
def test_every_way_to_count_is_known(suffix: str, stem: str, first: int) -> None:
    one, two = shards(2, stem=stem, suffix=suffix, first=first)
    assert told({one: b"", two: b""}) == []
    assert told({one: b""}) == [f"{one}: belongs to {two}, which is not there"]


def test_what_the_index_told_is_not_told_twice() -> None:
    one, two = shards(2)
    assert len(told({one: b"", "model.safetensors.index.json": index(one, two)})) == 1


def test_data_that_counts_is_no_weights() -> None:
    assert told({"train-00000-of-00005.parquet": b"", "a-00001-of-00002.txt": b""}) == []


GGUF = gguf_files.made(
    [("a", "F32", [9]), ("b", "Q8_0", [2, 3])],
    pairs={"t": ["", "token", "x" * 300], "n": 7, "f": [0.5, 1.0], "s": "text", "yes": True},
    alignment=64,
)
GGUF = GGUF[: len(GGUF) - 64 + 2 * 3 * 34 % 64]
"""Without the zeros behind the last tensor, which not all have."""


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("m.gguf", b"", "not a GGUF file: it is empty"),
        ("m-00002-of-00002.gguf", b"<html>", "not a GGUF file: it begins otherwise"),
        ("m.safetensors", b"", "not a sound safetensors file: a header of 0 bytes in a file of 0"),
        ("m.safetensors", made([("a", "U8", [9])])[:-1], "not a sound safetensors file: tensors of 9 bytes, data of 8"),
        ("m.safetensors", b"<!DOCTYPE html>", "not a sound safetensors file: a header of"),
        ("m.gguf", GGUF[:-1], f"not a whole GGUF file: {len(GGUF) - 1} bytes, and its tensors take {len(GGUF)}"),
        ("m.gguf", GGUF[:200], "not a whole GGUF file: it ends in its header"),
        ("m.gguf", GGUF[:9], "not a whole GGUF file: it ends in its header"),
        ("m.gguf", GGUF + b"more", None),
        ("m.gguf", GGUF[:4] + struct.pack("<I", 9) + GGUF[8:-1], None),
        ("m.gguf", GGUF, None),
        ("m.safetensors", made([("a", "U8", [9])]), None),
        ("m.safetensors", made([("a", "U8", [9])]).replace(b'"U8"', b'"U9"'), None),
        ("m.bin", b"", None),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_named(
    tmp_path: Path, name: str, data: bytes, why: str | None
) -> None:
    (tmp_path / name).write_bytes(data)
    found = list(unsound({f"sub/{name}": LocalFile.of(tmp_path / name)}))
    assert [note.text.startswith(f"sub/{name}: {why}") for note in found] == ([True] if why else [])
    assert {note.code for note in found} <= {Code.UNSOUND_WEIGHTS}


def test_a_gguf_file_that_ends_anywhere_before_its_end_is_told() -> None:
    for size in range(4, len(GGUF)):
        assert cut_off(io.BytesIO(GGUF[:size]), size), size
    assert cut_off(io.BytesIO(GGUF), len(GGUF)) is None


def _head(tensors: int, pairs: int, *rest: bytes) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, pairs) + b"".join(rest)


def _long(number: int) -> bytes:
    return struct.pack("<Q", number)


_KEY = _long(1) + b"k"


@pytest.mark.parametrize("length", [2**20, 2**62, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize(
    "head",
    [
        lambda many: _head(0, 1, _long(many)),
        lambda many: _head(1, 1, _KEY, struct.pack("<I", 8), _long(many)),
        lambda many: _head(0, 1, _KEY, struct.pack("<I", 8), _long(many)),
        lambda many: _head(0, 2, *[_KEY, struct.pack("<IIQ", 9, 12, many)] * 2),
        lambda many: _head(0, 1, _KEY, struct.pack("<IIQQQ", 9, 8, 2, many, many)),
        lambda many: _head(0, 1, _KEY, struct.pack("<IIQ", 9, 8, many)),
        lambda many: _head(1, 0, _long(many)),
        lambda many: _head(many, 0),
        lambda many: _head(0, many, *[_KEY, struct.pack("<IB", 0, 0)] * 9),
    ],
)
def test_a_gguf_header_that_claims_more_than_there_is_ends_in_itself(head: Callable[[int], bytes], length: int) -> None:
    data = head(length)
    assert cut_off(io.BytesIO(data), len(data)) == "it ends in its header"


def test_of_a_gguf_header_no_more_is_read_than_one_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogpack.layers.weights.gguf_end.MAX_HEADER", 1 << 20)
    stream = io.BytesIO(_head(0, 1, _long(2 << 20), bytes(3 << 20)))
    assert cut_off(stream, 3 << 20) is None
    assert stream.tell() == 1 << 20


_NUMBERS = st.sampled_from([0, 1, 2, 7, 8, 9, 12, 32, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
_PARTS = st.one_of(
    st.binary(max_size=12),
    st.just(_KEY),
    st.builds(_long, _NUMBERS),
    _NUMBERS.map(lambda n: struct.pack("<I", n % 2**32)),
)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (_head(0, 2**64 - 1), "it ends in its header"),
        (_head(2**64 - 1, 0), "it ends in its header"),
        (_head(0, 1, _KEY, struct.pack("<IIQ", 9, 8, 2**64 - 1)), "it ends in its header"),
        (_head(0, 70_000), None),
        (b"GGUF" + struct.pack(">IQQ", 3, 1, 1), None),
        (_head(110_000, 0), None),
        (_head(0, 1, _KEY, struct.pack("<IIQ", 9, 8, 2_100_000)), None),
    ],
)
def test_of_a_gguf_header_that_claims_what_none_has_no_more_is_read(head: bytes, told: str | None) -> None:
    """80 MB of zeros behind took 3 to 11 s: all of them are pairs, tensors and texts without a name."""
    stream = io.BytesIO(head + bytes(20 << 20))
    assert cut_off(stream, 20 << 20) == told
    assert stream.tell() <= 1 << 18


@given(st.sampled_from([2, 3]), _NUMBERS, _NUMBERS, st.lists(_PARTS, max_size=30), st.integers(0, 9))
def test_whatever_follows_the_magic_of_gguf_gives_an_answer(
    version: int, tensors: int, pairs: int, parts: list[bytes], cut: int
) -> None:
    data = b"GGUF" + struct.pack("<IQQ", version, tensors, pairs) + b"".join(parts)
    data = data[: len(data) - cut]
    told = cut_off(io.BytesIO(data), len(data))
    assert (
        told is None or told == "it ends in its header" or told.startswith(f"{len(data)} bytes, and its tensors take ")
    )


def test_a_small_gguf_header_costs_no_long_read() -> None:
    stream = io.BytesIO(GGUF + bytes(1 << 24))
    assert cut_off(stream, len(GGUF) + (1 << 24)) is None
    assert stream.tell() <= 1 << 18


def test_a_gguf_header_longer_than_is_read_at_once_is_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogpack.layers.weights.gguf_end._FIRST", 32)
    assert cut_off(io.BytesIO(GGUF), len(GGUF)) is None
    assert cut_off(io.BytesIO(GGUF[:-1]), len(GGUF) - 1)
