"""Repositories that lines clone are had: copies of them, by this machine's git or the depot, and files of a clone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from cogpack.depot import Depot
from cogpack.disk import writing
from cogpack.git.mirror import Mirrors
from cogpack.git.objects import GITLINK, SYMLINK, TREE, TreeEntry
from cogpack.git.program import Git
from cogpack.git.reader import Objects
from cogpack.lockfile import LockedClone, LockedSubmodule
from cogpack.run_lines.effects import within
from cogpack.session import Session
from cogpack.symlinks import follow


def make_mirrors(session: Session, logins: Callable[[str], Mapping[str, str]] = lambda _: {}) -> Mirrors:
    """`logins`: variables by which git logs in at an address."""
    return Mirrors(
        make_git(session),
        partial(_place, session),
        mapped=session.http.url_map.of,
        logins=logins,
        packed=partial(_packed, session.depot) if session.depot else None,
        used=session.kept.used,
        progress=session.progress,
        cancellation=session.cancellation,
    )


def _packed(depot: Depot, name: str) -> Iterator[bytes]:
    if (file := depot.named(name)) is None:
        raise depot.lacking(f"clone of commit {name.split()[1]}")
    return depot.blocks(file, name)


def _place(session: Session) -> Path:
    """Give the directory of this user's copies. A restored one, or another's, has another name: git does what stands in
    the config of a repository."""
    place = session.cache / "git"
    with writing(place):
        place.mkdir(parents=True, exist_ok=True)
    return place / session.seal.word(f"git {place.stat().st_ino}")


def make_git(session: Session) -> Git:
    return Git(session.environment, session.cancellation, lambda: session.authorities)


def open_pinned(mirrors: Mirrors) -> Callable[[LockedClone | LockedSubmodule], Objects]:
    """Say how the objects of pinned repositories are had."""
    return lambda pin: mirrors.objects(pin.url, pinned_objects(pin), pin.depth)


def pinned_objects(pin: LockedClone | LockedSubmodule) -> list[str]:
    """Name the objects that all others of a pinned repository are found by: its commit, and its tags."""
    return [pin.newest, *(tag.rpartition(" ")[2] for tag in pin.tags)]


def read_cloned(session: Session, pins: Sequence[LockedClone], path: str) -> bytes | None:
    """Read a file, by its absolute path, that lies in one of the clones of `pins`; None where there is none."""
    pin = next((one for one in pins if within(path, f"/{one.directory}")), None)
    return read_in_clone(open_pinned(make_mirrors(session)), pin, path) if pin else None


def read_in_clone(
    opened: Callable[[LockedClone | LockedSubmodule], Objects], pin: LockedClone, path: str
) -> bytes | None:
    """Read a file of a clone as it lies in the image. `path`: absolute; links in it are followed, as long as they stay
    in the clone. None where there is no such file."""
    from cogpack.git.trees import find, link_target, tree_of

    objects = opened(pin)
    tree = tree_of(objects, pin.commit)

    def inside(at: str) -> TreeEntry | None:
        below = at.removeprefix(f"{pin.directory}/")
        return find(objects, tree, below) if below != at else None

    def link(at: str) -> str | None:
        entry = inside(at)
        return link_target(objects.read(entry.oid, "blob")) if entry is not None and entry.mode == SYMLINK else None

    real = follow(path, link)
    entry = inside(real) if real else None
    if entry is None or entry.mode in (TREE, GITLINK, SYMLINK):
        return None
    return objects.read(entry.oid, "blob")
