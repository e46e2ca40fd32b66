"""What is written is there whole or not at all, and a disk that refuses is told with its place."""

import resource
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from cogpack.disk import whole_file, writing
from cogpack.errors import InputError


@pytest.fixture
def little_room() -> Iterator[None]:
    """No file may grow beyond 64 KiB: to a writer, the same as a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write(path: Path, blocks: Iterable[bytes]) -> None:
    with whole_file(path) as output:
        for block in blocks:
            output.write(block)


def test_a_file_is_seen_when_all_of_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with whole_file(path) as output:
        output.write(b"ne")
        assert path.read_bytes() == b"old"
        output.write(b"w")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("little_room")
@pytest.mark.parametrize("block", [1000, 1 << 20])
def test_a_disk_that_is_full_is_named_and_nothing_is_left(tmp_path: Path, block: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match=f"{path}: can't write"):
        write(path, [bytes(block)] * 100)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_of_what_is_read_keeps_its_own_name(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        write(tmp_path / "file", broken())
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "below"
    with pytest.raises(InputError, match=str(below)), writing(below):
        below.mkdir()
    with pytest.raises(InputError, match=str(below)), whole_file(below):
        pass
