"""A layer can be a whole Debian root file system, or what packages make of one that is there."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from cogpack.digest import sha256
from cogpack.layers.debs.configure import configure
from cogpack.layers.debs.database import write_database, write_policy
from cogpack.layers.debs.merge import link_equal, merge
from cogpack.layers.debs.package import DebFile
from cogpack.layers.debs.tree import Tree
from cogpack.layers.debs.unpacking import Unpacking
from cogpack.layers.entry import Directory, Entry, complete
from cogpack.oci import encode
from cogpack.text import count_text

T = TypeVar("T")

_RECIPE = "debs/1"
"""Part of the keys. Anything here that changes the entries made of the same packages must change it."""


class DebianSource:
    """Makes the entries of a Debian root file system: `debs`, merged and configured.

    Nothing goes out until all are unpacked, which takes seconds.
    """

    def __init__(self, debs: Sequence[DebFile], *, suite: str, arch: str, unpacking: Unpacking) -> None:
        self.debs = sorted(debs, key=lambda deb: deb.name)
        self.suite = suite
        self.arch = arch
        self.unpacking = unpacking
        self.tree = _Once(lambda: self._made_of(self.debs, ()))
        self._entries = _Once(lambda: link_equal(complete(self.tree(), {})))

    @property
    def name(self) -> str:
        return f"debian: {self.suite}, {count_text(len(self.debs), 'package')}"

    @property
    def facts(self) -> list[object]:
        return [_RECIPE, self.suite, self.arch, _listed(self.debs)]

    def key(self) -> str:
        return "debs:" + sha256(encode(self.facts)).removeprefix("sha256:")

    def entries(self) -> Sequence[Entry]:
        return self._entries()

    def tree_with(self, over: Sequence[DebFile]) -> Tree:
        """Make the tree that has the packages `over`, too, which take the place of those of the same name."""
        names = {deb.name for deb in over}
        return self._made_of([deb for deb in self.debs if deb.name not in names], over)

    def _made_of(self, base: Sequence[DebFile], over: Sequence[DebFile]) -> Tree:
        packages = self.unpacking.read([*base, *over])
        tree = merge(packages[: len(base)], packages[len(base) :], self.arch)
        configure(tree, packages, self.arch)
        write_database(tree, packages, self.arch)
        write_policy(tree, self.suite)
        return tree


class PackagesSource:
    """Makes the entries of packages over a `base`: what they bring, and what of the whole is another with them.

    The database of dpkg, the library cache and whatever else describes all packages are written again, of all.
    """

    def __init__(self, base: DebianSource, debs: Sequence[DebFile], *, name: str) -> None:
        self.name = name
        self._base = base
        self._debs = sorted(debs, key=lambda deb: deb.name)
        self._entries = _Once(self._changed)

    def key(self) -> str:
        facts = ["over", *self._base.facts, _listed(self._debs)]
        return "debs:" + sha256(encode(facts)).removeprefix("sha256:")

    def entries(self) -> Sequence[Entry]:
        return self._entries()

    def _changed(self) -> Sequence[Entry]:
        after = self._base.tree_with(self._debs)
        ground = {entry.path: entry for entry in after if isinstance(entry, Directory)}
        return link_equal(complete(after.changes(self._base.tree()), ground))


class _Once(Generic[T]):
    """Makes something once and keeps it: the bytes of entries are in a spool, which lives as long as they."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None
        self._lock = threading.Lock()

    def __call__(self) -> T:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made


def _listed(debs: Sequence[DebFile]) -> list[object]:
    return [[deb.name, deb.sha256] for deb in debs]
