"""Weight files to layers: cut for as many streams as a pull opens, ordered so that what changes seldom lies lowest.

Sizes follow the cost model of a pull (docs/weights.md): total / 48, between 128 MiB and 1 GiB, in powers of two so that
a model that grows a little keeps its cuts; at most `MAX_LAYERS` layers, for which the size is doubled.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from cogpack.errors import InputError
from cogpack.layers.entry import LocalFile, Slices
from cogpack.layers.files import FilesSource, Placed, generated
from cogpack.layers.fingerprints import Fingerprinted
from cogpack.layers.layer import LayerSource
from cogpack.layers.weights.opaque import Cut, JoinSource, cut_file, with_digest
from cogpack.layers.weights.safetensors import Header, read_header
from cogpack.layers.weights.shards import TINY, index, shards
from cogpack.project import Rule, index_path

MiB = 1024 * 1024
MAX_LAYERS = 64
OWN_LAYER = 64 * MiB
"""Bytes from which an uncut file is a layer of its own; smaller ones share one."""

_MAX_METADATA = 1 * MiB
"""Bytes of a safetensors file's own metadata that are repeated in each shard at most."""

Fingerprint: TypeAlias = Callable[[LocalFile | Slices], Fingerprinted]


class Weight(msgspec.Struct, frozen=True):
    """A weight file, and `path`, its place in the image."""

    path: str
    file: LocalFile
    rule: Rule
    executable: bool = False


class _Piece(msgspec.Struct, frozen=True):
    """What may be a layer of its own. `name`: for people."""

    name: str
    files: tuple[Placed, ...]


class _Pieces(msgspec.Struct, frozen=True):
    """`own`: to be layers of their own; `small` and `tiny` to share one each; `joined`: what must be put together."""

    own: list[_Piece]
    small: list[_Piece]
    tiny: list[_Piece]
    joined: list[Cut]


def layer_size(total: int) -> int:
    """Bytes that layers of `total` bytes of weights are cut to."""
    wanted = total / 48
    return next((size * MiB for size in (128, 256, 512) if wanted <= size * MiB * 2**0.5), 1024 * MiB)


def largest(size: int) -> int:
    """What may still be one layer where layers are cut to `size`: half as much again, so that no cut leaves a crumb."""
    return size + size // 2


def lay(weights: Sequence[Weight], size: int, fingerprint: Fingerprint, join_program: bytes) -> list[LayerSource]:
    """The layers of `weights`, bottom first, cut to about `size` bytes.

    Large files and parts of files in the order of their paths, then small files, then indexes, which change with them.
    """
    headers = {weight.path: _header(weight) for weight in weights if weight.rule == "tensor"}
    total = sum(weight.file.size for weight in weights)
    pieces = _cut(weights, headers, size, fingerprint)
    while len(pieces.own) > MAX_LAYERS and size < total:
        size *= 2
        pieces = _cut(weights, headers, size, fingerprint)
    run = max(1, -(-len(pieces.own) // MAX_LAYERS))  # whole files can't be cut to be fewer: neighbours share a layer
    groups = [pieces.own[start : start + run] for start in range(0, len(pieces.own), run)]
    layers: list[LayerSource] = [_together(group, "files") for group in [*groups, pieces.small] if group]
    if pieces.tiny:
        layers.append(_together(pieces.tiny, "indexes and tiny shards"))
    if pieces.joined:
        layers.append(JoinSource(pieces.joined, join_program))
    return layers


def _together(group: Sequence[_Piece], what: str) -> FilesSource:
    name = group[0].name if len(group) == 1 else f"{len(group)} small {what}" if what == "files" else what
    return FilesSource(f"weights: {name}", [file for piece in group for file in piece.files])


def _cut(weights: Sequence[Weight], headers: Mapping[str, Header], size: int, fingerprint: Fingerprint) -> _Pieces:
    pieces = _Pieces([], [], [], [])
    for weight in weights:
        folder = weight.path[: weight.path.rfind("/") + 1]
        short = weight.path.partition("/")[2]
        if weight.rule == "tensor":
            stem = weight.path[len(folder) :].removesuffix(".safetensors")
            parts = shards(headers[weight.path], stem=stem, target=size)
            for shard in parts:
                content = fingerprint(Slices(weight.file, shard.ranges, shard.header))
                piece = _Piece(folder.partition("/")[2] + shard.name, (Placed(folder + shard.name, content),))
                (pieces.own if shard.size >= TINY else pieces.tiny).append(piece)
            place = index_path(weight.path)
            pieces.tiny.append(_Piece(place.partition("/")[2], (generated(place, index(parts)),)))
        elif weight.rule == "opaque":
            cut = cut_file(weight.path, weight.file, size, fingerprint)
            pieces.joined.append(cut)
            pieces.own.extend(
                _Piece(f"{short} part {n}", tuple(with_digest(part))) for n, part in enumerate(cut.parts, 1)
            )
        else:
            placed = Placed(weight.path, fingerprint(weight.file), weight.executable)
            (pieces.own if weight.file.size >= OWN_LAYER else pieces.small).append(_Piece(short, (placed,)))
    return pieces


def _header(weight: Weight) -> Header:
    with weight.file.open() as stream:
        header = read_header(stream, weight.file.size, where=str(weight.file.path))
    metadata = sum(len(key) + len(value) for key, value in header.metadata.items())
    if metadata > _MAX_METADATA:
        raise InputError(
            f"{weight.file.path}: {metadata} bytes of metadata, which each shard would repeat",
            next_step="set cogpack.weights.split to none for it",
        )
    return header
