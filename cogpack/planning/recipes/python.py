"""Python in an image: an interpreter over the base, where that is not its own, and the environment with its wheels."""

from collections.abc import Callable, Collection, Mapping
from typing import NoReturn

import msgspec

from cogpack.artifacts import Input
from cogpack.formats import ImageRules
from cogpack.layers.built import BuiltLayer, layer_key
from cogpack.layers.compression import SplicedGzip, Zstd
from cogpack.layers.layer import key_of
from cogpack.layers.wheels.groups import group, is_hidden
from cogpack.layers.wheels.source import Watching, WheelFile, WheelsSource
from cogpack.layers.wheels.venv import VenvSource
from cogpack.lockfile import Decisions, LockedInterpreter, LockedWheel
from cogpack.planning.recipes.base import BaseSupply
from cogpack.planning.recipes.direct_url import direct_url
from cogpack.planning.recipes.maker import LayerMaker, MaybeLayer, inherited_directories


def plan_interpreter(
    interpreter: LockedInterpreter | None,
    supply: BaseSupply,
    archive: Callable[[LockedInterpreter], Input],
    maker: LayerMaker,
) -> MaybeLayer:
    """Plan the layer. `archive`: how what it is made of is had."""
    if interpreter is None:
        return MaybeLayer()
    from cogpack.layers.cpython import CPythonSource

    found = archive(interpreter)
    layer = maker.compress(
        CPythonSource(
            version=interpreter.version,
            sha256=interpreter.sha256,
            prefix=interpreter.prefix,
            archive=found.file,
            spool=supply.spool,
            check=supply.cancellation.check,
        )
    )
    return MaybeLayer((layer,), {key_of(layer): (found,)})


class EnvironmentLayers(msgspec.Struct, frozen=True, kw_only=True):
    """Has the layers of the environment. `small`: wheels, pip and cog among them, that change more often than weights,
    and above them in a layer of their own those that were built; `clashes`: none or one. `inputs`: the wheels of a
    layer, by its key."""

    venv: BuiltLayer
    large: tuple[BuiltLayer, ...]
    small: tuple[BuiltLayer, ...]
    clashes: tuple[BuiltLayer, ...]
    inputs: Mapping[str, tuple[Input, ...]]


def plan_environment(
    decisions: Decisions,
    rules: ImageRules,
    maker: LayerMaker,
    wheel: Callable[[LockedWheel], Input],
    watching: Watching | None = None,
    *,
    local: Collection[str],
) -> EnvironmentLayers:
    """Plan the environment. `wheel`: how one is had; `watching`: who sees its files as they are read; `local`: paths
    below /usr/local where it is found, too, by commands of cog.yaml, known or run, and by the sources of who writes
    such commands."""
    venv = VenvSource(python=decisions.python.minor, interpreter=decisions.python.path, local=local)
    built = {build.wheel for build in decisions.builds}
    sizes = [(wheel.filename, wheel.size or 0) for wheel in decisions.wheels]
    *large, small = group([one for one in sizes if one[0] not in built], rules.large_wheel)
    large += [[name] for name, size in sizes if name in built and size >= rules.large_wheel]
    few = [name for name, size in sizes if name in built and size < rules.large_wheel]
    groups = [*large, small, *([few] if few else [])]
    inputs = {one.filename: wheel(one) for one in decisions.wheels}
    sources = {build.wheel: build.source for build in decisions.builds}
    wheels = {
        one.filename: WheelFile(
            one.filename,
            one.sha256,
            inputs[one.filename].file,
            direct_url(sources[one.filename], one.name) if one.filename in sources else b"",
        )
        for one in decisions.wheels
    }
    layers = [
        maker.splice(WheelsSource([wheels[name] for name in names], built=names[0] in built, watching=watching))
        for names in groups
    ]
    hidden = [
        (wheels[clash.wheel], [wheels[name] for name in clash.over], clash.paths)
        for clash in decisions.clashes
        if is_hidden(clash, groups)
    ]
    clashes: tuple[BuiltLayer, ...] = ()
    if hidden:
        from cogpack.layers.wheels.clashes import ClashesSource

        clashes = (maker.splice(ClashesSource(hidden)),)
    return EnvironmentLayers(
        venv=maker.compress(venv),
        large=tuple(layers[: len(large)]),
        small=tuple(layers[len(large) :]),
        clashes=clashes,
        inputs={
            key_of(layer): tuple(inputs[name] for name in names) for layer, names in zip(layers, groups, strict=True)
        },
    )


def keys_of_built(decisions: Decisions, wheels: Collection[LockedWheel]) -> frozenset[str]:
    """Give the keys that a layer of these has, which were built: one for each compression."""
    sources = {build.wheel: build.source for build in decisions.builds}

    def unread() -> NoReturn:
        raise AssertionError("no file of a wheel is in a key")

    files = [WheelFile(one.filename, one.sha256, unread, direct_url(sources[one.filename], one.name)) for one in wheels]
    key, inherited = WheelsSource(files, built=True).key(), inherited_directories(decisions.base)
    return frozenset(layer_key(key, codec, inherited) for codec in (SplicedGzip(), Zstd()))
