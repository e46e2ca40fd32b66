"""The time of a push is calculated by following it: which layers go, how fast, and what their making costs meanwhile.

The rules are those of `cogpack push`. What nobody has read yet is read and hashed first, on all cores, since a
registry is asked by digest. Then layers go, so many at a time, each over one connection, made and hashed on their way;
each keeps its place until the registry has answered the request that makes a blob of it.
"""

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import msgspec

from cogpack.bench.flows import follow
from cogpack.bench.machine import Processor

Making: TypeAlias = Literal["given", "plain", "spliced", "gzip", "zstd"]
"""How the bytes of a layer come to be: they are a base's; the tar itself; of wheels, whose streams are taken over;
compressed."""

PushWall: TypeAlias = Literal["streams", "network", "registry", "hashing", "compression", "disk"]
"""What can hold a push up: so many streams of so much each; all that the network takes; what the registry does when it
has a layer's bytes; this machine's sha256; its compressing and inflating; its disk."""

WALLS: tuple[PushWall, ...] = get_args(PushWall)
_BINDS = 0.03
"""Of the time: what a wall must cost to be named one that binds."""
ASKED = 2
"""Requests before the first byte of a layer: is it there, and where would it go."""


class PushLayer(msgspec.Struct, frozen=True, kw_only=True):
    """`size`: bytes that go; `unpacked`: those of its tar; `weights`: whether they are a model's; `unread`: whether
    nobody has read yet what it is made of."""

    name: str
    size: int
    unpacked: int
    making: Making = "plain"
    weights: bool = False
    unread: bool = False


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, in bytes a second: `stream`, of one connection; `network`, of all together; `finishing`, of a
    registry that makes a blob of bytes that it has; `disk`. None: so much that nobody saw its end. `opening`: seconds
    of a small request; `answering`: of the one that makes a blob of next to nothing."""

    stream: float
    network: float | None = None
    opening: float = 0.0
    answering: float = 0.0
    finishing: float | None = None
    disk: float | None = None
    processor: Processor

    def without(self, wall: PushWall) -> "Sender":
        """Give the same with that wall taken down."""
        replace = msgspec.structs.replace
        match wall:
            case "streams":
                return replace(self, stream=math.inf)
            case "network":
                return replace(self, network=None)
            case "registry":
                return replace(self, answering=0.0, finishing=None)
            case "hashing":
                return replace(self, processor=replace(self.processor, sha256=math.inf))
            case "compression":
                free = {"gzip": math.inf, "zstd": math.inf, "inflate": math.inf}
                return replace(self, processor=replace(self.processor, **free))
            case "disk":
                return replace(self, disk=None)


class PushSpan(msgspec.Struct, frozen=True, kw_only=True):
    """When a layer was begun, had gone, and was a blob: seconds from the start."""

    name: str
    size: int
    weights: bool
    begun: float
    sent: float
    done: float


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """A push as it would be, of `jobs` layers at a time. `reading`: the seconds before the first layer goes; `wall`:
    what holds it up most, None where nothing does; `costs`: the seconds that would be saved without each wall."""

    jobs: int
    seconds: float
    reading: float
    wall: PushWall | None
    costs: dict[PushWall, float]
    spans: tuple[PushSpan, ...]


def calculate_push(layers: Sequence[PushLayer], sender: Sender, *, jobs: int) -> Push:
    """Follow the push, and follow it again without each wall: what costs most is the wall that binds."""
    seconds, reading, spans = _follow(layers, sender, jobs)
    costs = {wall: seconds - _follow(layers, sender.without(wall), jobs)[0] for wall in WALLS}
    most = max(WALLS, key=lambda wall: costs[wall])
    return Push(
        jobs=jobs,
        seconds=seconds,
        reading=reading,
        wall=most if costs[most] > _BINDS * seconds else None,
        costs=costs,
        spans=spans,
    )


def push_limit(layers: Sequence[PushLayer], sender: Sender) -> float:
    """Give the seconds that no client can beat here: what the network takes, and the largest layer over one stream."""
    size, largest = sum(layer.size for layer in layers), max((layer.size for layer in layers), default=0)
    return max(size / sender.network if sender.network else 0.0, largest / sender.stream)


def _follow(layers: Sequence[PushLayer], sender: Sender, jobs: int) -> tuple[float, float, tuple[PushSpan, ...]]:
    processor = sender.processor
    unread = sum(layer.size for layer in layers if layer.unread)
    reading = unread / min(processor.cores * processor.sha256, sender.disk or math.inf)
    going = sorted(layers, key=lambda layer: -layer.size)
    costs = [_costs(layer, processor) for layer in going]
    # What was read just now is in memory.
    from_disk = [not layer.unread and layer.making != "given" for layer in going]

    def pace(moving: Sequence[int]) -> list[float]:
        share = (sender.network or math.inf) / len(moving)
        if work := sum(costs[at].work for at in moving):
            share = min(share, processor.cores / work)
        if sender.disk and (readers := sum(from_disk[at] for at in moving)):
            disk = sender.disk / readers
            return [min(sender.stream, share, costs[at].most, disk if from_disk[at] else math.inf) for at in moving]
        return [min(sender.stream, share, costs[at].most) for at in moving]

    def finishing(at: int) -> float:
        return sender.answering + (going[at].size / sender.finishing if sender.finishing else 0.0)

    sizes = [layer.size for layer in going]
    steps = follow(sizes, at_once=max(1, jobs), pace=pace, before=ASKED * sender.opening, after=finishing)
    spans = tuple(
        PushSpan(
            name=layer.name,
            size=layer.size,
            weights=layer.weights,
            begun=reading + step.asked,
            sent=reading + step.moved,
            done=reading + step.done,
        )
        for layer, step in zip(going, steps, strict=True)
    )
    return max((span.done for span in spans), default=reading), reading, spans


class _Costs(msgspec.Struct, frozen=True):
    """`work`: seconds of a core for each byte that goes; `most`: bytes a second that one layer is made at, of which
    only compressing is shared among cores."""

    work: float
    most: float


def _costs(layer: PushLayer, processor: Processor) -> _Costs:
    ratio = layer.unpacked / layer.size if layer.size else 1.0
    hashing = (1.0 if layer.making in ("given", "plain") else 1.0 + ratio) / processor.sha256
    coding = 0.0
    match layer.making:
        case "gzip":
            coding = ratio / processor.gzip
        case "zstd":
            coding = ratio / processor.zstd
        case "spliced":
            coding = ratio / processor.inflate
    alone = hashing + (coding if layer.making == "spliced" else coding / processor.cores)
    return _Costs(hashing + coding, 1 / alone if alone else math.inf)
