"""What is written is there whole or not at all, and a disk that refuses is told with its place."""

import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from cogpack.disk import DiskError, check_writable, is_unfinished, whole_file, write_hint, write_result, writing
from cogpack.errors import InputError
from cogpack.notes import Note


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


def test_a_pipe_or_a_device_that_is_named_for_a_result_is_written_to_and_stays(tmp_path: Path) -> None:
    """Root, who a container mostly is, may put a file in the place of /dev/null."""
    pipe, device, file = tmp_path / "pipe", tmp_path / "device", tmp_path / "file"
    os.mkfifo(pipe)
    device.symlink_to("/dev/null")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for path in (pipe, device, file):
        check_writable(path)
        write_result(path, [b"sha256:", b"abc"])
    assert os.read(reader, 100) == b"sha256:abc"
    os.close(reader)
    assert pipe.is_fifo()
    assert device.readlink() == Path("/dev/null")
    assert file.read_bytes() == b"sha256:abc"
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(DiskError, match="full: can't write: No space left"):
        write_result(full, [b"x"])
    assert full.is_char_device()


def test_the_name_of_an_open_file_is_written_to(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b") as file:
        write_result(Path(f"/dev/fd/{file.fileno()}"), [b"abc"])
        assert file.read() == b"abc"


def test_a_place_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "below"
    with pytest.raises(InputError, match=str(below)), writing(below):
        below.mkdir()
    with pytest.raises(InputError, match=str(below)), whole_file(below):
        pass


_KILLED_AT_EACH_LINE = textwrap.dedent("""
    import os, pathlib, signal, sys

    from cogpack import disk

    place = pathlib.Path(sys.argv[1])
    step = 0
    while True:
        step += 1
        directory = place / str(step)
        directory.mkdir()
        (directory / "cogpack.lock").write_bytes(b"old")
        if child := os.fork():
            if os.waitpid(child, 0)[1] == 0:
                break
            continue
        left = step

        def line(frame, event, argument):
            global left
            left -= event == "line"
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            return line

        sys.settrace(lambda frame, event, argument: line if frame.f_code.co_filename == disk.__file__ else None)
        disk.write_whole(directory / "cogpack.lock", [b"n", b"ew"])
        os._exit(0)
    print(step)
""")


@pytest.mark.slow
def test_a_write_that_is_killed_anywhere_leaves_the_old_or_the_new_file_and_a_name_that_no_image_has(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _KILLED_AT_EACH_LINE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    steps, left = int(done.stdout), 0
    for step in range(1, steps + 1):
        names = [path.name for path in (tmp_path / str(step)).iterdir() if path.name != "cogpack.lock"]
        left += len(names)
        assert all(map(is_unfinished, names)), names
        assert (tmp_path / str(step) / "cogpack.lock").read_bytes() in (b"old", b"new")
    assert steps > 20
    assert left > 10, "it was killed before anything was there to be left"
    assert (tmp_path / str(steps) / "cogpack.lock").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (".cogpack-0123456789abcdef", True),
        (".cogpack-0123456789abcdef0123456789abcdef", True),
        (".part-0123456789abcdef", True),
        (".image.tar.partial", True),
        (".image.tar.journal", True),
        (".weights.0123456789ab.unfinished", True),
        (".cogpack-0123456789ab.unfinished", True),
        (".cogpack-0123456789abcdeg", False),
        (".cogpack-0123456789abcdef0", False),
        (".cogpack-notes", False),
        ("cogpack-0123456789abcdef", False),
        (".part-1", False),
        (".notes.partial", False),
        ("image.tar.partial", False),
        (".thesis.unfinished", False),
    ],
)
def test_a_name_is_unfinished_if_only_cogpack_gives_such_names(name: str, found: bool) -> None:
    assert is_unfinished(name) is found


@pytest.mark.usefixtures("little_room")
def test_a_hint_that_can_not_be_written_is_a_note(tmp_path: Path) -> None:
    notes: list[Note] = []
    write_hint(tmp_path / "new" / "hint", bytes(1 << 17), notes.append)
    write_hint(tmp_path / "new" / "other", b"1", notes.append)
    (note,) = notes
    assert "learn it again" in note.text
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["other"]
