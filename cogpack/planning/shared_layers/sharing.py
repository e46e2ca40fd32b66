"""Which layers other models may have is decided here: those that follow from what anybody can fetch."""

from cogpack.layers.built import BuiltLayer
from cogpack.layers.bytecode import BytecodeSource
from cogpack.layers.cpython import CPythonSource
from cogpack.layers.debs import DebianSource, PackageSource, PackagesSource
from cogpack.layers.debs.over.source import OverImageSource
from cogpack.layers.library_cache import LibraryCacheSource
from cogpack.layers.wheels import VenvSource, WheelsSource
from cogpack.lockfile import Decisions
from cogpack.planning.plan import Plan
from cogpack.planning.recipes.bytecode import wheel_unit_key

_OF_ALL = (DebianSource, PackageSource, PackagesSource, OverImageSource, CPythonSource, VenvSource, LibraryCacheSource)


def shared_of(plan: Plan, decisions: Decisions) -> tuple[BuiltLayer, ...]:
    """Give those of packages, interpreter and the wheels of indexes, and their bytecode; none of the project's files,
    of weights, of what lines of `build.run` bring, of wheels of the project's or built here: who may write to a
    repository for all may not be told of these."""
    private = {wheel.sha256 for wheel in decisions.wheels if wheel.path is not None or wheel in plan.built}
    release, python = decisions.bytecode, plan.bytecode.python
    compiled = {wheel_unit_key(sha256, release, python) for sha256 in private} if release else set()

    def is_shared(layer: BuiltLayer) -> bool:
        match layer.source:
            case WheelsSource(wheels=wheels):
                return private.isdisjoint(wheel.sha256 for wheel in wheels)
            case BytecodeSource(parts=parts):
                return compiled.isdisjoint(part.unit.key for part in parts)
            case source:
                return isinstance(source, _OF_ALL)

    return tuple(layer for layer in plan.own if isinstance(layer, BuiltLayer) and is_shared(layer))
