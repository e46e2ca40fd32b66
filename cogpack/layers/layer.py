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
    """Gives the bytes of a layer. Each iteration is a fresh, whole pass, so that a request can be replayed."""

    def __iter__(self) -> Iterator[bytes]: ...

    def last(self) -> LayerInfo:
        """Tell what the latest drained pass came out as, for those who must name the digest behind the bytes."""


Consume: TypeAlias = Callable[[Body], object]


class LayerSource(Protocol):
    """Gives the entries of a layer."""

    @property
    def name(self) -> str:
        """The layer's name for people, which the image's history keeps: "wheels: torch 2.13.0"."""

    def key(self) -> str | None:
        """Name the entries, by lock digests or blake3 of local files. None until those have been read once."""

    def entries(self) -> Iterable[Entry]:
        """Give the same on every call. `layers.entry.complete` sorts them and adds parents."""


class Layer(Protocol):
    """Makes the bytes of one layer, as often as they are wanted."""

    @property
    def name(self) -> str: ...

    @property
    def key(self) -> str | None:
        """The recipe's name: source key, codec profile and tar format version in one digest.

        None while it has files that nobody has read yet: any whole pass tells it.
        """

    @property
    def info(self) -> LayerInfo | None:
        """What the bytes are, where the recipe itself says so: the layer of a base image."""

    @property
    def origins(self) -> Sequence[Reference]:
        """The repositories that hold the blob and that it can be mounted from."""

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
    def remembered(self) -> bool:
        """Whether lock and tags tell what it comes out as; not of the project's own files, which change with each line
        of code, and are made in no time."""

    @property
    def ratio(self) -> int | None:
        """The thousandths that zstd leaves of weights that were probed."""

    def size(self, form: Form) -> int | None:
        """Tell how many bytes will come, where that can be told without making them."""

    def copy_to(self, consume: Consume, form: Form = Form.STORED) -> LayerInfo:
        """Make the bytes, hand them to `consume`, say what they were.

        At least one pass must have been drained, and all drained passes must have been equal: else `MismatchError`.
        """


def key_of(layer: Layer) -> str:
    """Give the key of a layer whose files have all been read."""
    if layer.key is None:
        raise AssertionError(f"{layer.name}: nobody has read its files yet")
    return layer.key
