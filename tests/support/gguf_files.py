"""GGUF files: sound ones as the format's own package writes them, and others made byte by byte."""

import random
import struct
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from hypothesis import strategies as st

TYPES = {
    name: gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    for name in ("F32", "F16", "BF16", "I8", "I32", "F64", "Q8_0", "Q4_K", "IQ4_NL")
}
"""Values in a block, bytes of a block."""


def made(
    tensors: Sequence[tuple[str, str, Sequence[int]]],
    *,
    pairs: Mapping[str, Any] | None = None,
    alignment: int | None = None,
    seed: int = 0,
) -> bytes:
    """Random bytes, which follow from the names: name, type and shape (rows last, in blocks of the type) of each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        if alignment is not None:
            writer.add_custom_alignment(alignment)
        for key, value in (pairs or {}).items():
            if isinstance(value, bool):
                writer.add_bool(key, value)
            elif isinstance(value, int):
                writer.add_int64(key, value)
            elif isinstance(value, float):
                writer.add_float64(key, value)
            elif isinstance(value, str):
                writer.add_string(key, value)
            else:
                writer.add_array(key, value)
        for name, dtype, shape in tensors:
            _, width = TYPES[dtype]
            *outer, row = shape
            raw = np.frombuffer(
                random.Random(f"{seed} {name}").randbytes(int(np.prod(outer, dtype=int)) * row * width), np.uint8
            )
            kind = gguf.GGMLQuantizationType[dtype]
            writer.add_tensor(name, raw.reshape(*outer, row * width), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()


def contents(path: Path) -> tuple[dict[str, Any], dict[str, tuple[Any, ...]]]:
    """Keys and tensors of one file, as the format's own package reads them."""
    reader = gguf.GGUFReader(path)
    fields = {
        name: [str(kind) for kind in field.types] + [bytes(field.parts[at]) for at in field.data]
        for name, field in reader.fields.items()
        if not name.startswith("GGUF.")
    }
    tensors = {
        tensor.name: (tensor.tensor_type.name, tuple(int(length) for length in tensor.shape), bytes(tensor.data))
        for tensor in reader.tensors
    }
    assert len(tensors) == len(reader.tensors)
    return fields, tensors


_keys = st.text("abcdefgh._é", min_size=1, max_size=12).map(lambda key: f"test.{key}")
_values = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.lists(st.text(max_size=8), min_size=1, max_size=20),
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=20),
)
_tensor = st.tuples(st.sampled_from(sorted(TYPES)), st.lists(st.integers(1, 5), min_size=1, max_size=4))


@st.composite
def files(draw: st.DrawFn) -> bytes:
    names = st.text("abcxyz.0123456789", min_size=1, max_size=20)
    found = draw(st.dictionaries(names, _tensor, min_size=1, max_size=20))
    return made(
        [(name, dtype, shape) for name, (dtype, shape) in found.items()],
        pairs=draw(st.dictionaries(_keys, _values, max_size=8)),
        alignment=draw(st.sampled_from([None, None, 8, 32, 64, 4096])),
        seed=draw(st.integers(0, 9)),
    )


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def entry(name: str, shape: Sequence[int] = (8,), kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def raw(
    *,
    version: int = 3,
    tensors: Sequence[bytes] = (),
    pairs: Sequence[bytes] = (),
    data: bytes = b"",
    counts: tuple[int, int] | None = None,
) -> bytes:
    """A file of these pairs and tensor entries; `counts` instead of the true ones."""
    said = counts or (len(tensors), len(pairs))
    head = b"GGUF" + struct.pack("<IQQ", version, *said) + b"".join(pairs) + b"".join(tensors)
    return head + bytes(-len(head) % 32 if tensors else 0) + data
