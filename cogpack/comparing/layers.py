"""Layers of two images are paired: by their blobs, then by the recipes that they were made by, then by their names."""

import re
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from cogpack.digest import Digest
from cogpack.layers.weights import WEIGHTS

_NUMBER = re.compile(r"\d\S*")


class ComparedBlob(msgspec.Struct, frozen=True, kw_only=True):
    """Is the blob of a layer; None of what only building will tell."""

    digest: Digest | None
    size: int | None


class ComparedLayer(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of a layer of one image or of both. `changed`: each has one of this name, and they differ."""

    name: str
    status: Literal["same", "changed", "added", "removed"]
    before: ComparedBlob | None
    after: ComparedBlob | None


class SideLayer(msgspec.Struct, frozen=True, kw_only=True):
    """Is a layer of one image. `key`: of the recipe, where cogpack made it."""

    name: str
    key: str | None
    digest: Digest | None
    size: int | None

    @property
    def blob(self) -> ComparedBlob:
        return ComparedBlob(digest=self.digest, size=self.size)


def compare_layers(before: Sequence[SideLayer], after: Sequence[SideLayer]) -> tuple[ComparedLayer, ...]:
    """Pair them: those of `after` in their order, then those that are left of `before`. Who made an image may have
    given it very many."""
    left = dict(enumerate(before))
    pairs: dict[int, SideLayer] = {}
    for word_of in (_digest, _recipe, _name, _name_but_for_numbers):
        places: dict[str, list[int]] = {}
        for place, layer in left.items():
            if word := word_of(layer):
                places.setdefault(word, []).append(place)
        for index, layer in enumerate(after):
            if index in pairs or not (word := word_of(layer)):
                continue
            for place in places.get(word, ()):
                if word_of is not _recipe or same(left[place], layer):
                    pairs[index] = left.pop(place)
                    places[word].remove(place)
                    break
    compared = [_compared(pairs.get(index), layer) for index, layer in enumerate(after)]
    return (*compared, *(_compared(layer, None) for layer in left.values()))


def among(layers: Sequence[SideLayer]) -> Callable[[SideLayer], bool]:
    """Make what tells whether a layer is the `same` as one of these."""
    digests = {one.digest for one in layers if one.digest is not None}
    recipes = {one.key for one in layers if one.key is not None}
    unmade = {one.key for one in layers if one.key is not None and one.digest is None}
    return lambda layer: layer.digest in digests or layer.key in (recipes if layer.digest is None else unmade)


def fetched(before: Sequence[SideLayer], after: Sequence[SideLayer]) -> int | None:
    """Sum up the layers of `after` whose blobs `before` has not; None where building has to tell."""
    is_there = among(before)
    sizes = {layer.digest or index: layer.size for index, layer in enumerate(after) if not is_there(layer)}
    known = [size for size in sizes.values() if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def fetched_in_order(before: Sequence[SideLayer], after: Sequence[SideLayer]) -> int | None:
    """Sum up the layers of `after` from the first on that differs: Docker's classic store fetches all of these."""
    first = next((n for n, (one, other) in enumerate(zip(before, after, strict=False)) if not same(one, other)), None)
    rest = after[min(len(before), len(after)) if first is None else first :]
    known = [layer.size for layer in rest if layer.size is not None]
    return sum(known) if len(known) == len(rest) else None


def same(one: SideLayer, other: SideLayer) -> bool:
    """Tell whether both are one layer: of one blob, or of one recipe where a blob is not made yet."""
    if None in (one.digest, other.digest):
        return one.key is not None and one.key == other.key
    return one.digest == other.digest


def _digest(layer: SideLayer) -> str | None:
    return layer.digest


def _recipe(layer: SideLayer) -> str | None:
    return layer.key


def _name(layer: SideLayer) -> str:
    return layer.name


def _name_but_for_numbers(layer: SideLayer) -> str:
    """Take off its version, or its number of things: numbers of weights are names. Of each other name something
    stays."""
    return f"{_NUMBER.sub('', layer.name)}\n" if layer.name and not layer.name.startswith(WEIGHTS) else ""


def _compared(before: SideLayer | None, after: SideLayer | None) -> ComparedLayer:
    named = after or before
    assert named is not None
    if before is None or after is None:
        status: Literal["same", "changed", "added", "removed"] = "added" if before is None else "removed"
    else:
        status = "same" if same(before, after) else "changed"
    return ComparedLayer(
        name=named.name,
        status=status,
        before=before.blob if before else None,
        after=after.blob if after else None,
    )
