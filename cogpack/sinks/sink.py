"""A sink takes layers first, then the image, its names last."""

from collections.abc import Callable, Sequence
from typing import Protocol

from cogpack.layers.known import Outgoing
from cogpack.layers.layer import Body, Form
from cogpack.oci import Descriptor, Image, LayerInfo


class Sink(Protocol):
    @property
    def parallel(self) -> bool:
        """Tell whether `add_layer` may run in several threads, in any order; else bottom first."""

    @property
    def form(self) -> Form:
        """Say what `add_layer` takes and answers: layers as stored, or plain tars."""

    def add_layer(self, layer: Outgoing, on_bytes: Callable[[int], None]) -> LayerInfo:
        """Take the layer's bytes, unless it is known and here already. `on_bytes` hears of each block that
        moves, of what moves again as a negative number, and of 0 bytes when the layer is to be made."""

    def put(self, image: Image) -> Descriptor:
        """Store config and manifest, by digest: nothing can be seen yet. All layers have been added."""

    def commit(self, root: Descriptor, tags: Sequence[str]) -> None:
        """Make what `put` answered visible as `tags`. Last."""


def drain(body: Body, on_bytes: Callable[[int], None]) -> None:
    """Read a body for what it comes out as; nothing goes out, but `on_bytes` may want it to end."""
    for _ in body:
        on_bytes(0)
