"""The library cache is planned where wheels bring CUDA: over what the layers below have of one."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

import msgspec

from cogpack.artifacts import Input
from cogpack.images.listings import Listed
from cogpack.layers.built import BaseLayer, BuiltLayer
from cogpack.layers.debs import PackageSource
from cogpack.layers.debs.effects.ldcache import CACHE, CONF
from cogpack.layers.entry import WHITEOUT, Entry, File
from cogpack.layers.layer import key_of
from cogpack.layers.library_cache import LibraryCacheSource, has_system_libraries
from cogpack.layers.spool import Once
from cogpack.layers.wheels import WheelFile, WheelLibraries, WheelLibrary
from cogpack.lockfile import LockedWheel
from cogpack.planning.recipes.maker import LayerMaker
from cogpack.planning.steps.layer import OpenLayer, StepsLayer
from cogpack.planning.steps.steps import Seen
from cogpack.progress import Cancellation
from cogpack.threads import each

_READ = (CACHE, CONF)
_JOBS = min(4, os.cpu_count() or 1)


class LibrarySupply(msgspec.Struct, frozen=True, kw_only=True):
    """Says how the libraries of wheels are known, and the members of a layer that others made."""

    wheels: WheelLibraries
    members: Callable[[BaseLayer], Iterable[Listed]]
    cancellation: Cancellation

    def read(self, wheels: Sequence[WheelFile]) -> Iterable[WheelLibrary]:
        found = each(self.wheels.of, wheels, jobs=_JOBS, name="library", cancellation=self.cancellation)
        return chain.from_iterable(found)


class LibraryLayers(msgspec.Struct, frozen=True):
    """Has none or one. `inputs`: what it is made of, by its key: packages, and wheels whose libraries nobody knows."""

    layers: tuple[BuiltLayer, ...] = ()
    inputs: Mapping[str, tuple[Input, ...]] = {}


def plan_library_cache(
    wheels: Sequence[LockedWheel],
    below: Sequence[Seen],
    packages: Sequence[Input],
    wheel: Callable[[LockedWheel], Input],
    supply: LibrarySupply,
    maker: LayerMaker,
    arch: str,
) -> LibraryLayers:
    """Plan the layer. `below`: base and packages, which are made of `packages`; `wheel`: how one is had."""
    inputs = {one.sha256: wheel(one) for one in wheels if has_system_libraries(one.filename)}
    if not inputs:
        return LibraryLayers()
    files = [WheelFile(one.filename, one.sha256, inputs[one.sha256].file) for one in wheels if one.sha256 in inputs]
    lower = Once(lambda: _read(below, supply.members))
    source = LibraryCacheSource(
        files,
        supply.read,
        ground=[layer.contents for layer in below],
        below=lambda path: lower().get(path),
        arch=arch,
    )
    layer = maker.compress(source)
    wanted = [one for sha256, one in inputs.items() if supply.wheels.kept(sha256) is None]
    return LibraryLayers((layer,), {key_of(layer): (*packages, *wanted)})


def _read(layers: Sequence[Seen], members: Callable[[BaseLayer], Iterable[Listed]]) -> Mapping[str, bytes]:
    """Read the files of `_READ` as they are over all layers."""
    found: dict[str, bytes] = {}
    for layer in layers:
        match layer:
            case OpenLayer():
                raise AssertionError(f"{layer.name}: was not run")
            case StepsLayer():
                _apply_members(found, members(layer.blob()))
            case BaseLayer():
                _apply_members(found, members(layer))
            case BuiltLayer() if not isinstance(layer.source, PackageSource):
                _apply(found, layer.source.entries())
    return found


def _apply_members(found: dict[str, bytes], members: Iterable[Listed]) -> None:
    gone = {_whiteout(path): path for path in _READ}
    for member in members:
        if member.path in gone:
            found.pop(gone[member.path], None)
        elif member.path in _READ and member.data is not None:
            found[member.path] = member.data


def _apply(found: dict[str, bytes], entries: Iterable[Entry]) -> None:
    for entry in entries:
        if entry.path in _READ and isinstance(entry, File):
            with entry.content.open() as stream:
                found[entry.path] = stream.read()


def _whiteout(path: str) -> str:
    above, slash, name = path.rpartition("/")
    return f"{above}{slash}{WHITEOUT}{name}"
