"""A base gives layers, and their contents are had from somewhere: one function a kind says which and how."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from cogpack.artifacts import Input
from cogpack.images.assemble import BaseImage
from cogpack.layers.built import BaseLayer, BuiltLayer
from cogpack.layers.compression import Codec
from cogpack.layers.debs import DebFile, DebianSource, PackagesSource, Unpacking
from cogpack.layers.layer import key_of
from cogpack.lockfile.base_kinds import Base, DebianBase, DebianRelease, LockedDeb, RegistryBase
from cogpack.locking.lines.read import image_of
from cogpack.locking.maintainer_scripts import deb_file
from cogpack.oci import Descriptor
from cogpack.planning.steps.steps import NAMED
from cogpack.progress import Cancellation, Progress
from cogpack.reference import Reference


class BaseSupply(msgspec.Struct, frozen=True, kw_only=True):
    """Has what a base is made with: how its contents are had, who hears of it, and who may stop it.

    `package`: how one is had that was chosen from these releases; `blob`: verified bytes from an image's repository;
    `spool`: a directory for temporary files.
    """

    package: Callable[[Sequence[DebianRelease], LockedDeb], Input]
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


def _name(packages: Sequence[tuple[LockedDeb, Input]]) -> str:
    """Name the layer by what was asked for."""
    names = [deb.name for deb, _ in packages if deb.requested][:NAMED]
    return f"packages: {', '.join(names)}" + (
        f" and {len(packages) - len(names)} more" if packages[len(names) :] else ""
    )


def _debian(base: DebianBase, supply: BaseSupply, codec: Codec) -> PlannedBase:
    over = base.system_packages
    own = [(deb, supply.package(base.releases, deb)) for deb in base.packages]
    packages = [(deb, supply.package(over.releases, deb)) for deb in over.packages]
    ours = [(deb, package) for deb, package in packages if deb.name not in over.dpkg]
    source = DebianSource(
        [deb_file(deb, package.file) for deb, package in own],
        suite=base.suite,
        arch=base.arch,
        unpacking=Unpacking(supply.spool, supply.progress, supply.cancellation),
    )
    layer = BuiltLayer(source, codec)
    layers, inputs = [layer], {key_of(layer): tuple(package for _, package in own)}
    if ours:
        above = PackagesSource(source, [deb_file(deb, package.file) for deb, package in ours], name=_name(ours))
        layers.append(BuiltLayer(above, codec))
        # It is what they change, so that those of the base are unpacked for it, too.
        inputs[key_of(layers[-1])] = tuple(package for _, package in (*own, *ours))
    return PlannedBase(
        layers=tuple(layers),
        inputs=inputs,
        dpkg=tuple(deb_file(deb, package.file) for deb, package in packages if deb.name in over.dpkg),
        dpkg_inputs=tuple(package for deb, package in packages if deb.name in over.dpkg),
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
