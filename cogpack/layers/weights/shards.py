"""One model, many files: split along the names of its tensors, so that a changed block changes one file.

A tensor's name is a path through the modules ("model.layers.12.mlp.up_proj.weight"). The tree of these paths is split
from the top: what is small enough stays whole, numbered modules (a stack of layers, or of experts) are taken together
in aligned runs of a power of two, and the rest is split again one level down. Names and rough sizes alone decide where:
a tensor more or less moves no split but its own. Tensors are never split.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from blake3 import blake3

from cogpack.errors import InputError
from cogpack.layers.weights.safetensors import Header, Tensor, in_file_order, make_header
from cogpack.oci import encode
from cogpack.sizes import MiB

TINY = 64 * 1024
"""Bytes below which siblings share a shard: as much as a request costs."""

_MAX_METADATA = MiB
"""Bytes of a file's own metadata that are repeated in each shard at most."""

_MANY = 16
"""Named siblings up to which each gets a shard of its own, heads among them; from there on small ones share."""


_DEEP = 31
"""Dots of a name that are looked at: real models have ten."""

_FIRST = re.compile(r"emb|wte|wpe|shared|patch|stem|conv_in|conv1")
"""Modules that stand below the stack and are seldom trained alone."""


class Piece(msgspec.Struct, frozen=True):
    """Is a file to be: `head`, then the ranges (offset in the source file, length; bytes) one behind the other."""

    name: str
    ranges: tuple[tuple[int, int], ...]
    head: bytes = b""

    @property
    def size(self) -> int:
        return len(self.head) + sum(length for _, length in self.ranges)


class Shard(Piece, frozen=True, kw_only=True):
    """Holds these `tensors`."""

    tensors: tuple[Tensor, ...]


class _Module:
    """Is a node of the tree of names."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = 0
        self.below: dict[str, _Module] = {}
        self.own: list[Tensor] = []

    def add(self, tensor: Tensor) -> None:
        node = self
        node.size += tensor.size
        for part in tensor.name.split(".", _DEEP):
            child = node.below.get(part)
            if child is None:
                child = node.below[part] = _Module(f"{node.path}.{part}" if node.path else part)
            node = child
            node.size += tensor.size
        node.own.append(tensor)

    def tensors(self) -> Iterator[Tensor]:
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield from node.own
            waiting.extend(node.below.values())


_Group = tuple[str, list[Tensor]]


def grouped(tensors: Iterable[Tensor], target: int) -> list[_Group]:
    """Group tensors to about `target` bytes, each named after the modules in it; lower layers of a stack first."""
    root = _Module("")
    for tensor in tensors:
        root.add(tensor)
    groups: list[_Group] = []
    # No recursion: names come from files, and may have any number of dots.
    waiting: list[_Module | _Group] = [root]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple):
            groups.append(item)
        elif item.size <= target + target // 2 or not item.below:
            groups.append((item.path or "all", list(item.tensors())))
        else:
            waiting.extend(reversed(_divided(item, target)))
    return groups


def _divided(node: _Module, target: int) -> list["_Module | _Group"]:
    """Divide a module that is too large, in the order in which models are built: embeddings, stacks, heads.

    It is also the order of layers, and heads are trained anew most often.
    """
    numbered = sorted((int(key), child) for key, child in node.below.items() if _is_number(key))
    named = [child for key, child in sorted(node.below.items()) if not _is_number(key)]
    named.sort(key=lambda child: (_standing(child), child.path))
    parts: list[_Module | _Group] = []
    if numbered:
        sizes = sorted(child.size for _, child in numbered)
        typical = max(1, (sizes[(len(sizes) - 1) // 2] + sizes[len(sizes) // 2]) // 2)  # the median
        run = 1 << max(0, (target // typical).bit_length() - 1)
        parts.extend(_runs(node.path, numbered, run, target))
    rest = [*node.own]
    for child in named:
        if child.size < TINY or (len(named) > _MANY and child.size < target // 16):
            rest.extend(child.tensors())
        else:
            parts.append(child)
    parts.extend(_rest(f"{node.path}.rest" if node.path else "rest", rest, target))
    return parts


def _rest(label: str, tensors: Iterable[Tensor], target: int) -> Iterator[_Group]:
    """Group what has no module of its own, in the order of its names; more than one group only where it is a lot."""
    group: list[Tensor] = []
    size = number = 0
    for tensor in sorted(tensors, key=lambda tensor: tensor.name):
        if group and size + tensor.size > target:
            yield f"{label}.{number}", group
            group, size, number = [], 0, number + 1
        group.append(tensor)
        size += tensor.size
    if group:
        yield (f"{label}.{number}" if number else label), group


def _runs(path: str, numbered: Sequence[tuple[int, _Module]], run: int, target: int) -> Iterator["_Module | _Group"]:
    """Take neighbours together in aligned runs; one that is too large because some are not typical is halved."""
    by_run: dict[int, list[tuple[int, _Module]]] = {}
    for number, child in numbered:
        by_run.setdefault(number // run, []).append((number, child))
    for index, members in sorted(by_run.items()):
        if len(members) > 1 and sum(child.size for _, child in members) > target + target // 2:
            yield from _runs(path, members, run // 2, target)
        elif len(members) == 1:
            yield members[0][1]
        else:
            label = f"{path}.{index * run}-{index * run + run - 1}".lstrip(".")
            yield label, [tensor for _, child in members for tensor in child.tensors()]


def _standing(node: _Module) -> int:
    """Tell 0 for what is below a stack, 1 for what holds one, 2 for what comes behind."""
    waiting = [node]
    while waiting:
        module = waiting.pop()
        if any(_is_number(key) for key in module.below):
            return 1
        waiting.extend(module.below.values())
    return 0 if _FIRST.search(node.path.rpartition(".")[2]) else 2


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9 and (text == "0" or text[0] != "0")


def shards(header: Header, *, stem: str, target: int) -> list[Shard]:
    """Split a model into shards, whose names begin with `stem` ("model").

    Names hold no count and follow from names and shapes alone, so that changed numbers leave every path as it was.
    """
    repeated = sum(len(key) + len(value) for key, value in header.metadata.items())
    if repeated > _MAX_METADATA:
        raise InputError(
            f"{stem}.safetensors: {repeated} bytes of metadata, which each shard would repeat",
            next_step="set cogpack.weights.split to none for it",
        )
    metadata = {"format": "pt"} | dict(header.metadata)
    return [_shard(header, stem, label, tensors, metadata) for label, tensors in grouped(header.tensors, target)]


def _shard(header: Header, stem: str, label: str, tensors: Sequence[Tensor], metadata: Mapping[str, str]) -> Shard:
    ordered = in_file_order(sorted(tensors, key=lambda tensor: (tensor.begin, tensor.end, tensor.name)))
    head = make_header(ordered, metadata)
    ranges: list[tuple[int, int]] = []
    for tensor in ordered:
        start = header.data + tensor.begin
        if ranges and sum(ranges[-1]) == start:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + tensor.size)
        elif tensor.size:
            ranges.append((start, tensor.size))
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", label)[:80].strip(".")
    name = f"{stem}-{plain}-{blake3(head).hexdigest()[:8]}.safetensors"
    return Shard(name, tuple(ranges), head, tensors=tuple(ordered))


class ShardIndex(msgspec.Struct, frozen=True):
    """Is an index: file by tensor."""

    weight_map: dict[str, str]


def index(parts: Iterable[Shard]) -> bytes:
    """Make the index that Hugging Face loaders read: which file holds which tensor."""
    parts = list(parts)
    files = {tensor.name: shard.name for shard in parts for tensor in shard.tensors}
    total = sum(tensor.size for shard in parts for tensor in shard.tensors)
    return msgspec.json.format(encode({"metadata": {"total_size": total}, "weight_map": files}), indent=2) + b"\n"
