"""One model file is split into many: pieces of a safetensors or a GGUF file, described without reading its data."""

from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO, TypeAlias

from cogpack.errors import InputError
from cogpack.layers.content import LocalFile
from cogpack.layers.weights.gguf import GgufHeader, Split, alignment_of, make_gguf_header, read_gguf
from cogpack.layers.weights.safetensors import Header, read_header
from cogpack.layers.weights.shards import Piece, index, shards
from cogpack.model_files import TensorRule, gguf_part, index_path, tensor_rule

AnyHeader: TypeAlias = Header | GgufHeader

_MOST_PARTS = 65_000
"""A part's number has 16 bits."""


def read_any(rule: TensorRule, stream: BinaryIO, size: int, *, where: str) -> AnyHeader:
    """Read the header of a file of `size` bytes. `stream` gives as many bytes as it is asked for."""
    read = read_header if rule == "tensor" else read_gguf
    return read(stream, size, where=where)


def read_local(rule: TensorRule, file: LocalFile) -> AnyHeader:
    with file.buffered() as stream:
        return read_any(rule, stream, file.size, where=str(file.path))


def peek(name: str, file: LocalFile) -> AnyHeader | None:
    """Read the header of a file that nobody asked to split, if it has a sound one."""
    rule = tensor_rule(name)
    with suppress(InputError):
        return read_local(rule, file) if rule else None
    return None


def split_any(header: AnyHeader, name: str, target: int) -> list[Piece]:
    """Split the file called `name` into pieces of about `target` bytes; last comes the one that tells of the others."""
    if isinstance(header, GgufHeader):
        return split_gguf(header, name, target)
    found = shards(header, stem=name.removesuffix(".safetensors"), target=target)
    return [*found, Piece(index_path(name), (), index(found))]


def split_gguf(header: GgufHeader, name: str, target: int) -> list[Piece]:
    """Split as llama.cpp does (tools/gguf-split): tensors in the file's order, about as many bytes in each part.

    The first part, here the last, has all keys and no tensor, as with --no-tensor-first-split: a changed template
    moves no weights. The others repeat `general.alignment`, without which they would be read at the default one.
    """
    if header.split and header.split.count > 1:
        raise InputError(
            f"{name}: is a part of a split file already", next_step="set cogpack.weights.split to none for it"
        )
    groups = _groups(header, target)
    count, stem = 1 + len(groups), name.removesuffix(".gguf")

    def piece(number: int, group: Sequence[int]) -> Piece:
        split = Split(number, count, len(header.tensors))
        pairs = alignment_of(header) if number else header.pairs
        head = make_gguf_header(header, pairs, [header.tensors[at] for at in group], split)
        span = header.span(group[0], group[-1]) if group else (0, 0)
        return Piece(gguf_part(stem, number, count), (span,) if span[1] else (), head)

    return [*(piece(number, group) for number, group in enumerate(groups, 1)), piece(0, ())]


def _groups(header: GgufHeader, target: int) -> list[range]:
    """Group tensors in runs, each in that of the equal shares of all bytes in which its middle lies."""
    total = header.tensors[-1].end if header.tensors else 0
    shares = max(1, min(round(total / target), _MOST_PARTS))
    groups: list[range] = []
    last = -1
    for at, tensor in enumerate(header.tensors):
        share = min((tensor.begin + tensor.end) * shares // (2 * total), shares - 1) if total else 0
        if share == last:
            groups[-1] = range(groups[-1].start, at + 1)
        else:
            groups.append(range(at, at + 1))
        last = share
    return groups
