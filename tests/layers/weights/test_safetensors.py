import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from support.safetensors_files import files, made, raw

from cogpack.errors import InputError
from cogpack.layers.weights.safetensors import MAX_HEADER, PAGE, Header, in_file_order, make_header, read_header


def read(data: bytes) -> Header:
    return read_header(io.BytesIO(data), len(data), where="model.safetensors")


@given(files())
def test_tensors_are_found_where_the_reference_reader_finds_them(data: bytes) -> None:
    from safetensors import deserialize

    header = read(data)
    ours = {tensor.name: data[header.data :][tensor.begin : tensor.end] for tensor in header.tensors}
    assert ours == {name: bytes(found["data"]) for name, found in deserialize(data)}


@given(files())
def test_a_header_made_anew_is_whole_pages_and_read_by_the_reference_reader(data: bytes) -> None:
    from safetensors import deserialize

    header = read(data)
    tensors = in_file_order(header.tensors)
    made_header = make_header(tensors, header.metadata)
    assert len(made_header) % PAGE == 0
    body = b"".join(data[header.data :][tensor.begin : tensor.end] for tensor in tensors)
    again = dict(deserialize(made_header + body))
    before = dict(deserialize(data))
    assert again == before
    assert read(made_header + body).metadata == header.metadata


ONE = {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "header of 0 bytes"),
        (b"\x02", "header of 0 bytes"),
        ((1 << 63).to_bytes(8, "little") + b"{}", "header of 9223372036854775808 bytes"),
        ((100).to_bytes(8, "little") + b"{}", "header of 100 bytes in a file of 10"),
        (raw(b"[]"), "no JSON object"),
        (raw(b'{"a":'), "not a sound"),
        (raw({"a": ONE}, b"x"), "tensors of 2 bytes, data of 1"),
        (raw({"a": ONE}, b"xyz"), "tensors of 2 bytes, data of 3"),
        (raw({"a": ONE, "b": ONE}, b"xy"), "'b' overlaps"),
        (raw({"a": ONE, "b": {**ONE, "data_offsets": [3, 5]}}, b"vwxyz"), "'b' leaves a hole"),
        (raw({"a": {**ONE, "data_offsets": [1, 3]}}, b"xyz"), "'a' leaves a hole"),
        (raw({"a": {**ONE, "data_offsets": [2, 0]}}, b"xy"), "shape and dtype do not make -2"),
        (raw({"a": {**ONE, "shape": [2**62, 2**62]}}, b"xy"), "shape and dtype do not make 2"),
        (raw({"a": {**ONE, "shape": [2**63]}}, b"xy"), "not a sound"),
        (raw({"a": {**ONE, "data_offsets": [0, 2**63]}}, b"xy"), "not a sound"),
        (raw({"a": {**ONE, "shape": [-1, -2]}}, b"xy"), "not a sound"),
        (raw({"a": {**ONE, "shape": [1] * 100}}, b"xy"), "not a sound"),
        (raw({"a": {**ONE, "dtype": "X1"}}, b"xy"), "unknown dtype 'X1'"),
        (raw({"a": {**ONE, "more": 1}}, b"xy"), "not a sound"),
        (raw({"__metadata__": {"a": 1}}), "not a sound"),
        (raw(b'{"a":' + b"[" * 100_000 + b"}"), "not a sound"),
    ],
)
def test_an_unsound_file_is_refused_by_name(data: bytes, why: str) -> None:
    with pytest.raises(InputError, match=r"model\.safetensors: not a sound safetensors file") as caught:
        read(data)
    assert why in caught.value.message


class Endless(io.RawIOBase):
    """A header of 200 MB that would cost its reader dearly."""

    def __init__(self, start: bytes) -> None:
        self.start = io.BytesIO(start)

    def read(self, size: int = -1) -> bytes:
        return self.start.read(size) or b" " * size


@pytest.mark.parametrize(
    "start",
    [
        (200_000_000).to_bytes(8, "little") + b"{",
        MAX_HEADER.to_bytes(8, "little") + b"{" + b'"":0,' * (MAX_HEADER // 5),
    ],
    ids=["200 MB", "millions of keys"],
)
def test_a_hostile_header_is_refused_in_bounded_memory(start: bytes) -> None:
    stream: Any = Endless(start)
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            read_header(stream, 1 << 40, where="model.safetensors")
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_HEADER
    finally:
        tracemalloc.stop()


def test_a_real_file_has_its_metadata_and_order_of_bytes() -> None:
    header = read(made([("b", "F32", [2]), ("a", "F32", [1])], metadata={"format": "pt"}))
    assert [tensor.name for tensor in header.tensors] == ["b", "a"]
    assert header.metadata == {"format": "pt"}
    assert json.loads(make_header(header.tensors, {})[8:]) == {
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "a": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]},
    }
