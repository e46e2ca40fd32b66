"""dpkg's database of an image is taken on to the packages that were laid over it; what it says of others stays."""

from collections.abc import Sequence

from cogpack.layers.debs.database import interests, stanza, write_info
from cogpack.layers.debs.deb.package import UnpackedPackage
from cogpack.layers.debs.over.installed import DATABASE, STATUS, DpkgDatabase
from cogpack.layers.debs.over.unpack import Unpacked
from cogpack.layers.debs.tree import Tree

_TRIGGERS = f"{DATABASE}/triggers"


def update_database(
    tree: Tree, packages: Sequence[UnpackedPackage], database: DpkgDatabase, unpacked: Unpacked
) -> None:
    stanzas = {(one.name, one.arch): one.text for one in database.packages}
    for package in packages:
        for one in database.packages:
            if one.name == package.name and one.arch in (database.arch, "all"):
                stanzas.pop((one.name, one.arch), None)  # a damaged database may have it twice
        stanzas[package.name, package.file.arch] = stanza(package, unpacked.conffiles[package.name])
    text = "\n".join(stanzas[key] for key in sorted(stanzas))
    tree.write(STATUS, f"{text}\n".encode("utf-8", "surrogateescape"))
    for package in packages:
        if old := database.own.get(package.name):
            name = database.info_name(old)
            for kind in database.control(old):
                tree.remove(f"{DATABASE}/info/{name}.{kind}")
        write_info(tree, package)
    for name, paths in unpacked.taken.items():
        other = database.own[name]
        kept = [path for path in database.files(other) if tree.real(path) not in paths]
        tree.write(f"{DATABASE}/info/{database.info_name(other)}.list", "".join(f"/{path}\n" for path in [".", *kept]))
    _write_triggers(tree, packages)


def _write_triggers(tree: Tree, packages: Sequence[UnpackedPackage]) -> None:
    """Write what packages wait for into the lists that the image has, of which lines of the same packages go."""
    files: list[str] = []
    named: dict[str, list[str]] = {}
    for package in sorted(packages, key=lambda one: one.name):
        interests(package, files, named)
    names = {package.name for package in packages}
    lists = {name: named.get(name, []) for name in tree.children(_TRIGGERS) if name not in ("Lock", "Unincorp")}
    for name, added in (lists | named | {"File": files}).items():
        before = tree.text(f"{_TRIGGERS}/{name}").splitlines()
        after = [line for line in before if _waiting(line) not in names] + [line.rstrip("\n") for line in added]
        if after != before:
            tree.write(f"{_TRIGGERS}/{name}", "".join(f"{line}\n" for line in after))


def _waiting(line: str) -> str:
    """Name the package of a line: "/usr/share/mime shared-mime-info/noawait", or the last word alone."""
    return line.rpartition(" ")[2].partition("/")[0].partition(":")[0]
