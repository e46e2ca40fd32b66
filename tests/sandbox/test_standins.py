"""What lies in a tree for the time of a run is gone afterwards, whatever a guest did to it."""

from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from support.trees import make_deep

from cogpack.errors import InputError
from cogpack.sandbox.standins import MOUNT_POINTS, Copy, Directory, File, Link, StandIns, debian, make_aside
from cogpack.sandbox.trees.directories import remove_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hosts").write_text("the image's")
    (root / "etc/resolv.conf").symlink_to("/run/elsewhere")
    (root / "dev").mkdir()
    (root / "dev/console").write_text("the image's")
    return root


@pytest.fixture
def aside(tree: Path) -> Path:
    return make_aside(tree)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def seen(root: Path) -> dict[str, tuple[int, ...]]:
    """Each path, its inode, and what tells that it is as it was."""
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        found[str(path.relative_to(root))] = (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns)
    return {name: told for name, told in found.items() if not (root / name).is_dir()} | {
        name: told[:2] for name, told in found.items() if (root / name).is_dir()
    }


ALL = (
    *(*MOUNT_POINTS, Directory("run/cogpack"), *debian(None), File("etc/hosts", b"ours", 0o600)),
    Copy("srv/copy", partial(BytesIO, b"ours"), 0o444),
    *(File("etc/resolv.conf", b"ours"), Link("dev/fd", "/proc/self/fd"), Directory("src")),
)


def test_stand_ins_are_seen_and_then_all_is_as_it_was(tree: Path, aside: Path) -> None:
    before = seen(tree)
    with StandIns(tree, aside, ALL):
        assert (tree / "etc/hosts").read_bytes() == (tree / "etc/resolv.conf").read_bytes() == b"ours"
        assert (tree / "etc/hosts").stat().st_mode & 0o777 == 0o600
        assert (tree / "srv/copy").read_bytes() == b"ours"
        assert (tree / "srv/copy").stat().st_mode & 0o777 == 0o444
        assert names(tree / "dev") == ["fd"]
        assert (tree / "usr/sbin/policy-rc.d").stat().st_mode & 0o777 == 0o755
        assert (tree / "run/cogpack/archives/partial").is_dir()
    assert seen(tree) == before
    assert names(aside) == []


def test_what_a_guest_does_to_them_is_gone_and_what_it_laid_beside_them_stays(tree: Path, aside: Path) -> None:
    before = seen(tree)
    with StandIns(tree, aside, ALL):
        (tree / "etc/hosts").unlink()
        (tree / "etc/hosts").mkdir()
        (tree / "etc/hosts/mine").write_text("")
        (tree / "etc/hosts").chmod(0)
        (tree / "run/cogpack/apt.conf").unlink()
        (tree / "src/file").write_text("")
        (tree / "usr/sbin/tool").write_text("")
    after = seen(tree)
    assert after.keys() - before.keys() == {"usr", "usr/sbin", "usr/sbin/tool"}
    assert {name: after[name] for name in before} == before


def test_a_link_that_a_guest_laid_leads_no_write_of_ours_out(tree: Path, aside: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "sbin").mkdir(parents=True)
    (outside / "file").write_text("the machine's")
    (tree / "etc/resolv.conf").unlink()
    (tree / "etc/resolv.conf").symlink_to(outside / "file")
    (tree / "usr").symlink_to(outside)
    (tree / "run").symlink_to(outside)
    with pytest.raises(InputError), StandIns(tree, aside, ALL):  # the link leads nowhere in the tree
        pass
    (tree / "usr").unlink()
    (tree / "run").unlink()
    with StandIns(tree, aside, ALL):
        pass
    assert (outside / "file").read_text() == "the machine's"
    assert names(outside) == ["file", "sbin"]
    assert (tree / "etc/resolv.conf").readlink() == outside / "file"


def test_a_directory_that_the_guest_moved_gets_its_own_back(tree: Path, aside: Path) -> None:
    with StandIns(tree, aside, [File("etc/hosts", b"ours")]):
        (tree / "etc").rename(tree / "moved")
        (tree / "etc").mkdir()
    assert (tree / "moved/hosts").read_text() == "the image's"
    assert names(tree / "etc") == []


def test_a_directory_that_the_guest_removed_stays_away(tree: Path, aside: Path) -> None:
    with StandIns(tree, aside, [File("etc/hosts", b"ours")]):
        for name in ("hosts", "resolv.conf"):
            (tree / "etc" / name).unlink()
        (tree / "etc").rmdir()
    assert not (tree / "etc").exists()


def test_what_guests_left_is_removed_whatever_its_modes(aside: Path) -> None:
    (aside / "a/b").mkdir(parents=True)
    (aside / "a/link").symlink_to("/")
    (aside / "a/b").chmod(0)
    remove_tree(aside)
    assert not aside.exists()


def test_what_guests_left_is_removed_however_deep_it_is(tree: Path, aside: Path) -> None:
    with StandIns(tree, aside, [Directory("run/cogpack")]):
        make_deep(tree / "run/cogpack", "directory", 600)
    assert not (tree / "run").exists()
    assert names(aside) == []
