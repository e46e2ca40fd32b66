"""Which layers other models may have is decided here: those that follow from what anybody can fetch."""

from cogpack.layers.built import BuiltLayer
from cogpack.layers.cpython import CPythonSource
from cogpack.layers.debs import DebianSource, PackageSource, PackagesSource
from cogpack.layers.debs.over.source import OverImageSource
from cogpack.layers.library_cache import LibraryCacheSource
from cogpack.layers.wheels import VenvSource, WheelsSource
from cogpack.lockfile import Decisions
from cogpack.planning.plan import Plan

_SHARED = (
    *(DebianSource, PackageSource, PackagesSource, OverImageSource, CPythonSource),
    *(VenvSource, WheelsSource, LibraryCacheSource),
)


def shared_of(plan: Plan, decisions: Decisions) -> tuple[BuiltLayer, ...]:
    """Give those of packages, interpreter and the wheels of indexes; none of the project's files, of weights, of what
    lines of `build.run` bring, of wheels of the project's or built here: who may write to a repository for all may not
    be told of these."""
    private = {f"sha256:{wheel.sha256}" for wheel in decisions.wheels if wheel.path is not None}

    def is_shared(layer: BuiltLayer) -> bool:
        parts = plan.inputs_of(layer)
        return isinstance(layer.source, _SHARED) and not any(p.made or p.artifact.digest in private for p in parts)

    return tuple(layer for layer in plan.own if isinstance(layer, BuiltLayer) and is_shared(layer))
