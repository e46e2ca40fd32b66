"""`cogpack weights split` and `join`: the splits of an image's weights, on plain directories."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from cogpack.disk import is_directory, write_whole, writing
from cogpack.errors import InputError
from cogpack.layers import tar
from cogpack.layers.content import Bytes, Content, LocalFile, Slices
from cogpack.layers.weights.arrangement import layer_size
from cogpack.layers.weights.gguf import GgufHeader, GgufTensor, make_gguf_header, read_gguf
from cogpack.layers.weights.pieces import read_local, split_any
from cogpack.layers.weights.safetensors import Tensor, in_file_order, make_header, read_header
from cogpack.layers.weights.shards import ShardIndex
from cogpack.model_files import GGUF_PART, gguf_part, tensor_rule
from cogpack.oci import decode
from cogpack.progress import counted
from cogpack.session import Session

_INDEX_LIMIT = 64 * 1024 * 1024


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """Which files were written, and their bytes in all."""

    directory: str
    files: tuple[str, ...]
    size: int


def split(session: Session, source: Path, output: Path, *, size: int | None) -> Written:
    """Write the parts of a safetensors or GGUF file, as an image would hold them, into `output`."""
    file = LocalFile.named(source)
    kind = tensor_rule(source.name)
    if kind is None:
        raise InputError(
            f"{source}: expected a .safetensors or .gguf file, which are what can be split by tensors",
            next_step="name such a file; cogpack.weights.split: opaque in cog.yaml splits any other, joined at start",
        )
    header = read_local(kind, file)
    pieces = split_any(header, source.name, size or layer_size(file.size, session.formats[max(session.formats)]))
    _new_files(output, [piece.name for piece in pieces])
    task = session.progress.task(source.name, file.size, "split")
    for piece in pieces:  # the last tells of the others: they are there
        write_whole(output / piece.name, counted(tar.read(Slices(file, piece.ranges, piece.head)), task.advance))
    task.done("split")
    names = tuple(piece.name for piece in pieces)
    return Written(directory=str(output), files=names, size=sum(piece.size for piece in pieces))


def join(session: Session, source: Path, output: Path) -> Written:
    """Write one file of the parts in `source`: their index, the first of them, or a directory with just one of
    these."""
    place = _beginning(source)
    pieces = _gguf(place) if place.name.endswith(".gguf") else _safetensors(place)
    _new_files(output.parent, [output.name])
    task = session.progress.task(output.name, sum(piece.size for piece in pieces), "join")
    write_whole(output, counted((block for piece in pieces for block in tar.read(piece)), task.advance))
    task.done("joined")
    return Written(directory=str(output.parent), files=(output.name,), size=output.stat().st_size)


def _beginning(source: Path) -> Path:
    if not is_directory(source):
        return source
    found = sorted(path for path in source.iterdir() if ".safetensors.index." in path.name or _is_first(path.name))
    if len(found) != 1:
        raise InputError(
            f"{source}: holds {len(found)} files *.safetensors.index.json or *-00001-of-N.gguf, not one",
            next_step="name the one to begin with",
        )
    return found[0]


def _is_first(name: str) -> bool:
    found = GGUF_PART.fullmatch(name)
    return found is not None and int(found["number"]) == 1


def _safetensors(place: Path) -> list[Content]:
    """Return what the file consists of that the shards of an index make."""
    with LocalFile.named(place).open() as stream:
        document = decode(stream.read(_INDEX_LIMIT), ShardIndex, where=str(place))
    tensors: dict[str, tuple[LocalFile, int, Tensor]] = {}
    metadata: dict[str, str] = {}
    for name in sorted(set(document.weight_map.values())):
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise InputError(f"{place}: names the file {name!r}", next_step="use an index whose files stand beside it")
        file = LocalFile.named(place.parent / name)
        with file.open() as stream:
            header = read_header(stream, file.size, where=str(file.path))
        metadata |= header.metadata
        tensors |= {tensor.name: (file, header.data, tensor) for tensor in header.tensors}
    if tensors.keys() != document.weight_map.keys():
        (odd, *_) = sorted(tensors.keys() ^ document.weight_map.keys())
        raise InputError(f"{place}: tensor {odd[:100]!r} is only in one of index and shards", next_step="split it anew")
    ordered = in_file_order(tensor for _, _, tensor in tensors.values())
    parts = (tensors[tensor.name] for tensor in ordered)
    return [
        Bytes(make_header(ordered, metadata)),
        *(_slice(file, data + tensor.begin, tensor.size) for file, data, tensor in parts),
    ]


def _gguf(place: Path) -> list[Content]:
    """Return what the file consists of that split files make: to the byte what was split, if usual tools had written
    it."""
    named = GGUF_PART.fullmatch(place.name)
    if named is None or not _is_first(place.name):
        raise InputError(f"{place}: no first part of a split GGUF file", next_step="name the part 00001-of-N")
    count = int(named["count"])
    first: GgufHeader | None = None
    tensors: dict[str, GgufTensor] = {}
    body: list[Content] = []
    behind = 0
    for number in range(count):
        file = LocalFile.named(place.with_name(gguf_part(named["stem"], number, count)))
        with file.buffered() as stream:
            header = read_gguf(stream, file.size, where=str(file.path))
        first = first or header
        split = header.split
        if split is None or (split.number, split.count) != (number, count) or header.alignment != first.alignment:
            raise InputError(f"{file.path}: is not the part that its name says", next_step="split it anew")
        for at, tensor in enumerate(header.tensors):
            if tensor.name in tensors:
                raise InputError(f"{file.path}: {tensor.name[:100]!r} is in two parts", next_step="split it anew")
            tensors[tensor.name] = tensor
            offset, length = header.span(at, at)
            body += [Bytes(bytes(behind)), _slice(file, offset, length)]
            behind = -length % first.alignment
    assert first is not None
    if first.split and first.split.tensors != len(tensors):
        raise InputError(
            f"{place}: {len(tensors)} tensors are there, {first.split.tensors} should be", next_step="split it anew"
        )
    return [Bytes(make_gguf_header(first, first.pairs, list(tensors.values()))), *body]


def _slice(file: LocalFile, offset: int, length: int) -> Slices:
    return Slices(file, ((offset, length),) if length else ())


def _new_files(directory: Path, names: Iterable[str]) -> None:
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        if os.path.lexists(directory / name):
            raise InputError(f"{directory / name}: is there already", next_step="choose another output")
