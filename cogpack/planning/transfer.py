"""Layers to a sink, then the image: the only threads of the product that move blobs."""

import os
from collections.abc import Mapping, Sequence

import msgspec

from cogpack.digest import DiffID, sha256
from cogpack.images.assemble import Part, assemble
from cogpack.layers.built import READ, BuiltLayer
from cogpack.layers.facts import Facts
from cogpack.layers.layer import Form, Layer
from cogpack.layers.tar import EPOCH
from cogpack.oci import OCI_LAYER, OCI_LAYER_GZIP, Descriptor, Image, LayerInfo
from cogpack.planning.plan import PROJECT, Plan
from cogpack.progress import Cancellation, Progress
from cogpack.sinks.base import Sink
from cogpack.threads import each
from cogpack.trace import TRACE

_UNKNOWN = LayerInfo(Descriptor(media_type=OCI_LAYER_GZIP, digest=sha256(b""), size=2**63), DiffID(sha256(b"")))
"""Takes as much room in a manifest as any layer will; its digest, as any key."""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one layer.

    `sent`: bytes that went out for it, retries included. `vouched`: on whose word it was reused unread, as
    "cogpack.lock"; empty where its bytes were made here, or are a base's.
    """

    name: str
    key: str
    info: LayerInfo
    sent: int
    vouched: str = ""


class Transferred(msgspec.Struct, frozen=True, kw_only=True):
    image: Image
    layers: tuple[Moved, ...]
    descriptor: Descriptor


def learn(plan: Plan, *, facts: Facts, progress: Progress, cancellation: Cancellation) -> None:
    """Read, once and on all cores, what a target must be asked about by digest and nobody has read yet: weights."""

    def read(layer: BuiltLayer) -> None:
        task = progress.task(layer.name, layer.size(Form.STORED), "read")

        def count(size: int) -> None:
            cancellation.check()
            task.advance(size)

        layer.learn(count)
        if layer.known:
            facts.record(layer.key, layer.known)
        task.done("read")

    unread = [layer for layer in plan.built if layer.unread]
    each(read, unread, jobs=os.cpu_count() or 1, name="read", cancellation=cancellation)


def known_image(plan: Plan) -> Image | None:
    """The whole image, when what every layer comes out as is known already."""
    parts = [Part(layer.name, layer.key, layer.known) for layer in plan.layers if layer.known is not None]
    return finish(plan, parts) if len(parts) == len(plan.layers) else None


def _why(layer: Layer) -> str:
    """What is known of it before it moves."""
    if layer.known is None:
        return "to be built: nobody says what it comes out as"
    who = (vouched(layer) or "this run's own reading") if isinstance(layer, BuiltLayer) else "its base image"
    return f"{layer.known.descriptor.digest}, by {who}"


def _foreseen(layer: Layer, form: Form, about: Mapping[str, int]) -> int | None:
    """Bytes of the layer, or about as many, without making anything of it."""
    if layer.known is not None and (form is Form.STORED or layer.known.descriptor.media_type == OCI_LAYER):
        return layer.known.descriptor.size
    return None if isinstance(layer, BuiltLayer) and layer.unread else about.get(layer.key)


def vouched(layer: Layer) -> str:
    return layer.vouched if isinstance(layer, BuiltLayer) and layer.vouched != READ else ""


def finish(plan: Plan, parts: Sequence[Part]) -> Image:
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
    sink: Sink,
    *,
    tags: Sequence[str],
    jobs: int,
    facts: Facts,
    progress: Progress,
    cancellation: Cancellation,
    outcome: str = "sent",
    about: Mapping[str, int] = {},
) -> Transferred:
    """Every layer, then config and manifest, then the tags, if there are any: nothing is seen before it is whole.

    `outcome`: what the user is told of a layer that moved; `about`: bytes that layers will have, by their keys, where
    only building tells. A fact is recorded as soon as its layer is done, so a killed
    run is not repeated from the start; hearsay never becomes one.
    """

    # A manifest that is too large should not be found out after an hour of sending. Unread layers have no key yet.
    finish(plan, [Part(layer.name, _UNKNOWN.descriptor.digest, layer.known or _UNKNOWN) for layer in plan.layers])

    def move(layer: Layer) -> Moved:
        task = tasks[id(layer)]
        if TRACE.level:
            TRACE.decided(f"{layer.name}: {_why(layer)}")
        making = "build" if isinstance(layer, BuiltLayer) else "fetch"
        task.doing("ask" if layer.known and sink.form is Form.STORED else making)
        sent = 0

        def count(size: int) -> None:
            nonlocal sent
            cancellation.check()
            if not size and not sent:
                task.doing(making)
            if size > 0 and not sent and outcome == "sent":
                task.doing("send")
            sent += max(size, 0)
            task.advance(size)

        info = sink.add_layer(layer, count)
        if isinstance(layer, BuiltLayer) and not layer.hearsay and sink.form is sink.form.STORED:
            facts.record(layer.key, info)
        task.done(outcome if sent else "reused")
        return Moved(name=layer.name, key=layer.key, info=info, sent=sent, vouched="" if sent else vouched(layer))

    # Largest first: the last layer to finish should be a short one. Unknown sizes count as large. The project before
    # all others: its files are the ones that somebody may be writing to.
    order = sorted(
        plan.layers,
        key=lambda layer: (layer.name != PROJECT, -(layer.known.descriptor.size if layer.known else 1 << 62)),
    )
    if not sink.parallel:
        order = list(plan.layers)
    jobs = jobs if sink.parallel else 1
    tasks = {id(layer): progress.task(layer.name, _foreseen(layer, sink.form, about)) for layer in order}
    came = each(move, order, jobs=jobs, name="layer", cancellation=cancellation)
    by_layer = {id(layer): outcome for layer, outcome in zip(order, came, strict=True)}
    moved = tuple(by_layer[id(layer)] for layer in plan.layers)
    image = finish(plan, [Part(layer.name, layer.key, layer.info) for layer in moved])
    descriptor = sink.put(image)
    if tags:
        sink.commit(descriptor, tags)
    return Transferred(image=image, layers=moved, descriptor=descriptor)
