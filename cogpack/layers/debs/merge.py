"""Packages are merged into one tree, by dpkg's rules for who may own what."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import chain
from typing import TypeAlias

from cogpack.encodings import is_utf8
from cogpack.errors import InputError
from cogpack.layers.debs.deb.package import UnpackedPackage
from cogpack.layers.debs.tree import Tree
from cogpack.layers.entry import Directory, Entry, File, HardLink, Symlink
from cogpack.layers.spool import Spooled
from cogpack.untar import Member

Files: TypeAlias = dict[str, tuple[Member, Spooled]]

# Merged /usr: bookworm's packages still hold files in both places, so the links are there before any package.
_MERGED = ("bin", "lib", "sbin")
_MERGED_64 = {"amd64": ("lib64",)}
_MERGED_BY = {"libc6-i386": ("lib32",)}
"""What a preinst merges, before the files of its package."""

EXCLUDE = (
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/groff/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/linda/*",
    "/usr/share/locale/*",
)
INCLUDE = ("/usr/share/doc/*/copyright", "/usr/share/locale/locale.alias")
"""What is left out of images and what of it stays; the image's own dpkg is told the same."""


def merge(base: Sequence[UnpackedPackage], over: Sequence[UnpackedPackage], arch: str) -> Tree:
    """Make the tree of packages that are installed `over` those of the base.

    base-files comes first, for it knows the modes of the common directories.
    """
    tree = Tree()
    by_name = {package.name: package for package in (*base, *over)}
    merged = (*_MERGED, *_MERGED_64.get(arch, ()), *chain.from_iterable(_MERGED_BY.get(name, ()) for name in by_name))
    for name in sorted(merged):
        tree.directory(f"usr/{name}")
        tree.link(name, f"usr/{name}")
    for package in [*sorted(base, key=_place), *sorted(over, key=_place)]:
        files: Files = {}
        for member, content in package.data:
            if not member.path:
                continue
            entry = entry_of(member, content, package.name, files)
            if _wanted(member):
                if not is_utf8(member.path):
                    raise InputError(
                        f"package {package.name}: {member.path!a} has a name that is not UTF-8",
                        next_step=f"remove {package.name} from build.system_packages",
                    )
                owner = tree.place(entry, package.name)
                if owner is not None:
                    _settle(tree, entry, package, by_name.get(owner))
    return tree


def _place(package: UnpackedPackage) -> tuple[bool, str]:
    return package.name != "base-files", package.name


def _settle(tree: Tree, entry: Entry, package: UnpackedPackage, other: UnpackedPackage | None) -> None:
    """Settle which of two packages' different files of one name is there: that of the one which Replaces the other."""
    if other is None or package.replaces(other.name):
        tree.replace(entry, package.name)
    elif not other.replaces(package.name):
        raise InputError(
            f"/{entry.path}: is in the packages {other.name} and {package.name}, and neither replaces the other",
            next_step="remove one of them from build.system_packages",
        )


def _wanted(member: Member) -> bool:
    """Tell whether it is wanted: documentation is not, but licences and links between its directories, which lead
    there."""
    path = f"/{member.path}"
    # A directory comes with what is in it, so an excluded one must not come alone.
    name = f"{path}/" if member.kind == "directory" else path
    if not any(fnmatchcase(name, pattern) for pattern in EXCLUDE):
        return True
    if member.kind == "symlink" and path.startswith("/usr/share/doc/") and path.count("/") == 4:
        return True
    return any(fnmatchcase(path, pattern) for pattern in INCLUDE)


def entry_of(member: Member, content: Spooled | None, package: str, files: Files) -> Entry:
    """Give the entry of a package's member. `files`: those before it, which hard links name."""
    if member.kind == "directory":
        return Directory(member.path, member.mode, member.uid, member.gid)
    if member.kind == "symlink":
        return Symlink(member.path, member.link, member.uid, member.gid)
    first = member
    if member.kind == "hardlink":
        if member.target not in files:
            raise InputError(
                f"package {package}: /{member.path} is a hard link to /{member.target}, which is no file before it",
                next_step="delete the file from the cache and run it again",
            )
        # As a file with the same contents; `link_equal` makes links of such files.
        first, content = files[member.target]
    assert content is not None
    files[member.path] = first, content
    return File(member.path, content, first.mode, first.uid, first.gid)


def link_equal(entries: Sequence[Entry]) -> list[Entry]:
    """Turn files that packages hold as hard links into hard links to the first of them; `entries` are sorted."""
    first: dict[Spooled, File] = {}
    linked: list[Entry] = []
    for entry in entries:
        if isinstance(entry, File) and isinstance(entry.content, Spooled) and entry.content.size:
            same = first.setdefault(entry.content, entry)
            if same is not entry and (same.mode, same.uid, same.gid) == (entry.mode, entry.uid, entry.gid):
                linked.append(HardLink(entry.path, same.path, entry.mode, entry.uid, entry.gid))
                continue
        linked.append(entry)
    return linked
