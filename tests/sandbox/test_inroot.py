"""Paths in a tree are found as a process finds them whose root it is, with the kernel's help and without."""

import errno
import os
from pathlib import Path

import pytest

from cogpack.sandbox import kernel
from cogpack.sandbox.inroot import find_in, open_in, walk_in

LINKS = {
    "up": "../../../..",
    "absolute": "/a/b",
    "etc": "/",
    "a/relative": "../a/b/file",
    "a/out": "../../../../outside",
    "loop": "loop",
    "chain": "/up/a/relative",
}

PATHS = (
    *("a/b/file", "/a/b/file", "//a/./b/../b/file", "absolute/file", "a/relative", "up/a/b/file", "chain", "etc/a/b"),
    *("a/out", "../outside", "up/outside", "loop", "loop/x", "a/b/file/x", "missing", ".", "/", "..", "a/b/", "etc"),
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "outside").write_text("the machine's")
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/file").write_text("the tree's")
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    return root


def found(opened: object) -> tuple[int, int] | int:
    """Which file it is, or the errno."""
    assert callable(opened)
    try:
        descriptor = opened()
    except OSError as error:
        return error.errno or 0
    try:
        status = os.fstat(descriptor)
        return status.st_dev, status.st_ino
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("flags", [os.O_PATH, os.O_PATH | os.O_NOFOLLOW])
def test_the_walk_finds_what_the_kernel_finds(tree: Path, flags: int) -> None:
    root = os.open(tree, os.O_PATH | os.O_DIRECTORY)
    try:
        for path in PATHS:
            told = found(lambda path=path: open_in(root, path.encode(), flags))
            assert found(lambda path=path: walk_in(root, path.encode(), flags)) == told, path
    finally:
        os.close(root)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM])
def test_a_kernel_without_openat2_is_done_without(tree: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(kernel, "openat2", refused)
    assert find_in(tree, "chain") == tree / "a/b/file"


def test_no_link_leads_out(tree: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_in(tree, "a/out")
    assert find_in(tree, "up/up/up/absolute/../../etc/a") == tree / "a"
