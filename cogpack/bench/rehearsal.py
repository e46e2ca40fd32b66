"""A push is rehearsed: layers are made, hashed and sent as a push does, each in an upload that is then cancelled."""

import time
from collections.abc import Callable, Collection, Sequence

from cogpack.bench.trial import Place, RandomBlocks, Trial
from cogpack.digest import Digest, Hasher
from cogpack.layers.known import Outgoing
from cogpack.layers.layer import Body, Form
from cogpack.oci import Descriptor, Image, LayerInfo
from cogpack.progress import Cancellation
from cogpack.registry.profiles import Shape
from cogpack.threads import each


class Rehearsal:
    """A sink that keeps nothing. `there`: blobs that would not be sent, as the registry has them or can mount them."""

    parallel = True
    form = Form.STORED

    def __init__(self, place: Place, shape: Shape, there: Collection[Digest]) -> None:
        self._place = place
        self._shape = shape
        self._there = there

    def add_layer(self, layer: Outgoing, on_bytes: Callable[[int], None]) -> LayerInfo:
        known = layer.known
        if known is not None and known.descriptor.digest in self._there:
            return known

        def send(body: Body) -> None:
            on_bytes(0)
            with Trial(self._place, body, on_bytes=on_bytes, measured=lambda: body.last().descriptor.digest) as trial:
                trial.send(self._shape, known.descriptor.size if known else None)

        return layer.copy_to(send)

    def put(self, image: Image) -> Descriptor:
        """Tell what a push would put there."""
        return image.descriptor

    def commit(self, root: Descriptor, tags: Sequence[str]) -> None:
        raise AssertionError(f"{root.digest}: a rehearsal has no tags: {tags}")


def rehearse_random(
    place: Place,
    shape: Shape,
    sizes: Sequence[int],
    *,
    jobs: int,
    on_bytes: Callable[[int], object],
    cancellation: Cancellation,
) -> float:
    """Send random layers of such sizes, hashed on their way as ours are: the seconds that it takes."""

    def send(size: int) -> None:
        with Trial(place, RandomBlocks(size, watch=Hasher().update), on_bytes=on_bytes) as trial:
            trial.send(shape, size)

    began = time.monotonic()
    each(send, sizes, jobs=jobs, name="rehearse", cancellation=cancellation)
    return time.monotonic() - began
