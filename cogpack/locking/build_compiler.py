"""Sources that are compiled have a compiler where they are built, though the image has none: Cog's images, which such
requirements were written for, have one. It is decided once a source has failed without."""

from collections.abc import Callable, Iterable, Sequence

from cogpack.lockfile import Decisions, LockedBuild
from cogpack.lockfile.base_kinds import Base, DebianBase, SystemPackages
from cogpack.locking.beside import more_is_of
from cogpack.locking.missing_packages import installed_of
from cogpack.locking.wheels.building import compiling_base
from cogpack.resolve.debs.archives.snapshot import Snapshot

_PACKAGES = ("gcc", "g++", "make")


class BuildCompiler:
    """Decides the packages, over a `base` that stays as it is. `own`: the base's Python is the image's, and where it is
    Debian's its headers are a package; `compiler`: what the base has of one unasked; `kept`: a lock that may have
    both; `snapshot`: the time that they are of; `decide`: gives `base` with packages beside it; `take_on`: gives it
    with those of the lock, taken on to what security archives have, if it can; None where nobody asks for that."""

    def __init__(
        self,
        base: Base,
        *,
        own: bool,
        compiler: Sequence[str],
        kept: Decisions | None,
        snapshot: Snapshot | None,
        decide: Callable[[Sequence[str]], Base],
        take_on: Callable[[Base], Base | None] | None,
    ) -> None:
        self._base = base
        self._own = own
        self._compiler = compiler
        self._kept = kept
        self._snapshot = snapshot
        self._decide = decide
        self._take_on = take_on
        self._found: Base | None = None

    @property
    def helps(self) -> bool:
        """Tell whether the base may lack one, and it is known how it would come."""
        return isinstance(self._base, DebianBase) or bool(self._wanted())

    def base(self) -> Base:
        """Give the base with a compiler: that of the lock, as long as all below it is the same."""
        if self._found is None:
            self._found = self._decided()
        return self._found

    def packages(self, builds: Iterable[LockedBuild]) -> SystemPackages | None:
        """Give what the lock is to have for these."""
        return self.base().system_packages if any(build.compiled for build in builds) else None

    def _decided(self) -> Base:
        kept, base = self._kept, self._base
        if kept and kept.build_compiler:
            before = compiling_base(kept)
            if self._take_on:
                if found := self._take_on(before):
                    return found
            elif kept.base == base and more_is_of(before, base, self._snapshot):
                return before
        return self._decide(tuple(dict.fromkeys((*self._compiler, *self._wanted()))))

    def _wanted(self) -> Sequence[str]:
        python = self._base.own_python if self._own else None
        of_debian = python is not None and python.path.startswith("/usr/bin/")
        wanted = [*_PACKAGES, *([f"libpython{python.minor}-dev"] if python and of_debian else [])]
        if isinstance(self._base, DebianBase):
            return wanted
        installed = installed_of(self._base)
        return [] if installed is None else [name for name in wanted if name not in installed]
