"""What is known of layers before they are made, and who says so.

A layer that is known need not be made: its blob is asked for by digest. Two who say different things of one key are an
error, and so is a pass whose bytes are not what was said (`Outgoing`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from cogpack.errors import MismatchError
from cogpack.layers.layer import Body, Consume, Form, Layer, key_of
from cogpack.oci import LayerInfo

READ = "this run's own reading"
"""The source of what came of a pass in this run."""

BASE = "its base image"


class KnownLayers(Protocol):
    """Tells what layer keys came out as."""

    def get(self, key: str, /) -> LayerInfo | None: ...


class Claims(msgspec.Struct, frozen=True):
    """Are what one source says of layers. What is not `trusted` is used and told of, and never recorded. `without`: how
    its word is done without, where it is not the lock's or this machine's."""

    source: str
    layers: KnownLayers
    trusted: bool = True
    without: str = ""

    def of(self, layer: Layer) -> "KnownLayer | None":
        info = self.layers.get(layer.key) if layer.key is not None else None
        return None if info is None else KnownLayer(info, self.source, self.trusted, self.without)


class KnownLayer(msgspec.Struct, frozen=True):
    """Says what a layer comes out as, by the word of `source`."""

    info: LayerInfo
    source: str
    trusted: bool = True
    without: str = ""

    @property
    def told_by(self) -> str:
        """Whom to trust where the layer is used unread; empty where it was read here, or is a base's."""
        return "" if self.source in (READ, BASE) else self.source

    def weighed(self, layer: Layer, other: "KnownLayer") -> "KnownLayer":
        """Say whose word counts of the two; `MismatchError` where they differ."""
        if self.info != other.info:
            raise self.contradicted(layer, other)
        return other if other.trusted > self.trusted else self

    def contradicted(self, layer: Layer, other: "KnownLayer") -> MismatchError:
        lock = next((one for one in (self.source, other.source) if one.endswith(".lock")), "the lock")
        return MismatchError(
            f"{layer.name}: {self.source} says it is {self.info.descriptor.digest}, "
            f"{other.source} says {other.info.descriptor.digest}",
            next_step=self.without
            or other.without
            or f"remove this layer's [[results]] entry from {lock} and the cache's facts, "
            "then run cogpack verify on the images pushed with them",
        )


class Known(msgspec.Struct, frozen=True):
    """Holds what is known of the layers of a plan, and who says so.

    `layers`: by key; `claims`: where a layer that was not known is looked up once a pass has made it;
    `rumours`: keys of which only somebody knows who is not asked.
    """

    layers: Mapping[str, KnownLayer] = {}
    claims: Sequence[Claims] = ()
    rumours: frozenset[str] = frozenset()

    @classmethod
    def weighed(
        cls, layers: Iterable[Layer], claims: Sequence[Claims], rumoured: Callable[[str], bool] = lambda _: False
    ) -> "Known":
        """Weigh what `claims` say, the first of them first; `rumoured`: whether somebody else knows of a key."""
        keyed = {layer.key: claimed(layer, claims) for layer in layers if layer.key is not None}
        found = {key: known for key, known in keyed.items() if known is not None}
        return cls(found, claims, frozenset(key for key in keyed if key not in found and rumoured(key)))

    def of(self, layer: Layer) -> KnownLayer | None:
        if layer.info is not None:
            return KnownLayer(layer.info, BASE)
        return self.layers.get(layer.key) if layer.key is not None else None

    def info(self, layer: Layer) -> LayerInfo | None:
        return known.info if (known := self.of(layer)) else None

    def size(self, layer: Layer) -> int | None:
        """Tell how many bytes are stored, where that can be told without making them."""
        return known.info.descriptor.size if (known := self.of(layer)) else layer.size(Form.STORED)

    def unheeded(self) -> "Known":
        """Know nothing before a pass has made it, which is then held to what was claimed."""
        return Known(claims=self.claims)

    def looking_for(self, layers: Iterable[Layer]) -> "Known":
        """Weigh what is claimed of `layers` that had no key before."""
        found = {key_of(layer): said for layer in layers if (said := claimed(layer, self.claims)) is not None}
        return Known({**self.layers, **found}, self.claims, self.rumours)

    def adding(self, layers: Iterable[Layer], claims: Claims) -> "Known":
        """Weigh what another source says of `layers`, after all others."""
        more: dict[str, KnownLayer] = {}
        for layer in layers:
            said = claims.of(layer)
            if said is not None:
                now = self.of(layer)
                more[key_of(layer)] = said if now is None else now.weighed(layer, said)
        return Known({**self.layers, **more}, (*self.claims, claims), self.rumours - more.keys())

    def with_read(self, read: Mapping[str, LayerInfo]) -> "Known":
        """Add what passes in this run came out as, which bears out what was not trusted."""
        new = {
            key: KnownLayer(info, READ)
            for key, info in read.items()
            if (known := self.layers.get(key)) is None or not known.trusted
        }
        return Known({**self.layers, **new}, self.claims, self.rumours)

    @property
    def read(self) -> dict[str, LayerInfo]:
        """What passes in this run came out as."""
        return {key: known.info for key, known in self.layers.items() if known.source == READ}


NOTHING = Known()


def claimed(layer: Layer, claims: Iterable[Claims]) -> KnownLayer | None:
    """Weigh what `claims` say of a layer that has a key; `MismatchError` where two of them differ."""
    found: KnownLayer | None = None
    for claim in claims:
        if (said := claim.of(layer)) is not None:
            found = said if found is None else found.weighed(layer, said)
    return found


class Outgoing:
    """Carries a layer to a sink: the recipe, held to what is known of it.

    `known`: what its bytes will be; `read_first`: whether it pays to read it before a target is asked for it; `made`:
    whether a pass has made its stored bytes meanwhile.
    """

    def __init__(self, layer: Layer, known: Known = NOTHING, ready: Callable[[], object] = lambda: None) -> None:
        """`ready` is called before bytes are made: it waits for what they are made of."""
        self.recipe = layer
        self._ready = ready
        self.name = layer.name
        self._said = known.of(layer)
        self._claims = known.claims
        self.known = self._said.info if self._said else None
        self.read_first = layer.read_first or (layer.key in known.rumours and not layer.remote)
        self.made = False

    def copy_to(self, consume: Consume, form: Form = Form.STORED) -> LayerInfo:
        """Do what the layer's own does; a pass that contradicts what is known is a `MismatchError` before it ends."""
        self._ready()
        return self.recipe.copy_to(lambda body: consume(_Held(body, self, form)), form)

    def hold(self, body: Body, form: Form) -> Iterator[bytes]:
        """Pass `body` on; what it came out as is weighed before whoever takes the bytes knows that they end."""
        most = self.known.descriptor.size if self.known is not None and form is Form.STORED else None
        size = 0
        for block in body:
            size += len(block)
            # What is longer than it should be is made to its end, so that the error can name its digest, but not sent.
            if most is None or size <= most:
                yield block
        self._weigh(body.last(), form)

    def _weigh(self, made: LayerInfo, form: Form) -> None:
        said = self._said or claimed(self.recipe, self._claims)
        if said is not None:
            same = made == said.info if form is Form.STORED else made.diff_id == said.info.diff_id
            if not same:
                raise said.contradicted(self.recipe, KnownLayer(made, "the layer just built"))
        self.made = self.made or form is Form.STORED


class _Held:
    """Is the `Body` that `Outgoing.copy_to` hands on."""

    def __init__(self, body: Body, outgoing: Outgoing, form: Form) -> None:
        self._body = body
        self._outgoing = outgoing
        self._form = form

    def __iter__(self) -> Iterator[bytes]:
        return self._outgoing.hold(self._body, self._form)

    def last(self) -> LayerInfo:
        return self._body.last()
