"""A layer can be a whole Debian root file system, one package, or what packages make of a base that is there."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cogpack.digest import sha256
from cogpack.layers.debs.deb.unpacking import Unpacking
from cogpack.layers.entry import Directory, Entry, complete
from cogpack.layers.spool import Once
from cogpack.oci import encode
from cogpack.text import count_text

if TYPE_CHECKING:
    from cogpack.layers.debs.apt_sources import AptSource
    from cogpack.layers.debs.deb.package import DebFile
    from cogpack.layers.debs.tree import Tree

_RECIPE = "debs/2"
_OVER = "over/3"
"""Part of the keys. Anything here that changes the entries made of the same packages must change it."""


class DebianSource:
    """Makes the entries of a Debian root file system: `debs`, merged and configured.

    Nothing goes out until all are unpacked, which takes seconds.
    """

    def __init__(
        self, debs: "Sequence[DebFile]", *, suite: str, arch: str, unpacking: Unpacking, slim: bool = False
    ) -> None:
        self.debs = sorted(debs, key=lambda deb: deb.name)
        self.suite = suite
        self.slim = slim
        self.arch = arch
        self.unpacking = unpacking
        self.tree = Once(lambda: self._made_of(self.debs, ()))
        self.entries = Once(self._linked)

    @property
    def name(self) -> str:
        return f"debian: {self.suite}{'-slim' if self.slim else ''}, {count_text(len(self.debs), 'package')}"

    @property
    def facts(self) -> list[object]:
        return [_RECIPE, self.suite, self.arch, _listed(self.debs), *(["slim"] if self.slim else [])]

    def key(self) -> str:
        return "debs:" + sha256(encode(self.facts)).removeprefix("sha256:")

    def _linked(self) -> Sequence[Entry]:
        from cogpack.layers.debs.merge import link_equal

        return link_equal(complete(self.tree(), {}))

    def tree_with(self, over: "Sequence[DebFile]") -> "Tree":
        """Make the tree that has the packages `over`, too, which take the place of those of the same name."""
        names = {deb.name for deb in over}
        return self._made_of([deb for deb in self.debs if deb.name not in names], over)

    def _made_of(self, base: "Sequence[DebFile]", over: "Sequence[DebFile]") -> "Tree":
        from cogpack.layers.debs.configure import configure
        from cogpack.layers.debs.database import write_database, write_policy
        from cogpack.layers.debs.merge import merge

        packages = self.unpacking.read([*base, *over])
        tree = merge(packages[: len(base)], packages[len(base) :], self.arch)
        configure(tree, packages, self.arch)
        write_database(tree, packages, self.arch)
        write_policy(tree, self.suite, slim=self.slim)
        return tree


class PackageSource:
    """Makes the entries of a package's own files, which are the same over every base and beside any other package."""

    def __init__(self, deb: "DebFile", *, arch: str, unpacking: Unpacking) -> None:
        self.deb = deb
        self.name = f"package: {deb.name} {deb.version}"
        self._arch = arch
        self._unpacking = unpacking
        self.files = Once(self._placed)

    def key(self) -> str:
        facts = ["alone", _RECIPE, self._arch, *_listed([self.deb])]
        return "debs:" + sha256(encode(facts)).removeprefix("sha256:")

    def entries(self) -> Sequence[Entry]:
        from cogpack.layers.debs.merge import link_equal

        return link_equal(complete(self.files(), {}))

    def _placed(self) -> Sequence[Entry]:
        from cogpack.layers.debs.merge import merge

        tree = merge((), self._unpacking.read([self.deb]), self._arch)
        return [entry for entry in tree if tree.owner(entry.path) == self.deb.name]


class PackagesSource:
    """Makes the entries of packages over a `base`: what they bring, and what of the whole is another with them.

    The database of dpkg, the library cache and whatever else describes all packages are written again, of all. `apart`:
    packages among `debs` whose files lie in layers of their own, below this one; `sources`: archives beside Debian's,
    which apt is told of; `below`: packages that a layer like this one has, on which it lies.
    """

    def __init__(
        self,
        base: DebianSource,
        debs: "Sequence[DebFile]",
        *,
        name: str,
        apart: Sequence[PackageSource] = (),
        sources: "Sequence[AptSource]" = (),
        below: "Sequence[DebFile]" = (),
    ) -> None:
        self.name = name
        self._below = sorted(below, key=lambda deb: deb.name)
        self._base = base
        self._debs = sorted(debs, key=lambda deb: deb.name)
        self._apart = sorted(apart, key=lambda one: one.deb.name)
        self._sources = sources
        self.entries = Once(self._changed)

    def key(self) -> str:
        facts = [_OVER, *self._base.facts, _listed(self._debs), _listed([one.deb for one in self._apart])]
        facts += [[one.uri, one.suites, one.components, sha256(one.key)] for one in self._sources]
        facts += [["below", *_listed(self._below)]] if self._below else []
        return "debs:" + sha256(encode(facts)).removeprefix("sha256:")

    def _changed(self) -> Sequence[Entry]:
        from cogpack.layers.debs.apt_sources import write_sources
        from cogpack.layers.debs.merge import link_equal
        from cogpack.layers.debs.tree import applied

        after = self._base.tree_with([*self._below, *self._debs])
        write_sources(after, self._sources)
        ground_tree = self._base.tree_with(self._below) if self._below else self._base.tree()
        before = applied([ground_tree, *(one.files() for one in self._apart)])
        ground = {entry.path: entry for entry in after if isinstance(entry, Directory)}
        return link_equal(complete(after.changes(before), ground))


def _listed(debs: "Iterable[DebFile]") -> list[object]:
    return [[deb.name, deb.sha256, *(["foreign"] if deb.foreign else [])] for deb in debs]
