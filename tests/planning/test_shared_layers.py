"""Of which layers the files are kept laid, for who runs commands over them."""

from types import SimpleNamespace
from typing import Any

import pytest

from cogpack.digest import DiffID, sha256
from cogpack.layers.built import BaseLayer
from cogpack.oci import OCI_LAYER, Descriptor, LayerInfo
from cogpack.planning.recipes.base import PlannedBase
from cogpack.sizes import MiB


def layer(size: int) -> BaseLayer:
    descriptor = Descriptor(media_type=OCI_LAYER, digest=sha256(b""), size=size)
    return BaseLayer("base", LayerInfo(descriptor, DiffID(sha256(b""))), lambda _: iter(()), ())


@pytest.mark.parametrize(("sizes", "shared"), [((100, 100), 2), ((200, 100), 0)])
def test_small_images_are_and_large_ones_are_not(sizes: tuple[int, ...], shared: int) -> None:
    layers = tuple(layer(size * MiB) for size in sizes)
    assert PlannedBase(layers=layers, taken=len(layers)).shared() == shared


@pytest.mark.parametrize(("packages", "shared"), [(100, 3), (300, 1)])
def test_debians_base_always_is_and_small_packages_with_it(packages: int, shared: int) -> None:
    own, ours = SimpleNamespace(size=40 * MiB), SimpleNamespace(size=packages * MiB)
    inputs: dict[str, Any] = {"base": (own,), "packages": (own, ours)}
    planned = PlannedBase(layers=(layer(1),), packages=(layer(1),), inputs=inputs)  # type: ignore[arg-type]
    assert planned.shared(between=1) == shared
