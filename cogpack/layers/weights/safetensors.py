"""The header of a safetensors file (format of huggingface/safetensors, README "Format").

    N: 8 bytes, little-endian | N bytes of JSON: {name: {dtype, shape, data_offsets}, "__metadata__": {...}} | data

Offsets are relative to the data, which must be covered by the tensors without holes or overlaps. All of this is
checked before anything is made of it: a file may come from anywhere.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, BinaryIO

import msgspec

from cogpack.documents import check
from cogpack.errors import InputError

MAX_HEADER = 32 * 1024 * 1024
"""Bytes of JSON. The format allows 100 MB; 200,000 tensors fit in this, and hostile ones stay bounded in memory."""

PAGE = 4096
"""Our headers are padded so that the data begins on a page: good for direct reads, and for joining by reflink."""

_MAX_FIELDS = 1_000_000
_MAX_RANK = 64
_BITS = {
    "F64": 64,
    "I64": 64,
    "U64": 64,
    "C64": 64,
    "F32": 32,
    "I32": 32,
    "U32": 32,
    "F16": 16,
    "BF16": 16,
    "I16": 16,
    "U16": 16,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I8": 8,
    "U8": 8,
    "BOOL": 8,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "F4": 4,
}

_Size = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Tensor(msgspec.Struct, frozen=True):
    """Is what a header says of a tensor: `begin` and `end` in bytes, relative to the data of its file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.begin


class Header(msgspec.Struct, frozen=True):
    """Holds `tensors` in the order of their bytes; `data`: where in the file the bytes begin."""

    tensors: tuple[Tensor, ...]
    metadata: Mapping[str, str]
    data: int


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dtype: str
    shape: Annotated[tuple[_Size, ...], msgspec.Meta(max_length=_MAX_RANK)]
    data_offsets: tuple[_Size, _Size]


def read_header(stream: BinaryIO, size: int, *, where: str) -> Header:
    """Read and check the header of a file of `size` bytes; `InputError` for whatever is no sound safetensors file."""
    length = int.from_bytes(stream.read(8), "little") if size >= 8 else 0
    if not 2 <= length <= size - 8:
        raise _unsound(where, f"a header of {length} bytes in a file of {size}")
    if length > MAX_HEADER:
        raise _unsound(where, f"a header of {length} bytes; {MAX_HEADER} are read at most")
    text = stream.read(length)
    if len(text) != length or not text.startswith(b"{"):
        raise _unsound(where, "no JSON object behind the length")
    if text.count(b'":') > _MAX_FIELDS:
        raise _unsound(where, f"more than {_MAX_FIELDS} fields in the header")
    try:
        check(text, dict)
        raw = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(raw.pop("__metadata__", b"{}"), type=dict[str, str])
        tensors = [_tensor(name, msgspec.json.decode(value, type=_Entry), where) for name, value in raw.items()]
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise _unsound(where, str(error)) from error
    tensors.sort(key=lambda tensor: (tensor.begin, tensor.end, tensor.name))
    end = 0
    for tensor in tensors:
        if tensor.begin != end:
            kind = "overlaps the one before" if tensor.begin < end else "leaves a hole before it"
            raise _unsound(where, f"tensor {tensor.name[:100]!r} {kind}")
        end = tensor.end
    if end != size - 8 - length:
        raise _unsound(where, f"tensors of {end} bytes, data of {size - 8 - length}")
    return Header(tuple(tensors), metadata, 8 + length)


def _tensor(name: str, entry: _Entry, where: str) -> Tensor:
    bits = _BITS.get(entry.dtype)
    if bits is None:
        raise _unsound(where, f"tensor {name[:100]!r} has the unknown dtype {entry.dtype[:40]!r}")
    begin, end = entry.data_offsets
    if math.prod(entry.shape) * bits != (end - begin) * 8:
        raise _unsound(where, f"tensor {name[:100]!r}: shape and dtype do not make {end - begin} bytes")
    return Tensor(name, entry.dtype, entry.shape, begin, end)


def _unsound(where: str, why: str) -> InputError:
    return InputError(
        f"{where}: not a sound safetensors file: {why:.300}",
        next_step="save the model again, or set split: none for it",
    )


def in_file_order(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Sort them as a file holds them: coarse alignment first, as the format's own writer does, else as given."""
    return sorted(tensors, key=lambda tensor: -_BITS[tensor.dtype])


def make_header(tensors: Sequence[Tensor], metadata: Mapping[str, str]) -> bytes:
    """Make length and JSON for `tensors`, stored one behind the other, padded with spaces to whole pages."""
    document: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    end = 0
    for tensor in tensors:
        document[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": tensor.shape,
            "data_offsets": (end, end + tensor.size),
        }
        end += tensor.size
    text = msgspec.json.encode(document)
    text += b" " * (-(8 + len(text)) % PAGE)
    return len(text).to_bytes(8, "little") + text
