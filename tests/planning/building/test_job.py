"""What a build leaves is taken out of its tree, if it is what it says."""

import json
import os
from pathlib import Path

import pytest

from cogpack.errors import InputError
from cogpack.planning.building.archive import LEGACY
from cogpack.planning.building.job import LARGEST, Job, collected

NAME = "demo-1.0-py3-none-any.whl"


def job(place: Path) -> Job:
    return Job(
        title="demo 1.0",
        archive=place / "source",
        subdirectory="",
        system=LEGACY,
        wheels=(),
        installed=(),
        known=None,
        python="3.13",
        python_headers="",
        place=place,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree in which a build has left a wheel."""
    left = tmp_path / "root/left"
    (left / "wheel").mkdir(parents=True)
    (left / "answer.json").write_text(json.dumps({"wheel": NAME}))
    (left / "wheel" / NAME).write_bytes(b"a wheel")
    return tmp_path / "root"


def test_a_wheel_is_copied_out(tmp_path: Path, root: Path) -> None:
    done = collected(job(tmp_path), root, "left", 0, ())
    assert done.wheel == tmp_path / NAME
    assert done.wheel.read_bytes() == b"a wheel"


def test_a_wheel_that_takes_no_room_and_says_that_it_is_huge_is_not_written_out(tmp_path: Path, root: Path) -> None:
    os.truncate(root / "left/wheel" / NAME, LARGEST + 1)
    with pytest.raises(InputError, match="no plain file, or too large"):
        collected(job(tmp_path), root, "left", 0, ())
    assert not (tmp_path / NAME).exists()


def test_a_wheel_may_say_no_more_than_its_build_might_write(tmp_path: Path, root: Path) -> None:
    os.truncate(root / "left/wheel" / NAME, 5000)
    with pytest.raises(InputError, match="no plain file, or too large"):
        collected(job(tmp_path), root, "left", 0, (), size=4999)
    assert not (tmp_path / NAME).exists()
    assert collected(job(tmp_path), root, "left", 0, (), size=5000).wheel
