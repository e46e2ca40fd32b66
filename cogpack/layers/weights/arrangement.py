"""Weight files to layers: split for as many streams as a pull opens, ordered so that what changes seldom lies lowest.

Sizes follow the cost model of a pull (docs/weights.md): total / 48, between 128 MiB and 1 GiB, in powers of two so that
a model that grows a little keeps its splits; at most `MAX_LAYERS` layers, or what an image of many others has left, for
which the size is doubled.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from cogpack.formats import ImageRules
from cogpack.layers.content import LocalFile, Slices
from cogpack.layers.files import FilesSource, Placed, drain, equals, generated, read_equal
from cogpack.layers.fingerprints import Fingerprinted, Fingerprints
from cogpack.layers.layer import LayerSource
from cogpack.layers.weights import WEIGHTS
from cogpack.model_files import Rule, index_path
from cogpack.patterns import pattern
from cogpack.sizes import MiB

if TYPE_CHECKING:
    from cogpack.layers.weights.pieces import AnyHeader

MAX_LAYERS = 64
SHARED = 3
"""Layers above these: of small files, of indexes, and of what joins parts at start."""

OWN_LAYER = 64 * MiB
"""Bytes from which an unsplit file is a layer of its own; smaller ones share one."""

_SEVERAL = pattern(
    r"[0-9]+ (files|small files|files below 64 MiB|indexes and tiny shards)|.* \+ [0-9]+ equal", re.DOTALL
)
"""Names of layers that don't tell what is in them, but for `WEIGHTS`."""

Fingerprint: TypeAlias = Callable[[LocalFile | Slices], Fingerprinted]
Probe: TypeAlias = "Callable[[LocalFile | Slices, AnyHeader | None], int]"
"""What zstd leaves of a content, in thousandths (`weights.probe`); told the header of its file."""
Read: TypeAlias = Callable[[Placed], object]
"""Reads a file whole, so that its hash is known."""


class Pinned(msgspec.Struct, frozen=True):
    """Is what a weight that is not here was split into, by the lock's word: it lies on a server, or in git-lfs."""

    parts: tuple[Placed, ...]


class Weight(msgspec.Struct, frozen=True):
    """Goes to `path` of the image, split by `rule`. `name`: for people; `content`: of `size` bytes."""

    path: str
    name: str
    content: LocalFile | Pinned
    size: int
    rule: Rule
    executable: bool = False

    @property
    def remote(self) -> bool:
        """True where reading it is a download."""
        return isinstance(self.content, Pinned)


class WeightLayer(msgspec.Struct, frozen=True):
    """Is to be a layer. `places`: what it lays among directories of others; `remote`: reading it is a download;
    `ratio`: thousandths of it that zstd leaves, if probed; `generated`: no weights are in it, but what joins them."""

    source: LayerSource
    places: tuple[str, ...] = ()
    remote: bool = False
    ratio: int | None = None
    generated: bool = False


class Arrangement(msgspec.Struct, frozen=True):
    """Has weights in `layers`, bottom first. `parts`: by the path of each weight, the files that stand for it."""

    layers: Sequence[WeightLayer]
    parts: Mapping[str, tuple[Placed, ...]]


class _Group(msgspec.Struct, frozen=True):
    """May be a layer of its own. `name`: for people; `remote`: reading it is a download."""

    name: str
    files: tuple[Placed, ...]
    remote: bool


def may_hold(layer: str, file: str) -> bool:
    """Tell whether the weight layer of this name may hold `file` (its last name) or what it is split into."""
    from cogpack.layers.weights.opaque import JoinSource

    name = layer.removeprefix(WEIGHTS)
    if _SEVERAL.fullmatch(name) or name == JoinSource.name.removeprefix(WEIGHTS):
        return True
    return name.rpartition("/")[2].startswith((file.rpartition(".")[0] or file, index_path(file)))


def layer_size(total: int, rules: ImageRules) -> int:
    """Tell to how many bytes `total` bytes of weights are split."""
    wanted = total / rules.weight_streams
    *sizes, largest = rules.weight_layer_sizes
    return next((size for size in sizes if wanted <= size * 2**0.5), largest)


def largest(size: int) -> int:
    """Tell what may still be one layer where weights are split to `size`: half as much again, so that no split leaves a
    crumb."""
    return size + size // 2


def arrange(
    weights: Sequence[Weight],
    size: int,
    fingerprint: Fingerprint,
    join_program: bytes,
    probe: "Probe | None" = None,
    *,
    read: Read = drain,
    max_layers: int = MAX_LAYERS + SHARED,
) -> Arrangement:
    """Put `weights` into layers, bottom first, split to about `size` bytes, and probed where `probe` is given.

    Large files and parts of files in the order of their paths, then small files, then indexes and the first parts of
    GGUF files, which change with them. Equal files lie in one layer, that of the first of them, where they are stored
    once; `read` is asked for those that have to be known for it. `max_layers`: that the image has left for them.
    """
    if not weights:
        return Arrangement((), {})
    from cogpack.layers.weights.opaque import JoinSource, OpaqueFile

    most = max(1, min(MAX_LAYERS, max_layers - SHARED))
    headers = {weight.path: _header(weight, probing=probe is not None) for weight in weights}
    total = sum(weight.size for weight in weights)
    while True:
        parts = {weight.path: _parts(weight, headers[weight.path], size, fingerprint, probe) for weight in weights}
        read_equal((file for files in parts.values() for file in files), read)
        own, small, tiny = _with_equals(*_groups(weights, parts))
        if len(own) <= most or size >= total:
            break
        size *= 2
    run = max(1, -(-len(own) // most))  # whole files can't be split to be fewer: neighbours share a layer
    layers = [_together(own[at : at + run], "files") for at in range(0, len(own), run)]
    if small:
        layers.append(_together(small, "files below 64 MiB"))
    if tiny:
        layers.append(_together(tiny, "indexes and tiny shards"))
    if joined := [
        OpaqueFile(weight.path, weight.size, parts[weight.path]) for weight in weights if weight.rule == "opaque"
    ]:
        places = tuple(file.path for file in joined)
        layers.append(WeightLayer(JoinSource(joined, join_program), places, generated=True))
    return Arrangement(layers, parts)


def remembered_probe(fingerprints: Fingerprints, content: LocalFile | Slices, header: "AnyHeader | None") -> int:
    """Probe a content that `fingerprints` do not know the answer of yet (`Probe`)."""
    from cogpack.layers.weights.probe import PROFILE, probe_local

    return int(fingerprints.remember(content, PROFILE, lambda: str(probe_local(content, header))))


def _with_equals(
    own: list[_Group], small: list[_Group], tiny: list[_Group]
) -> tuple[list[_Group], list[_Group], list[_Group]]:
    """Move each group that has a file of an earlier own one, equal in bytes and mode, into that."""
    files = [file for group in (*own, *small, *tiny) for file in group.files]
    twice = {file.path: key for key, same in equals(files).items() for file in same}
    first_at: dict[tuple[str, bool], int] = {}
    members: list[list[_Group]] = []
    left: tuple[list[_Group], list[_Group]] = ([], [])
    for rest, groups in ((None, own), (left[0], small), (left[1], tiny)):
        for group in groups:
            keys = [twice[file.path] for file in group.files if file.path in twice]
            at = next((first_at[key] for key in keys if key in first_at), None)
            if at is not None:
                members[at].append(group)
            elif rest is None:
                at = len(members)
                members.append([group])
            else:
                rest.append(group)
            if at is not None:
                first_at |= {key: first_at.get(key, at) for key in keys}
    return [_joined(groups) for groups in members], *left


def _joined(groups: Sequence[_Group]) -> _Group:
    first, *others = groups
    if not others:
        return first
    files = tuple(file for group in groups for file in group.files)
    return _Group(f"{first.name} + {len(others)} equal", files, any(group.remote for group in groups))


def _together(group: Sequence[_Group], what: str) -> WeightLayer:
    name = group[0].name if len(group) == 1 else f"{len(group)} {what}"
    files = [file for piece in group for file in piece.files]
    return WeightLayer(
        FilesSource(WEIGHTS + name, files),
        tuple(file.path for file in files),
        remote=any(piece.remote for piece in group),
        ratio=joint_ratio((file.content.size, file.ratio) for file in files),  # but for hashes of parts
    )


def joint_ratio(files: Iterable[tuple[int, int | None]]) -> int | None:
    """Tell what zstd leaves of files together, each of a size; those that were not probed don't count."""
    probed = [(size, ratio) for size, ratio in files if ratio is not None]
    whole = sum(size for size, _ in probed)
    return -(-sum(size * ratio for size, ratio in probed) // whole) if whole else None


def _header(weight: Weight, *, probing: bool) -> "AnyHeader | None":
    """Read the header that a split needs, and a probe can use."""
    from cogpack.layers.weights.pieces import peek, read_local

    if isinstance(weight.content, Pinned):
        return None
    if weight.rule == "tensor" or weight.rule == "gguf":
        return read_local(weight.rule, weight.content)
    return peek(weight.path, weight.content) if probing else None


def _parts(
    weight: Weight, header: "AnyHeader | None", size: int, fingerprint: Fingerprint, probe: "Probe | None"
) -> tuple[Placed, ...]:
    """Give the files that stand for a weight; last the one that tells of the others, where there is one."""
    from cogpack.layers.weights.opaque import opaque_ranges, part_path
    from cogpack.layers.weights.pieces import split_any
    from cogpack.layers.weights.probe import probe_bytes

    file = weight.content
    if isinstance(file, Pinned):
        return file.parts

    def place(path: str, content: LocalFile | Slices) -> Placed:
        executable = weight.executable and weight.rule == "none"
        return Placed(path, fingerprint(content), executable, probe(content, header) if probe else None)

    if weight.rule == "none":
        return (place(weight.path, file),)
    if weight.rule == "opaque":
        ranges = enumerate(opaque_ranges(file.size, size))
        return tuple(place(part_path(weight.path, number), Slices(file, (one,))) for number, one in ranges)
    assert header is not None
    folder, slash, name = weight.path.rpartition("/")
    *pieces, index = split_any(header, name, size)
    last = generated(f"{folder}{slash}{index.name}", index.head)
    if probe:
        last = msgspec.structs.replace(last, ratio=probe_bytes(index.head))
    return (*(place(f"{folder}{slash}{piece.name}", Slices(file, piece.ranges, piece.head)) for piece in pieces), last)


def _groups(
    weights: Sequence[Weight], parts: Mapping[str, tuple[Placed, ...]]
) -> tuple[list[_Group], list[_Group], list[_Group]]:
    """Tell apart what has layers of its own; small files, which share one; indexes and tiny shards: one above."""
    from cogpack.layers.weights.opaque import with_digest
    from cogpack.layers.weights.shards import TINY

    own: list[_Group] = []
    small: list[_Group] = []
    tiny: list[_Group] = []
    for weight in weights:
        placed = parts[weight.path]
        folder = weight.name[: weight.name.rfind("/") + 1]
        if weight.rule == "none":
            (own if weight.size >= OWN_LAYER else small).append(_Group(weight.name, placed, weight.remote))
        elif weight.rule == "opaque":
            own += [
                _Group(f"{weight.name} part {number}", tuple(with_digest(part)), weight.remote)
                for number, part in enumerate(placed, 1)
            ]
        else:
            for part in placed:
                group = _Group(folder + part.path.rpartition("/")[2], (part,), weight.remote)
                (tiny if part is placed[-1] or part.content.size < TINY else own).append(group)
    return own, small, tiny
