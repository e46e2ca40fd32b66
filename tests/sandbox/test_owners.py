"""Owners that are only remembered."""

import os
from pathlib import Path

import pytest

from cogpack.sandbox.trees.owners import Owners, birth_of


def test_a_given_owner_follows_the_file_and_minus_one_keeps_the_former(tmp_path: Path) -> None:
    owners, file = Owners(), tmp_path / "a"
    file.touch()
    assert owners.of(file.lstat()) is None
    owners.record(file.lstat(), -1, 4)
    assert owners.of(file.lstat()) == (0, 4)
    owners.record(file.lstat(), 33, -1)
    file.rename(tmp_path / "b")
    assert owners.of((tmp_path / "b").lstat()) == (33, 4)


def test_a_later_file_with_the_inode_of_a_deleted_one_inherits_nothing(tmp_path: Path) -> None:
    owners, file = Owners(), tmp_path / "a"
    file.touch()
    found = file.lstat()
    owners.record(found, 33, 33, birth=100)
    assert owners.of(found, lambda: 100) == (33, 33)
    assert owners.of(found, lambda: 101) is None
    owners.record(found, -1, 7, birth=101)
    assert owners.of(found, lambda: 101) == (0, 7)


def test_where_no_birth_is_told_the_inode_counts(tmp_path: Path) -> None:
    owners, found = Owners(), tmp_path.lstat()
    owners.record(found, 33, 33)
    assert owners.of(found, lambda: 5) == (33, 33)
    owners.record(found, 1, 2, birth=5)
    assert owners.of(found) == (1, 2)


def test_birth_is_asked_only_of_files_that_were_given_away(tmp_path: Path) -> None:
    assert Owners().of(tmp_path.lstat(), lambda: pytest.fail("asked")) is None


def test_birth_is_the_same_by_name_and_by_descriptor_and_stays_through_changes(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    file = tmp_path / "a"
    file.touch()
    directory = os.open(tmp_path, os.O_PATH)
    opened = os.open(file, os.O_PATH)
    try:
        born = birth_of(opened)
        if born is None:
            pytest.skip("this file system tells no birth time")
        os.utime(file, (1, 1))
        file.chmod(0o600)
        file.rename(tmp_path / "b")
        assert birth_of(directory, "b") == born == birth_of(opened)
        assert abs(born - file.with_name("b").lstat().st_ctime_ns) < 60_000_000_000
        assert birth_of(directory, "link") is not None
        assert birth_of(directory, "absent") is None
    finally:
        os.close(opened)
        os.close(directory)
