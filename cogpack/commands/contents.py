"""`cogpack weights verify` and `pull`: the weights inside an image that is there already."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
from blake3 import blake3

from cogpack.commands.images import StoredImage, open_image
from cogpack.commands.session import Session
from cogpack.decompress import decompressed
from cogpack.disk import writing
from cogpack.errors import InputError, MismatchError
from cogpack.layers.entry import BLOCK, LocalFile
from cogpack.layers.fingerprints import hasher
from cogpack.layers.weights import WEIGHTS
from cogpack.layers.weights.opaque import MANIFEST, ROOT, JoinSource
from cogpack.layers.weights.safetensors import Tensor, read_header
from cogpack.layers.weights.shards import ShardIndex
from cogpack.oci import Descriptor, decode
from cogpack.plan import PROJECT
from cogpack.project import index_path
from cogpack.runtime.contract import SOURCE
from cogpack.sinks.base import counted
from cogpack.untar import Untar

_DOCUMENT_LIMIT = 64 * 1024 * 1024


class Joined(msgspec.Struct, frozen=True):
    """An item of join.json: a file that starts out in parts (path and size of each)."""

    path: str
    joined: str
    size: int
    parts: tuple[tuple[str, int], ...]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """`how`: "whole", "parts", or "tensors", of which there are `tensors`."""

    path: str
    how: str
    tensors: int = 0


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    directory: str
    files: tuple[str, ...]
    size: int


class _Held(msgspec.Struct):
    """What an image holds: blake3 of each file, documents, and of safetensors files each tensor's blake3 by name."""

    files: dict[str, str] = {}
    documents: dict[str, bytes] = {}
    tensors: dict[str, dict[str, tuple[Tensor, str]]] = {}


def weight_layers(image: StoredImage) -> list[Descriptor]:
    """The layers with weights; all of them in an image whose layers have no names."""
    named = [layer for name, layer in image.layers if name.startswith(WEIGHTS)]
    return named if any(name for name, _ in image.layers) else list(image.manifest.layers)


def verify_weights(session: Session, target: str, against: Path) -> list[Checked]:
    """Compare every file of `against` (a file or directory) with what the image holds in its place.

    A file is there whole, in parts, or as tensors of shards; anything else, and any difference, is a `MismatchError`.
    """
    image = open_image(session, target)
    held = _Held()
    project = [layer for name, layer in image.layers if name == PROJECT]  # the config files that stand beside weights
    for layer in [*weight_layers(image), *project]:
        task = session.progress.task(f"read {layer.digest[7:19]}", layer.size)
        with image.blob(layer) as blocks:
            _read(held, decompressed(blocks), image.name)
        task.advance(layer.size)
        task.done("read")
    joined = _joined(held.documents.get(MANIFEST), image.name)
    files = sorted(path for path in against.rglob("*") if path.is_file()) if against.is_dir() else [against]
    checked = [
        _check(path, path.relative_to(against).as_posix() if path != against else path.name, held, joined, image.name)
        for path in files
    ]
    if not checked:
        raise InputError(f"{against}: holds no files", next_step="name the weights to compare with")
    return checked


def _read(held: _Held, blocks: Iterator[bytes], where: str) -> None:
    reader = Untar(blocks, where=where)
    for member in reader:
        if member.kind != "file":
            continue
        whole = hasher(member.size)
        content = _watched(reader.content(), whole)
        if member.path == MANIFEST or ".safetensors.index." in member.path:
            if member.size > _DOCUMENT_LIMIT:
                raise InputError(f"{where}: /{member.path} has {member.size} bytes", next_step="it is no index")
            held.documents[member.path] = b"".join(content)
        elif member.path.endswith(".safetensors"):
            held.tensors[member.path] = _tensors(_Stream(content), member.size, f"{where}: /{member.path}")
        for _ in content:
            pass
        held.files[member.path] = whole.hexdigest()


def _watched(blocks: Iterator[bytes], hash_: blake3) -> Iterator[bytes]:
    for block in blocks:
        hash_.update(block)
        yield block


class _Stream:
    """Blocks, read by size."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def read(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            block = self.some(size - len(found))
            if not block:
                break
            found += block
        return bytes(found)

    def some(self, size: int) -> bytes:
        """At least one byte and at most `size`, while there are any."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._rest = block
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def _tensors(stream: _Stream, size: int, where: str) -> dict[str, tuple[Tensor, str]]:
    header = read_header(cast("BinaryIO", stream), size, where=where)
    found = {}
    for tensor in header.tensors:
        digest = hasher(tensor.size)
        left = tensor.size
        while left and (block := stream.some(left)):
            digest.update(block)
            left -= len(block)
        found[tensor.name] = (tensor, digest.hexdigest())
    return found


def _joined(document: bytes | None, where: str) -> dict[str, Joined]:
    if document is None:
        return {}
    return {item.path.lstrip("/"): item for item in decode(document, list[Joined], where=f"{where}: /{MANIFEST}")}


def _check(path: Path, relative: str, held: _Held, joined: Mapping[str, Joined], where: str) -> Checked:
    whole = _place(relative, held.files, where)
    if whole is not None:
        with LocalFile.of(path).open() as stream:
            if _hash(stream, path.stat().st_size) != held.files[whole]:
                raise _different(where, f"/{whole}", path)
        return Checked(path=relative, how="whole")
    parted = _place(relative, joined, where)
    if parted is not None:
        _check_parts(path, joined[parted], held, where)
        return Checked(path=relative, how="parts")
    indexed = _place(index_path(relative), held.documents, where) if relative.endswith(".safetensors") else None
    if indexed is not None:
        return Checked(path=relative, how="tensors", tensors=_check_tensors(path, indexed, held, where))
    raise MismatchError(f"{where}: has no file for {relative}", next_step="check that it is the right image")


def _place(relative: str, paths: Mapping[str, object], where: str) -> str | None:
    """The one path of the image that is `relative` in some directory of it."""
    found = [path for path in paths if path == relative or path.endswith(f"/{relative}")]
    if len(found) > 1:
        raise InputError(f"{where}: {relative} could be {' or '.join(found)}", next_step="compare a larger directory")
    return found[0] if found else None


def _hash(stream: BinaryIO, size: int) -> str:
    digest = hasher(size)
    while size and (block := stream.read(min(BLOCK, size))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()


def _check_parts(path: Path, file: Joined, held: _Held, where: str) -> None:
    local = LocalFile.of(path)
    if local.size != sum(size for _, size in file.parts):
        raise _different(where, file.path, path)
    with local.open() as stream:
        for part, size in file.parts:
            if _hash(stream, size) != held.files.get(part.lstrip("/")):
                raise _different(where, part, path)


def _check_tensors(path: Path, indexed: str, held: _Held, where: str) -> int:
    """How many tensors were compared: each must be in the shard that the index names, and nothing else be there."""
    weight_map = decode(held.documents[indexed], ShardIndex, where=f"{where}: /{indexed}").weight_map
    folder = indexed[: indexed.rfind("/") + 1]
    local = LocalFile.of(path)
    with local.open() as stream:
        header = read_header(stream, local.size, where=str(path))
        if odd := sorted(weight_map.keys() ^ {tensor.name for tensor in header.tensors}):
            raise MismatchError(
                f"{where}: tensor {odd[0]!r} is only in one of /{indexed} and {path}", next_step="push the model again"
            )
        for tensor in header.tensors:
            shard = folder + weight_map[tensor.name]
            found = held.tensors.get(shard, {}).get(tensor.name)
            stream.seek(header.data + tensor.begin)
            same = found is not None and (found[0].dtype, found[0].shape) == (tensor.dtype, tensor.shape)
            if found is None or not same or found[1] != _hash(stream, tensor.size):
                raise _different(where, f"/{shard}, tensor {tensor.name}", path)
    return len(header.tensors)


def _different(where: str, inside: str, path: Path) -> MismatchError:
    return MismatchError(f"{where}: {inside} is not what {path} holds", next_step="push the model again")


def pull_weights(session: Session, target: str, output: Path) -> Pulled:
    """The files of the weight layers, as the new directory `output`: paths below the image's source directory relative
    to it, others whole. Parts are put together. Nothing is there before all of it was right."""
    image = open_image(session, target)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output}: is there already, and not an empty directory", next_step="choose another output")
    layers = weight_layers(image)
    if not layers:
        raise InputError(f"{image.name}: has no layer of weights", next_step="check the name and tag")
    unfinished = output.with_name(f".{output.name}.partial")
    with writing(output):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            files = _pull(session, image, layers, unfinished)
            if output.exists():
                output.rmdir()
            unfinished.rename(output)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return Pulled(directory=str(output), files=files, size=sum((output / path).stat().st_size for path in files))


def _pull(session: Session, image: StoredImage, layers: Sequence[Descriptor], root: Path) -> tuple[str, ...]:
    places: dict[str, tuple[Path, int]] = {}
    for path, file in _joined(_join_document(image), image.name).items():
        offset = 0
        for part, size in file.parts:
            places[part.lstrip("/")] = (_inside(root, path), offset)
            offset += size

    def fetch(layer: Descriptor) -> list[Path]:
        task = session.progress.task(f"pull {layer.digest[7:19]}", layer.size)
        with image.blob(layer) as blocks:
            found = _extract(decompressed(counted(blocks, task.advance)), root, places, image.name)
        task.done("pulled")
        return found

    with ThreadPoolExecutor(session.settings.jobs, thread_name_prefix="pull") as pool:
        written = {path for found in pool.map(fetch, layers) for path in found}
    return tuple(sorted(path.relative_to(root).as_posix() for path in written))


def _join_document(image: StoredImage) -> bytes | None:
    for name, layer in image.layers:
        if name == JoinSource.name:
            with image.blob(layer) as blocks:
                reader = Untar(decompressed(blocks), where=image.name)
                for member in reader:
                    if member.path == MANIFEST and member.size <= _DOCUMENT_LIMIT:
                        return b"".join(reader.content())
    return None


def _inside(output: Path, path: str) -> Path:
    """Where a path of the image goes; `Untar` and this refuse every path that would leave."""
    parts = path.removeprefix(f"{SOURCE}/").split("/")
    if not all(parts) or {".", ".."} & set(parts):
        raise InputError(f"the image holds the path {path!r}", next_step="don't use this image")
    return output.joinpath(*parts)


def _extract(blocks: Iterator[bytes], output: Path, places: Mapping[str, tuple[Path, int]], where: str) -> list[Path]:
    reader = Untar(blocks, where=where)
    found = []
    for member in reader:
        if member.kind != "file" or (member.path.startswith(f"{ROOT}/") and member.path not in places):
            continue
        path, offset = places.get(member.path) or (_inside(output, member.path), 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            for block in reader.content():
                view = memoryview(block)
                while view:
                    written = os.pwrite(target, view, offset)
                    offset += written
                    view = view[written:]
        finally:
            os.close(target)
        found.append(path)
    return found
