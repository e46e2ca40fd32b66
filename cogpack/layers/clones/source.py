"""A clone is a layer: the files of a commit, and a `.git` with its history, as `git clone` leaves both.

All of it follows from what the lock says and from objects that are held to their names, so that any copy of the
repository makes the same bytes. The pack is as large as the history, and is made in a temporary file.
"""

import io
import posixpath
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from cogpack.digest import sha256
from cogpack.git.objects import EXECUTABLE, GITLINK, SYMLINK, NotExactError, parse_tag
from cogpack.git.reader import Objects
from cogpack.git.trees import files_of, link_target, read_history
from cogpack.layers.clones.directory import Tag, Worktree, git_directory
from cogpack.layers.clones.history import walk
from cogpack.layers.clones.pack import LARGE, PackWriter
from cogpack.layers.content import Blocks, Bytes
from cogpack.layers.entry import Directory, Entry, File, Symlink
from cogpack.layers.spool import Once, Spool, Spooled
from cogpack.lockfile import LockedClone, LockedSubmodule
from cogpack.oci import encode
from cogpack.sizes import BLOCK

_RECIPE = "clone/1"
"""Part of the key: another whenever the same pins would give other entries."""

_TAGS = 20
"""Tags of tags of tags that are followed."""

Opened = Callable[[LockedClone | LockedSubmodule], Objects]
"""Gives the objects of a repository's commit and of its tags, with as much of its history as is wanted."""


class CloneSource:
    """Gives the entries of a clone at `path`. `spool`: a directory for a temporary file of the size of its history."""

    def __init__(
        self, clone: LockedClone, path: str, opened: Opened, *, spool: Path, check: Callable[[], None] = lambda: None
    ) -> None:
        self.clone = clone
        self._path = path
        self._opened = opened
        self._directory = spool
        self._check = check
        self.entries = Once(lambda: list(self._repository(self.clone, self._path, f"{self._path}/.git", "")))

    @property
    def name(self) -> str:
        return f"clone: {self.clone.url} in /{self._path}"

    def key(self) -> str:
        return "clone:" + sha256(encode([_RECIPE, self._path, _pins(self.clone)])).removeprefix("sha256:")

    def _repository(self, found: LockedClone | LockedSubmodule, files: str, root: str, above: str) -> Iterator[Entry]:
        objects = self._opened(found)
        history = read_history(objects, found.newest, found.depth)
        index: dict[str, tuple[int, str]] = {}
        yield Directory(files)
        yield from _files(objects, found.commit, files, index)
        tags, oids = _tags(objects, found.tags)
        clone = found if isinstance(found, LockedClone) else None
        worktree = Worktree(
            url=found.url,
            commit=found.commit,
            branch=clone.branch if clone else "",
            default=clone is not None and clone.default,
            server_commit=found.newest,
            refspec=_refspec(clone) if clone else _ALL,
            tags=tags,
            shallow=history.shallow,
            submodules={each.name: each.url for each in found.submodules},
            above=above,
            index=index,
        )
        yield from git_directory(root, worktree)
        paths = walk(objects, history)
        writer = PackWriter(len(history.commits) + len(oids) + paths.count)
        blocks = writer.write(objects, tuple(history.commits), oids, paths)
        spooled = _spooled(blocks, Spool(self._directory, self._check))
        pack = f"{root}/objects/pack/pack-{writer.checksum.hex()}"
        yield File(f"{pack}.pack", spooled, mode=0o444)
        yield File(f"{pack}.idx", Bytes(writer.index()), mode=0o444)
        for each in found.submodules:
            yield from self._submodule(each, files, root)

    def _submodule(self, found: LockedSubmodule, files: str, root: str) -> Iterator[Entry]:
        place, directory = f"{files}/{found.path}", f"{root}/modules/{found.name}"
        link = posixpath.relpath(directory, place)
        yield File(f"{place}/.git", Bytes(f"gitdir: {link}\n".encode()))
        yield from self._repository(found, place, directory, posixpath.relpath(place, directory))


def _spooled(blocks: Iterator[bytes], spool: Spool) -> Spooled:
    """Keep blocks whose size is known at their end."""
    size, joined = 0, bytearray()
    for block in blocks:
        joined += block
        if len(joined) >= BLOCK:
            spool.write([bytes(joined)], len(joined))
            size += len(joined)
            joined.clear()
    spool.write([bytes(joined)], len(joined))
    return Spooled(spool, 0, size + len(joined))


def _files(objects: Objects, commit: str, place: str, index: dict[str, tuple[int, str]]) -> Iterator[Entry]:
    """Give the files of a commit; `index` learns of each."""
    index |= {path: (entry.mode, entry.oid) for path, entry in files_of(objects, commit)}
    sizes = objects.sizes(oid for mode, oid in index.values() if mode != GITLINK)
    for path, (mode, oid) in index.items():
        if mode == GITLINK:
            yield Directory(f"{place}/{path}")
        elif mode == SYMLINK:
            yield Symlink(f"{place}/{path}", link_target(objects.read(oid, "blob")))
        else:
            content = _Blob(objects, oid, sizes[oid])
            yield File(f"{place}/{path}", content, mode=0o755 if mode == EXECUTABLE else 0o644)


class _Blob(msgspec.Struct, frozen=True):
    """Is content that lies in a repository here."""

    objects: Objects
    oid: str
    size: int

    def open(self) -> BinaryIO:
        if self.size > LARGE:
            return cast("BinaryIO", Blocks(self.objects.stream(self.oid)))
        return io.BytesIO(self.objects.read(self.oid, "blob"))


def _tags(objects: Objects, pinned: Sequence[str]) -> tuple[list[Tag], list[str]]:
    """Give the tags, and the objects that annotated ones are."""
    tags, oids = [], dict[str, None]()
    for text in pinned:
        name, _, oid = text.rpartition(" ")
        at, kind = oid, ""
        for _ in range(_TAGS):
            ((_, kind, data),) = objects.read_any([at])
            if kind != "tag":
                break
            oids[at] = None
            at = parse_tag(data)[0]
        if kind != "commit":
            raise NotExactError(f"the tag {name} is of no commit")
        tags.append(Tag(name, oid, at if at != oid else None))
    return tags, list(oids)


_ALL = "+refs/heads/*:refs/remotes/origin/*"


def _refspec(clone: LockedClone) -> str:
    if not clone.single_branch:
        return _ALL
    if clone.branch:
        return f"+refs/heads/{clone.branch}:refs/remotes/origin/{clone.branch}"
    return f"+refs/tags/{clone.wanted}:refs/tags/{clone.wanted}"


def _pins(found: LockedClone | LockedSubmodule) -> list[object]:
    """List what decides the bytes, and nothing that the line merely says in another way."""
    shared = [found.url, found.commit, found.depth, list(found.tags), [_pins(each) for each in found.submodules]]
    if isinstance(found, LockedSubmodule):
        return [*shared, found.path, found.name]
    moved = [found.server_commit] if found.server_commit else []
    return [*shared, found.branch, found.default, _refspec(found), *moved]
