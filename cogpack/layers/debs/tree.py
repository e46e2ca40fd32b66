"""Packages are merged into this file tree, as dpkg would unpack them: nothing of it is ever on a disk."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import msgspec

from cogpack.errors import InputError
from cogpack.layers.content import Bytes, Content
from cogpack.layers.entry import Directory, Entry, File, Symlink, Whiteout, parents
from cogpack.symlinks import PATH_MAX, follow

Owner: TypeAlias = str
GENERATED: Owner = ""


class Tree:
    """Holds entries by their real path: every parent is a directory, never a link."""

    def __init__(self, entries: Mapping[str, Entry] = {}) -> None:
        self._entries: dict[str, Entry] = {**entries}
        self._owners: dict[str, Owner] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __contains__(self, path: str) -> bool:
        """Tell whether anything is at `path`, its last link not followed."""
        return self.real(path) in self._entries

    def get(self, path: str) -> Entry | None:
        return self._entries.get(self.real(path))

    def real(self, path: str) -> str:
        """Follow the links of the parents of `path`."""
        return self._walk(path, last=False)

    def follow(self, path: str) -> Entry | None:
        """Give what is at `path` once all links are followed; a link that leads nowhere gives None."""
        return self._entries.get(self._walk(path, last=True))

    def read(self, path: str) -> bytes | None:
        """Read the file at `path`, links followed; None of what is no file."""
        entry = self.follow(path)
        if not isinstance(entry, File):
            return None
        with entry.content.open() as stream:
            return stream.read()

    def text(self, path: str) -> str:
        """Read the file at `path` as UTF-8, in which `write` gives other bytes back; "" of what is no file."""
        return (self.read(path) or b"").decode("utf-8", "surrogateescape")

    def children(self, path: str) -> list[str]:
        """Name what is in the directory at `path` (links followed), sorted."""
        prefix = self._walk(path, last=True) + "/"
        cut = len(prefix)
        names = {found[cut:].partition("/")[0] for found in self._entries if found.startswith(prefix)}
        return sorted(names)

    def owner(self, path: str) -> Owner:
        return self._owners.get(self.real(path), GENERATED)

    def _walk(self, path: str, *, last: bool) -> str:
        found = follow(path, self._target, last=last)
        if found is None:
            raise self._loop(path, last=last)
        return found

    def _loop(self, path: str, *, last: bool) -> InputError:
        """Say whose links lead nowhere: those that no package of ours has are of the base."""
        passed: set[Owner] = set()

        def target(link: str) -> str | None:
            if (found := self._target(link)) is not None:
                passed.add(self._owners.get(link, GENERATED))
            return found

        follow(path, target, last=last)
        if owners := sorted(passed - {GENERATED}):
            return InputError(
                f"/{path}: a loop of symbolic links of the package {owners[0]}",
                next_step="remove it from build.system_packages, or what needs it",
            )
        what = "longer than any path" if len(path) > PATH_MAX else "a loop of symbolic links"
        return InputError(f"/{path:.200}: {what} in the base", next_step="choose another base")

    def _target(self, path: str) -> str | None:
        entry = self._entries.get(path)
        return entry.target if isinstance(entry, Symlink) else None

    def changes(self, before: Mapping[str, Entry]) -> Iterator[Entry]:
        """Give what makes this tree of entries `before`, by path: those that are new or others, and whiteouts."""
        for path, entry in self._entries.items():
            if path not in before or not _same(before[path], entry):
                yield entry
        for path in before:
            above = path.rpartition("/")[0]
            # What lies in a directory that is gone, or is none any more, goes with it.
            if path not in self._entries and (not above or isinstance(self._entries.get(above), Directory)):
                yield Whiteout(path)

    # What packages do

    def place(self, entry: Entry, owner: Owner) -> Owner | None:
        """Put a package's entry where it belongs. Gives the owner of a different file that is there already.

        A directory yields to a link to a directory, and a link to a directory (as dpkg does); equal files agree.
        """
        path = self.real(entry.path)
        entry = msgspec.structs.replace(entry, path=path)
        there = self._entries.get(path)
        if there is None:
            self._set(entry, owner)
            return None
        if isinstance(there, Directory) and isinstance(entry, Directory | Symlink):
            return None
        if isinstance(entry, Directory) and isinstance(self.follow(path), Directory):
            return None
        return None if _same(there, entry) else self._owners[path]

    def replace(self, entry: Entry, owner: Owner) -> None:
        """Put a package's entry in the place of another package's file."""
        self._set(msgspec.structs.replace(entry, path=self.real(entry.path)), owner)

    def remove(self, path: str) -> None:
        """Take away what is at `path`, its last link not followed; a directory must be empty."""
        real = self.real(path)
        self._entries.pop(real, None)
        self._owners.pop(real, None)

    def remove_all(self, paths: Iterable[str]) -> None:
        """Take away what is at `paths`, which are real ones; a directory that has something left then stays."""
        gone = {path for path in paths if path in self._entries}
        directories = {path for path in gone if isinstance(self._entries[path], Directory)}
        left = Counter(above for path in self._entries for above in parents(path) if above in directories)
        for path in sorted(gone, reverse=True):
            if not left[path]:
                self.remove(path)
                left.subtract(above for above in parents(path) if above in directories)

    def _set(self, entry: Entry, owner: Owner) -> None:
        for parent in parents(entry.path):
            if parent not in self._entries:
                self._entries[parent] = Directory(parent)
                self._owners[parent] = owner
        self._entries[entry.path] = entry
        self._owners[entry.path] = owner

    # What maintainer scripts do

    def write(self, path: str, data: bytes | str, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        content = Bytes(data.encode(errors="surrogateescape") if isinstance(data, str) else data)
        self._set(File(self._walk(path, last=True), content, mode, uid, gid), GENERATED)

    def write_new(self, path: str, data: bytes | str, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        """Write it unless something is there."""
        if path not in self:
            self.write(path, data, mode=mode, uid=uid, gid=gid)

    def copy_new(self, source: str, path: str) -> None:
        """Copy the file with its mode, unless something is at `path` or nothing at `source`."""
        entry = self.follow(source)
        data = self.read(source)
        if isinstance(entry, File) and data is not None:
            self.write_new(path, data, mode=entry.mode, uid=entry.uid, gid=entry.gid)

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link, in the place of whatever is there but a directory that has something in it."""
        real = self.real(path)
        if isinstance(self._entries.get(real), Directory) and any(
            found.startswith(real + "/") for found in self._entries
        ):
            raise InputError(
                f"/{path}: is a directory with files, so the link to {target} can't be made",
                next_step="remove the package that has it from build.system_packages",
            )
        self._set(Symlink(real, target), GENERATED)

    def directory(self, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> None:
        """Make a directory unless something is there."""
        if path not in self:
            self._set(Directory(self.real(path), mode, uid, gid), GENERATED)

    def own(self, path: str, *, mode: int, gid: int) -> None:
        """Give the file at `path`, if there is one, to root and a group, with a mode."""
        real = self.real(path)
        if isinstance(entry := self._entries.get(real), File):
            self._entries[real] = msgspec.structs.replace(entry, mode=mode, uid=0, gid=gid)

    def mark(self, path: str, attribute: tuple[str, bytes]) -> None:
        """Give the file at `path`, if there is one, an extended attribute."""
        real = self.real(path)
        if isinstance(entry := self._entries.get(real), File):
            self._entries[real] = msgspec.structs.replace(entry, xattrs=(attribute,))


def applied(layers: Iterable[Iterable[Entry]]) -> dict[str, Entry]:
    """Give what there is of layers without whiteouts, by path (image-spec layer.md, "Applying Changesets")."""
    found: dict[str, Entry] = {}
    for layer in layers:
        for entry in sorted(layer, key=lambda one: one.path):
            if isinstance(found.get(entry.path), Directory) and not isinstance(entry, Directory):
                below = f"{entry.path}/"
                found = {path: there for path, there in found.items() if not path.startswith(below)}
            found[entry.path] = entry
    return found


def _same(one: Entry, other: Entry) -> bool:
    if one is other:
        return True
    if isinstance(one, File) and isinstance(other, File):
        alike = (one.mode, one.uid, one.gid, one.xattrs) == (other.mode, other.uid, other.gid, other.xattrs)
        return alike and _equal(one.content, other.content)
    return one == other


def _equal(one: Content, other: Content) -> bool:
    if one == other or one.size != other.size:
        return one == other
    with one.open() as left, other.open() as right:
        while block := left.read(1024 * 1024):
            if right.read(len(block)) != block:
                return False
    return True
