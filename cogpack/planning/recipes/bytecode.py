"""Bytecode lies in layers cut as those of its sources are: who changes a small wheel fetches that of no large one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

import msgspec

from cogpack.artifacts import Input
from cogpack.layers.built import BuiltLayer
from cogpack.layers.bytecode import (
    BytecodePart,
    BytecodeSource,
    Packs,
    SourceFile,
    Unit,
    is_module,
    minor_of,
    unit_key,
)
from cogpack.layers.content import Content
from cogpack.layers.entry import File, HardLink
from cogpack.layers.layer import LayerSource, key_of
from cogpack.layers.wheels.groups import is_cuda
from cogpack.layers.wheels.source import WheelFile, WheelsSource
from cogpack.layers.wheels.venv import SITE
from cogpack.lockfile import Decisions
from cogpack.planning.own_python import OwnPython
from cogpack.planning.recipes.base import PlannedBase
from cogpack.planning.recipes.maker import LayerMaker, MaybeLayer
from cogpack.planning.recipes.python import EnvironmentLayers
from cogpack.runtime.contract import VENV

_NOT_IMPORTED = ("coglet-", "pip-")
"""Wheels of which every image has one, and no model imports a module; libraries of CUDA have none to speak of."""
_MOST = 12
"""Large wheels whose bytecode is a layer of its own; that of others is one together, so that the layers stay few."""


PacksFor: TypeAlias = Callable[[str, OwnPython], Packs]
"""How bytecode of a release is had, of which the image has a Python of its own."""


class BytecodeLayers(msgspec.Struct, frozen=True, kw_only=True):
    """Has the layers of bytecode. `large`: of Python's own library and large wheels, `small`: of the others. `inputs`:
    by key, the files that are compiled for a layer, where this machine keeps no bytecode of them. `check` raises an
    `InputError` where it is sure that nobody here can compile. `python`: names the image's own."""

    large: tuple[BuiltLayer, ...] = ()
    small: tuple[BuiltLayer, ...] = ()
    inputs: Mapping[str, tuple[Input, ...]] = {}
    check: Callable[[], object] = lambda: None
    python: str = ""

    @property
    def layers(self) -> tuple[BuiltLayer, ...]:
        return (*self.large, *self.small)


def plan_bytecode(
    decisions: Decisions,
    base: PlannedBase,
    cpython: MaybeLayer,
    environment: EnvironmentLayers,
    packs_for: PacksFor,
    maker: LayerMaker,
) -> BytecodeLayers:
    """Plan the layers."""
    release = decisions.bytecode
    if release is None:
        return BytecodeLayers()
    python = _own_python(decisions, base, cpython)
    packs = packs_for(release, python)
    named = python.key(release)
    hidden = _hidden(decisions)
    inputs: dict[str, tuple[Input, ...]] = {}

    def wheels(title: str, layers: Sequence[BuiltLayer]) -> BuiltLayer:
        found = list(chain.from_iterable(map(_wheels, layers)))
        units = [_wheel_unit(wheel, release, named) for wheel in found]
        parts = [
            BytecodePart(unit, hidden.get(wheel.filename, frozenset()))
            for unit, wheel in zip(units, found, strict=True)
        ]
        layer = maker.compress(BytecodeSource(title, release, parts, packs))
        unread = {wheel.sha256 for unit, wheel in zip(units, found, strict=True) if not packs.has(unit)}
        inputs[key_of(layer)] = tuple(
            one
            for source in layers
            for one in environment.inputs[key_of(source)]
            if one.artifact.digest.removeprefix("sha256:") in unread
        )
        return layer

    large: list[BuiltLayer] = []
    if isinstance(python.layer, BuiltLayer):  # of another image's own library it is that image's matter
        unit = _library_unit(python.layer.source, f"{python.prefix}/lib/python{minor_of(release)}", named)
        own = maker.compress(
            BytecodeSource(f"Python {release.partition('-')[2]}", release, [BytecodePart(unit)], packs)
        )
        inputs[key_of(own)] = () if packs.has(unit) else python.inputs
        large.append(own)
    compiled = [layer for layer in environment.large if _wheels(layer)]
    apart, rest = compiled[:_MOST], compiled[_MOST:]
    large += [wheels(_title(layer), [layer]) for layer in apart]
    if rest:
        large.append(wheels(f"{len(rest)} large ones", rest))
    small = [wheels(_title(layer), [layer]) for layer in environment.small if _wheels(layer)]
    return BytecodeLayers(large=tuple(large), small=tuple(small), inputs=inputs, check=packs.check, python=named)


def _own_python(decisions: Decisions, base: PlannedBase, cpython: MaybeLayer) -> OwnPython:
    layers = (*base.layers, *cpython.layers)
    below, layer = layers[:-1], layers[-1]
    inputs = {**base.inputs, **cpython.inputs}
    return OwnPython(
        layer=layer,
        below=below,
        inputs=inputs.pop(str(layer.key), ()),
        below_inputs=tuple(chain.from_iterable(inputs.get(str(one.key), ()) for one in below)),
        path=decisions.python.path,
    )


def _wheels(layer: BuiltLayer) -> Sequence[WheelFile]:
    """Give those of a layer whose modules a model may import when it starts."""
    assert isinstance(layer.source, WheelsSource)
    return [
        one for one in layer.source.wheels if not is_cuda(one.filename) and not one.filename.startswith(_NOT_IMPORTED)
    ]


def _title(layer: BuiltLayer) -> str:
    return layer.name.partition(": ")[2]


def _hidden(decisions: Decisions) -> Mapping[str, frozenset[str]]:
    """Tell the paths of wheels, by file name, at which another one's files are seen."""
    found: dict[str, set[str]] = {}
    for clash in decisions.clashes:
        for wheel in clash.over:
            found.setdefault(wheel, set()).update(clash.paths)
    return {wheel: frozenset(paths) for wheel, paths in found.items()}


def _imported(release: str) -> str:
    """Tell where modules of wheels are imported from: by the link that names Python's version."""
    return f"/{VENV}/lib/python{minor_of(release)}/site-packages"


def wheel_unit_key(sha256: str, release: str, python: str) -> str:
    """Name what the modules of the wheel of this digest compile to, by the image's own Python (`BytecodeLayers`)."""
    return unit_key(python, sha256, _imported(release))


def _wheel_unit(wheel: WheelFile, release: str, python: str) -> Unit:
    """Give the modules of a wheel, as they are imported."""
    imported = _imported(release)

    def files() -> Iterable[SourceFile]:
        from cogpack.layers.wheels.placing import wheel_files

        for file in wheel_files(wheel.locate(), wheel.filename):
            if is_module(file.path, SITE):
                yield SourceFile(file.path, imported + file.path.removeprefix(SITE), file.content)

    return Unit(wheel_unit_key(wheel.sha256, release, python), files)


def _library_unit(source: LayerSource, directory: str, python: str) -> Unit:
    """Give the modules of Python's own library, which `source` has in `directory`."""

    pip = f"{directory}/site-packages/"

    def files() -> Iterable[SourceFile]:
        contents: dict[str, Content] = {}
        for entry in source.entries():
            if (
                not isinstance(entry, File | HardLink)
                or not is_module(entry.path, directory)
                or entry.path.startswith(pip)
            ):
                continue
            content = contents.get(entry.target) if isinstance(entry, HardLink) else entry.content
            if content is not None:
                contents[entry.path] = content
                yield SourceFile(entry.path, f"/{entry.path}", content)

    key = source.key()
    assert key is not None
    return Unit(unit_key(python, key, directory), files)
