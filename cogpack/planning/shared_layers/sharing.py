"""Which layers other models may have is decided here: those that follow from what anybody can fetch."""

from cogpack.layers.built import BuiltLayer
from cogpack.layers.bytecode import BytecodeSource
from cogpack.layers.cpython import CPythonSource
from cogpack.layers.debs.source import DebianSource, PackageSource, PackagesSource
from cogpack.layers.library_cache import LibraryCacheSource
from cogpack.layers.wheels.source import WheelsSource
from cogpack.layers.wheels.venv import VenvSource
from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.locking.cuda_toolkit import REPOSITORIES
from cogpack.planning.plan import Plan
from cogpack.planning.recipes.bytecode import wheel_unit_key
from cogpack.resolve.wheels.elsewhere import is_public

_OF_ALL = (DebianSource, CPythonSource, VenvSource)


def shared_of(plan: Plan, decisions: Decisions) -> tuple[BuiltLayer, ...]:
    """Give those of packages, interpreter and the wheels of indexes, and their bytecode; none of the project's files,
    of weights, of what lines of `build.run` bring, of packages of archives that cog.yaml names, of wheels of the
    project's, of its own addresses or built here, nor what tells of an image that it stands on: who may write to a
    repository for all may not be told of these."""
    private = {
        wheel.sha256
        for wheel in decisions.wheels
        if wheel.path is not None or wheel in plan.built or (wheel.url is not None and not is_public(wheel.url))
    }
    release, python = decisions.bytecode, plan.bytecode.python
    compiled = {wheel_unit_key(sha256, release, python) for sha256 in private} if release else set()
    packages = decisions.base.system_packages
    foreign = {deb.name for deb in packages.packages if deb.is_foreign and not deb.archive.startswith(REPOSITORIES)}
    # Lists of all packages or libraries tell of those below them, too.
    known = isinstance(decisions.base, DebianBase) and not foreign
    known = known and all(archive.uri.startswith(REPOSITORIES) for archive in packages.archives)

    def is_shared(layer: BuiltLayer) -> bool:
        match layer.source:
            case WheelsSource(wheels=wheels):
                return private.isdisjoint(wheel.sha256 for wheel in wheels)
            case BytecodeSource(parts=parts):
                return compiled.isdisjoint(part.unit.key for part in parts)
            case PackageSource(deb=deb):
                return deb.name not in foreign
            case PackagesSource():
                return known
            case LibraryCacheSource(wheels=wheels):
                return known and private.isdisjoint(wheel.sha256 for wheel in wheels)
            case source:
                return isinstance(source, _OF_ALL)

    return tuple(layer for layer in plan.own if isinstance(layer, BuiltLayer) and is_shared(layer))
