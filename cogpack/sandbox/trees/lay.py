"""Layers are laid into a private directory, in their order, as an engine does (image-spec layer.md, "Applying
Changesets")."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import msgspec

from cogpack.disk import writing
from cogpack.layers import tar
from cogpack.layers.built import BaseLayer, BuiltLayer
from cogpack.layers.content import Content
from cogpack.layers.entry import OPAQUE, WHITEOUT, Directory, Entry, Fifo, File, HardLink, Symlink, Whiteout, complete
from cogpack.layers.layer import LayerSource
from cogpack.layers.tar import EPOCH
from cogpack.progress import Cancellation
from cogpack.sandbox.trees.ahead import Ahead, Archive
from cogpack.sandbox.trees.directories import fill
from cogpack.sandbox.trees.filler import TreeFiller, joined
from cogpack.sandbox.trees.laid import CAPABILITY, Laid, LaidTree
from cogpack.untar import Member, Untar

JOBS = min(8, os.cpu_count() or 1)

TREE = "tree"
"""What the tree is called in a directory that nobody else may enter: there are setuid files in it."""

_AUFS = f"{WHITEOUT}{WHITEOUT}"
_MAX_TIME = 2**34 - 1
"""Seconds that ext4 can keep."""


class Recipe(msgspec.Struct, frozen=True):
    """Is a layer of our own. `inherited`: as `BuiltLayer` has it; `size`: of what it is made of, if that was asked."""

    source: LayerSource
    inherited: Mapping[str, Directory] = {}
    size: int = 0


Layer: TypeAlias = Recipe | Archive


def contents(layer: BuiltLayer | BaseLayer) -> Layer:
    """Say how what a layer of a plan holds is had: nothing of ours is compressed for it."""
    match layer:
        case BuiltLayer():
            return Recipe(layer.source, layer.inherited)
        case BaseLayer():
            return Archive(layer.name, layer.blocks, layer.info.diff_id)


def lay(
    place: Path,
    layers: Sequence[Layer],
    *,
    owned: bool,
    readable: bool = False,
    jobs: int = JOBS,
    cancellation: Cancellation | None = None,
    on_bytes: Callable[[int], object] = lambda _: None,
    below: Callable[[TreeFiller, Callable[[int], object]], object] = lambda *_: None,
) -> LaidTree:
    """Make the directory `place`, and in it the tree of `layers`, the lowest first.

    `below`: lays what is lower than all of them, as a kept tree does (`StoredTree.put`). `owned`: files are given to
    their owners, which takes CAP_CHOWN. `readable`: we can read all of them even without.
    `on_bytes` is told what was written, in several threads, and may raise to end it.
    """
    archives = [layer for layer in layers if isinstance(layer, Archive)]
    with (
        writing(place),
        Ahead(archives, jobs) as ahead,
        make(place, owned=owned, readable=readable, jobs=jobs, cancellation=cancellation) as filler,
    ):
        below(filler, on_bytes)
        for layer in layers:
            filler.begin()
            if isinstance(layer, Recipe):
                for entry in complete(layer.source.entries(), layer.inherited):
                    _put_entry(filler, entry, on_bytes)
            else:
                filler.write()
                _put_archive(filler, Untar(ahead.next(), where=layer.name), on_bytes)
        return filler.finish()


def make(place: Path, *, owned: bool, readable: bool, jobs: int, cancellation: Cancellation | None) -> TreeFiller:
    """Make an empty tree in a directory of its own."""
    place.mkdir(mode=0o700)
    root = place / TREE
    root.mkdir(mode=0o700)
    return TreeFiller(root, owned=owned, readable=readable, jobs=jobs, cancellation=cancellation or Cancellation())


def _put_entry(filler: TreeFiller, entry: Entry, on_bytes: Callable[[int], object]) -> None:
    match entry:
        case Directory(path, mode, uid, gid):
            filler.make(path, Laid(kind="directory", mode=mode, uid=uid, gid=gid, mtime=EPOCH))
        case File(path, content, mode, uid, gid, xattrs):
            capability = dict(xattrs).get(CAPABILITY, b"")
            one = Laid(kind="file", mode=mode, uid=uid, gid=gid, size=content.size, mtime=EPOCH, capability=capability)
            filler.file(path, one, partial(_write, one, content, on_bytes))
        case Symlink(path, target, uid, gid):
            filler.make(path, Laid(kind="symlink", mode=0o777, uid=uid, gid=gid, target=target))
        case HardLink(path, target):
            filler.link(path, target)
        case Fifo(path, mode, uid, gid):
            filler.make(path, Laid(kind="fifo", mode=mode, uid=uid, gid=gid, mtime=EPOCH))
        case Whiteout(path):
            filler.hide(path)


def _write(one: Laid, content: Content, on_bytes: Callable[[int], object], file: int) -> None:
    fill(file, one, tar.read(content) if content.size else (), on_bytes)


def _put_archive(filler: TreeFiller, reader: Untar, on_bytes: Callable[[int], object]) -> None:
    for member in reader:
        above, _, name = member.path.rpartition("/")
        if name == OPAQUE:
            filler.clear(above)
        elif name.startswith(_AUFS):  # of that file system's own
            continue
        elif name.startswith(WHITEOUT):
            filler.hide(joined(above, name.removeprefix(WHITEOUT)))
        else:
            _put_member(filler, member, reader.content(), on_bytes)


def _put_member(
    filler: TreeFiller, member: Member, content: Iterable[bytes], on_bytes: Callable[[int], object]
) -> None:
    one = Laid(
        kind="file",
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        size=member.size,
        mtime=min(max(member.mtime, 0), _MAX_TIME),
        capability=dict(member.xattrs).get(CAPABILITY, b""),
    )
    match member.kind:
        case "file":
            filler.file_now(member.path, one, lambda file: fill(file, one, content, on_bytes))
        case "hardlink":
            filler.link(member.path, member.target, (member.mode, member.uid, member.gid))
        case "symlink":
            one.kind, one.mode, one.target = "symlink", 0o777, member.link
            filler.make(member.path, one)
        case "directory" | "fifo" | "device" as kind:
            one.kind = kind
            filler.make(member.path, one)
