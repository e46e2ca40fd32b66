"""Layers laid, the tree changed, captured, and laid again with what was captured on top: the changed tree, exactly."""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogpack.layers.content import Bytes
from cogpack.layers.entry import Complete, Directory, Entry, Fifo, File, HardLink, Symlink, complete
from cogpack.sandbox.capture.capture import Captured, CapturedSource, capture
from cogpack.sandbox.capture.snapshot import Snapshot
from cogpack.sandbox.trees.directories import remove_tree
from cogpack.sandbox.trees.laid import Laid, LaidTree, disk_mode
from cogpack.sandbox.trees.lay import Recipe, lay
from cogpack.sandbox.trees.owners import birth_of

IS_ROOT = os.geteuid() == 0
NAMES = ("a", "b", "c", "caf\udce9")

names = st.sampled_from(NAMES)
owners = st.sampled_from([0, 0, 0, 33, 70_000])
modes = st.sampled_from([0o644, 0o755, 0o4755, 0o2755, 0o600, 0o444, 0o1777, 0o7777])
contents = st.sampled_from([b"", b"x", b"y", b"xy" * 3000])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)


def leaves() -> st.SearchStrategy[Callable[[str], Entry]]:
    return st.one_of(
        st.builds(
            lambda data, mode, uid, gid: lambda path: File(path, Bytes(data), mode, uid, gid),
            contents,
            modes,
            owners,
            owners,
        ),
        st.builds(lambda target, uid: lambda path: Symlink(path, target, uid), paths, owners),
        st.builds(lambda uid: lambda path: Fifo(path, 0o640, uid, 4), owners),
    )


def layers() -> st.SearchStrategy[Complete]:
    nested = st.recursive(leaves(), lambda below: st.dictionaries(names, below, max_size=3), max_leaves=8)

    def flat(above: str, tree: dict[str, Any]) -> Iterator[Entry]:
        for name, below in tree.items():
            path = f"{above}/{name}" if above else name
            if isinstance(below, dict):
                yield Directory(path, 0o1777 if len(below) == 1 else 0o750, gid=len(below))
                yield from flat(path, below)
            else:
                entry = below(path)
                yield entry
                if isinstance(entry, File) and entry.mode & 1:
                    yield HardLink(f"{path}~", path, entry.mode, entry.uid, entry.gid)

    return st.dictionaries(names, nested, max_size=4).map(lambda tree: complete(flat("", tree), {}, any_bytes=True))


actions = st.tuples(
    st.sampled_from(
        [
            *("write", "append", "chmod", "chown", "unlink", "rmtree", "mkdir", "rename", "symlink", "link", "fifo"),
            *("touch", "same", "swap", "merge"),
        ]
    ),
    st.integers(0, 1000),
    paths,
    modes,
    contents,
    owners,
)


def act(tree: LaidTree, action: tuple[str, int, str, int, bytes, int]) -> None:
    """Change the tree as a command would; what the system refuses is not done."""
    verb, number, path, mode, data, uid = action
    there = sorted(os.fsdecode(found.relative_to(tree.root)) for found in walked(tree.root))
    old = tree.root / (there[number % len(there)] if there else path)
    new = tree.root / path
    with suppress(OSError, shutil.Error):
        match verb:
            case "write" if not new.is_fifo():
                new.write_bytes(data)
            case "append" if old.is_file() and not old.is_symlink():
                with old.open("ab") as stream:
                    stream.write(data)
            case "chmod" if not old.is_symlink():
                old.chmod(mode | (0o700 if old.is_dir() else 0o600))
            case "chown":
                if tree.owned:
                    os.chown(old, uid, -1, follow_symlinks=False)
                else:
                    tree.owners.record(old.lstat(), uid, -1, birth=birth_of(-100, str(old)))
            case "unlink":
                old.unlink()
            case "rmtree" if not old.is_fifo():
                shutil.rmtree(old)
            case "mkdir":
                new.mkdir(parents=True)
            case "rename":
                old.rename(new)
            case "symlink":
                new.symlink_to(data.decode()[:5] or "a")
            case "link" if not old.is_symlink():
                os.link(old, new)
            case "fifo":
                os.mkfifo(new, mode)
            case "touch" if not old.is_symlink():
                os.utime(old)
            case "same" if old.is_file() and not old.is_symlink():  # another file with the same bytes
                before = old.lstat()
                beside = old.with_name("beside")
                shutil.copyfile(old, beside)
                if tree.owned:
                    os.chown(beside, before.st_uid, before.st_gid)
                else:
                    given_to = tree.owners.of(before) or (0, 0)
                    tree.owners.record(beside.lstat(), *given_to, birth=birth_of(-100, str(beside)))
                beside.chmod(before.st_mode)
                beside.replace(old)
            case "merge" if not old.is_symlink() and (new.is_file() or new.is_symlink()):  # one file instead of two
                os.link(old, tree.root / "beside")
                (tree.root / "beside").replace(new)
                (tree.root / "beside").unlink()
            case "swap":
                old.rename(tree.root / "beside")
                new.rename(old)
                (tree.root / "beside").rename(new)


def walked(root: Path) -> Iterator[Path]:
    for above, directories, files in os.walk(root):
        yield from (Path(above, name) for name in [*directories, *files])


def seen(tree: LaidTree) -> dict[str, object]:
    """All that layers can say of a tree, as it is on the disk."""
    inodes: dict[int, set[str]] = {}
    found: dict[str, list[object]] = {}
    for path in walked(tree.root):
        name, status = str(path.relative_to(tree.root)), path.lstat()
        given_to = tree.owners.of(status, lambda path=path: birth_of(-100, str(path)))  # type: ignore[misc]
        owner = given_to or ((status.st_uid, status.st_gid) if tree.owned else (0, 0))
        mode = 0o777 if path.is_symlink() else tree.mode(name, stat.S_IMODE(status.st_mode))
        what: object = None
        if path.is_symlink():
            what = os.readlink(path)  # noqa: PTH115 - as it is written
        elif stat.S_ISREG(status.st_mode):
            what = hashlib.sha256(path.read_bytes()).digest()
            inodes.setdefault(status.st_ino, set()).add(name)
        found[name] = [stat.S_IFMT(status.st_mode), mode, owner, what]
    for same in inodes.values():
        for name in same:
            found[name].append(frozenset(same))
    return {name: tuple(what) for name, what in found.items()}


def groups(laid: Iterable[tuple[str, Laid]]) -> dict[str, frozenset[str]]:
    """Find the names of each file that has several, under each of them."""
    names: dict[int, list[str]] = {}
    for path, one in laid:
        if one.kind == "file":
            names.setdefault(id(one), []).append(path)
    return {path: frozenset(same) for same in names.values() if len(same) > 1 for path in same}


def recorded(tree: LaidTree) -> dict[str, object]:
    """The same, as its record says."""
    kinds = {"directory": stat.S_IFDIR, "file": stat.S_IFREG, "symlink": stat.S_IFLNK, "fifo": stat.S_IFIFO}
    several = groups(tree.laid.items())
    return {
        path: (
            kinds[one.kind],
            one.mode,
            (one.uid, one.gid),
            one.target if one.kind == "symlink" else one.digest if one.kind == "file" else None,
            *([several.get(path, frozenset({path}))] if one.kind == "file" else []),
        )
        for path, one in tree.laid.items()
    }


@contextmanager
def directory() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp())
    try:
        yield place
    finally:
        remove_tree(place)


def chosen(captured: Captured) -> tuple[list[str], list[str]]:
    """Every other file: what may lie below all layers, and what may not."""
    names: dict[str, list[str]] = {}
    for entry in captured.entries:
        if isinstance(entry, File | HardLink):
            names.setdefault(entry.path if isinstance(entry, File) else entry.target, []).append(entry.path)
    half = list(names.items())[::2]
    low = [path for path, others in half if all(map(captured.is_on_new_ground, others))]
    return low, [path for path, _ in half if path not in low]


def round_trip(place: Path, below: list[Complete], actions: list[Any], *, owned: bool) -> Captured:
    ground = [Recipe(CapturedSource("below", entries)) for entries in below]
    tree = lay(place / "one", ground, owned=owned)
    assert seen(tree) == recorded(tree)
    for path, one in tree.laid.items():
        mode = (tree.root / path).lstat().st_mode
        assert one.kind == "symlink" or stat.S_IMODE(mode) == disk_mode(one, owned=owned)
    before = Snapshot.of(tree.root)
    for action in actions:
        act(tree, action)
    wanted = seen(tree)
    captured = capture(tree, before)
    again = lay(place / "two", [*ground, Recipe(CapturedSource("run", captured.entries))], owned=owned)
    assert recorded(again) == wanted
    assert seen(again) == wanted
    low, high, rest = (Recipe(CapturedSource("part", part)) for part in captured.parts(chosen(captured)))
    divided = lay(place / "three", [low, *ground, high, rest], owned=owned)
    assert recorded(divided) == wanted
    assert seen(divided) == wanted
    assert captured.dropped == ()
    if not actions:
        assert captured.entries == []
    return captured


@pytest.mark.slow
@given(st.lists(layers(), max_size=2), st.lists(actions, max_size=8))
def test_layers_with_the_captured_one_on_top_are_the_tree_that_was_captured(
    below: list[Complete], actions: list[Any]
) -> None:
    with directory() as place:
        round_trip(place, below, actions, owned=False)


@pytest.mark.skipif(not IS_ROOT, reason="files are given away by root only")
@given(st.lists(layers(), max_size=2), st.lists(actions, max_size=8))
def test_the_same_with_true_owners(below: list[Complete], actions: list[Any]) -> None:
    with directory() as place:
        round_trip(place, below, actions, owned=True)
