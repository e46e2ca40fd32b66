"""Packages are unpacked over an image that others made, as its dpkg would: what is new is laid, what the same package
had before and has no more goes, settings that were changed stay (Debian policy 6.6, 7.6 and 10.7.3)."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from cogpack.errors import InputError
from cogpack.layers.debs.database import leaving_lines, md5_of
from cogpack.layers.debs.deb.package import UnpackedPackage
from cogpack.layers.debs.merge import Files, entry_of
from cogpack.layers.debs.over.installed import DpkgDatabase, InstalledPackage
from cogpack.layers.debs.over.rules import Rules
from cogpack.layers.debs.tree import GENERATED, Tree
from cogpack.layers.entry import Directory, Entry, File, Symlink


class Unpacked(msgspec.Struct, frozen=True, kw_only=True):
    """Says what unpacking left. `conffiles`: by package, the lines of its `Conffiles` field; `taken`: by package, paths
    that others took from it, as its list calls them."""

    conffiles: Mapping[str, Sequence[str]]
    taken: Mapping[str, Collection[str]]


def unpack(tree: Tree, packages: Sequence[UnpackedPackage], database: DpkgDatabase, rules: Rules) -> Unpacked:
    """Lay `packages` into `tree`, which holds what the image has, in the place of what it has of the same names."""
    conffiles: dict[str, Sequence[str]] = {}
    taken: dict[str, set[str]] = {}
    replaced = {package.name for package in packages}
    laid: set[str] = set()
    for package in sorted(packages, key=lambda one: one.name):
        old = database.own.get(package.name)
        known = old.conffiles if old else {}
        settings: dict[str, str] = {}
        own = package.conffiles()
        files: Files = {}
        for member, content in package.data:
            if not member.path:
                continue
            entry = entry_of(member, content, package.name, files)
            laid.add(tree.real(member.path))
            if not rules.wants(member):
                continue
            entry = _ruled(entry, package.name, rules)
            if member.path in own and isinstance(entry, File):
                settings[member.path] = md5_of(entry)
                if _stays(tree, entry, settings[member.path], known.get(member.path)):
                    continue
            _place(tree, entry, package, packages, database, replaced, taken)
        conffiles[package.name] = [
            *leaving_lines(package),
            *(f" /{path} {settings[path]}" for path in own if path in settings),
            *(f" /{path} {md5} obsolete" for path, md5 in known.items() if path not in settings and path in tree),
        ]
    # Only now: what one of them had and has no more may be another's, whose name comes before or after.
    _remove_old(tree, [database.own[name] for name in sorted(replaced & database.own.keys())], laid, database)
    return Unpacked(conffiles=conffiles, taken=taken)


def _ruled(entry: Entry, package: str, rules: Rules) -> Entry:
    override = rules.overrides.get(entry.path)
    if override and isinstance(entry, File | Directory):
        entry = msgspec.structs.replace(entry, uid=override.uid, gid=override.gid, mode=override.mode)
    return msgspec.structs.replace(entry, path=rules.place(entry.path, package))


def _stays(tree: Tree, entry: File, md5: str, known: str | None) -> bool:
    """Tell whether a conffile stays as it is. `known`: what the package had when it was installed before."""
    there = tree.follow(entry.path)
    if there is None:
        return known is not None  # it was deleted
    if not isinstance(there, File):
        return False
    found = md5_of(there)
    return found == md5 or found != known or md5 == known


def _place(
    tree: Tree,
    entry: Entry,
    package: UnpackedPackage,
    others: Sequence[UnpackedPackage],
    database: DpkgDatabase,
    replaced: Collection[str],
    taken: dict[str, set[str]],
) -> None:
    path = tree.real(entry.path)
    there = tree.get(path)
    if isinstance(there, Directory) and isinstance(entry, Directory | Symlink):
        return
    if isinstance(entry, Directory) and isinstance(tree.follow(path), Directory):
        return
    if there is not None and not isinstance(there, Directory):
        if (new := tree.owner(path)) != GENERATED and not package.replaces(new):
            if not next(one for one in others if one.name == new).replaces(package.name):
                raise _meeting(path, new, package.name)
            return  # the other one, which comes first by its name, replaces this one
        for name in database.owners.get(path, ()):
            if name not in replaced:
                if not package.replaces(name):
                    raise _meeting(path, name, package.name)
                taken.setdefault(name, set()).add(path)
    elif isinstance(there, Directory):
        raise InputError(
            f"/{path}: is a directory of the base, and a file in the package {package.name}",
            next_step="choose another base, or remove the package from build.system_packages",
        )
    tree.replace(entry, package.name)


def _meeting(path: str, one: str, other: str) -> InputError:
    return InputError(
        f"/{path}: is in the packages {one} and {other}, and neither replaces the other",
        next_step="remove one of them from build.system_packages, or choose a base without it",
    )


def _remove_old(tree: Tree, old: Sequence[InstalledPackage], laid: Collection[str], database: DpkgDatabase) -> None:
    """Remove what only they had and nobody has now."""
    names = {package.name for package in old}
    found = {tree.real(path) for package in old for path in database.files(package)}
    found -= {tree.real(path) for package in old for path in package.conffiles} | {*laid}
    tree.remove_all(path for path in found if (owners := database.owners.get(path)) and names.issuperset(owners))
