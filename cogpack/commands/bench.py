"""`cogpack bench pull`: how long a stock pull of an image takes here, and why; nothing of it is left behind."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from cogpack.bench.clients import CONTAINERD, DOCKER, PODMAN, STOCK, ours
from cogpack.bench.engines import ENGINES, Engine, find_engine, measure_unpack, run
from cogpack.bench.lanes import SECONDS
from cogpack.bench.layouts import others
from cogpack.bench.machine import measure_writing
from cogpack.bench.model import Client, Form, Host, Layer, Pull, Wall, calculate, layers_of, limit
from cogpack.bench.network import Network, measure_network
from cogpack.commands.pull import all_blobs, pull
from cogpack.digest import Digest
from cogpack.disk import writing
from cogpack.errors import InputError
from cogpack.images.registry import RegistryImage
from cogpack.opening import open_registry_image
from cogpack.progress import shown
from cogpack.session import Session
from cogpack.text import size_text

ROOM = 2 * 10**9
"""Bytes that it may take of a registry, if nothing is said."""
NO_ENGINE = "none"
ENGINE_NAMES = (*(engine.name for engine in ENGINES), NO_ENGINE)

_MODELS: dict[str, Client] = {"docker": DOCKER, "podman": PODMAN, "ctr": CONTAINERD}


class OtherLayout(msgspec.Struct, frozen=True, kw_only=True):
    """The same weights in other layers, pulled by the engine that is here."""

    name: str
    layers: int
    size: int
    seconds: float
    wall: Wall | None


class MeasuredPull(msgspec.Struct, frozen=True, kw_only=True):
    """A pull that was made. `calculated`: the seconds that were expected; `error`: how far that is off, as a part of
    what was measured, negative where it was expected to be quicker."""

    client: str
    seconds: float
    calculated: float
    error: float


class PullBench(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found. Rates are bytes a second, times seconds.

    `engine`: whose unpacking was measured, "" where none was; `pulls`: by engines as they come, the one that is here
    first, and by `cogpack pull` at last; `limit`: what no client can beat; `measured`: pulls that were made, and
    `unmeasured` why others were not. `received`: bytes that all of it took of the registry.
    """

    reference: str
    digest: Digest
    size: int
    layers: tuple[Layer, ...]
    network: Network
    engine: str
    unpack: dict[Form, float]
    disk: float
    pulls: tuple[Pull, ...]
    layouts: tuple[OtherLayout, ...]
    limit: float
    measured: tuple[MeasuredPull, ...]
    unmeasured: tuple[str, ...]
    received: int
    seconds: float


class Measures(msgspec.Struct, frozen=True):
    """How an engine and a disk are measured."""

    unpack: Callable[..., dict[Form, float]] = measure_unpack
    disk: Callable[[Path], float] = measure_writing
    seconds: float = SECONDS


MEASURES = Measures()


def bench_pull(
    session: Session,
    target: str,
    *,
    platform: str | None = None,
    engine: str | None = None,
    room: int = ROOM,
    measures: Measures = MEASURES,
) -> PullBench:
    """Measure the way to `target` and this machine, and calculate what follows.

    `engine`: one of `ENGINE_NAMES` [the first that answers]; `room`: bytes that may come of the registry in all: a pull
    is made only where it fits in. `measures`: for tests.
    """
    began = time.monotonic()
    image = open_registry_image(session, target, platform)
    layers = layers_of(image.layers, {layer.digest for layer in image.weight_layers})
    if not layers:
        raise InputError(f"{image.name}: has no layers", next_step="name an image")
    found = None if engine == NO_ENGINE else find_engine(engine)
    progress = session.progress

    with shown(progress, f"rates of {image.reference.registry}", "fetch"):
        network = measure_network(
            all_blobs(session, image),
            image.manifest.layers,
            host=image.images.repository.requests.host,
            room=room // 2,
            cancellation=session.cancellation,
            told=lambda lane: progress.summary(str(lane)),
            seconds=measures.seconds,
        )
    unpack: dict[Form, float] = {}
    if found is not None:
        with shown(progress, f"unpacking by {found.name}", "unpack"):
            unpack = measures.unpack(found, session.cancellation)
    with shown(progress, "the disk", "write"):
        disk = measures.disk(session.cache)
    host = Host(
        stream=network.stream_limit, network=network.total, unpack=unpack, disk=disk, first_byte=network.first_byte
    )
    here = _MODELS[found.name] if found else DOCKER
    stock = tuple(calculate(layers, client, host) for client in (here, *(one for one in STOCK if one is not here)))
    pulled = calculate(layers, ours(session.settings.jobs), host)
    made = _Pulls(session, image, target, room - network.received)
    made.ours(pulled)
    if found:
        made.engine(found, stock[0])
    return PullBench(
        reference=image.by_digest,
        digest=image.digest,
        size=sum(layer.size for layer in layers),
        layers=layers,
        network=network,
        engine=found.name if found else "",
        unpack=unpack,
        disk=disk,
        pulls=(*stock, pulled),
        layouts=tuple(
            _other(layout.name, calculate(layout.layers, here, host))
            for layout in others(layers)
            if not unpack or all(layer.form in unpack for layer in layout.layers)
        ),
        limit=limit(layers, host, connections=session.settings.jobs),
        measured=tuple(made.measured),
        unmeasured=tuple(made.not_made),
        received=network.received + made.received,
        seconds=time.monotonic() - began,
    )


def _other(name: str, pull: Pull) -> OtherLayout:
    return OtherLayout(name=name, layers=pull.layers, size=pull.size, seconds=pull.seconds, wall=pull.wall)


class _Pulls:
    """Pulls are made, one after the other, as far as there is room."""

    def __init__(self, session: Session, image: RegistryImage, target: str, room: int) -> None:
        self._session = session
        self._image = image
        self._target = target
        self._room = room
        self.size = sum(blob.size for blob in image.graph.blobs)
        self.measured: list[MeasuredPull] = []
        self.not_made: list[str] = []
        self.received = 0

    def _fits(self, who: str) -> bool:
        if self.received + self.size <= self._room:
            return True
        left = size_text(max(0, self._room - self.received))
        self.not_made.append(f"{who}: the image is {size_text(self.size)}, and {left} of the budget are left")
        return False

    def ours(self, calculated: Pull) -> None:
        if not self._fits(calculated.client):
            return
        cache = self._session.cache
        with writing(cache), tempfile.TemporaryDirectory(prefix=".bench-", dir=cache) as name:
            began = time.monotonic()
            done = pull(self._session, self._image.by_digest, Path(name) / "image", platform=None, all_platforms=True)
            self._add(calculated, time.monotonic() - began)
        self.received += done.fetched

    def engine(self, engine: Engine, calculated: Pull) -> None:
        if not self._fits(engine.name):
            return
        reference = self._image.by_digest
        if run(engine, engine.has, reference, seconds=30).status == 0:
            self.not_made.append(f"{engine.name}: has the image already")
            return
        pulls = tuple(word for word in engine.pulls if word not in ("--tls-verify=false", "--plain-http"))
        with shown(self._session.progress, self._target, "load"):
            ran = run(engine, pulls, reference, seconds=3600)
        run(engine, engine.removes, reference, seconds=300)
        self.received += self.size
        if ran.status != 0:
            self.not_made.append(f"{engine.name}: {ran.error}")
        elif any(line.endswith("Already exists") for _, line in ran.said):
            self.not_made.append(f"{engine.name}: has some of the layers already")
        else:
            self._add(calculated, ran.seconds)

    def _add(self, calculated: Pull, seconds: float) -> None:
        error = (calculated.seconds - seconds) / seconds
        self.measured.append(
            MeasuredPull(client=calculated.client, seconds=seconds, calculated=calculated.seconds, error=error)
        )
