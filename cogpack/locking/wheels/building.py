"""What locking wants of who builds wheels: sources in, wheels out. `planning.building` is who does it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from packaging.utils import parse_wheel_filename

from cogpack.errors import InputError
from cogpack.lockfile import Decisions, LockedBuild, LockedInterpreter, LockedToolkit, LockedWheel
from cogpack.lockfile.base_kinds import Base, DebianBase
from cogpack.notes import Note
from cogpack.oci import Platform
from cogpack.resolve.wheels.target import TargetPython

if TYPE_CHECKING:
    from cogpack.resolve.wheels.sources import Neighbours

ANOTHER = "pin another version, or give a wheel of it"
"""What to do of a source that can't be built, where nothing better is known."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Is what a wheel is made of, here and verified.

    `title`: for people, "docopt 0.6.2"; `path`: of an archive, whose name may say nothing of its kind (its first bytes
    do), or of a directory that nobody changes meanwhile; `name` and `version`: what the wheel must be of, "" where only
    the build tells; `neighbours`: the wheels that it will be beside, None where these are not known yet;
    not `isolated`: it is built among them.
    """

    title: str
    path: Path
    subdirectory: str = ""
    name: str = ""
    version: str = ""
    neighbours: "Neighbours | None" = None
    isolated: bool = True


class WantsWheelsError(InputError):
    """Raised of a source that can only be built among the image's wheels, as long as these are not known."""

    def __init__(self, message: str) -> None:
        super().__init__(message, next_step=ANOTHER)


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """Is what an image is below its wheels, where they are built. `toolkit`: the compiler of CUDA that is there;
    `compiling`: gives the base with a compiler of C, for sources that want one; None where it has what there is."""

    base: Base
    interpreter: LockedInterpreter | None
    target: TargetPython
    toolkit: LockedToolkit | None = None
    compiling: Callable[[], Base] | None = None

    @classmethod
    def of(cls, decisions: Decisions, platform: Platform) -> "Ground":
        target = TargetPython(python=decisions.python.minor, glibc=decisions.base.glibc, arch=platform.architecture)
        return cls(
            base=decisions.build_base,
            interpreter=decisions.interpreter,
            target=target,
            toolkit=decisions.toolkit,
            compiling=lambda: compiling_base(decisions),
        )

    def with_compiler(self) -> "Ground | None":
        """Give the same with a compiler of C; None where there is no more to be had."""
        return None if self.compiling is None else msgspec.structs.replace(self, base=self.compiling(), compiling=None)

    def of_build(self, build: LockedBuild) -> "Ground":
        """Give what a wheel is built again over."""
        return (self.with_compiler() if build.compiled else None) or self

    def still_fits(self, wheel: LockedWheel, kept: Decisions) -> bool:
        """Tell whether a wheel that was built for `kept` is one for here. Machine code was made with the compiler,
        headers and libraries of the base below it: over other packages, it is built anew. So is what was made with a
        compiler beside that base, as the lock names one for all."""
        tags = parse_wheel_filename(wheel.filename)[3]
        if tags.isdisjoint(self.target.tags()):
            return False
        pure = all((tag.abi, tag.platform) == ("none", "any") for tag in tags)
        if pure:
            return True
        if _below(kept.build_base, kept.interpreter, kept.toolkit) != _below(self.base, self.interpreter, self.toolkit):
            return False
        build = next((build for build in kept.builds if build.wheel == wheel.filename), None)
        if build is None or not build.compiled:
            return True
        return _undated(self.of_build(build).base) == _undated(compiling_base(kept))


def compiling_base(decisions: Decisions) -> Base:
    """Give what those wheels are built over that were compiled where the base has no compiler."""
    packages = decisions.build_compiler
    if packages is None:
        return decisions.build_base
    return msgspec.structs.replace(decisions.base, system_packages=packages)


def _below(
    base: Base, interpreter: LockedInterpreter | None, toolkit: LockedToolkit | None
) -> tuple[Base, LockedInterpreter | None, LockedToolkit | None]:
    """Give what is there. A toolkit's packages are those of `base`."""
    return _undated(base), interpreter, msgspec.structs.replace(toolkit, packages=None) if toolkit else None


def _undated(base: Base) -> Base:
    """Give it without the Releases that told of its packages: later ones often tell of the same."""
    base = msgspec.structs.replace(base, system_packages=msgspec.structs.replace(base.system_packages, releases=()))
    return msgspec.structs.replace(base, releases=()) if isinstance(base, DebianBase) else base


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """Is a wheel that was built. `path`: in the cache, where it has its name by `sha256`; `requires`: the build
    requirements, as they were resolved; `compiled`: as `LockedBuild` has it."""

    filename: str
    path: Path
    sha256: str
    size: int
    requires: tuple[LockedWheel, ...] = ()
    compiled: bool = False
    notes: tuple[Note, ...] = ()


class WantsCompilerError(InputError):
    """Raised of a source that is compiled, where there is no compiler of C."""


class WheelBuilder(Protocol):
    """Makes wheels of sources, over the tree of the image."""

    def build(self, sources: Sequence[Source], ground: Ground) -> Sequence[Built | InputError]:
        """Answer for each source, in their order: with the wheel, or with why it can't be built. Build requirements
        are resolved as they are needed."""
        ...

    def rebuild(self, source: Source, requires: Sequence[LockedWheel], ground: Ground) -> Built:
        """Build one with these build requirements and no others; `InputError` where that fails."""
        ...


class Building(msgspec.Struct, frozen=True, kw_only=True):
    """Says how wheels are had that nobody publishes. `pushed`: looks for one in the registry that the project is pushed
    to, and gives its file in the cache."""

    builder: WheelBuilder
    pushed: Callable[[LockedWheel], Path | None]
