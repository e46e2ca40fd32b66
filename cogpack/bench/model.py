"""The time of a pull is calculated by following it: which layers come, how fast, and which are unpacked meanwhile.

The rules are those of the engines' own code: layers come in the manifest's order, so many at once, each over one
connection; each is unpacked when it is there and those below it are.
"""

import math
from collections.abc import Collection, Sequence
from typing import Literal, TypeAlias, get_args

import msgspec

from cogpack.bench.flows import follow
from cogpack.oci import OCI_LAYER_GZIP, OCI_LAYER_ZSTD, Descriptor, oci_layer_type

Form: TypeAlias = Literal["tar", "gzip", "zstd"]
"""How a layer is stored."""

Wall: TypeAlias = Literal["streams", "network", "unpack", "disk"]
"""What can hold a pull up: so many streams of so much each; all that the network brings; one unpacker; the disk."""

_FORMS: dict[str, Form] = {OCI_LAYER_GZIP: "gzip", OCI_LAYER_ZSTD: "zstd"}
WEIGHT_RATIOS: dict[Form, float] = {"tar": 1.0, "gzip": 0.79, "zstd": 0.78}
"""What codecs leave of weights in bfloat16 (docs/weights.md)."""
FILE_RATIOS: dict[Form, float] = {"tar": 1.0, "gzip": 0.4, "zstd": 0.35}
"""What they leave of programs and libraries, about."""

WALLS: tuple[Wall, ...] = get_args(Wall)
_BINDS = 0.03
"""Of the time: what a wall must cost to be named one that binds."""


class Layer(msgspec.Struct, frozen=True):
    """`size`: bytes that come; `unpacked`: those of its tar. `weights`: whether they are a model's."""

    name: str
    size: int
    unpacked: int
    form: Form = "tar"
    weights: bool = False


class Client(msgspec.Struct, frozen=True):
    """How layers are pulled. `streams`: so many come at once; `unpackers`: so many are unpacked at once, none where
    they are only kept; `ranges`: whether a layer comes over all streams together. What comes is written, and so is
    what is unpacked."""

    name: str
    streams: int
    unpackers: int = 1
    ranges: bool = False


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, in bytes a second: `stream`, of one connection; `network`, of all together; `unpack`, by form,
    bytes of the tar; `disk`. None: so much that nobody saw its end. `first_byte`: seconds until a layer begins."""

    stream: float
    network: float | None = None
    unpack: dict[Form, float] = {}
    disk: float | None = None
    first_byte: float = 0.0

    def without(self, wall: Wall) -> "Host":
        """Give the same host with that wall taken down."""
        match wall:
            case "streams":
                return msgspec.structs.replace(self, stream=math.inf)
            case "network":
                return msgspec.structs.replace(self, network=None)
            case "unpack":
                return msgspec.structs.replace(self, unpack={})
            case "disk":
                return msgspec.structs.replace(self, disk=None)


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """When a layer was asked for, had come, was begun and done unpacking: seconds from the start."""

    name: str
    size: int
    weights: bool
    asked: float
    came: float
    begun: float
    done: float


class Pull(msgspec.Struct, frozen=True, kw_only=True):
    """A pull as it would be. `wall`: what holds it up most, None where nothing does; `costs`: the seconds that would be
    saved without each wall."""

    client: str
    layers: int
    size: int
    seconds: float
    wall: Wall | None
    costs: dict[Wall, float]
    spans: tuple[Span, ...]


def calculate(layers: Sequence[Layer], client: Client, host: Host) -> Pull:
    """Follow the pull, and follow it again without each wall: what costs most is the wall that binds."""
    seconds, spans = _follow(layers, client, host)
    costs = {wall: seconds - _follow(layers, client, host.without(wall))[0] for wall in WALLS}
    most = max(WALLS, key=lambda wall: costs[wall])
    return Pull(
        client=client.name,
        layers=len(layers),
        size=sum(layer.size for layer in layers),
        seconds=seconds,
        wall=most if costs[most] > _BINDS * seconds else None,
        costs=costs,
        spans=spans,
    )


def _follow(layers: Sequence[Layer], client: Client, host: Host) -> tuple[float, tuple[Span, ...]]:
    """Give the time of it all, and of each layer."""
    free = [0.0] * max(1, client.unpackers)
    spans, below = [], 0.0
    for layer, (asked, came) in zip(layers, _coming(layers, client, host), strict=True):
        rate = host.unpack.get(layer.form, math.inf) if client.unpackers else math.inf
        at = min(range(len(free)), key=free.__getitem__)
        begun = max(free[at], came)
        free[at] = begun + layer.unpacked / rate
        below = max(below, free[at])  # it is there when those below it are
        span = Span(
            name=layer.name, size=layer.size, weights=layer.weights, asked=asked, came=came, begun=begun, done=below
        )
        spans.append(span)
    written = sum(layer.size + (layer.unpacked if client.unpackers else 0) for layer in layers)
    return max(below, written / host.disk if host.disk else 0.0), tuple(spans)


def _coming(layers: Sequence[Layer], client: Client, host: Host) -> list[tuple[float, float]]:
    """Tell of each layer when it is asked for and when it has come."""
    if client.ranges:
        return _by_ranges(layers, client, host)

    def pace(coming: Sequence[int]) -> list[float]:
        return [min(host.stream, (host.network or math.inf) / len(coming))] * len(coming)

    steps = follow([layer.size for layer in layers], at_once=client.streams, pace=pace, before=host.first_byte)
    return [(step.asked, step.moved) for step in steps]


def _by_ranges(layers: Sequence[Layer], client: Client, host: Host) -> list[tuple[float, float]]:
    """All connections serve the first layer, then the next: what they bring together is one stream."""
    pace = min(client.streams * host.stream, host.network or math.inf)
    now, comes = host.first_byte, []
    for layer in layers:
        asked = now
        now += layer.size / pace
        comes.append((asked, now))
    return comes


def limit(layers: Sequence[Layer], host: Host, *, connections: int) -> float:
    """Give the seconds that no client of these bytes can beat: so many connections, the network, the disk."""
    size = sum(layer.size for layer in layers)
    written = sum(layer.unpacked for layer in layers)
    pace = min(connections * host.stream, host.network or math.inf)
    return max(size / pace + host.first_byte, written / host.disk if host.disk else 0.0)


def layers_of(layers: Sequence[tuple[str, Descriptor]], weights: Collection[str]) -> tuple[Layer, ...]:
    """Say what is known of an image's layers, each with its name. `weights`: digests. What a compressed one holds is
    guessed."""
    made = []
    for name, found in layers:
        form = _FORMS.get(oci_layer_type(found.media_type), "tar")
        inside = found.digest in weights
        ratio = (WEIGHT_RATIOS if inside else FILE_RATIOS)[form]
        made.append(Layer(name or found.digest[7:19], found.size, round(found.size / ratio), form, weights=inside))
    return tuple(made)
