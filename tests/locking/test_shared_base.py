"""The base of another lock is read by the path that cog.yaml has, and what can't be one is refused with its line."""

from pathlib import Path

import pytest
from test_lock import LOCK

from cogpack.errors import InputError
from cogpack.lockfile import encode_lock
from cogpack.locking.shared_base import SharedBase, read_shared_base
from cogpack.project import find_project

NAMED = "cogpack:\n  debian_base_from: ../base/cogpack.lock\n"


def read(directory: Path, config: str, lock: bytes | None) -> SharedBase | None:
    for name in ("project", "base"):
        (directory / name).mkdir()
    (directory / "project/cog.yaml").write_text(f"{config}predict: predict.py:P\n")
    (directory / "project/predict.py").write_text("class P:\n    pass\n")
    if lock is not None:
        (directory / "base/cogpack.lock").write_bytes(lock)
    return read_shared_base(find_project(directory / "project"))


def test_it_is_the_other_locks_base_under_the_name_that_cog_yaml_has(tmp_path: Path) -> None:
    found = read(tmp_path, NAMED, encode_lock(LOCK))
    assert found == SharedBase("../base/cogpack.lock", LOCK.platforms["linux/amd64"].base)  # type: ignore[arg-type]


@pytest.mark.parametrize("config", ["", NAMED + "  base: python:3.12\n"])
def test_nothing_is_read_where_nobody_asks_for_one(tmp_path: Path, config: str) -> None:
    assert read(tmp_path, config, None) is None


@pytest.mark.parametrize(
    ("config", "lock", "message"),
    [
        (NAMED, None, "No such file or directory"),
        (NAMED, b"version = 2", "cogpack.lock: "),
        (NAMED + "  platform: linux/arm64\n", encode_lock(LOCK), "has nothing for linux/arm64"),
    ],
)
def test_what_is_no_lock_with_a_base_is_refused(tmp_path: Path, config: str, lock: bytes | None, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, config, lock)
    assert "../base/cogpack.lock" in caught.value.message
