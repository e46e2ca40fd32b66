"""A tree that is being laid: what is there is known in memory, and the disk has just that.

Where a path leads is decided in memory, so links lead nowhere but into the tree; the system is given single names in
directories that were opened without following links. So no archive reaches anything outside, on any kernel.
"""

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from cogpack.errors import InputError
from cogpack.progress import Cancellation
from cogpack.sandbox.trees.directories import LEVELS, Directories, create, dress
from cogpack.sandbox.trees.laid import Laid, LaidTree, paths
from cogpack.sandbox.trees.owners import Owners, birth_of
from cogpack.symlinks import follow
from cogpack.threads import each

_PATH = 2048
"""Bytes of a path: what programs can open wherever the tree lies (PATH_MAX is 4,096)."""
_ENTRIES = 2_000_000
"""Of all layers together: twenty times those of a large image."""
_MAX_ID = 2**32 - 2
"""The next one means "leave it" to chown(2)."""
_LARGE = 1024 * 1024
"""Bytes of a file from which on hashing and writing take longer than all else, and other threads go on meanwhile."""


class _Waiting(NamedTuple):
    above: str
    name: str
    one: Laid
    write: Callable[[int], object]


class TreeFiller:
    """Takes what layers hold, the lowest first. Files that can be read at any time (`file`) are written late, by
    several threads, and only if no later layer replaces them."""

    def __init__(self, root: Path, *, owned: bool, readable: bool, jobs: int, cancellation: Cancellation) -> None:
        self._path = root
        self._owned = owned
        self._extra = 0o400 if readable and not owned else 0
        self._jobs = jobs
        self._cancellation = cancellation
        self._root = Laid(kind="directory", mode=0o755)
        self._directories = Directories(root)
        self._waiting: dict[str, _Waiting] = {}
        self._own: set[str] = set()
        self._entries = 0

    def begin(self) -> None:
        """Begin a layer: what it hides is in those below it."""
        self._own = set()

    def make(self, path: str, one: Laid) -> None:
        """Lay what has no bytes of its own: all but files and their other names."""
        match one.kind:
            case "directory":
                self._directory(path, one)
            case "symlink":
                self._symlink(path, one)
            case "fifo":
                self._fifo(path, one)
            case "device":  # only remembered: not every machine can make one, and who runs the tree brings /dev
                self._put(path, one)
            case "file":
                raise AssertionError(f"{path}: a file without bytes")

    def file(self, path: str, one: Laid, write: Callable[[int], object]) -> None:
        """Lay a file that `write` fills, in some thread and some time."""
        above, name = self._put(path, one)
        self._waiting[joined(above, name)] = _Waiting(above, name, one, write)

    def file_now(self, path: str, one: Laid, write: Callable[[int], object]) -> None:
        """Lay a file that can only be read now."""
        above, name = self._put(path, one)
        create(self._directories.open(above), name, one, write, owned=self._owned, extra=self._extra)

    def link(self, path: str, target: str, attributes: tuple[int, int, int] | None = None) -> None:
        """Give the file at `target` another name. `attributes`: mode and owner that the link says the file has."""
        found = self._find(target)
        if found is None or found[2].kind == "directory":
            raise self._refused(path, f"a hard link to {target!a}, which is no file")
        source_above, source_name, one = found
        source = joined(source_above, source_name)
        above, _, name = self._parent(path)
        real = joined(above, name)
        if source == real:
            return
        if source.startswith(f"{real}/"):
            raise self._refused(path, f"a hard link to {target!a}, in whose place it is")
        self._put(path, one)
        if source in self._waiting:
            self._waiting[real] = _Waiting(above, name, one, self._waiting[source].write)
        elif one.kind != "device":
            self._link((source_above, source_name), (above, name))
            if attributes is not None and one.kind == "file" and attributes != (one.mode, one.uid, one.gid):
                one.mode, one.uid, one.gid = attributes
                self._dress(above, name, one)

    def hide(self, path: str) -> None:
        """Remove what lower layers have at `path`."""
        found = self._find(path)
        if found is not None and self._remove(*found, self._own):
            parent = self._at(found[0])
            assert parent is not None
            del parent.children[found[1]]

    def clear(self, path: str) -> None:
        """Remove what lower layers have in the directory `path`."""
        real = follow(path, self._target)
        one = self._at(real) if real is not None else None
        if real is not None and one is not None:
            for name, child in list(one.children.items()):
                if self._remove(real, name, child, self._own):
                    del one.children[name]

    def write(self) -> None:
        """Write the files that wait: each once, then its other names."""
        first: dict[int, tuple[str, str]] = {}
        others: list[tuple[tuple[str, str], tuple[str, str]]] = []
        small: dict[str, list[_Waiting]] = {}
        large: list[_Waiting] = []
        for waiting in self._waiting.values():
            here = waiting.above, waiting.name
            if (there := first.setdefault(id(waiting.one), here)) != here:
                others.append((there, here))
            elif waiting.one.size < _LARGE:
                small.setdefault(waiting.above, []).append(waiting)
            else:
                large.append(waiting)
        large.sort(key=lambda waiting: -waiting.one.size)
        # Of small files one thread writes as many as several: what they cost is Python's own time.
        work = [list(small.values()), *([[waiting]] for waiting in large)]
        each(self._write, work, jobs=self._jobs, name="lay", cancellation=self._cancellation)
        for source, target in others:
            self._link(source, target)
        self._waiting.clear()

    def finish(self) -> LaidTree:
        """Write what waits, and give directories what they are to have: until now they are open to us alone."""
        self.write()
        laid, owners = dict(paths(self._root)), Owners()
        for path, one in reversed(laid.items()):
            above, _, name = path.rpartition("/")
            if one.kind == "directory":
                dress(self._directories.open(path), one, owned=self._owned)
            if not self._owned and one.kind != "device" and (one.uid or one.gid):
                directory = self._directories.open(above)
                found = os.stat(name, dir_fd=directory, follow_symlinks=False)
                owners.record(found, one.uid, one.gid, birth=birth_of(directory, name))
        dress(self._directories.open(""), self._root, owned=self._owned)
        return LaidTree(self._path, laid, owners, self._owned)

    def _directory(self, path: str, one: Laid) -> None:
        there: Laid | None = self._root
        real = ""
        if path:
            self._check(path, one)
            above, parent, name = self._parent(path)
            real, there = joined(above, name), parent.children.get(name)
        if there is not None and there.kind == "directory":
            there.mode, there.uid, there.gid, there.mtime = one.mode, one.uid, one.gid, one.mtime
            self._own.add(real)
        else:
            above, name = self._put(path, one)
            os.mkdir(name, 0o700, dir_fd=self._directories.open(above))

    def _symlink(self, path: str, one: Laid) -> None:
        if not one.target or "\0" in one.target:
            raise self._refused(path, f"a symbolic link to {one.target!a}")
        above, name = self._put(path, one)
        directory = self._directories.open(above)
        os.symlink(one.target, name, dir_fd=directory)
        if self._owned:
            os.chown(name, one.uid, one.gid, dir_fd=directory, follow_symlinks=False)

    def _fifo(self, path: str, one: Laid) -> None:
        above, name = self._put(path, one)
        directory = self._directories.open(above)
        os.mkfifo(name, 0o600, dir_fd=directory)
        if self._owned:
            os.chown(name, one.uid, one.gid, dir_fd=directory, follow_symlinks=False)
        os.chmod(name, one.mode, dir_fd=directory)  # made a moment ago, so it is no link
        os.utime(name, (one.mtime, one.mtime), dir_fd=directory, follow_symlinks=False)

    def _put(self, path: str, one: Laid) -> tuple[str, str]:
        """Lay `one` at `path`, in place of what is there. Gives the true path of its directory, and its name."""
        self._check(path, one)
        above, parent, name = self._parent(path)
        there = parent.children.get(name)
        if there is not None:
            self._remove(above, name, there, ())
        parent.children[name] = one
        self._own.add(joined(above, name))
        return above, name

    def _remove(self, above: str, name: str, one: Laid, spared: Collection[str]) -> bool:
        """Remove it from the disk with all in it, but what is `spared`; tells whether it is gone."""
        path = joined(above, name)
        gone = path not in spared
        for child_name, child in list(one.children.items()):
            if self._remove(path, child_name, child, spared):
                del one.children[child_name]
            else:
                gone = False
        if gone and one.kind == "directory":
            self._directories.forget(path)
            os.rmdir(name, dir_fd=self._directories.open(above))
        elif gone and self._waiting.pop(path, None) is None and one.kind != "device":
            os.unlink(name, dir_fd=self._directories.open(above))
        return gone

    def _check(self, path: str, one: Laid) -> None:
        self._entries += 1
        if self._entries > _ENTRIES:
            raise self._refused(path, f"more than {_ENTRIES} entries")
        if path.count("/") >= LEVELS or len(path.encode("utf-8", "surrogateescape")) > _PATH:
            raise self._refused(path[:100], f"a path of more than {LEVELS} levels or {_PATH} bytes")
        if max(one.uid, one.gid) > _MAX_ID:
            raise self._refused(path, f"owner {one.uid}:{one.gid}")

    def _parent(self, path: str) -> tuple[str, Laid, str]:
        """Find the directory of `path` through links; what is missing of it is made."""
        above, _, name = path.rpartition("/")
        if not name:
            raise self._refused(path, "the root can only be a directory")
        found = self._at(above)
        if found is None:
            real = follow(above, self._target)
            if real is None:
                raise self._refused(path, "links that lead to one another")
            above, found = real, self._made(real)
        return above, found, name

    def _made(self, path: str) -> Laid:
        here, one = "", self._root
        for name in path.split("/") if path else ():
            child = one.children.get(name)
            if child is None:
                child = Laid(kind="directory", mode=0o755)
                self._check(path, child)
                os.mkdir(name, 0o700, dir_fd=self._directories.open(here))
                one.children[name] = child
            elif child.kind != "directory":
                raise self._refused(path, f"/{joined(here, name)!a} is no directory")
            here, one = joined(here, name), child
        return one

    def _find(self, path: str) -> tuple[str, str, Laid] | None:
        """Look up what is at `path`, through links but not a last one."""
        above, _, name = path.rpartition("/")
        real = above if self._at(above) is not None else follow(above, self._target)
        parent = self._at(real) if real is not None else None
        one = parent.children.get(name) if parent is not None else None
        return (real, name, one) if real is not None and one is not None else None

    def _at(self, path: str) -> Laid | None:
        """Give the directory at `path`, which has no links; None if there is none."""
        one = self._root
        for name in path.split("/") if path else ():
            child = one.children.get(name)
            if child is None or child.kind != "directory":
                return None
            one = child
        return one

    def _target(self, path: str) -> str | None:
        above, _, name = path.rpartition("/")
        parent = self._at(above)
        one = parent.children.get(name) if parent is not None else None
        return one.target if one is not None and one.kind == "symlink" else None

    def _write(self, work: Sequence[Sequence[_Waiting]]) -> None:
        """Write files, directory by directory."""
        with Directories(self._path) as directories:
            for files in work:
                directory = directories.open(files[0].above)
                for file in files:
                    self._cancellation.check()
                    create(directory, file.name, file.one, file.write, owned=self._owned, extra=self._extra)

    def _link(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        there, here = self._directories.both(source[0], target[0])
        os.link(source[1], target[1], src_dir_fd=there, dst_dir_fd=here, follow_symlinks=False)

    def _dress(self, above: str, name: str, one: Laid) -> None:
        """Give a file that is there its owner and mode."""
        directory = self._directories.open(above)
        if self._owned:
            os.chown(name, one.uid, one.gid, dir_fd=directory, follow_symlinks=False)
        os.chmod(name, one.mode | self._extra, dir_fd=directory)  # it is a file, we know

    def _refused(self, path: str, why: str) -> InputError:
        return InputError(f"/{path!a}: {why}", next_step="the image is damaged or hostile; choose another")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._directories.close()


def joined(above: str, name: str) -> str:
    return f"{above}/{name}" if above else name
