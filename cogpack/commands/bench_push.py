"""`cogpack bench push`: how long a push takes here, and why; no blob, manifest or tag of it is left behind."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from cogpack.bench.lanes import SECONDS
from cogpack.bench.machine import Processor, measure_processor, measure_reading
from cogpack.bench.model import FILE_RATIOS, WEIGHT_RATIOS, Form
from cogpack.bench.push_model import Making, Push, PushLayer, PushWall, Sender, calculate_push, push_limit
from cogpack.bench.rehearsal import Rehearsal, rehearse_random
from cogpack.bench.trial import Place, ShapeRefusedError
from cogpack.bench.uploads import Uploads, measure_uploads
from cogpack.digest import Digest
from cogpack.errors import InputError, NoProjectError, UnavailableError
from cogpack.layers.known import Known
from cogpack.layers.layer import Form as Stored
from cogpack.layers.layer import Layer, key_of
from cogpack.layers.weights import WEIGHTS
from cogpack.oci import OCI_LAYER_GZIP, OCI_LAYER_ZSTD, LayerInfo, oci_layer_type
from cogpack.opening import parse_reference
from cogpack.planning.delivery.transfer import Resources, transfer
from cogpack.planning.describing import find_described
from cogpack.planning.known import look_up
from cogpack.planning.plan import Plan
from cogpack.planning.prepare import Prepared, prepare_each
from cogpack.progress import shown
from cogpack.reference import Reference
from cogpack.registry.profiles import profile
from cogpack.registry.push.shapes import Shapes
from cogpack.registry.repository import Repository
from cogpack.session import Session
from cogpack.text import size_text, time_text

ROOM = 2 * 10**9
"""Bytes that it may send to a registry, if nothing is said."""
LEAST = 10**6
"""Bytes with which rates can be told."""
JOBS = (1, 2, 4, 8, 16)
"""Layers at a time that are compared."""
_LONGEST = 300.0
"""Seconds that a rehearsal may take."""
_MADE_UP = 8
"""Layers that stand for a project, where there is none."""
_WHEELS = ("wheels: ", "clashes")
"""What names of layers begin with that are spliced."""


class OtherJobs(msgspec.Struct, frozen=True, kw_only=True):
    """The same push with another number of layers at a time."""

    jobs: int
    seconds: float
    wall: PushWall | None


class MeasuredPush(msgspec.Struct, frozen=True, kw_only=True):
    """A push that was rehearsed: all but what a registry does at the end of each layer. `calculated`: the seconds that
    were expected of that; `error`: how far that is off, as a part of what was measured, negative where it was expected
    to be quicker."""

    seconds: float
    calculated: float
    error: float


class PushBench(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found. Rates are bytes a second, times seconds.

    `project`: whether `layers` are those that the project here would send, else random ones stand for it; `reused`:
    bytes of it that the registry has or can mount. `push`: that, as it would be; `jobs`: with other numbers of layers
    at a time; `limit`: what no client can beat. `measured`: its rehearsal, or `unmeasured` why there was none. `sent`:
    bytes that all of it took; `left`: blobs of ours that could not be deleted.
    """

    repository: str
    project: bool
    size: int
    reused: int
    layers: tuple[PushLayer, ...]
    uploads: Uploads
    processor: Processor
    disk: float
    push: Push
    jobs: tuple[OtherJobs, ...]
    limit: float
    measured: MeasuredPush | None
    unmeasured: tuple[str, ...]
    sent: int
    left: tuple[str, ...]
    seconds: float


class PushMeasures(msgspec.Struct, frozen=True):
    """How a processor and a disk are measured."""

    processor: Callable[[], Processor] = measure_processor
    disk: Callable[[Path], float] = measure_reading
    seconds: float = SECONDS


PUSH_MEASURES = PushMeasures()


def bench_push(
    session: Session,
    target: str,
    *,
    room: int = ROOM,
    commit: bool = False,
    measures: PushMeasures = PUSH_MEASURES,
) -> PushBench:
    """Measure the way to `target`, a repository that may be pushed to, and this machine; calculate what follows.

    `room`: bytes that may be sent in all: a push is rehearsed only where it fits in. `commit`: one blob of 16 MiB may
    be made there, and deleted; without it none is. `measures`: for tests.
    """
    began = time.monotonic()
    if room < LEAST:
        raise InputError(
            f"--budget: {size_text(room)} are too few to tell a rate", next_step=f"allow {size_text(LEAST)} at least"
        )
    if "/" not in target:
        raise InputError(f"{target}: a push goes to a repository", next_step=f"write {target}/NAME")
    reference = parse_reference(session, target)
    if reference.digest:
        raise InputError(f"{target}: a push makes its own digest", next_step=f"write {reference.name}")
    repository = session.repository(Reference(reference.registry, reference.repository), push=True)
    place = Place(repository.requests, Shapes(profile(repository.requests.host)))
    progress = session.progress

    try:
        with shown(progress, f"rates of {reference.registry}", "send"):
            uploads = measure_uploads(
                place,
                room=room // 2,
                commit=commit,
                cancellation=session.cancellation,
                told=lambda lane: progress.summary(str(lane)),
                seconds=measures.seconds,
            )
        with shown(progress, "processor and disk", "read"):
            processor, disk = measures.processor(), measures.disk(session.cache)
        sender = Sender(
            stream=uploads.stream_limit,
            network=uploads.total,
            opening=uploads.opening,
            answering=uploads.finishing.seconds,
            finishing=uploads.finishing.rate,
            disk=disk,
            processor=processor,
        )
        rehearsed = _Rehearsed(session, repository, place, uploads, sender, room - uploads.sent)
        rehearsed.run(room // 4)
    finally:
        place.close()
    layers, jobs = rehearsed.layers, session.settings.jobs
    return PushBench(
        repository=repository.requests.name,
        project=rehearsed.project,
        size=sum(layer.size for layer in layers),
        reused=rehearsed.reused,
        layers=layers,
        uploads=uploads,
        processor=processor,
        disk=disk,
        push=calculate_push(layers, sender, jobs=jobs),
        jobs=tuple(_others(layers, sender, jobs)),
        limit=push_limit(layers, sender),
        measured=rehearsed.measured,
        unmeasured=tuple(rehearsed.not_made),
        sent=uploads.sent + rehearsed.sent,
        left=tuple(place.left),
        seconds=time.monotonic() - began,
    )


def _others(layers: Sequence[PushLayer], sender: Sender, jobs: int) -> Iterator[OtherJobs]:
    for count in sorted({*JOBS, jobs}):
        push = calculate_push(layers, sender, jobs=count)
        yield OtherJobs(jobs=count, seconds=push.seconds, wall=push.wall)


class _Rehearsed:
    """A push is rehearsed, as far as there is room. `layers`: that go; `reused`: bytes of others."""

    def __init__(
        self, session: Session, repository: Repository, place: Place, uploads: Uploads, sender: Sender, room: int
    ) -> None:
        self._session = session
        self._repository = repository
        self._place = place
        self._shape = uploads.shape
        self._sender = sender
        self._room = room
        self._there: set[Digest] = set()
        self.project = False
        self.layers: tuple[PushLayer, ...] = ()
        self.reused = self.sent = 0
        self.measured: MeasuredPush | None = None
        self.not_made: list[str] = []

    def run(self, stands_for: int) -> None:
        """Rehearse the push of the project here; of `stands_for` random bytes where there is none, or all of it is
        there."""
        try:
            each = prepare_each(self._session, find_described(self._session), writes=False)
        except NoProjectError:
            each = ()
        if not each or not self._project(each):
            self._random(stands_for)

    def _project(self, each: Sequence[Prepared]) -> bool:
        """Rehearse the push of a project; False: nothing of it would be sent."""
        self._session.notes.check()
        if any(changes.known is None for prepared in each for changes in prepared.plan.changes):
            self.not_made.append("commands of build.run are yet to be run; cogpack build runs them")
            return False
        unread = [layer for one in each for layer in one.plan.own if layer.key is None]
        began = time.monotonic()
        known: list[Known] = []
        for prepared in each:
            known.append(look_up(self._session, prepared, {}, seen=known[-1].read if known else {}))
        reading = time.monotonic() - began
        parts = list(zip(each, known, strict=True))
        plans = [(layer, one.plan, its) for one, its in parts for layer in one.plan.layers]
        going = {key_of(layer): self._layer(layer, plan, its, unread=layer in unread) for layer, plan, its in plans}
        keys = [key for key, layer in going.items() if layer is not None]
        self.layers = tuple(layer for layer in going.values() if layer is not None)
        if not self.layers:
            return False
        self.project = True
        if self._fits():
            wanted = [one for layer, plan, _ in plans if going[key_of(layer)] for one in plan.inputs_of(layer)]
            self._session.supply.wait(wanted)
            self._measure(lambda: self._send(parts, keys, reading))
        return True

    def _send(self, parts: Sequence[tuple[Prepared, Known]], keys: Sequence[str], reading: float) -> float:
        """Send what is to go, of one platform after the other, and learn its sizes: the seconds of all, and of having
        read it."""
        began = time.monotonic()
        sink = Rehearsal(self._place, self._shape, self._there)
        sizes: dict[str, int] = {}
        read: Mapping[str, LayerInfo] = {}
        for prepared, its in parts:
            done = transfer(prepared.plan, its.with_read(read), sink, Resources.of(self._session), tags=())
            read = done.known.read
            sizes |= {moved.key: moved.info.descriptor.size for moved in done.layers}
        seconds = reading + time.monotonic() - began
        self.layers = tuple(_of_size(layer, sizes[key]) for key, layer in zip(keys, self.layers, strict=True))
        return seconds

    def _layer(self, layer: Layer, plan: Plan, known: Known, *, unread: bool) -> PushLayer | None:
        """Say what is known of a layer, as it would go; None of one that is there, or can be mounted."""
        info = known.info(layer)
        if info is not None:
            blob = info.descriptor
            beside = self._session.blob_origins.origins(self._repository.reference, layer.origins, blob.digest)
            if blob.digest in self._there or beside or self._repository.has_blob(blob):
                self.reused += blob.size if blob.digest not in self._there else 0
                self._there.add(blob.digest)
                return None
        size = known.size(layer) or plan.fetched(layer) or 0
        return _described(layer, info, size, unread=unread)

    def _random(self, size: int) -> None:
        sizes = [size // _MADE_UP] * _MADE_UP
        self.layers = tuple(
            PushLayer(name=f"random {at}", size=one, unpacked=one, making="given", weights=True)
            for at, one in enumerate(sizes, 1)
        )
        if self._fits():
            self._measure(
                lambda: rehearse_random(
                    self._place,
                    self._shape,
                    sizes,
                    jobs=self._session.settings.jobs,
                    on_bytes=lambda _: self._session.cancellation.check(),
                    cancellation=self._session.cancellation,
                )
            )

    def _expected(self) -> float:
        without_end = self._sender.without("registry")
        return calculate_push(self.layers, without_end, jobs=self._session.settings.jobs).seconds

    def _fits(self) -> bool:
        size, seconds = sum(layer.size for layer in self.layers), self._expected()
        if size > self._room:
            left = size_text(max(0, self._room))
            self.not_made.append(f"there are {size_text(size)} to send, and {left} of the budget are left")
        elif seconds > _LONGEST:
            self.not_made.append(f"it would take {time_text(seconds)}")
        else:
            return True
        return False

    def _measure(self, act: Callable[[], float]) -> None:
        try:
            seconds = act()
        except ShapeRefusedError as refused:
            self.not_made.append(f"a layer was refused as {self._shape}: {refused}")
            return
        except UnavailableError as error:
            self.not_made.append(error.message)
            return
        self.sent += sum(layer.size for layer in self.layers)
        expected = self._expected()
        self.measured = MeasuredPush(seconds=seconds, calculated=expected, error=(expected - seconds) / seconds)


def _described(layer: Layer, info: LayerInfo | None, size: int, *, unread: bool) -> PushLayer:
    weights = layer.name.startswith(WEIGHTS)
    making = _making(layer, info)
    form: Form = "tar" if making in ("given", "plain") else "zstd" if making == "zstd" else "gzip"
    ratio = (WEIGHT_RATIOS if weights else FILE_RATIOS)[form]
    return PushLayer(
        name=layer.name, size=size, unpacked=round(size / ratio), making=making, weights=weights, unread=unread
    )


def _making(layer: Layer, info: LayerInfo | None) -> Making:
    if layer.info is not None:
        return "given"
    media_type = oci_layer_type(info.descriptor.media_type) if info else ""
    if media_type == OCI_LAYER_ZSTD:
        return "zstd"
    if media_type == OCI_LAYER_GZIP or (not info and layer.costly and layer.size(Stored.STORED) is None):
        return "spliced" if layer.name.startswith(_WHEELS) else "gzip"
    return "plain"


def _of_size(layer: PushLayer, size: int) -> PushLayer:
    unpacked = round(layer.unpacked * size / layer.size) if layer.size else size
    return msgspec.structs.replace(layer, size=size, unpacked=unpacked)
