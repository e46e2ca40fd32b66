"""Safetensors files, sound and otherwise, made byte by byte."""

import json
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

DTYPES = {
    "F64": 8,
    "I64": 8,
    "F32": 4,
    "I32": 4,
    "BF16": 2,
    "F16": 2,
    "I16": 2,
    "F8_E4M3": 1,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}


def raw(header: Any, data: bytes = b"", *, padding: int = 0) -> bytes:
    text = (header if isinstance(header, bytes) else json.dumps(header).encode()) + b" " * padding
    return len(text).to_bytes(8, "little") + text + data


def made(
    tensors: Sequence[tuple[str, str, Sequence[int]]], *, metadata: Mapping[str, str] | None = None, seed: int = 0
) -> bytes:
    """A file of random bytes, which follow from the names: name, dtype and shape of each tensor, in this order."""
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    end = 0
    data = []
    for name, dtype, shape in tensors:
        size = math.prod(shape) * DTYPES[dtype]
        data.append(random.Random(f"{seed} {name}").randbytes(size))
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    return raw(header, b"".join(data), padding=-len(json.dumps(header)) % 8)


def holding(*tensors: tuple[str, str, bytes]) -> bytes:
    """A file of these bytes: name and dtype of each tensor of one dimension."""
    header: dict[str, Any] = {}
    end = 0
    for name, dtype, data in tensors:
        shape = [len(data) // DTYPES[dtype]]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(data)]}
        end += len(data)
    return raw(header, b"".join(data for _, _, data in tensors))


def bf16(count: int, *, seed: int = 0) -> bytes:
    """Numbers like those of a trained matrix: normal, each row with a scale of its own."""
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((-(-count // 1024), 1024), np.float32)
    rows *= np.exp(generator.normal(-4, 0.5, (len(rows), 1))).astype(np.float32)
    return (rows.view(np.uint32) >> 16).astype(np.uint16).tobytes()[: 2 * count]


_parts = st.one_of(
    st.integers(0, 12).map(str),
    st.sampled_from(["model", "layers", "weight", "bias", "experts", "head", "embed", "été", "a b", "", "007"]),
)
_names = st.lists(_parts, min_size=1, max_size=6).map(".".join).filter(lambda name: name != "__metadata__")
_tensor = st.tuples(st.sampled_from(sorted(DTYPES)), st.lists(st.integers(0, 7), max_size=4))


@st.composite
def files(draw: st.DrawFn) -> bytes:
    found = draw(st.dictionaries(_names, _tensor, max_size=40))
    tensors = [(name, dtype, shape) for name, (dtype, shape) in found.items()]
    # The reference reader wants each tensor aligned, which falling sizes of numbers give.
    tensors.sort(key=lambda tensor: -DTYPES[tensor[1]])
    metadata = draw(st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
    return made(tensors, metadata=metadata, seed=draw(st.integers(0, 9)))
