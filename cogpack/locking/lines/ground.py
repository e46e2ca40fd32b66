"""What a base has at a path: known lines of `build.run` lay their files upon that."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from cogpack.errors import MismatchError
from cogpack.layers.entry import Directory, parents
from cogpack.layers.wheels.venv import local_names
from cogpack.lockfile import LockedPlace
from cogpack.lockfile.base_kinds import Base, DebianBase
from cogpack.run_lines.effects import within

Look: TypeAlias = Callable[[str], LockedPlace | None]
"""Tells what the base has at a path without links before its last name, and without its first slash; None where that
can't be known."""

_DEBIAN = {
    **dict.fromkeys(("boot", "etc", "home", "media", "mnt", "opt", "srv", "usr", "usr/local", "var"), 0o755),
    **dict.fromkeys((f"usr/local/{name}" for name in ("bin", "etc", "games", "include", "lib", "sbin")), 0o755),
    **dict.fromkeys(("usr/local/libexec", "usr/local/share", "usr/local/src"), 0o755),
    "root": 0o700,
    "tmp": 0o1777,
    "var/tmp": 0o1777,
}
"""Directories of a Debian base (`layers.debs`) below which known lines write."""
_DEBIAN_MAIL = Directory("var/mail", 0o2775, gid=8)
_DEBIAN_LINKS = {
    **{name: f"usr/{name}" for name in ("bin", "lib", "sbin")},
    "usr/local/man": "share/man",
    "var/lock": "/run/lock",
    "var/run": "/run",
}
_DEBIAN_FILES = frozenset({"root/.bashrc", "root/.profile"})
_THE_ADMINISTRATORS = (
    *("home", "media", "mnt", "opt", "root", "srv", "tmp", "var/tmp"),
    *(f"usr/local/{name}" for name in ("bin", "etc", "games", "include", "libexec", "sbin", "src")),
)
"""Where no package has a file (Debian policy 9.1.1 and 9.1.2, FHS 3.0): all is absent there that is not named above."""


def debian_place(path: str) -> LockedPlace | None:
    """Tell what any Debian base has at `path`, whatever packages are in it."""
    from cogpack.run_lines.surroundings import ROOT

    if path in _DEBIAN:
        return LockedPlace(path=path, mode=_DEBIAN[path])
    if path in _DEBIAN_LINKS:
        return LockedPlace(path=path, kind="symlink", target=_DEBIAN_LINKS[path])
    if path in _DEBIAN_FILES:
        return LockedPlace(path=path, kind="file")
    others = path.partition("/")[0] not in ROOT or any(within(path, root) for root in _THE_ADMINISTRATORS)
    if others or (path.startswith("usr/local/") and path.count("/") == 2):
        return LockedPlace(path=path, kind="absent")
    return None


def uncommon_directories(base: Base) -> Mapping[str, Directory]:
    """Give those of another owner or mode than usual, by path, where the base itself does not list them."""
    if not isinstance(base, DebianBase):
        return {}
    return {
        _DEBIAN_MAIL.path: _DEBIAN_MAIL,
        **{path: Directory(path, mode) for path, mode in _DEBIAN.items() if mode != 0o755},
    }


def beside_packages(base: Base, look: Look) -> Look:
    """Look at a base of a registry by `look`, but where packages over it may have something, of which nobody knows."""
    if not base.system_packages.packages:
        return look
    return lambda path: None if debian_place(path) is None else look(path)


def locked_ground(base: Base, places: Iterable[LockedPlace]) -> Look:
    """Look at what the lock says of `base`."""
    if isinstance(base, DebianBase):
        return debian_place
    known = {place.path: place for place in places}

    def look(path: str) -> LockedPlace:
        if path not in known:
            raise MismatchError(
                f"the lock does not say what the base has at /{path}", next_step="run cogpack lock and commit it"
            )
        return known[path]

    return beside_packages(base, look)


def local_looks(python: str) -> list[str]:
    """Name what has to be known of a base of a registry before a Python is named below its /usr/local."""
    names = local_names(python)
    return sorted({*names, *(parent for name in names for parent in parents(name))})


def free_local_names(base: Base, places: Iterable[LockedPlace], python: str) -> Sequence[str]:
    """Give those of `local_names` that are laid: over a base of a registry where it has nothing there, and nothing
    unusual above, by what the lock says of its `places`."""
    names = local_names(python)
    if isinstance(base, DebianBase):
        return names
    known = {place.path: place for place in places}

    absent = {path for path, place in known.items() if place.kind == "absent"}
    usual = absent | {path for path, place in known.items() if place == LockedPlace(path=path)}
    return [name for name in names if name in absent and usual.issuperset(parents(name))]


class RegistryGround:
    """Looks at a base of a registry: at what is `kept` of it in the lock, else at its files, which `listed` gives.

    `seen`: all that was looked at.
    """

    def __init__(self, kept: Iterable[LockedPlace], listed: Callable[[], Callable[[str], LockedPlace]]) -> None:
        self._known = {place.path: place for place in kept}
        self._listed = listed
        self.seen: dict[str, LockedPlace] = {}

    def __call__(self, path: str) -> LockedPlace:
        if path not in self._known:
            self._known[path] = self._listed()(path)
        self.seen[path] = self._known[path]
        return self._known[path]
