"""The base of another lock is read by the path that cog.yaml has, and what can't be one is refused with its line."""

import os
from pathlib import Path

import msgspec
import pytest
from test_lock import LOCK

from cogpack.errors import InputError
from cogpack.lockfile import Decisions, LockedWheel, encode_lock
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.locking.shared_base import SharedBase, SharedImage, read_shared_base
from cogpack.locking.shared_versions import moved_locks, shared_versions
from cogpack.project import find_project

NAMED = "cogpack:\n  debian_base_from: ../base/cogpack.lock\n"


def read(directory: Path, config: str, lock: bytes | None) -> SharedBase | SharedImage | None:
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


def test_nothing_is_read_where_nobody_asks_for_one(tmp_path: Path) -> None:
    assert read(tmp_path, "", None) is None


@pytest.mark.parametrize(
    ("config", "lock", "message"),
    [
        (NAMED, None, "No such file or directory"),
        (NAMED, b"version = 2", "cogpack.lock: "),
        (
            NAMED + "  base: python:3.12\n",
            encode_lock(LOCK),
            "its base is Debian packages, and this project's is python",
        ),
        (NAMED + "  platform: linux/arm64\n", encode_lock(LOCK), "has nothing for linux/arm64"),
    ],
)
def test_what_is_no_lock_with_a_base_is_refused(tmp_path: Path, config: str, lock: bytes | None, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, config, lock)
    assert "../base/cogpack.lock" in caught.value.message


def test_a_pipe_or_a_device_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cogpack.lock")
    for place in (tmp_path / "cogpack.lock", Path("/dev/zero")):
        (tmp_path / place.stem).mkdir()
        with pytest.raises(InputError, match=f"{place}: not a regular file"):
            read(tmp_path / place.stem, NAMED.replace("../base/cogpack.lock", str(place)), None)


def test_a_lock_whose_versions_are_held_gives_its_base_too_where_that_fits(tmp_path: Path) -> None:
    found = read(tmp_path, NAMED.replace("debian_base_from", "constraints_from"), encode_lock(LOCK))
    base = LOCK.platforms["linux/amd64"].base
    assert found == SharedBase("../base/cogpack.lock", base, wanted=False)  # type: ignore[arg-type]


def test_each_of_its_wheels_is_a_constraint_with_its_line(tmp_path: Path) -> None:
    read(tmp_path, NAMED.replace("debian_base_from", "constraints_from"), encode_lock(LOCK))
    found = shared_versions(find_project(tmp_path / "project"))
    assert {line.text for line in found} == {
        f"{wheel.name}=={wheel.version}" for wheel in LOCK.platforms["linux/amd64"].wheels
    }
    lines = (tmp_path / "base/cogpack.lock").read_text().splitlines()
    assert all(f'"{line.name}"' in lines[line.line - 1] for line in found)
    assert {line.path for line in found} == {"../base/cogpack.lock"}
    (tmp_path / "project/cog.yaml").write_text("cogpack: {}\n")
    assert shared_versions(find_project(tmp_path / "project")) == ()


def of(decisions: Decisions, *wheels: tuple[str, str]) -> Decisions:
    made = tuple(
        LockedWheel(name=name, version=version, filename=f"{name}-{version}-py3-none-any.whl", sha256="0" * 64)
        for name, version in wheels
    )
    fields = dict.fromkeys(("clashes", "executable_stacks", "pip_lines", "breaks", "replaced", "builds"), ())
    return msgspec.structs.replace(decisions, wheels=made, build_requirements=(), **fields)


@pytest.mark.parametrize(
    ("key", "wheels", "packages", "moved"),
    [
        ("debian_base_from", [("a", "1")], 1, False),
        ("debian_base_from", [("a", "2")], 1, False),
        ("debian_base_from", [("a", "1")], 2, True),
        ("constraints_from", [("a", "1+cu121"), ("new", "5")], 1, False),
        ("constraints_from", [("a", "2"), ("b", "1")], 1, True),
        ("constraints_from", [("a", "1")], 2, True),
    ],
)
def test_a_lock_knows_what_it_took_of_another_that_has_changed_since(
    tmp_path: Path, key: str, wheels: list[tuple[str, str]], packages: int, moved: bool
) -> None:
    platform = "linux/amd64"
    before = of(LOCK.platforms[platform], ("a", "1"))
    base = before.base
    assert isinstance(base, DebianBase)
    its = msgspec.structs.replace(
        base, packages=tuple(msgspec.structs.replace(deb, sha256=f"{packages:064}") for deb in base.packages)
    )
    other = msgspec.structs.replace(of(before, *wheels), base=its)
    ours = msgspec.structs.replace(
        before,
        base=msgspec.structs.replace(
            base, packages=tuple(msgspec.structs.replace(deb, sha256=f"{1:064}") for deb in base.packages)
        ),
    )
    config = NAMED.replace("debian_base_from", key) + f"  base: debian:{base.suite}\n"
    read(tmp_path, config, encode_lock(msgspec.structs.replace(LOCK, platforms={platform: other})))
    expected = ["../base/cogpack.lock"] if moved else []
    assert moved_locks(find_project(tmp_path / "project"), ours) == expected
