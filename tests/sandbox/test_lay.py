"""Layers of others are laid as engines lay them, and no archive reaches anything outside."""

import gzip
import io
import os
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.archives import archive, directory, file, link, member, recipe, symlink

from cogpack.digest import DiffID, sha256
from cogpack.errors import InputError, MismatchError
from cogpack.layers.content import Bytes
from cogpack.layers.entry import Complete, File, HardLink, Symlink, Whiteout, complete
from cogpack.sandbox.trees.ahead import Archive
from cogpack.sandbox.trees.laid import LaidTree, decode_laid, encode_laid
from cogpack.sandbox.trees.lay import Layer, lay


def laid(place: Path, *layers: Layer, owned: bool = False) -> LaidTree:
    place.mkdir(exist_ok=True)
    return lay(place / "place", layers, owned=owned)


def files(tree: LaidTree) -> dict[str, str]:
    """Text of files, targets of links, "/" of directories."""
    found = {}
    for path in tree.laid:
        full = tree.root / path
        found[path] = f"-> {full.readlink()}" if full.is_symlink() else "/" if full.is_dir() else full.read_text()
    on_disk = {str(path.relative_to(tree.root)) for path in tree.root.rglob("*")}
    assert on_disk == set(found)
    return found


def test_later_layers_replace_and_hide(tmp_path: Path) -> None:
    below = archive(file("a/one", b"1"), file("a/two", b"2"), file("b", b"b"), directory("c"), file("c/x"), file("d"))
    above = archive(
        file("a/.wh.one"),
        file("b/inside", b"i"),
        symlink("c", "a"),
        file("d", b"new"),
        file(".wh.never"),
        file("e/.wh.x"),
    )
    with pytest.raises(InputError, match="is no directory"):
        laid(tmp_path / "refused", below, above)
    above = archive(file("a/.wh.one"), directory("b"), file("b/inside", b"i"), symlink("c", "a"), file("d", b"new"))
    assert files(laid(tmp_path, below, above)) == {
        "a": "/",
        "a/two": "2",
        "b": "/",
        "b/inside": "i",
        "c": "-> a",
        "d": "new",
    }


@pytest.mark.parametrize("first", [True, False])
def test_what_a_layer_hides_is_in_those_below_it(tmp_path: Path, first: bool) -> None:
    """image-spec layer.md, "Whiteouts" and "Opaque Whiteout": whatever the order of entries in the layer."""
    below = archive(
        file("d/old", b"o"), file("d/sub/old", b"o"), file("e/old"), file("e/new", b"old"), file("f", b"old")
    )
    hides = [file("d/.wh..wh..opq"), file(".wh.e"), file(".wh.f"), file(".wh..wh.plnk")]
    adds = [file("d/sub/new", b"n"), file("e/new", b"n"), file("f", b"n")]
    above = archive(*(hides + adds if first else adds + hides))
    found = files(laid(tmp_path, below, above))
    assert found == {"d": "/", "d/sub": "/", "d/sub/new": "n", "e": "/", "e/new": "n", "f": "n"}


def test_a_directory_takes_the_place_of_a_link_and_does_not_follow_it(tmp_path: Path) -> None:
    tree = laid(
        tmp_path, archive(directory("usr/lib"), symlink("lib", "usr/lib")), archive(directory("lib"), file("lib/a"))
    )
    assert files(tree) == {"usr": "/", "usr/lib": "/", "lib": "/", "lib/a": "x"}


def test_paths_lead_through_links_of_the_tree(tmp_path: Path) -> None:
    tree = laid(
        tmp_path,
        archive(
            directory("usr/lib"), symlink("lib", "/usr/lib"), symlink("up", "../../usr"), symlink("soon", "later/x")
        ),
        archive(file("lib/a"), file("up/lib/b"), file("soon/c"), link("d", "up/lib/a")),
    )
    assert set(tree.laid) == {
        *("usr", "usr/lib", "lib", "up", "soon", "usr/lib/a", "usr/lib/b", "later", "later/x", "later/x/c", "d"),
    }
    assert (tree.root / "d").stat().st_ino == (tree.root / "usr/lib/a").stat().st_ino


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([file("../out")], "leaves the root"),
        ([file("a/../../out")], "leaves the root"),
        ([symlink("a", "b"), symlink("b", "a"), file("a/x")], "links that lead to one another"),
        ([file("a"), file("a/b")], "is no directory"),
        ([link("a", "b")], "which is no file"),
        ([link("a", "/etc/passwd")], "which is no file"),
        ([directory("d"), link("a", "d")], "which is no file"),
        ([file("d/f"), link("d", "d/f")], "in whose place it is"),
        ([symlink("a", "")], "a symbolic link to ''"),
        ([file("a", uid=2**32 - 1)], "owner 4294967295:0"),
        ([file("/".join("d" * 300))], "more than 256 levels"),
        ([file("/".join(["n" * 250] * 10))], "2048 bytes"),
        ([file("./", b"x")], "the root can only be a directory"),
    ],
)
def test_hostile_archives_are_refused(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]], why: str) -> None:
    with pytest.raises(InputError, match=why):
        laid(tmp_path, archive(*members))


_hostile = st.lists(
    st.tuples(
        st.sampled_from(["file", "directory", "symlink", "link", "whiteout", "opaque"]),
        st.sampled_from(["a", "b", "a/b", "b/a", "a/b/c", "esc", "esc/canary", "b/a/canary", "abs/canary", "abs"]),
        st.sampled_from(
            ["../..", "..", "/", "a", "b", "../../outside", "OUTSIDE", "OUTSIDE/canary", "../canary", "a/b"]
        ),
    ),
    max_size=8,
)


@given(st.lists(_hostile, min_size=1, max_size=2))
def test_no_archive_reaches_anything_outside(
    tmp_path_factory: pytest.TempPathFactory, layers: list[list[tuple[str, str, str]]]
) -> None:
    place = tmp_path_factory.mktemp("hostile")
    outside = place / "outside"
    outside.mkdir()
    (outside / "canary").write_text("alive")
    (place / "canary").write_text("alive")
    before = {path: path.lstat() for path in [outside, *outside.rglob("*"), place / "canary"]}

    def members(layer: list[tuple[str, str, str]]) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        for kind, path, target in layer:
            to = target.replace("OUTSIDE", str(outside))
            above, _, name = path.rpartition("/")
            make: dict[str, Callable[[], tuple[tarfile.TarInfo, bytes]]] = {
                "file": lambda: file(path, b"evil"),  # noqa: B023 - called at once
                "directory": lambda: directory(path, mode=0o777),  # noqa: B023
                "symlink": lambda: symlink(path, to),  # noqa: B023
                "link": lambda: link(path, to, mode=0o777),  # noqa: B023
                "whiteout": lambda: file(f"{above}/.wh.{name}"),  # noqa: B023
                "opaque": lambda: file(f"{path}/.wh..wh..opq"),  # noqa: B023
            }
            yield make[kind]()

    try:
        tree = laid(place, *(archive(*members(layer)) for layer in layers))
        assert set(tree.laid) == {str(path.relative_to(tree.root)) for path in tree.root.rglob("*")}
    except InputError:
        pass
    for path, status in before.items():
        now = path.lstat()
        assert (now.st_mode, now.st_mtime_ns, now.st_ctime_ns, now.st_nlink) == (
            status.st_mode,
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_nlink,
        )
    assert sorted(path.name for path in place.iterdir()) == ["canary", "outside", "place"]


def test_modes_times_and_owners(tmp_path: Path) -> None:
    tree = laid(
        tmp_path,
        archive(
            directory("./", mode=0o711),
            directory("d", mode=0o500, mtime=7, uid=5, gid=6),
            file("d/f", mode=0o4755, mtime=-3, uid=33),
            member("p", tarfile.FIFOTYPE, mode=0o620, mtime=9),
            link("l", "d/f", mode=0o4755, uid=34),
            member("dev/null", tarfile.CHRTYPE, mode=0o666),
        ),
    )

    def mode(path: str) -> int:
        return stat.S_IMODE((tree.root / path).lstat().st_mode)

    assert [mode(path) for path in ("", "d", "d/f", "p")] == [0o711, 0o700, 0o4755, 0o620]
    assert stat.S_ISFIFO((tree.root / "p").lstat().st_mode)
    assert [int((tree.root / path).stat().st_mtime) for path in ("d", "d/f", "p")] == [7, 0, 9]
    assert (tree.laid["d"].mode, tree.mode("d", 0o700), tree.mode("d", 0o755)) == (0o500, 0o500, 0o755)
    assert tree.owners.of((tree.root / "d").stat()) == (5, 6)
    assert tree.owners.of((tree.root / "l").stat()) == (34, 0)
    assert tree.owners.of((tree.root / "p").stat()) is None
    assert tree.laid["dev/null"].kind == "device"
    assert not (tree.root / "dev/null").exists()
    assert stat.S_IMODE(tree.root.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given away by root only")
def test_root_gives_files_to_their_owners(tmp_path: Path) -> None:
    tree = laid(
        tmp_path, archive(directory("d", uid=5, gid=6), file("d/f", uid=33, mode=0o6755), symlink("s", "d")), owned=True
    )
    found = (tree.root / "d/f").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (33, 0, 0o6755)
    assert (tree.root / "d").stat().st_gid == 6
    assert tree.owners.of(found) is None


def test_a_tar_that_is_not_what_it_should_be_is_a_mismatch(tmp_path: Path) -> None:
    plain = b"".join(archive(file("a")).read())
    packed = gzip.compress(plain)
    right = DiffID(sha256(plain))
    assert files(laid(tmp_path, Archive("l", lambda: [packed], right))) == {"a": "x"}
    with pytest.raises(MismatchError, match="l: expected diff ID"):
        laid(tmp_path / "b", Archive("l", lambda: [gzip.compress(plain + bytes(512))], right))


def test_a_layer_that_can_not_be_read_ends_the_laying_and_all_its_threads(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield from archive(file("a", bytes(2_000_000))).read()
        raise InputError("gone", next_step="none")

    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(1024 * 1024)

    with pytest.raises(InputError, match="gone"):
        laid(tmp_path, Archive("first", broken), Archive("second", endless))
    with pytest.raises(InputError, match="not a sound layer"):
        laid(tmp_path / "other", Archive("third", lambda: [b"x" * 512, *map(bytes, [1024 * 1024] * 20)]))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read ")]


def test_files_of_recipes_are_written_once_and_only_if_no_later_layer_replaces_them(tmp_path: Path) -> None:
    class Counted(Bytes, frozen=True):
        def open(self) -> io.BytesIO:
            opened.append(self.data)
            return io.BytesIO(self.data)

    opened: list[bytes] = []
    tree = laid(
        tmp_path,
        recipe(File("a", Counted(b"old")), HardLink("b", "a"), File("c/x", Counted(b"gone")), File("d", Counted(b"d"))),
        recipe(File("a", Counted(b"new")), Whiteout("c"), HardLink("e", "a")),
    )
    assert sorted(opened) == [b"d", b"new", b"old"]
    assert files(tree) == {"a": "new", "b": "old", "d": "d", "e": "new"}
    assert (tree.root / "a").stat().st_ino == (tree.root / "e").stat().st_ino


def test_archives_and_recipes_lie_on_one_another_in_any_order(tmp_path: Path) -> None:
    tree = laid(
        tmp_path,
        recipe(File("a/x", Bytes(b"1")), File("b", Bytes(b"1"))),
        archive(file("a/.wh.x"), file("a/y", b"2"), link("c", "b")),
        recipe(Symlink("lib", "a"), File("b", Bytes(b"3"))),
        archive(file("lib/z", b"4")),
    )
    assert files(tree) == {"a": "/", "a/y": "2", "a/z": "4", "b": "3", "c": "1", "lib": "-> a"}


def test_the_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    tree = laid(
        tmp_path,
        archive(
            file("caf\udce9", b"data", uid=3), link("l", "caf\udce9", uid=3), symlink("s", "\udcff"), directory("d")
        ),
    )
    again = decode_laid(encode_laid(tree.laid))
    assert list(again) == list(tree.laid)
    assert again["l"] is again["caf\udce9"]
    for path, one in tree.laid.items():
        mine = again[path]
        assert (mine.kind, mine.mode, mine.uid, mine.digest, mine.target) == (
            one.kind,
            one.mode,
            one.uid,
            one.digest,
            one.target,
        )


def test_a_complete_layer_stays_as_it_is() -> None:
    entries = complete([File("b", Bytes(b"")), File("a", Bytes(b""))], {})
    assert isinstance(entries, Complete)
    assert complete(entries, {}) is entries
