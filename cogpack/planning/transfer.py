"""Layers to a sink, then the image: the only threads of the product that move blobs."""

import os
from collections.abc import Mapping, Sequence

import msgspec

from cogpack.digest import DiffID, sha256
from cogpack.images.assemble import Part, assemble
from cogpack.layers.facts import Facts
from cogpack.layers.known import Known, Outgoing
from cogpack.layers.layer import Body, Form, Layer, key_of
from cogpack.layers.tar import EPOCH
from cogpack.oci import OCI_LAYER, OCI_LAYER_GZIP, Descriptor, Image, LayerInfo
from cogpack.planning.plan import PROJECT, Plan
from cogpack.progress import Cancellation, Progress, Task
from cogpack.sinks.base import Sink
from cogpack.threads import each
from cogpack.trace import TRACE

_UNKNOWN = LayerInfo(Descriptor(media_type=OCI_LAYER_GZIP, digest=sha256(b""), size=2**63), DiffID(sha256(b"")))
"""Takes as much room in a manifest as any layer will; its digest, as any key."""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one layer.

    `sent`: bytes that went out for it, retries included. `known_from`: by whose word it was reused unread, as
    "cogpack.lock"; empty where its bytes were made here, or are a base's.
    """

    name: str
    key: str
    info: LayerInfo
    sent: int
    known_from: str = ""


class Transferred(msgspec.Struct, frozen=True, kw_only=True):
    """`known`: what was known of the plan's layers, and what the passes of this transfer told."""

    image: Image
    layers: tuple[Moved, ...]
    descriptor: Descriptor
    known: Known


def read_unread(plan: Plan, *, facts: Facts, progress: Progress, cancellation: Cancellation) -> dict[str, LayerInfo]:
    """Read, once and on all cores, what a target must be asked about by digest and nobody has read yet: weights.

    What they came out as, by the keys that they have from then on.
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

    unread = [layer for layer in plan.own if layer.key is None]
    return dict(each(read, unread, jobs=os.cpu_count() or 1, name="read", cancellation=cancellation))


def known_image(plan: Plan, known: Known) -> Image | None:
    """The whole image, when what every layer comes out as is known already."""
    infos = [info for layer in plan.layers if (info := known.info(layer)) is not None]
    if len(infos) < len(plan.layers):
        return None
    return finish(plan, [Part(layer.name, key_of(layer), info) for layer, info in zip(plan.layers, infos, strict=True)])


def _why(layer: Layer, known: Known) -> str:
    """What is known of it before it moves."""
    if (found := known.of(layer)) is None:
        return "to be built: nobody says what it comes out as"
    return f"{found.info.descriptor.digest}, by {found.source}"


def _foreseen(layer: Layer, known: Known, form: Form, about: Mapping[str, int]) -> int | None:
    """Bytes of the layer, or about as many, without making anything of it."""
    info = known.info(layer)
    if info is not None and (form is Form.STORED or info.descriptor.media_type == OCI_LAYER):
        return info.descriptor.size
    return about.get(layer.key) if layer.key is not None else None


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
    known: Known,
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
    run is not repeated from the start; what nobody trusted says never becomes one.
    """

    # A manifest that is too large should not be found out after an hour of sending. Unread layers have no key yet.
    finish(plan, [Part(layer.name, _UNKNOWN.descriptor.digest, known.info(layer) or _UNKNOWN) for layer in plan.layers])
    read: dict[str, LayerInfo] = {}

    def move(item: tuple[Layer, Task]) -> Moved:
        layer, task = item
        if TRACE.level:
            TRACE.decided(f"{layer.name}: {_why(layer, known)}")
        before = known.of(layer)
        making = "build" if layer.info is None else "fetch"
        task.doing("ask" if before and sink.form is Form.STORED else making)
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

        outgoing = Outgoing(layer, known)
        info = sink.add_layer(outgoing, count)
        key = key_of(layer)
        if layer.info is None and sink.form is Form.STORED:
            if outgoing.made:
                read[key] = info
            if outgoing.made or (before and before.trusted):
                facts.record(key, info)
        task.done(outcome if sent else "reused")
        known_from = before.told_by if before and not sent else ""
        return Moved(name=layer.name, key=key, info=info, sent=sent, known_from=known_from)

    # Largest first: the last layer to finish should be a short one. Unknown sizes count as large. The project before
    # all others: its files are the ones that somebody may be writing to.
    order = list(range(len(plan.layers)))
    if sink.parallel:
        order.sort(key=lambda at: _haste(plan.layers[at], known))
    tasks = [
        (layer, progress.task(layer.name, _foreseen(layer, known, sink.form, about)))
        for layer in (plan.layers[at] for at in order)
    ]
    came = each(move, tasks, jobs=jobs if sink.parallel else 1, name="layer", cancellation=cancellation)
    by_place = dict(zip(order, came, strict=True))
    moved = tuple(by_place[at] for at in range(len(order)))
    image = finish(plan, [Part(layer.name, layer.key, layer.info) for layer in moved])
    descriptor = sink.put(image)
    if tags:
        sink.commit(descriptor, tags)
    return Transferred(image=image, layers=moved, descriptor=descriptor, known=known.with_read(read))


def _haste(layer: Layer, known: Known) -> tuple[bool, int]:
    info = known.info(layer)
    return layer.name != PROJECT, -(info.descriptor.size if info else 1 << 62)
