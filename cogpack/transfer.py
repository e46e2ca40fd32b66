"""Layers to a sink, then the image: the only threads of the product that move blobs."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

import msgspec

from cogpack.image import Part, assemble
from cogpack.layers.built import READ, BuiltLayer
from cogpack.layers.facts import Facts
from cogpack.layers.layer import Form, Layer
from cogpack.layers.tar import EPOCH
from cogpack.oci import Descriptor, Image, LayerInfo
from cogpack.plan import Plan
from cogpack.progress import Cancellation, Progress
from cogpack.sinks.base import Sink

T = TypeVar("T")
U = TypeVar("U")


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
        task = progress.task(layer.name, layer.size(Form.STORED))

        def count(size: int) -> None:
            cancellation.check()
            task.advance(size)

        layer.learn(count)
        if layer.known:
            facts.record(layer.key, layer.known)
        task.done("read")

    unread = [layer for layer in plan.built if layer.unread]
    each(read, unread, jobs=os.cpu_count() or 1, name="read", cancellation=cancellation)


def each(act: Callable[[U], T], items: Sequence[U], *, jobs: int, name: str, cancellation: Cancellation) -> list[T]:
    """`act` of all items, `jobs` at a time, in their order; the first failure stops the others at their next block.

    So does Ctrl-C, whenever it comes: threads that nobody told would be waited for.
    """
    pool = ThreadPoolExecutor(jobs, thread_name_prefix=name)
    try:
        futures = [pool.submit(act, item) for item in items]
        left = set(futures)
        while left:
            # Not for ever: a signal may reach another thread first, and then wakes nobody here.
            done, left = wait(left, timeout=0.5, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        return [future.result() for future in futures]
    except BaseException:
        cancellation.cancel()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def known_image(plan: Plan) -> Image | None:
    """The whole image, when what every layer comes out as is known already."""
    parts = [Part(layer.name, layer.key, layer.known) for layer in plan.layers if layer.known is not None]
    return finish(plan, parts) if len(parts) == len(plan.layers) else None


def vouched(layer: Layer) -> str:
    return layer.vouched if isinstance(layer, BuiltLayer) and layer.vouched != READ else ""


def finish(plan: Plan, parts: Sequence[Part]) -> Image:
    return assemble(
        parts,
        plan.run,
        platform=plan.platform,
        base=plan.base,
        base_layers=plan.base_layers,
        annotations=plan.annotations,
        created=EPOCH if plan.created is None else plan.created,
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
) -> Transferred:
    """Every layer, then config and manifest, then the tags: nothing can be seen before it is whole.

    `outcome`: what the user is told of a layer that moved. A fact is recorded as soon as its layer is done, so a killed
    run is not repeated from the start.
    """

    def move(layer: Layer) -> Moved:
        task = progress.task(layer.name, layer.known.descriptor.size if layer.known else None)
        sent = 0

        def count(size: int) -> None:
            nonlocal sent
            cancellation.check()
            sent += size
            task.advance(size)

        info = sink.add_layer(layer, count)
        if isinstance(layer, BuiltLayer) and sink.form is sink.form.STORED:
            facts.record(layer.key, info)
        task.done(outcome if sent else "reused")
        return Moved(name=layer.name, key=layer.key, info=info, sent=sent, vouched="" if sent else vouched(layer))

    # Largest first: the last layer to finish should be a short one. Unknown sizes count as large.
    order = sorted(plan.layers, key=lambda layer: -(layer.known.descriptor.size if layer.known else 1 << 62))
    if not sink.parallel:
        order = list(plan.layers)
    jobs = jobs if sink.parallel else 1
    came = each(move, order, jobs=jobs, name="layer", cancellation=cancellation)
    by_layer = {id(layer): outcome for layer, outcome in zip(order, came, strict=True)}
    moved = tuple(by_layer[id(layer)] for layer in plan.layers)
    image = finish(plan, [Part(layer.name, layer.key, layer.info) for layer in moved])
    descriptor = sink.put(image)
    sink.commit(descriptor, tags)
    return Transferred(image=image, layers=moved, descriptor=descriptor)
