"""A layer is a recipe for bytes. Nobody asks it for its digest: `copy_to` makes the bytes and returns what they were.

What is known of the bytes before they are made is a value of its own (`layers.known`).
"""

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias

from cogpack.layers.entry import Entry
from cogpack.oci import LayerInfo
from cogpack.reference import Reference


class Form(enum.Enum):
    STORED = "stored"  # as the registry keeps it: compressed by the layer's codec
    PLAIN = "plain"  # the tar itself, as `docker load` reads it


class Body(Protocol):
    """The bytes of a layer on their way out. Each iteration is a fresh, whole pass: a request can be replayed."""

    def __iter__(self) -> Iterator[bytes]: ...

    def last(self) -> LayerInfo:
        """What the latest drained pass came out as; for those who must name the digest behind the bytes."""


Consume: TypeAlias = Callable[[Body], object]


class LayerSource(Protocol):
    """Where the entries of a layer come from."""

    @property
    def name(self) -> str:
        """Shown to the user and kept in the image's history: "wheels: torch 2.13.0"."""

    def key(self) -> str | None:
        """Names the entries: made of lock digests, or blake3 of local files. None until those have been read once."""

    def entries(self) -> Iterable[Entry]:
        """The same on every call. `layers.entry.complete` sorts them and adds parents."""


class Layer(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def key(self) -> str | None:
        """Names the recipe: source key, codec profile and tar format version in one digest.

        None while it has files that nobody has read yet: any whole pass tells it.
        """

    @property
    def info(self) -> LayerInfo | None:
        """What the bytes are, where the recipe itself says so: the layer of a base image."""

    @property
    def origins(self) -> Sequence[Reference]:
        """Repositories that hold the blob and that it can be mounted from."""

    @property
    def remote(self) -> bool:
        """Whether making the bytes is a download."""

    @property
    def read_first(self) -> bool:
        """Whether reading it costs little beside sending it, so that it pays to learn its digest and ask for it."""

    @property
    def costly(self) -> bool:
        """Whether making the bytes costs more than reading them from a registry: work for the processor, a download."""

    @property
    def ratio(self) -> int | None:
        """Of weights that were probed, the thousandths that zstd leaves of them."""

    def size(self, form: Form) -> int | None:
        """Bytes to come, where that can be told without making them."""

    def copy_to(self, consume: Consume, form: Form = Form.STORED) -> LayerInfo:
        """Make the bytes, hand them to `consume`, say what they were.

        At least one pass must have been drained, and all drained passes must have been equal: else `MismatchError`.
        """


def key_of(layer: Layer) -> str:
    """The key of a layer whose files have all been read."""
    if layer.key is None:
        raise AssertionError(f"{layer.name}: nobody has read its files yet")
    return layer.key
