"""What a container is mounted on in a project's directory is there as long as one needs it."""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from cogpack.cache import Kept
from cogpack.running.mount_points import mount_points
from cogpack.sandbox.guest import Bind


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def binds(tmp_path: Path, project: Path) -> Sequence[Bind]:
    (tmp_path / "weights").mkdir()
    (tmp_path / "schema").touch()
    return [
        Bind(project, "/src"),
        Bind(tmp_path / "schema", "/src/.cog/schema.json"),
        Bind(tmp_path / "weights", "/src/models/w"),
    ]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "cache")


@pytest.mark.parametrize("leaves_first", [0, 1])
def test_who_ends_first_takes_no_mount_from_who_goes_on_and_who_ends_last_leaves_nothing(
    project: Path, binds: Sequence[Bind], kept: Kept, leaves_first: int
) -> None:
    both = [mount_points(kept, project, binds) for _ in range(2)]
    for one in both:
        one.__enter__()
    both[leaves_first].__exit__(None, None, None)
    assert (project / "models/w").is_dir()
    assert (project / ".cog/schema.json").is_file()
    both[not leaves_first].__exit__(None, None, None)
    assert not list(project.iterdir())


def test_a_container_with_another_cache_keeps_its_mounts(
    project: Path, binds: Sequence[Bind], kept: Kept, tmp_path: Path
) -> None:
    with mount_points(Kept(tmp_path / "other"), project, binds):
        with mount_points(kept, project, binds):
            pass
        assert (project / "models/w").is_dir()
    assert not list(project.iterdir())


def test_what_the_project_had_and_what_was_put_there_meanwhile_stay(
    project: Path, binds: Sequence[Bind], kept: Kept
) -> None:
    (project / "models/w").mkdir(parents=True)
    with mount_points(kept, project, binds):
        (project / ".cog/mine").touch()
    assert sorted(str(path.relative_to(project)) for path in project.rglob("*")) == [
        ".cog",
        ".cog/mine",
        "models",
        "models/w",
    ]


def test_a_directory_that_its_user_has_locked_is_not_waited_for(
    project: Path, binds: Sequence[Bind], kept: Kept
) -> None:
    held = os.open(project, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with mount_points(kept, project, binds):
        assert (project / "models/w").is_dir()
    os.close(held)
    assert not list(project.iterdir())


@pytest.mark.parametrize("named", ["../other", "link/other", "{outside}/other"])
def test_what_lies_elsewhere_stays_whatever_the_record_says(
    tmp_path: Path, project: Path, binds: Sequence[Bind], kept: Kept, named: str
) -> None:
    """The cache may be a copy that somebody else has written to."""
    (tmp_path / "other").mkdir()
    (project / "link").symlink_to(tmp_path)
    with mount_points(kept, project, binds):
        (record,) = (tmp_path / "cache/trees").glob("mounts-*")
        with record.open("ab") as stream:
            stream.write(os.fsencode(named.format(outside=tmp_path)) + b"\0")
    assert (tmp_path / "other").is_dir()
    assert not (project / "models").exists()
