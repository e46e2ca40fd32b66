"""A layer can be what packages make of an image that others made."""

from collections.abc import Callable, Mapping, Sequence

from cogpack.digest import DiffID, sha256
from cogpack.layers.debs.apt_sources import AptSource, write_sources
from cogpack.layers.debs.deb.package import DebFile
from cogpack.layers.debs.deb.unpacking import Unpacking
from cogpack.layers.debs.merge import link_equal
from cogpack.layers.debs.over.configure import configure_over
from cogpack.layers.debs.over.database import update_database
from cogpack.layers.debs.over.ground import Unread
from cogpack.layers.debs.over.installed import DpkgDatabase
from cogpack.layers.debs.over.rules import Rules
from cogpack.layers.debs.over.unpack import unpack
from cogpack.layers.debs.source import PackageSource
from cogpack.layers.debs.tree import Tree, applied
from cogpack.layers.entry import Directory, Entry, File, complete
from cogpack.layers.spool import Once
from cogpack.oci import encode

_RECIPE = "debs over an image/5"
"""Part of the keys. Anything here that changes the entries made of the same image and packages must change it."""


class OverImageSource:
    """Makes the entries of packages over an image: what they bring, and what of the whole is another with them.

    `layers`: the image's; `ground`: gives what is there of them, by path; `where`: begins what is said of the image;
    `apart`: packages among `debs` whose files lie in layers of their own between the image and this one, the same over
    any image: what is to be otherwise over this one, this layer has again. `sources`: archives that its apt is told of;
    `below`: packages over the image on which these lie, in a layer like this one.
    """

    def __init__(
        self,
        layers: Sequence[DiffID],
        ground: Callable[[], Mapping[str, Entry]],
        debs: Sequence[DebFile],
        *,
        arch: str,
        name: str,
        where: str,
        unpacking: Unpacking,
        apart: Sequence[PackageSource] = (),
        sources: Sequence[AptSource] = (),
        below: "OverImageSource | None" = None,
    ) -> None:
        self.name = name
        self._below = below
        self._layers = layers
        self._ground = ground
        self._debs = sorted(debs, key=lambda deb: deb.name)
        self._arch = arch
        self._where = where
        self._unpacking = unpacking
        self._apart = sorted(apart, key=lambda one: one.deb.name)
        self._sources = sources
        self._laid = Once(self._lay)
        self.entries = Once(self._changed)

    def key(self) -> str:
        debs = [[deb.name, deb.sha256, deb.foreign] for deb in self._debs]
        sources = [[one.uri, one.suites, one.components, sha256(one.key)] for one in self._sources]
        facts = [_RECIPE, self._arch, list(self._layers), debs, sources]
        if self._apart:
            facts.append([one.deb.sha256 for one in self._apart])
        if self._below:
            facts.append(["below", self._below.key()])
        return "debs:" + sha256(encode(facts)).removeprefix("sha256:")

    def tree(self) -> Tree:
        """Give all that there is then."""
        return self._laid()[1]

    def _lay(self) -> tuple[Mapping[str, Entry], Tree]:
        """Give what there was, and what there is then."""
        packages = self._unpacking.read(self._debs)
        before = {entry.path: entry for entry in self._below.tree()} if self._below else self._ground()
        tree = Tree(before)
        database = DpkgDatabase(tree, self._arch, where=self._where)
        controls = {one.name: database.control(database.own[one.name]) for one in packages if one.name in database.own}
        unpacked = unpack(tree, packages, database, Rules.read(tree))
        configure_over(tree, packages, database, before, controls, self._arch)
        update_database(tree, packages, database, unpacked)
        write_sources(tree, self._sources)
        return before, tree

    def _changed(self) -> Sequence[Entry]:
        before, tree = self._laid()
        ground = {entry.path: entry for entry in tree if isinstance(entry, Directory)}
        apart = [complete(one.files(), {}) for one in self._apart]
        below = applied([before.values(), *apart]) if apart else before
        return link_equal(complete(tree.changes(_comparable(below, tree)), ground))


def _comparable(before: Mapping[str, Entry], after: Tree) -> Mapping[str, Entry]:
    """Leave out files that are others `after`: of their contents nothing is known to compare."""
    others = {entry.path for entry in after if before.get(entry.path) is not entry}
    unread = {path for path in others if isinstance(one := before.get(path), File) and isinstance(one.content, Unread)}
    return {path: entry for path, entry in before.items() if path not in unread}
