"""Layers go to a sink, then the image, then its tags: nothing is seen before it is whole."""

import os
from collections.abc import Callable, Iterable, Sequence

import msgspec

from cogpack.artifacts import Supply
from cogpack.digest import DiffID, sha256
from cogpack.errors import CogpackError
from cogpack.images.assemble import NamedLayer, assemble
from cogpack.layers.built import BuiltLayer
from cogpack.layers.facts import Facts
from cogpack.layers.known import Known, Outgoing
from cogpack.layers.layer import Body, Form, Layer, key_of
from cogpack.layers.tar import EPOCH
from cogpack.oci import OCI_LAYER, OCI_LAYER_GZIP, Descriptor, Image, LayerInfo
from cogpack.planning.plan import Plan
from cogpack.progress import Cancellation, Progress, Task
from cogpack.session import Session
from cogpack.sinks.sink import Sink
from cogpack.threads import Turn, Turns, each
from cogpack.trace import TRACE

_UNKNOWN = LayerInfo(Descriptor(media_type=OCI_LAYER_GZIP, digest=sha256(b""), size=2**63), DiffID(sha256(b"")))
"""Takes as much room in a manifest as any layer will; its digest, as any key."""


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """Has what a transfer works with. `jobs`: layers at a time; `supply`: what they are made of, on its way; `facts`:
    where it is recorded what they came out as; `check` raises an error of notes that are denied."""

    jobs: int
    supply: Supply
    facts: Facts
    progress: Progress
    cancellation: Cancellation
    check: Callable[[], object] = lambda: None

    @classmethod
    def of(cls, session: Session) -> "Resources":
        return cls(
            jobs=session.settings.jobs,
            supply=session.supply,
            facts=session.facts,
            progress=session.progress,
            cancellation=session.cancellation,
            check=session.notes.check,
        )


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """Tells what became of one layer.

    `sent`: bytes that went out for it, retries included. `known_from`: by whose word it was reused unread, as
    "cogpack.lock"; empty where its bytes were made here, or are a base's.
    """

    name: str
    key: str
    info: LayerInfo
    sent: int
    known_from: str = ""


def each_once(images: Iterable[Sequence[Moved]]) -> tuple[Moved, ...]:
    """Give the layers of all images; one that an image shares with one before it is there once."""
    found: list[Moved] = []
    for layers in images:
        keys = {layer.key for layer in found}
        found += [layer for layer in layers if layer.key not in keys]
    return tuple(found)


class Transferred(msgspec.Struct, frozen=True, kw_only=True):
    """Tells what a transfer did. `known`: what was known of the plan's layers, and what its passes told."""

    image: Image
    layers: tuple[Moved, ...]
    descriptor: Descriptor
    known: Known


def read_unread(
    layers: Iterable[Layer], *, facts: Facts, progress: Progress, cancellation: Cancellation
) -> dict[str, LayerInfo]:
    """Read, once and on all cores, those of our own `layers` that a target must be asked about by digest and that
    nobody has read yet: weights.

    Give what they came out as, by the keys that they have from then on.
    """

    def read(layer: Layer) -> tuple[str, LayerInfo]:
        task = progress.task(layer.name, layer.size(Form.STORED), "read")

        def consume(body: Body) -> None:
            for block in body:
                cancellation.check()
                task.advance(len(block))

        info = layer.copy_to(consume)
        facts.record(key_of(layer), info)
        task.done("read")
        return key_of(layer), info

    unread = [layer for layer in layers if (layer.unread if isinstance(layer, BuiltLayer) else layer.key is None)]
    return dict(each(read, unread, jobs=os.cpu_count() or 1, name="read", cancellation=cancellation))


def known_image(plan: Plan, known: Known) -> Image | None:
    """Assemble the whole image, when what every layer comes out as is known already."""
    infos = [info for layer in plan.layers if (info := known.info(layer)) is not None]
    if len(infos) < len(plan.layers):
        return None
    return finish(
        plan, [NamedLayer(layer.name, key_of(layer), info) for layer, info in zip(plan.layers, infos, strict=True)]
    )


def reused(plan: Plan, known: Known) -> tuple[Moved, ...]:
    """Tell what becomes of layers where the whole image is known, and is there: nothing moves."""
    return tuple(
        Moved(name=layer.name, key=key_of(layer), info=found.info, sent=0, known_from=found.told_by)
        for layer in plan.layers
        if (found := known.of(layer))
    )


def finish(plan: Plan, parts: Sequence[NamedLayer]) -> Image:
    marks = plan.marks
    created = plan.created if plan.created is not None else marks.created
    return assemble(
        parts,
        msgspec.structs.replace(plan.run, labels={**plan.run.labels, **marks.labels}),
        platform=plan.platform,
        base=plan.base,
        base_layers=plan.base_layers,
        annotations={**plan.annotations, **marks.annotations},
        created=EPOCH if created is None else created,
    )


def transfer(
    plan: Plan,
    known: Known,
    sink: Sink,
    resources: Resources,
    *,
    tags: Sequence[str],
    outcome: str = "sent",
) -> Transferred:
    """Move every layer, then config and manifest, then the tags, if there are any. Before the manifest it is told what
    libraries the image lacks, now that its wheels have been read.

    What layers are made of is fetched from the start where they are sure to be made, else when the sink lacks them. A
    layer waits for its own files only, and others go meanwhile: `jobs` of them at a time, where the sink is `parallel`.

    `outcome`: what the user is told of a layer that moved. A fact is recorded as soon as its layer is done, so a killed
    run is not repeated from the start; what was reused by another's word never becomes one.
    """
    from cogpack.planning.missing_libraries import missing_libraries

    # A manifest that is too large should not be found out after an hour of sending. Unread layers have no key yet.
    finish(
        plan,
        [NamedLayer(layer.name, _UNKNOWN.descriptor.digest, known.info(layer) or _UNKNOWN) for layer in plan.layers],
    )
    if any(known.of(layer) is None and plan.inputs_of(layer) for layer in plan.bytecode.layers):
        plan.bytecode.check()
    moving = _Moving(plan, known, sink, resources, outcome)
    try:
        moved = moving.all(resources.jobs)
    except CogpackError:
        resources.supply.stop()
        raise
    for note in missing_libraries(plan):
        resources.progress.note(note)
    resources.check()
    image = finish(plan, [NamedLayer(layer.name, layer.key, layer.info) for layer in moved])
    descriptor = sink.put(image)
    if tags:
        sink.commit(descriptor, tags)
    return Transferred(image=image, layers=moved, descriptor=descriptor, known=known.with_read(moving.read))


class _Moving:
    """Moves the layers of one plan to one sink. `read`: what passes made them, by their keys."""

    def __init__(self, plan: Plan, known: Known, sink: Sink, resources: Resources, outcome: str) -> None:
        self._plan = plan
        self._known = known
        self._sink = sink
        self._supply = resources.supply
        self._facts = resources.facts
        self._progress = resources.progress
        self._cancellation = resources.cancellation
        self._outcome = outcome
        self.read: dict[str, LayerInfo] = {}

    def all(self, jobs: int) -> tuple[Moved, ...]:
        """Move them; in a sink that is `parallel`, `jobs` at a time, and those whose files are here before others."""
        layers = self._plan.layers
        order = list(range(len(layers)))
        if self._sink.parallel:
            order.sort(key=lambda at: self._haste(layers[at]))
        tasks = {at: self._progress.task(layers[at].name, self._foreseen(layers[at])) for at in order}
        turns = Turns(jobs, self._cancellation)

        def move(at: int) -> Moved:
            if self._is_made(layer := layers[at]):
                if isinstance(layer, BuiltLayer):
                    layer.begin()
                self._supply.wait(self._plan.inputs_of(layer))
            with turns.take(order.index(at)) as turn:
                return self._move(layers[at], tasks[at], turn)

        self._supply.want(one for at in order if self._is_made(layers[at]) for one in self._plan.inputs_of(layers[at]))
        threads = len(order) if self._sink.parallel else 1
        by_place: dict[int, Moved] = {}
        last = [at for at in order if self._sink.parallel and layers[at] in self._plan.learnt]
        for places in ([at for at in order if at not in last], last):
            came = each(move, places, jobs=threads, name="layer", cancellation=self._cancellation)
            by_place |= zip(places, came, strict=True)
        return tuple(by_place[at] for at in range(len(order)))

    def _is_made(self, layer: Layer) -> bool:
        """Tell whether it is sure that its bytes will be wanted, before the sink is asked."""
        return self._sink.form is Form.PLAIN or self._known.of(layer) is None

    def _haste(self, layer: Layer) -> tuple[bool, int]:
        """Sort largest first: the last layer to finish should be a short one. Unknown sizes count as large. The project
        before all others: its files are the ones that somebody may be writing to."""
        size = self._foreseen(layer)
        return layer.remembered, -(size if size is not None else 1 << 62)

    def _foreseen(self, layer: Layer) -> int | None:
        """Tell the bytes of the layer, or about as many, without making anything of it."""
        info = self._known.info(layer)
        if info is not None and (self._sink.form is Form.STORED or info.descriptor.media_type == OCI_LAYER):
            return info.descriptor.size
        return self._plan.fetched(layer)

    def _move(self, layer: Layer, task: Task, turn: Turn) -> Moved:
        if TRACE.level:
            TRACE.decided(f"{layer.name}: {self._why(layer)}")
        before = self._known.of(layer)
        making = "build" if layer.info is None else "fetch"
        task.doing("ask" if before and self._sink.form is Form.STORED else making)
        sent = 0

        def count(size: int) -> None:
            nonlocal sent
            self._cancellation.check()
            if not size and not sent:
                task.doing(making)
            if size > 0 and not sent and self._outcome == "sent":
                task.doing("send")
            sent += max(size, 0)
            task.advance(size)

        outgoing = Outgoing(layer, self._known, lambda: self._get_ready(layer, turn))
        info = self._sink.add_layer(outgoing, count)
        key = key_of(layer)
        if layer.info is None and self._sink.form is Form.STORED:
            if outgoing.made:
                self.read[key] = info
            if outgoing.made or (before and not before.told_by):
                self._facts.record(key, info)
        task.done(self._outcome if sent else "reused")
        known_from = before.told_by if before and not sent else ""
        return Moved(name=layer.name, key=key, info=info, sent=sent, known_from=known_from)

    def _get_ready(self, layer: Layer, turn: Turn) -> None:
        """Have its files here, since the sink lacks it.

        Others go meanwhile, unless they could be kept waiting by us: of two layers that are one blob the sink takes one
        after the other.
        """
        inputs = self._plan.inputs_of(layer)
        if (
            self._supply.are_here(inputs)
            or [self._known.info(one) for one in self._plan.layers].count(self._known.info(layer)) > 1
        ):
            self._supply.wait(inputs)
        else:
            turn.lend(lambda: self._supply.wait(inputs))

    def _why(self, layer: Layer) -> str:
        """Say what is known of it before it moves."""
        if (found := self._known.of(layer)) is None:
            return "to be built: nobody says what it comes out as"
        return f"{found.info.descriptor.digest}, by {found.source}"
