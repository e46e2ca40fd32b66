"""A base gives layers, and their contents are had from somewhere: one function a kind says which and how."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec

from cogpack.artifacts import Input
from cogpack.images.assemble import BaseImage
from cogpack.layers.built import BaseLayer, BuiltLayer
from cogpack.layers.compression import Codec
from cogpack.layers.debs import DebFile, DebsSource
from cogpack.layers.layer import key_of
from cogpack.lockfile.base_kinds import Base, DebianBase, LockedDeb, RegistryBase
from cogpack.locking.lines.read import image_of
from cogpack.locking.maintainer_scripts import deb_file
from cogpack.oci import Descriptor
from cogpack.progress import Cancellation, Progress
from cogpack.reference import Reference


class BaseSupply(msgspec.Struct, frozen=True, kw_only=True):
    """Has what a base is made with: how its contents are had, who hears of it, and who may stop it.

    `package`: how one of a Debian base is had; `blob`: verified bytes from an image's repository; `spool`: a directory
    for temporary files.
    """

    package: Callable[[DebianBase, LockedDeb], Input]
    blob: Callable[[Reference, Descriptor], Iterator[bytes]]
    spool: Path
    progress: Progress
    cancellation: Cancellation


class PlannedBase(msgspec.Struct, frozen=True, kw_only=True):
    """Is what a base gives to a plan. `layers`: bottom first, of which the first `taken` are of the image `image` and
    passed on as they are.

    `inputs`: the packages that a layer is made of, by its key; `dpkg`: those that dpkg installs over the layers, which
    are to be had as `dpkg_inputs`.
    """

    layers: tuple[BuiltLayer | BaseLayer, ...]
    taken: int = 0
    image: BaseImage | None = None
    inputs: Mapping[str, tuple[Input, ...]] = {}
    dpkg: tuple[DebFile, ...] = ()
    dpkg_inputs: tuple[Input, ...] = ()


def plan_base(base: Base, supply: BaseSupply, codec: Codec) -> PlannedBase:
    """Plan the layers of `base`; `codec` is of those that we make."""
    match base:
        case DebianBase():
            return _debian(base, supply, codec)
        case RegistryBase():
            return _registry(base, supply)


def _debian(base: DebianBase, supply: BaseSupply, codec: Codec) -> PlannedBase:
    packages = [(deb, supply.package(base, deb)) for deb in base.packages]
    ours = [(deb, package) for deb, package in packages if deb.name not in base.dpkg]
    source = DebsSource(
        [deb_file(deb, package.file) for deb, package in ours],
        suite=base.suite,
        arch=base.arch,
        spool=supply.spool,
        progress=supply.progress,
        cancellation=supply.cancellation,
    )
    layer = BuiltLayer(source, codec)
    return PlannedBase(
        layers=(layer,),
        inputs={key_of(layer): tuple(package for _, package in ours)},
        dpkg=tuple(deb_file(deb, package.file) for deb, package in packages if deb.name in base.dpkg),
        dpkg_inputs=tuple(package for deb, package in packages if deb.name in base.dpkg),
    )


def _registry(base: RegistryBase, supply: BaseSupply) -> PlannedBase:
    reference = Reference.parse(base.reference)
    layers = tuple(
        BaseLayer(
            f"base: {reference.repository} {index + 1}", layer.info, partial(supply.blob, reference), (reference,)
        )
        for index, layer in enumerate(base.layers)
    )
    return PlannedBase(layers=layers, taken=len(layers), image=image_of(base))
