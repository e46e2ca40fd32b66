import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.trees import trees

from cogpack.errors import InputError, MismatchError
from cogpack.layers.content import Bytes, LocalFile
from cogpack.layers.entry import Directory, Entry, File, HardLink, Symlink, complete, parents

X = Bytes(b"x")


def test_parents_come_outermost_first() -> None:
    assert list(parents("a/b/c")) == ["a", "a/b"]
    assert list(parents("a")) == []


def test_missing_parents_are_added_as_root_0755() -> None:
    assert complete([File("a/b/c", X)], {}) == [Directory("a"), Directory("a/b"), File("a/b/c", X)]


def test_parents_on_the_ground_keep_their_owner_and_mode() -> None:
    ground = {"tmp": Directory("tmp", 0o1777), "srv": Directory("srv", 0o700, 5, 6)}
    assert complete([File("tmp/a", X), File("srv/b", X)], ground) == [
        Directory("srv", 0o700, 5, 6),
        File("srv/b", X),
        Directory("tmp", 0o1777),
        File("tmp/a", X),
    ]


def test_the_ground_itself_is_not_written_where_nothing_lies_in_it() -> None:
    assert complete([File("a", X)], {"tmp": Directory("tmp", 0o1777)}) == [File("a", X)]


def test_equal_entries_twice_are_one() -> None:
    assert complete([Directory("a"), Directory("a"), File("b", X), File("b", Bytes(b"x"))], {}) == [
        Directory("a"),
        File("b", X),
    ]


@pytest.mark.parametrize(
    "pair",
    [
        (File("a", X), File("a", Bytes(b"y"))),
        (File("a", X), File("a", X, mode=0o755)),
        (Directory("a"), Directory("a", 0o700)),
        (Directory("a"), Symlink("a", "b")),
    ],
)
def test_different_entries_of_one_path_are_refused_by_name(pair: tuple[Entry, Entry]) -> None:
    with pytest.raises(InputError, match=r"^/a: two different"):
        complete(pair, {})


@pytest.mark.parametrize("above", [File("a", X), Symlink("a", "b")])
def test_nothing_lies_beneath_what_is_no_directory(above: Entry) -> None:
    with pytest.raises(InputError, match=r"^/a/b/c: lies beneath /a,"):
        complete([above, File("a/b/c", X)], {})


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", ".", "a/./b", "..", "a/../b", "../a", "a\0b"])
def test_paths_are_relative_and_plain(path: str) -> None:
    with pytest.raises(InputError, match="not a relative path"):
        complete([File(path, X)], {})


@pytest.mark.parametrize("path", [".wh.a", "a/.wh.b", "a/.wh..wh..opq", ".wh.a/b", "a/.wh.b/c"])
def test_no_name_on_the_way_means_deletion(path: str) -> None:
    with pytest.raises(InputError, match=r"\.wh\. mean deletion"):
        complete([File(path, X)], {})


def test_names_that_only_look_like_deletion_are_fine() -> None:
    assert [entry.path for entry in complete([File("a.wh.b", X), File(".why", X)], {})] == [".why", "a.wh.b"]


@pytest.mark.parametrize("path", ["\udc80", "a/\udcff/b", ".wh.\udc80"])
def test_names_that_are_not_utf8_are_refused_in_printable_words(path: str) -> None:
    with pytest.raises(InputError, match="not UTF-8") as caught:
        complete([File(path, X)], {})
    assert caught.value.message.encode()


@pytest.mark.parametrize("target", ["", "a\0b", "\udc80"])
def test_symlink_targets_are_plain_text(target: str) -> None:
    with pytest.raises(InputError, match=r"^/a: a symbolic link to") as caught:
        complete([Symlink("a", target)], {})
    assert caught.value.message.encode()


@pytest.mark.parametrize(
    "others", [[], [Directory("a")], [Symlink("a", "c")], [File("c", X)], [File("x/a", X)]], ids=repr
)
def test_a_hard_link_needs_an_earlier_file_of_its_layer(others: list[Entry]) -> None:
    target = "c" if others == [File("c", X)] else "a"
    with pytest.raises(InputError, match=r"^/b: a hard link to"):
        complete([*others, HardLink("b", target)], {})
    assert complete([HardLink("b", "a"), File("a", X)], {}) == [File("a", X), HardLink("b", "a")]


@pytest.mark.parametrize("file", [File("a", X, 0o755), File("a", X, uid=1), File("a", X, gid=1)], ids=repr)
def test_a_hard_link_has_the_mode_and_owner_of_its_file(file: File) -> None:
    """Docker and containerd chmod and chown the link, and so the file."""
    with pytest.raises(InputError, match="another mode or owner"):
        complete([file, HardLink("b", "a")], {})
    link = HardLink("b", "a", file.mode, file.uid, file.gid)
    assert complete([file, link], {}) == [file, link]


@pytest.mark.slow
@given(trees(), st.randoms(use_true_random=False))
def test_the_order_of_entries_does_not_matter(tree: list[Entry], chance: random.Random) -> None:
    shuffled = list(tree)
    chance.shuffle(shuffled)
    assert complete(shuffled, {}) == tree


@given(trees())
def test_the_order_is_that_of_the_paths_bytes_and_parents_come_first(tree: list[Entry]) -> None:
    paths = [entry.path.encode() for entry in tree]
    assert paths == sorted(set(paths))
    for entry in tree:
        for parent in parents(entry.path):
            assert paths.index(parent.encode()) < paths.index(entry.path.encode())


def local(path: Path) -> LocalFile:
    return LocalFile.of(path)


def test_a_file_that_stays_the_same_reads_as_often_as_asked(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    content = local(path)
    assert content.size == 3
    for _ in range(2):
        with content.open() as stream:
            assert stream.read() == b"abc"


def test_a_file_written_while_it_is_read_is_a_mismatch(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    stream = local(path).open()
    stream.read()
    path.write_bytes(b"abcd")
    with pytest.raises(MismatchError, match="f: changed while it was read"):
        stream.close()
    assert stream.closed


def test_who_gives_up_reading_a_file_is_not_told_that_it_is_another_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"data")
    content = LocalFile.of(tmp_path / "f")

    def blocks() -> Iterator[bytes]:
        with content.open() as stream:
            while block := stream.read(1):
                yield block

    reading = blocks()
    assert next(reading) == b"d"
    (tmp_path / "f").unlink()
    reading.close()


def test_a_file_of_the_same_size_and_time_but_another_inode_is_a_mismatch(tmp_path: Path) -> None:
    path, other = tmp_path / "f", tmp_path / "g"
    path.write_bytes(b"abc")
    other.write_bytes(b"xyz")
    content = local(path)
    os.utime(other, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns))
    stream = content.open()
    other.replace(path)
    with pytest.raises(MismatchError):
        stream.close()
    with pytest.raises(MismatchError):
        content.open()


def test_a_file_that_is_gone_is_a_mismatch(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    content, stream = local(path), local(path).open()
    path.unlink()
    with pytest.raises(MismatchError, match="f: was there a moment ago"):
        content.open()
    with pytest.raises(MismatchError):
        stream.close()


def test_a_pipe_in_the_files_place_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    content = local(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(MismatchError, match="changed"):
        content.open()


def test_a_link_in_the_files_place_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    content = local(path)
    path.rename(tmp_path / "g")
    path.symlink_to("g")
    with pytest.raises(MismatchError, match="changed"):
        content.open().close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_the_users_to_change(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    path.chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        local(path).open()
