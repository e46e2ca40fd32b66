"""What commands have changed in a tree becomes a layer: new and changed files, whiteouts, links, owners and modes.

The tree is compared with the snapshot from before, and with what was laid: what is equal in type, mode, owner and bytes
is not in the layer, whoever touched it. Contents stay in the tree and are read there in place, when the layer is made.
"""

import hashlib
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from cogpack.disk import writing
from cogpack.file_stat import pack
from cogpack.layers.content import LocalFile
from cogpack.layers.entry import (
    Complete,
    Directory,
    Entry,
    Fifo,
    File,
    HardLink,
    Symlink,
    Whiteout,
    complete,
    parents,
)
from cogpack.sandbox.capture.dropped import Dropped, Rules, is_run_away
from cogpack.sandbox.capture.snapshot import Snapshot, Status, walk
from cogpack.sandbox.trees.laid import CAPABILITY, Kind, Laid, LaidTree
from cogpack.sandbox.trees.owners import AT_FDCWD, birth_of
from cogpack.sizes import BLOCK

_KINDS: Mapping[int, Kind] = {
    stat.S_IFDIR: "directory",
    stat.S_IFREG: "file",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """Is what one layer, or several, are to hold. `whiteouts`: the paths that are hidden; `dropped`: what was left out;
    `laid`: what the layers below have."""

    entries: Complete
    whiteouts: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    laid: Mapping[str, Laid]

    def is_on_new_ground(self, path: str) -> bool:
        """Tell whether nothing of the layers below is hidden by `path`: then its layer may lie below any of them."""
        return path not in self.laid and all(
            (above := self.laid.get(parent)) is None or above.kind == "directory" for parent in parents(path)
        )

    def parts(self, chosen: Sequence[Collection[str]]) -> list[Complete]:
        """Divide it: a part for the files of each of `chosen`, by path, and last the rest. Each lies in one.

        A hard link goes with its file. All directories above are in each part, since no layer may count on another; one
        that is new is in those parts only that have something in it. Whiteouts are in the rest: they hide nothing that
        is in a part, for what is there was not removed.
        """
        part_of = {path: number for number, paths in enumerate(chosen) for path in paths}
        rest = len(chosen)
        above: list[set[str]] = [set() for _ in range(rest + 1)]
        members: list[list[Entry]] = [[] for _ in range(rest + 1)]
        directories = [entry for entry in self.entries if isinstance(entry, Directory)]
        for entry in self.entries:
            if not isinstance(entry, Directory):
                number = part_of.get(entry.target if isinstance(entry, HardLink) else entry.path, rest)
                members[number].append(entry)
                above[number].update(parents(entry.path))
        elsewhere = set().union(*above[:rest])
        for entry in directories:
            if entry.path not in elsewhere or self._is_changed(entry):
                above[rest].update((entry.path, *parents(entry.path)))
        for number, paths in enumerate(above):
            members[number] += [entry for entry in directories if entry.path in paths]
        return [Complete(sorted(part, key=_member)) for part in members]

    def _is_changed(self, directory: Directory) -> bool:
        """Tell whether the layers below have it, and otherwise."""
        laid = self.laid.get(directory.path)
        return laid is not None and (laid.kind, laid.mode, laid.uid, laid.gid) != (
            "directory",
            directory.mode,
            directory.uid,
            directory.gid,
        )


def _member(entry: Entry) -> str:
    return entry.member if isinstance(entry, Whiteout) else entry.path


class CapturedSource:
    """Gives what was captured as a layer, as long as the tree stays as it is."""

    def __init__(self, name: str, entries: Complete) -> None:
        self.name = name
        self._entries = entries

    def key(self) -> None:
        """Nothing names what made it."""

    def entries(self) -> Iterable[Entry]:
        return self._entries


def capture(tree: LaidTree, before: Snapshot, *, keep: Collection[str] = ()) -> Captured:
    """Find what changed since `before`, when no program runs in the tree any more. `keep`: paths that are captured
    though their like is dropped."""
    return _Capture(tree, before, Rules(keep)).all()


class _Capture:
    def __init__(self, tree: LaidTree, before: Snapshot, rules: Rules) -> None:
        self._tree = tree
        self._before = before
        self._rules = rules
        self._now: dict[str, Status] = {}
        self._changed: dict[str, Entry] = {}
        self._dropped: dict[str, Dropped] = {}
        self._hidden = {
            (status.device, status.inode): one
            for path, one in tree.laid.items()
            if one.capability and not tree.owned and (status := before.paths.get(path)) is not None
        }
        """Files that could not be given the capabilities that they have, by inode."""

    def all(self) -> Captured:
        with writing(self._tree.root):
            self._now = walk(self._tree.root)
            files: dict[tuple[int, int], list[str]] = {}
            for path, status in self._now.items():
                if self._is_untouched(path, status) or self._is_dropped(path, status):
                    continue
                if stat.S_ISREG(status.mode):
                    files.setdefault((status.device, status.inode), []).append(path)
                elif (entry := self._entry(path, status)) is not None:
                    self._changed[path] = entry
            self._add_files(sorted(sorted(names) for names in files.values()))
        whiteouts = tuple(sorted(self._missing()))
        entries = [*self._changed.values(), *map(Whiteout, whiteouts)]
        above = {parent for entry in entries for parent in parents(entry.path)}
        entries += [self._directory(path) for path in above if path not in self._changed]
        return Captured(
            entries=complete(entries, {}, any_bytes=True),
            whiteouts=whiteouts,
            dropped=tuple(self._dropped.values()),
            laid=self._tree.laid,
        )

    def _is_untouched(self, path: str, status: Status) -> bool:
        """Tell whether nothing happened to what was at `path` before: of a layer, or of whoever runs the commands."""
        if not self._before.same(path, status):
            return False
        laid = self._tree.laid.get(path)
        if laid is None:
            return True
        return not self._before.is_young(status) and self._owner(path, status) == (laid.uid, laid.gid)

    def _is_dropped(self, path: str, status: Status) -> bool:
        laid = path in self._tree.laid
        rule = self._rules.of(path, laid=laid)
        if rule is None and _kind(status) == "device":
            rule = path, "a socket" if stat.S_ISSOCK(status.mode) else "a device"
        if rule is None:
            return False
        if not stat.S_ISDIR(status.mode):
            above, why = rule
            before = self._dropped.get(above, Dropped(above, why, 0, 0))
            self._dropped[above] = Dropped(above, why, before.files + 1, before.size + status.size)
        return True

    def _entry(self, path: str, status: Status) -> Entry | None:
        """Give what is at `path`, which is no file, as an entry; None if the layers below have just that."""
        laid = self._tree.laid.get(path)
        kind, (uid, gid) = _kind(status), self._owner(path, status)
        mode = self._tree.mode(path, stat.S_IMODE(status.mode))
        target = os.readlink(self._full(path)) if kind == "symlink" else ""  # noqa: PTH115 - as it is written
        if kind == "symlink":
            mode = 0o777
        if laid is not None and (laid.kind, laid.mode, laid.uid, laid.gid, laid.target) == (
            kind,
            mode,
            uid,
            gid,
            target,
        ):
            return None
        match kind:
            case "directory":
                return Directory(path, mode, uid, gid)
            case "symlink":
                return Symlink(path, target, uid, gid)
            case _:
                return Fifo(path, mode, uid, gid)

    def _add_files(self, groups: Sequence[Sequence[str]]) -> None:
        """Add the files that differ from what was laid; of each, all names, sorted.

        The names of a laid file may be several files now. One of these that is equal in all else stays unwritten: that
        with the smallest name.
        """
        stays: set[int] = set()
        for names in groups:
            laid = self._tree.laid.get(names[0])
            file = self._file(names[0])
            if (
                laid is not None
                and id(laid) not in stays
                and all(self._tree.laid.get(name) is laid for name in names)
                and self._is_laid(file, laid)
            ):
                stays.add(id(laid))
                continue
            self._changed[names[0]] = file
            for name in names[1:]:
                self._changed[name] = HardLink(name, file.path, file.mode, file.uid, file.gid)

    def _file(self, path: str) -> File:
        full, status = self._full(path), self._now[path]
        mode, (uid, gid) = stat.S_IMODE(status.mode), self._owner(path, status)
        if not mode & stat.S_IRUSR and not os.access(full, os.R_OK, effective_ids=True):
            os.chmod(full, mode | stat.S_IRUSR)  # noqa: PTH101 - no link, and nobody is there to make it one
            status = Status.of(os.lstat(full))
        content = LocalFile(
            Path(full), pack(status.size, status.mtime_ns, status.ctime_ns, status.inode, status.device)
        )
        capability = self._capability(full, status, content)
        return File(path, content, mode, uid, gid, ((CAPABILITY, capability),) if capability else ())

    def _is_laid(self, file: File, laid: Laid) -> bool:
        assert isinstance(file.content, LocalFile)
        return (
            laid.kind == "file"
            and (laid.mode, laid.uid, laid.gid, laid.size) == (file.mode, file.uid, file.gid, file.content.size)
            and file.xattrs == (((CAPABILITY, laid.capability),) if laid.capability else ())
            and laid.digest == _digest(file.content)
        )

    def _capability(self, full: str, status: Status, content: LocalFile) -> bytes:
        with suppress(OSError):
            return _of_no_namespace(os.getxattr(full, CAPABILITY, follow_symlinks=False))
        laid = self._hidden.get((status.device, status.inode))
        if laid is not None and laid.size == content.size and laid.digest == _digest(content):  # writing takes it away
            return laid.capability
        return b""

    def _directory(self, path: str) -> Directory:
        """Give a directory that did not change, but something in it did."""
        laid = self._tree.laid.get(path)
        if laid is not None and laid.kind == "directory" and self._rules.of(path, laid=True) is not None:
            return Directory(path, laid.mode, laid.uid, laid.gid)
        status = self._now[path]
        return Directory(path, self._tree.mode(path, stat.S_IMODE(status.mode)), *self._owner(path, status))

    def _missing(self) -> Iterator[str]:
        """Give what was laid and is gone, but not what is in that."""
        for path, laid in self._tree.laid.items():
            status = self._now.get(path)
            if laid.kind == "device" or (status is not None and _kind(status) != "device"):
                continue
            above = self._now.get(path.rpartition("/")[0])
            if ("/" not in path or (above is not None and _kind(above) == "directory")) and not is_run_away(path):
                yield path

    def _owner(self, path: str, status: Status) -> tuple[int, int]:
        given = self._tree.owners.of_inode(status.device, status.inode, partial(birth_of, AT_FDCWD, self._full(path)))
        return given or ((status.uid, status.gid) if self._tree.owned else (0, 0))

    def _full(self, path: str) -> str:
        return f"{self._tree.root}/{path}"


def _kind(status: Status) -> Kind:
    """Tell the kind; a socket is as good as a device: neither is in layers."""
    return _KINDS.get(stat.S_IFMT(status.mode), "device")


def _digest(content: LocalFile) -> bytes:
    digest = hashlib.sha256()
    with content.open() as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.digest()


def _of_no_namespace(capability: bytes) -> bytes:
    """Give a capability set in a user namespace (version 3, capabilities(7)) as one that is set outside (version 2)."""
    if len(capability) == 24 and capability[3] == 3:
        return capability[:3] + b"\x02" + capability[4:20]
    return capability
