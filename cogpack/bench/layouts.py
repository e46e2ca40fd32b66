"""The same bytes may lie in other layers: one for all, one a file, pieces of other sizes, compressed or not."""

from collections.abc import Iterator, Sequence

import msgspec

from cogpack.bench.model import WEIGHT_RATIOS, Form, Layer
from cogpack.sizes import MiB

PIECES = (128 * MiB, 512 * MiB, 1024 * MiB)
"""Sizes of pieces that are compared."""
_FEW = 6
"""Layers that there are of small weights: each of three streams gets two."""


class Layout(msgspec.Struct, frozen=True):
    """Is a way to cut the weights of an image. `name`: for people."""

    name: str
    layers: tuple[Layer, ...]


def others(layers: Sequence[Layer]) -> Iterator[Layout]:
    """Give other layouts of the weights among `layers`; what else there is stays as it is, and where it is."""
    weights = [layer for layer in layers if layer.weights]
    size = sum(layer.unpacked for layer in weights)
    if not size:
        return

    def with_weights(name: str, pieces: Sequence[Layer]) -> Layout:
        first = layers.index(weights[0])
        rest = [layer for layer in layers if not layer.weights]
        below = sum(not layer.weights for layer in layers[:first])
        return Layout(name, (*rest[:below], *pieces, *rest[below:]))

    yield with_weights("one layer, gzip (docker build)", _cut(size, size, "gzip"))
    yield with_weights("one layer, plain", _cut(size, size, "tar"))
    for piece in PIECES:
        if piece < size:
            yield with_weights(f"layers of {piece // MiB} MiB, plain", _cut(size, piece, "tar"))
    best = min(PIECES[1], -(-size // _FEW))
    forms: tuple[Form, ...] = ("zstd", "gzip")
    for form in forms:
        yield with_weights(f"layers of {best // MiB} MiB, {form}", _cut(size, best, form))


def _cut(size: int, piece: int, form: Form) -> list[Layer]:
    count = max(1, -(-size // piece))
    whole, more = divmod(size, count)
    sizes = [whole + (at < more) for at in range(count)]
    return [
        Layer(f"weights {at}", round(one * WEIGHT_RATIOS[form]), one, form, weights=True)
        for at, one in enumerate(sizes, 1)
    ]
