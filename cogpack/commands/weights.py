"""`cogpack weights split` and `join`: the cuts of an image's weights, on plain directories."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from cogpack.commands.session import Session
from cogpack.errors import InputError
from cogpack.layers import tar
from cogpack.layers.entry import BLOCK, Content, LocalFile, Slices
from cogpack.layers.facts import write_whole
from cogpack.layers.weights import layer_size
from cogpack.layers.weights.safetensors import Tensor, arrange, make_header, read_header
from cogpack.layers.weights.shards import ShardIndex, index, shards
from cogpack.oci import decode
from cogpack.project import index_path
from cogpack.sinks.base import counted

_INDEX_LIMIT = 64 * 1024 * 1024


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """Files that were written, and their bytes in all."""

    directory: str
    files: tuple[str, ...]
    size: int


def split(session: Session, source: Path, output: Path, *, size: int | None) -> Written:
    """The shards of a safetensors file and their index, as an image would hold them, in `output`."""
    file = LocalFile.of(source)
    with file.open() as stream:
        header = read_header(stream, file.size, where=str(source))
    stem = source.name.removesuffix(".safetensors")
    parts = shards(header, stem=stem, target=size or layer_size(file.size))
    place = index_path(source.name)
    _new_files(output, [*(shard.name for shard in parts), place])
    task = session.progress.task(f"split {source.name}", file.size)
    for shard in parts:
        _write(output / shard.name, counted(tar.read(Slices(file, shard.ranges, shard.header)), task.advance))
    write_whole(output / place, index(parts))  # last: what it names is there
    task.done("split")
    names = (*(shard.name for shard in parts), place)
    return Written(directory=str(output), files=names, size=sum(shard.size for shard in parts))


def join(session: Session, source: Path, output: Path) -> Written:
    """One safetensors file from the shards of `source`, which is an index or a directory with just one."""
    place = _index_in(source)
    with LocalFile.of(place).open() as stream:
        document = decode(stream.read(_INDEX_LIMIT), ShardIndex, where=str(place))
    tensors: dict[str, tuple[LocalFile, int, Tensor]] = {}
    metadata: dict[str, str] = {}
    for name in sorted(set(document.weight_map.values())):
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise InputError(f"{place}: names the file {name!r}", next_step="use an index whose files stand beside it")
        file = LocalFile.of(place.parent / name)
        with file.open() as stream:
            header = read_header(stream, file.size, where=str(file.path))
        metadata |= header.metadata
        tensors |= {tensor.name: (file, header.data, tensor) for tensor in header.tensors}
    if tensors.keys() != document.weight_map.keys():
        (odd, *_) = sorted(tensors.keys() ^ document.weight_map.keys())
        raise InputError(f"{place}: tensor {odd[:100]!r} is only in one of index and shards", next_step="split it anew")
    _new_files(output.parent, [output.name])
    ordered = arrange(tensor for _, _, tensor in tensors.values())
    pieces: list[Content] = [
        Slices(file, ((data + tensor.begin, tensor.size),) if tensor.size else ())
        for file, data, tensor in (tensors[tensor.name] for tensor in ordered)
    ]
    task = session.progress.task(f"join {output.name}", sum(piece.size for piece in pieces))
    blocks = (block for piece in pieces for block in tar.read(piece))
    _write(output, _after(make_header(ordered, metadata), counted(blocks, task.advance)))
    task.done("joined")
    return Written(directory=str(output.parent), files=(output.name,), size=output.stat().st_size)


def _index_in(source: Path) -> Path:
    if not source.is_dir():
        return source
    found = sorted(path for path in source.iterdir() if ".safetensors.index." in path.name)
    if len(found) != 1:
        raise InputError(
            f"{source}: holds {len(found)} files *.safetensors.index.json, not one", next_step="name the index itself"
        )
    return found[0]


def _after(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _new_files(directory: Path, names: Iterable[str]) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{directory}: {error.strerror}", next_step="choose another directory") from error
    for name in names:
        if os.path.lexists(directory / name):
            raise InputError(f"{directory / name}: is there already", next_step="choose another output")


def _write(path: Path, blocks: Iterable[bytes]) -> None:
    """Under a name of its own, then renamed: no reader sees a part."""
    partial = path.with_name(f".{path.name[:200]}.partial")
    try:
        with partial.open("wb", buffering=BLOCK) as stream:
            for block in blocks:
                stream.write(block)
        partial.rename(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", next_step="make room, or choose another output") from error
    finally:
        partial.unlink(missing_ok=True)
