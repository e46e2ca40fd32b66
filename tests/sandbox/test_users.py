"""The user of an image is found in the image's own files, never in this machine's."""

from pathlib import Path

import pytest
from support.program_tree import GROUP, PASSWD

from cogpack.errors import InputError
from cogpack.sandbox.users import User, find_user

ROOT = User(0, 0, (29,), "/root")
BOB = User(1001, 1002, (44, 29), "/home/bob")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "user"),
    [
        *(("", ROOT), ("root", ROOT), ("0", ROOT), ("bob", BOB), ("1001", BOB)),
        ("bob:video", User(1001, 44, (), "/home/bob")),
        ("bob:7", User(1001, 7, (), "/home/bob")),
        ("4711", User(4711, 0, (), "/")),
        ("4711:bob", User(4711, 1002, (), "/")),
    ],
)
def test_users_are_names_or_numbers_with_or_without_a_group(tree: Path, text: str, user: User) -> None:
    assert find_user(tree, text) == user


@pytest.mark.parametrize("text", ["alice", "bob:wheel"])
def test_a_name_that_the_image_does_not_know_is_refused(tree: Path, text: str) -> None:
    with pytest.raises(InputError, match="not in its /etc/"):
        find_user(tree, text)


def test_an_image_without_users_has_root(tmp_path: Path) -> None:
    assert find_user(tmp_path, "") == User()
    assert find_user(tmp_path, "12:13") == User(12, 13, (), "/")


def test_this_machines_users_are_not_asked(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").symlink_to("/etc/group")
    with pytest.raises(InputError):
        find_user(tmp_path, "daemon")


def test_lines_that_are_none_are_passed_over(tree: Path) -> None:
    (tree / "etc/passwd").write_text("\nnobody\nx:y:z\neve:x:one:2::/:\n" + PASSWD)
    assert find_user(tree, "bob") == BOB


@pytest.mark.parametrize("number", ["4294967295", "9" * 5000])
def test_a_number_that_nobody_can_have_is_a_name(tree: Path, number: str) -> None:
    (tree / "etc/passwd").write_text(f"eve:x:{number}:0::/:\n{PASSWD}")
    for text in ("eve", number, f"bob:{number}"):
        with pytest.raises(InputError, match="not in its /etc/"):
            find_user(tree, text)
