"""`cogpack weights verify` compares weights with those in an image that is there already, or in a directory."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec
from blake3 import blake3

from cogpack.decompress import decompressed
from cogpack.disk import is_directory
from cogpack.errors import InputError, MismatchError
from cogpack.images.image import FoundImage, title
from cogpack.layers import tar
from cogpack.layers.content import Blocks, LocalFile
from cogpack.layers.fingerprints import hasher
from cogpack.layers.weights import WEIGHTS
from cogpack.layers.weights.arrangement import may_hold
from cogpack.layers.weights.gguf import GgufHeader
from cogpack.layers.weights.join_document import DOCUMENT_LIMIT, Joined, joined_files
from cogpack.layers.weights.opaque import MANIFEST
from cogpack.layers.weights.pieces import AnyHeader, read_any, read_local
from cogpack.layers.weights.safetensors import Tensor
from cogpack.layers.weights.shards import ShardIndex
from cogpack.model_files import GGUF_PART, gguf_part, index_path
from cogpack.oci import decode
from cogpack.opening import open_image
from cogpack.planning.plan import PROJECT
from cogpack.progress import counted
from cogpack.session import Session
from cogpack.sizes import BLOCK
from cogpack.untar import Untar


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was compared; `how`: "whole", "parts", or "tensors", of which there are `tensors`."""

    path: str
    how: str
    tensors: int = 0


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Weights that were compared and are equal."""

    files: tuple[Checked, ...]


class _Held(msgspec.Struct):
    """What an image holds: documents, and the blake3 of each file.

    Also that of each tensor of files that may be parts of one, by file and name, and of the keys of GGUF files.
    """

    files: dict[str, str] = {}
    documents: dict[str, bytes] = {}
    tensors: dict[str, dict[str, tuple[Tensor, str]]] = {}
    keys: dict[str, str] = {}


def verify_weights(session: Session, target: str, against: Path) -> list[Checked]:
    """Compare every file of `against` (a file or directory) with what `target` holds in its place: an image, or a
    directory that is no OCI layout, as `weights pull` and `split` write.

    A file is there whole, in parts, or as tensors of shards; anything else, and any difference, is a `MismatchError`.
    Layers whose names tell that they hold other weights are not read.
    """
    files = _files(against) if is_directory(against) else [against]
    if not files:
        raise InputError(f"{against}: holds no files", next_step="name the weights to compare with")
    held = _Held()
    if is_directory(Path(target)) and not (Path(target) / "oci-layout").exists():
        name = target
        _read_directory(session, held, Path(target))
    else:
        with ExitStack() as connections:
            image = open_image(session, target, connections=connections)
            name = image.name
            _read_image(session, held, image, {path.name for path in files})
    joined = joined_files(held.documents.get(MANIFEST), name)
    return [
        _check(
            LocalFile.named(path),
            path.relative_to(against).as_posix() if path != against else path.name,
            held,
            joined,
            name,
        )
        for path in files
    ]


def _read_image(session: Session, held: _Held, image: FoundImage, files: Collection[str]) -> None:
    """Read what the image holds. `files`: the last names of those that are compared."""
    project = [layer for name, layer in image.layers if name == PROJECT]  # the config files that stand beside weights
    for layer in [*image.weight_layers, *project]:
        name = title(layer)
        if name.startswith(WEIGHTS) and not any(may_hold(name, file) for file in files):
            continue
        task = session.progress.task(name, layer.size, "read")
        with image.images.blob(layer) as blocks:
            reader = Untar(decompressed(counted(blocks, task.advance)), where=image.name)
            for member in reader:
                if member.kind == "file":
                    _hold(held, member.path, member.size, reader.content(), image.name)
                elif member.kind == "hardlink":
                    _hold_link(held, member.path, member.target)
        task.done("read")


def _read_directory(session: Session, held: _Held, root: Path) -> None:
    for path in _files(root):
        file = LocalFile.named(path)
        task = session.progress.task(path.name, file.size, "read")
        _hold(held, path.relative_to(root).as_posix(), file.size, counted(tar.read(file), task.advance), str(root))
        task.done("read")


def _files(root: Path) -> list[Path]:
    found = (Path(directory, name) for directory, _, names in os.walk(root) for name in names)
    return sorted(path for path in found if os.path.isfile(path))  # noqa: PTH113 - one may be gone meanwhile


def _hold(held: _Held, path: str, size: int, blocks: Iterator[bytes], where: str) -> None:
    whole = hasher(size)
    stream = Blocks(_watched(blocks, whole)).buffered()
    if path == MANIFEST or ".safetensors.index." in path:
        if size > DOCUMENT_LIMIT:
            raise InputError(f"{where}: /{path} has {size} bytes", next_step="it is no index")
        held.documents[path] = stream.read()
    elif path.endswith(".safetensors") or GGUF_PART.fullmatch(path):
        with suppress(InputError):  # it is whatever it is, and can be compared as a whole
            _read_tensors(held, path, stream, size)
    while stream.read1(BLOCK):
        pass
    held.files[path] = whole.hexdigest()


def _hold_link(held: _Held, path: str, target: str) -> None:
    """Hold another name of a file that came before."""
    for kept in (held.files, held.keys):
        if target in kept:
            kept[path] = kept[target]
    if target in held.documents:
        held.documents[path] = held.documents[target]
    if target in held.tensors:
        held.tensors[path] = held.tensors[target]


def _watched(blocks: Iterator[bytes], hash_: blake3) -> Iterator[bytes]:
    for block in blocks:
        hash_.update(block)
        yield block


def _read_tensors(held: _Held, path: str, stream: BinaryIO, size: int) -> None:
    header = read_any("gguf" if path.endswith(".gguf") else "tensor", stream, size, where=path)
    if isinstance(header, GgufHeader):
        held.keys[path] = _keys(header)
    found: dict[str, tuple[Tensor, str]] = {}
    at = 0
    for tensor in header.tensors:
        stream.read(tensor.begin - at)  # the zeros between two tensors
        found[tensor.name] = (tensor, _hash(stream, tensor.size))
        at = tensor.end
    held.tensors[path] = found


def _keys(header: GgufHeader) -> str:
    return blake3(b"".join(pair.encoded for pair in header.pairs)).hexdigest()


def _check(file: LocalFile, relative: str, held: _Held, joined: Mapping[str, Joined], where: str) -> Checked:
    whole = _place(relative, held.files, where)
    if whole is not None:
        with file.open() as stream:
            if _hash(stream, file.size) != held.files[whole]:
                raise _different(where, f"/{whole}", file)
        return Checked(path=relative, how="whole")
    parted = _place(relative, joined, where)
    if parted is not None:
        _check_parts(file, joined[parted], held, where)
        return Checked(path=relative, how="parts")
    if relative.endswith(".safetensors") and (indexed := _place(index_path(relative), held.documents, where)):
        places = _shard_places(indexed, held, where)
        header = read_local("tensor", file)
        return Checked(path=relative, how="tensors", tensors=_check_tensors(file, header, places, held, where))
    stems = {found["stem"]: found for part in held.tensors if (found := GGUF_PART.fullmatch(part))}
    if relative.endswith(".gguf") and (stem := _place(relative.removesuffix(".gguf"), stems, where)):
        header = read_local("gguf", file)
        parts = [gguf_part(stem, number, int(stems[stem]["count"])) for number in range(int(stems[stem]["count"]))]
        if isinstance(header, GgufHeader) and _keys(header) != held.keys.get(parts[0]):
            raise _different(where, f"/{parts[0]}, its keys and values", file)
        places = {name: part for part in parts for name in held.tensors.get(part, ())}
        return Checked(path=relative, how="tensors", tensors=_check_tensors(file, header, places, held, where))
    raise MismatchError(f"{where}: has no file for {relative}", next_step="check that it is the right image")


def _place(relative: str, paths: Mapping[str, object], where: str) -> str | None:
    """Find the one path of the image that is `relative` in some directory of it."""
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


def _check_parts(file: LocalFile, joined: Joined, held: _Held, where: str) -> None:
    if file.size != sum(size for _, size in joined.parts):
        raise _different(where, joined.path, file)
    with file.open() as stream:
        for part, size in joined.parts:
            if _hash(stream, size) != held.files.get(part.lstrip("/")):
                raise _different(where, part, file)


def _check_tensors(file: LocalFile, header: AnyHeader, places: Mapping[str, str], held: _Held, where: str) -> int:
    """How many tensors were compared: each must be in the file of the image that `places` has for its name, and no
    other may be there."""
    if odd := sorted(places.keys() ^ {tensor.name for tensor in header.tensors}):
        raise MismatchError(
            f"{where}: tensor {odd[0]!r:.200} is only in one of it and {file.path}", next_step="push the model again"
        )
    with file.open() as stream:
        for tensor in header.tensors:
            part = places[tensor.name]
            found = held.tensors.get(part, {}).get(tensor.name)
            stream.seek(header.data + tensor.begin)
            same = found is not None and (found[0].dtype, found[0].shape) == (tensor.dtype, tensor.shape)
            if found is None or not same or found[1] != _hash(stream, tensor.size):
                raise _different(where, f"/{part}, tensor {tensor.name}", file)
    return len(header.tensors)


def _shard_places(indexed: str, held: _Held, where: str) -> dict[str, str]:
    """Map the name of each tensor to the file that an index says it is in."""
    weight_map = decode(held.documents[indexed], ShardIndex, where=f"{where}: /{indexed}").weight_map
    folder = indexed[: indexed.rfind("/") + 1]
    return {name: folder + file for name, file in weight_map.items()}


def _different(where: str, inside: str, file: LocalFile) -> MismatchError:
    return MismatchError(f"{where}: {inside} is not what {file.path} holds", next_step="push the model again")
