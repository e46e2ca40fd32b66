"""The header of a GGUF file (ggml, docs/gguf.md), little-endian, versions 2 and 3.

    "GGUF", version | number of tensors, number of pairs | pairs: key, type, value | tensors: name, shape, type, offset
    | zeros up to the alignment | data

Offsets are relative to the data. Each tensor follows the one before at the next multiple of the alignment: llama.cpp
takes nothing else, and neither do we. What a file claims is checked against what it has before memory is spent on it.
"""

import math
from collections.abc import Iterable, Sequence
from typing import BinaryIO, NoReturn

import msgspec

from cogpack.errors import InputError
from cogpack.layers.weights.safetensors import Tensor

MAX_HEADER = 64 * 1024 * 1024
"""Bytes: vocabularies, merges and chat templates of real models have up to 20 MB."""

MAX_TENSORS = 100_000
MAX_PAIRS = 65_536
MAX_TEXTS = 2_000_000
_MAX_ALIGNMENT = 65_536
DEFAULT_ALIGNMENT = 32
MAX_RANK = 4
ALIGNMENT = "general.alignment"
_SPLIT_NUMBER, _SPLIT_COUNT, _SPLIT_TENSORS = "split.no", "split.count", "split.tensors.count"
_U16, _U32, _I32, _STRING, _ARRAY = 2, 4, 5, 8, 9
WIDTHS = {0: 1, 1: 1, _U16: 2, 3: 2, _U32: 4, _I32: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of the values of each type but strings and arrays."""

TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}
"""ggml's types: name, values in a block, bytes of a block."""


class Pair(msgspec.Struct, frozen=True):
    """Is a key and its value. `value`: as it stands in the file, type first."""

    key: str
    value: bytes

    @property
    def encoded(self) -> bytes:
        return _text(self.key) + self.value


class GgufTensor(Tensor, frozen=True):
    """Keeps what the header says of it: `entry`, the offset behind that left out."""

    entry: bytes


class Split(msgspec.Struct, frozen=True):
    """Says which of `count` files this is, from 0, and how many tensors they hold together."""

    number: int
    count: int
    tensors: int


class GgufHeader(msgspec.Struct, frozen=True):
    """Is all that stands before the data: `pairs` without those about a split, `tensors` in the order of their bytes.

    `data`, `end`: of the data, in the file.
    """

    version: int
    alignment: int
    pairs: tuple[Pair, ...]
    tensors: tuple[GgufTensor, ...]
    split: Split | None
    data: int
    end: int

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Give offset in the file and length of tensors `first` to `last`, with the zeros behind each."""
        begin = self.tensors[first].begin
        end = min(_aligned(self.tensors[last].end, self.alignment), self.end - self.data)
        return self.data + begin, end - begin


def read_gguf(stream: BinaryIO, size: int, *, where: str) -> GgufHeader:
    """Read and check the header of a file of `size` bytes; `InputError` for whatever is no sound GGUF file.

    `stream` gives as many bytes as it is asked for, in many small reads. It is left where the data begins.
    """
    cursor = _Cursor(stream, size, where)
    if cursor.take(4) != b"GGUF":
        cursor.fail("it begins otherwise")
    version = cursor.number(4)
    if version not in (2, 3):
        cursor.fail(f"version {version}; 2 and 3 are read, little-endian")
    count, pairs = cursor.count(MAX_TENSORS, "tensors"), cursor.count(MAX_PAIRS, "pairs")
    values: dict[str, bytes] = {}
    for _ in range(pairs):
        key = cursor.text()
        if key in values:
            cursor.fail(f"the key {key[:100]!r} stands twice")
        values[key] = cursor.value(key)
    split = _split(values, cursor)
    alignment = _integer(values, ALIGNMENT, _U32, cursor) if ALIGNMENT in values else DEFAULT_ALIGNMENT
    if not 1 <= alignment <= _MAX_ALIGNMENT or alignment & (alignment - 1):
        cursor.fail(f"an alignment of {alignment}")
    tensors = _tensors(cursor, count, alignment)
    data = _aligned(cursor.at, alignment)
    if tensors:
        cursor.take(data - cursor.at)
    else:
        data = min(data, size)
    ends = {tensors[-1].end, _aligned(tensors[-1].end, alignment)} if tensors else {0}
    if size - data not in ends:
        cursor.fail(f"tensors of {min(ends)} bytes, data of {size - data}")
    kept = tuple(Pair(key, value) for key, value in values.items())
    return GgufHeader(version, alignment, kept, tuple(tensors), split, data, size)


def make_gguf_header(
    source: GgufHeader, pairs: Iterable[Pair], tensors: Sequence[GgufTensor], split: Split | None = None
) -> bytes:
    """Make all that stands before the data of a file of `tensors`, in version and alignment like `source`."""
    pairs = list(pairs)
    if split:
        pairs += [
            Pair(_SPLIT_NUMBER, _number(_U16, 4) + _number(split.number, 2)),
            Pair(_SPLIT_COUNT, _number(_U16, 4) + _number(split.count, 2)),
            Pair(_SPLIT_TENSORS, _number(_I32, 4) + _number(split.tensors, 4)),
        ]
    made = bytearray(b"GGUF" + _number(source.version, 4) + _number(len(tensors), 8) + _number(len(pairs), 8))
    for pair in pairs:
        made += pair.encoded
    at = 0
    for tensor in tensors:
        made += tensor.entry + _number(at, 8)
        at += _aligned(tensor.size, source.alignment)
    made += bytes(-len(made) % source.alignment)
    return bytes(made)


def alignment_of(header: GgufHeader) -> list[Pair]:
    """Give the pair that says how `header`'s file is aligned, if it says so."""
    return [pair for pair in header.pairs if pair.key == ALIGNMENT]


class _Cursor:
    """Reads forward, never further than a header may go."""

    def __init__(self, stream: BinaryIO, size: int, where: str) -> None:
        self._stream = stream
        self._limit = min(size, MAX_HEADER)
        self._where = where
        self._texts = 0
        self.at = 0

    def fail(self, why: str) -> NoReturn:
        raise InputError(
            f"{self._where}: not a sound GGUF file: {why:.300}",
            next_step="convert the model again, or set split: none for it",
        )

    def take(self, length: int) -> bytes:
        if length > self._limit - self.at:
            self.fail(f"its header ends behind byte {self._limit}")
        found = self._stream.read(length)
        if len(found) != length:
            self.fail("it ends in its header")
        self.at += length
        return found

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def count(self, limit: int, what: str) -> int:
        found = self.number(8)
        if found > limit:
            self.fail(f"{found} {what}; {limit} are read at most")
        return found

    def text(self) -> str:
        try:
            return self.take(self.number(8)).decode()
        except UnicodeDecodeError:
            self.fail("a name that is not UTF-8")

    def value(self, key: str) -> bytes:
        kind = self.number(4)
        head = _number(kind, 4)
        if kind in WIDTHS:
            return head + self.take(WIDTHS[kind])
        if kind == _STRING:
            return head + self._string()
        if kind != _ARRAY:
            self.fail(f"the key {key[:100]!r} has a value of type {kind}")
        items, length = self.number(4), self.number(8)
        head += _number(items, 4) + _number(length, 8)
        if items in WIDTHS:
            return head + self.take(length * WIDTHS[items])
        if items != _STRING:
            self.fail(f"the key {key[:100]!r} has an array of type {items}")
        self._texts += length
        if self._texts > MAX_TEXTS:
            self.fail(f"{self._texts} texts up to the key {key[:100]!r}; {MAX_TEXTS} are read at most")
        strings = bytearray(head)
        for _ in range(length):
            strings += self._string()
        return bytes(strings)

    def _string(self) -> bytes:
        length = self.take(8)
        return length + self.take(int.from_bytes(length, "little"))


def _tensors(cursor: _Cursor, count: int, alignment: int) -> list[GgufTensor]:
    tensors: list[GgufTensor] = []
    names: set[str] = set()
    for _ in range(count):
        name = cursor.text()
        if name in names:
            cursor.fail(f"the tensor {name[:100]!r} stands twice")
        names.add(name)
        tensor = _tensor(cursor, name, tensors[-1].end if tensors else 0, alignment)
        tensors.append(tensor)
    return tensors


def _tensor(cursor: _Cursor, name: str, before: int, alignment: int) -> GgufTensor:
    """Read one tensor; `before`: where the bytes of the one before end."""
    shown = f"tensor {name[:100]!r}"
    rank = cursor.number(4)
    if rank > MAX_RANK:
        cursor.fail(f"{shown} has {rank} dimensions")
    shape = tuple(cursor.number(8) for _ in range(rank))
    number = cursor.number(4)
    if number not in TYPES:
        cursor.fail(f"{shown} has the unknown type {number}")
    dtype, values, width = TYPES[number]
    if (shape[0] if shape else 1) % values:
        cursor.fail(f"{shown} has rows of {shape[0] if shape else 1} values, {dtype} comes in blocks of {values}")
    size = math.prod(shape) // values * width
    if size >= 2**62:
        cursor.fail(f"{shown} of {size} bytes")
    begin, expected = cursor.number(8), _aligned(before, alignment)
    if begin != expected:
        kind = "overlaps the one before" if begin < expected else "leaves a hole before it"
        cursor.fail(f"{shown} {kind}")
    entry = _text(name) + _number(rank, 4) + b"".join(_number(length, 8) for length in shape) + _number(number, 4)
    return GgufTensor(name, dtype, shape, begin, begin + size, entry)


def _split(values: dict[str, bytes], cursor: _Cursor) -> Split | None:
    """Take what is about a split out of `values`. A count of 0 is left behind by tools that joined one."""
    found = {key: values.pop(key) for key in (_SPLIT_NUMBER, _SPLIT_COUNT, _SPLIT_TENSORS) if key in values}
    if _SPLIT_COUNT not in found or not (count := _integer(found, _SPLIT_COUNT, _U16, cursor)):
        return None
    return Split(_integer(found, _SPLIT_NUMBER, _U16, cursor), count, _integer(found, _SPLIT_TENSORS, _I32, cursor))


def _integer(values: dict[str, bytes], key: str, kind: int, cursor: _Cursor) -> int:
    value = values.get(key, b"")
    if value[:4] != _number(kind, 4):
        cursor.fail(f"{key} is missing or has another type")
    return int.from_bytes(value[4:], "little")


def _aligned(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def _number(value: int, width: int) -> bytes:
    return value.to_bytes(width, "little")


def _text(text: str) -> bytes:
    data = text.encode()
    return _number(len(data), 8) + data
