"""A base gives layers, and their contents are had from somewhere: one function a kind says which and how."""

import base64
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cogpack.artifacts import Input
from cogpack.formats import ImageRules
from cogpack.images.assemble import BaseImage
from cogpack.layers.built import BaseLayer, BuiltLayer
from cogpack.layers.compression import Codec
from cogpack.layers.debs.apt_sources import AptSource
from cogpack.layers.debs.deb.package import DebFile
from cogpack.layers.debs.deb.unpacking import Unpacking
from cogpack.layers.debs.source import DebianSource, PackageSource, PackagesSource
from cogpack.layers.entry import Entry
from cogpack.layers.layer import Form, key_of
from cogpack.lockfile.base_kinds import (
    Base,
    DebianBase,
    DebianRelease,
    LockedArchive,
    LockedDeb,
    RegistryBase,
    SystemPackages,
)
from cogpack.locking.lines.read import image_of
from cogpack.locking.maintainer_scripts import deb_file
from cogpack.oci import Descriptor
from cogpack.planning.steps.steps import NAMED
from cogpack.progress import Cancellation, Progress
from cogpack.reference import Reference
from cogpack.sizes import MiB

if TYPE_CHECKING:
    from cogpack.layers.debs.deb.kept import KeptPackages

_WORTH_KEEPING = 256 * MiB
"""Bytes of packages or layers as they are fetched; laid, they are three times as much."""
_UNMERGED = "2.31"
"""The C library of Debian 11, whose image has links as well as directories."""
_MOST = 16
"""Packages that are layers of their own."""


class BaseSupply(msgspec.Struct, frozen=True, kw_only=True):
    """Has what a base is made with: how its contents are had, who hears of it, and who may stop it.

    `package`: how one is had that was chosen from these releases; `blob`: verified bytes from an image's repository;
    `ground`: what there is of an image's layers, by path; `spool`: a directory for temporary files; `kept`: keeps those
    packages of a base, by their sha256 (hex), unpacked.
    """

    package: Callable[[Sequence[DebianRelease], LockedDeb], Input]
    blob: Callable[[Reference, Descriptor], Iterator[bytes]]
    ground: Callable[[Reference, Sequence[BaseLayer]], Mapping[str, Entry]]
    spool: Path
    kept: Callable[[Collection[str]], "KeptPackages"]
    progress: Progress
    cancellation: Cancellation


class PlannedBase(msgspec.Struct, frozen=True, kw_only=True):
    """Is what a base gives to a plan. `layers`: bottom first, of which the first `taken` are of the image `image` and
    passed on as they are; `packages`: those of system packages, above whatever images of this base share.

    `inputs`: the packages that a layer is made of, by its key; `dpkg`: those that dpkg installs over the layers, which
    are to be had as `dpkg_inputs`.
    """

    layers: tuple[BuiltLayer | BaseLayer, ...]
    packages: tuple[BuiltLayer, ...] = ()
    taken: int = 0
    image: BaseImage | None = None
    inputs: Mapping[str, tuple[Input, ...]] = {}
    dpkg: tuple[DebFile, ...] = ()
    dpkg_inputs: tuple[Input, ...] = ()

    def shared(self, between: int = 0) -> int:
        """Tell of how many layers, from the lowest on, the files are kept laid for who runs commands over them: of all
        that are packed small enough, else of Debian's own base, which all projects have. `between`: how many lie below
        the packages besides."""
        packages = max((sum(one.size for one in inputs) for inputs in self.inputs.values()), default=0)
        size = packages + sum(layer.size(Form.STORED) or 0 for layer in self.layers[: self.taken])
        if size <= _WORTH_KEEPING:
            return len(self.layers) + between + len(self.packages)
        return 0 if self.taken else len(self.layers)


def plan_base(base: Base, supply: BaseSupply, codec: Codec, rules: ImageRules) -> PlannedBase:
    """Plan the layers of `base`; `codec` is of those that we make."""
    match base:
        case DebianBase():
            return _debian(base, supply, codec, rules)
        case RegistryBase():
            return _registry(base, supply, codec, rules)


def _groups(
    over: SystemPackages, ours: Collection[LockedDeb]
) -> Iterator[tuple[str, Sequence[LockedDeb], Sequence[AptSource]]]:
    """Give the packages that are laid together, with archives that apt is told of, the lowest first: what nobody asked
    for is the same whatever else is asked for."""
    kinds = dict.fromkeys(over.compiler, "compiler") | dict.fromkeys(over.tools, "tools")
    for kind in ("tools", "compiler", "packages"):
        found = [deb for deb in ours if kinds.get(deb.name, "packages") == kind]
        told = [_source(archive) for archive in over.archives] if kind == "packages" else []
        if found or told:
            yield kind, found, told


def _name(kind: str, packages: Sequence[LockedDeb], apart: Collection[LockedDeb], sources: Sequence[AptSource]) -> str:
    """Name the layer by what was asked for, but for what lies `apart`; without packages, by the archive."""
    if not packages:
        return f"apt: {sources[0].name}"
    small = [deb for deb in packages if deb not in apart]
    names = [deb.name for deb in small if deb.requested][:NAMED]
    more = len(small) - len(names)
    if not names:
        return f"{kind}: {more} small ones"
    return f"{kind}: {', '.join(names)}" + (f" and {more} more" if more else "")


def _large(packages: Sequence[LockedDeb], rules: ImageRules) -> Sequence[LockedDeb]:
    """Choose those that are layers of their own: many images share them, and they have most of the bytes."""
    found = sorted((deb for deb in packages if deb.size >= rules.large_wheel), key=lambda deb: (-deb.size, deb.name))
    return sorted(found[:_MOST], key=lambda deb: deb.name)


def _debian(base: DebianBase, supply: BaseSupply, codec: Codec, rules: ImageRules) -> PlannedBase:
    over = base.system_packages
    own = {deb: supply.package(base.releases, deb) for deb in base.packages}
    packages = [(deb, supply.package(over.releases, deb)) for deb in over.packages]
    ours = {deb: package for deb, package in packages if deb.name not in over.dpkg}
    kept = partial(supply.kept, {deb.sha256 for deb in base.packages if over.packages})  # alone, it is unpacked once
    unpacking = Unpacking(supply.spool, supply.progress, supply.cancellation, kept)
    debs = [deb_file(deb, package.file) for deb, package in own.items()]
    source = DebianSource(debs, suite=base.suite, arch=base.arch, unpacking=unpacking, slim=base.slim)
    came = {deb.sha256: package for deb, package in own.items()}
    layer = BuiltLayer(source, codec, begin=lambda: unpacking.begin(debs, lambda deb: came[deb.sha256].come()))
    layers: list[BuiltLayer] = []
    # The largest first, as they are unpacked, each while others come: of whichever layer is asked for first.
    largest = sorted(own.values(), key=lambda package: -package.size)
    inputs = {key_of(layer): tuple(largest)}
    below: list[LockedDeb] = []
    for kind, found, told in _groups(over, ours):
        large = _large(found, rules)
        apart = [PackageSource(deb_file(deb, ours[deb].file), arch=base.arch, unpacking=unpacking) for deb in large]
        changed = PackagesSource(
            source,
            [deb_file(deb, ours[deb].file) for deb in found],
            name=_name(kind, found, large, told),
            apart=apart,
            sources=told,
            below=[deb_file(deb, ours[deb].file) for deb in below],
        )
        below += found
        alone = [BuiltLayer(one, codec) for one in apart]
        layers += [*alone, BuiltLayer(changed, codec)]
        inputs |= {key_of(one): (ours[deb],) for one, deb in zip(alone, large, strict=True)}
        # It is what they change, so that those of the base are unpacked for it, too.
        inputs[key_of(layers[-1])] = (*largest, *(ours[deb] for deb in below))
    return PlannedBase(
        layers=(layer,),
        packages=tuple(layers),
        inputs=inputs,
        dpkg=tuple(deb_file(deb, package.file) for deb, package in packages if deb.name in over.dpkg),
        dpkg_inputs=tuple(package for deb, package in packages if deb.name in over.dpkg),
    )


def _source(archive: LockedArchive) -> AptSource:
    return AptSource(
        uri=archive.uri,
        suites=archive.suites,
        components=archive.components,
        key=base64.b64decode(archive.key),
    )


def _registry(base: RegistryBase, supply: BaseSupply, codec: Codec, rules: ImageRules) -> PlannedBase:
    from cogpack.layers.debs.over.source import OverImageSource

    reference = Reference.parse(base.reference)
    layers = tuple(
        BaseLayer(
            f"base: {reference.repository} {index + 1}", layer.info, partial(supply.blob, reference), (reference,)
        )
        for index, layer in enumerate(base.layers)
    )
    over = base.system_packages
    packages = [(deb, supply.package(over.releases, deb)) for deb in over.packages]
    dpkg = [(deb, package) for deb, package in packages if deb.name in over.dpkg]
    ours = {deb: package for deb, package in packages if deb.name not in over.dpkg}
    unpacking = Unpacking(supply.spool, supply.progress, supply.cancellation)
    layers_over: list[BuiltLayer] = []
    inputs: dict[str, tuple[Input, ...]] = {}
    source: OverImageSource | None = None
    below: list[Input] = []
    for kind, found, told in _groups(over, ours):
        large = _large(found, rules) if _is_merged(base) else ()
        apart = [PackageSource(deb_file(deb, ours[deb].file), arch=base.arch, unpacking=unpacking) for deb in large]
        source = OverImageSource(
            [layer.diff_id for layer in base.layers],
            partial(supply.ground, reference, layers),
            [deb_file(deb, ours[deb].file) for deb in found],
            arch=base.arch,
            name=_name(kind, found, large, told),
            where=f"cogpack.base: {base.reference}",
            unpacking=unpacking,
            apart=apart,
            sources=told,
            below=source,
        )
        below += (ours[deb] for deb in found)
        alone = [BuiltLayer(one, codec) for one in apart]
        layers_over += [*alone, BuiltLayer(source, codec)]
        inputs |= {key_of(one): (ours[deb],) for one, deb in zip(alone, large, strict=True)}
        inputs[key_of(layers_over[-1])] = tuple(below)
    return PlannedBase(
        layers=layers,
        packages=tuple(layers_over),
        taken=len(layers),
        image=image_of(base),
        inputs=inputs,
        dpkg=tuple(deb_file(deb, package.file) for deb, package in dpkg),
        dpkg_inputs=tuple(package for _, package in dpkg),
    )


def _is_merged(base: RegistryBase) -> bool:
    """Tell whether /lib and its like are links into /usr there, as in the layers that hold one package: Docker's images
    of Debian are so from 12 on, Ubuntu's from 20.04. Over another, such a layer would have its files in vain."""
    from cogpack.debian_version import version_key

    return version_key(base.glibc) > version_key(_UNMERGED)
