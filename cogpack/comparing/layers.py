"""Layers of two images are paired: by their blobs, then by the recipes that they were made by, then by their names."""

import re
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from cogpack.digest import Digest

_NUMBER = re.compile(r"\d\S*")
_WEIGHTS = "weights: "


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
    """Pair them: those of `after` in their order, then those that are left of `before`."""
    left = list(before)
    pairs: dict[int, SideLayer] = {}
    for alike in (_same_blob, _same_recipe, _same_name, _same_but_for_numbers):
        for index, layer in enumerate(after):
            if index not in pairs and (found := _first(left, layer, alike)) is not None:
                left.remove(found)
                pairs[index] = found
    compared = [_compared(pairs.get(index), layer) for index, layer in enumerate(after)]
    return (*compared, *(_compared(layer, None) for layer in left))


def fetched(before: Sequence[SideLayer], after: Sequence[SideLayer]) -> int | None:
    """Sum up the layers of `after` whose blobs `before` has not; None where building has to tell."""
    there = {layer.digest for layer in before if layer.digest is not None}
    needed = [layer for layer in after if not any(same(layer, other) for other in before)]
    sizes = {layer.digest or index: layer.size for index, layer in enumerate(needed) if layer.digest not in there}
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
    return _same_blob(one, other) or _same_recipe(one, other)


def _same_blob(one: SideLayer, other: SideLayer) -> bool:
    return one.digest is not None and one.digest == other.digest


def _same_recipe(one: SideLayer, other: SideLayer) -> bool:
    return one.key is not None and one.key == other.key and None in (one.digest, other.digest)


def _same_name(one: SideLayer, other: SideLayer) -> bool:
    return bool(one.name) and one.name == other.name


def _same_but_for_numbers(one: SideLayer, other: SideLayer) -> bool:
    """Tell whether one has another version, or another number of things: numbers of weights are names."""
    plain = [_NUMBER.sub("", layer.name) for layer in (one, other)]
    return bool(one.name) and plain[0] == plain[1] and not one.name.startswith(_WEIGHTS)


def _first(
    among: Sequence[SideLayer], layer: SideLayer, alike: Callable[[SideLayer, SideLayer], bool]
) -> SideLayer | None:
    return next((one for one in among if alike(one, layer)), None)


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
