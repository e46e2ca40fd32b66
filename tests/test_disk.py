"""What is written is there whole or not at all, and a disk that refuses is told with its place."""

import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from cogpack.disk import DiskError, check_writable, is_unfinished, whole_file, write_hint, writing
from cogpack.errors import InputError
from cogpack.notes import Note
from cogpack.result_files import check_result, is_stream, write_result


@pytest.fixture
def little_room() -> Iterator[None]:
    """No file may grow beyond 64 KiB: to a writer, the same as a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def unnamed_files(tmp_path: Path) -> None:
    """The file system of the tests' files knows files without a name."""
    try:
        os.close(os.open(tmp_path, getattr(os, "O_TMPFILE", 0) | os.O_RDWR))
    except OSError as error:
        pytest.skip(f"no O_TMPFILE where temporary files lie ({error.strerror}): name another file system by TMPDIR")


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


@pytest.mark.usefixtures("unnamed_files")
def test_a_file_that_is_written_has_no_name_so_that_a_kill_leaves_none(tmp_path: Path) -> None:
    with whole_file(tmp_path / "file", mode=0o640) as output:
        output.write(b"new")
        assert not list(tmp_path.iterdir())
    status = (tmp_path / "file").stat()
    assert (status.st_mode & 0o777, status.st_nlink) == (0o640, 1)


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
        check_result(path)
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
        assert file.tell() == 3  # it is the same open file
    assert (tmp_path / "file").read_bytes() == b"abc"


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
    if sys.argv[2] == "named":
        del os.O_TMPFILE
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
@pytest.mark.parametrize("kind", ["unnamed", "named"])
@pytest.mark.usefixtures("unnamed_files")
def test_a_write_that_is_killed_anywhere_leaves_the_old_or_the_new_file_and_a_name_that_no_image_has(
    tmp_path: Path, kind: str
) -> None:
    """Where the file system knows files without a name, such a name is there between link and rename alone."""
    done = subprocess.run(
        [sys.executable, "-c", _KILLED_AT_EACH_LINE, str(tmp_path), kind], capture_output=True, text=True, check=True
    )
    steps, left = int(done.stdout), 0
    for step in range(1, steps + 1):
        names = [path.name for path in (tmp_path / str(step)).iterdir() if path.name != "cogpack.lock"]
        left += len(names)
        assert all(map(is_unfinished, names)), names
        assert (tmp_path / str(step) / "cogpack.lock").read_bytes() in (b"old", b"new")
    assert steps > 20
    assert (left > 10) == (kind == "named"), "it was killed before anything was there to be left, or left it"
    assert left > 0
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


_TOLD = """
import sys
from pathlib import Path
from cogpack.cli.streams import put
from cogpack.result_files import check_result, write_result
from cogpack.sinks.archive import ArchiveSink

put("before\\n")
print("said", file=sys.stderr)
for name in sys.argv[1:]:
    check_result(Path(name))
    write_result(Path(name), [f"<{name[0]}>\\n".encode()])
    with ArchiveSink.write(Path(name)) as sink:
        sink.commit(None, [])
put("after\\n")
"""


@pytest.mark.parametrize("sign", [">", ">>"])
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link.tar", "/dev/fd/5"])
def test_what_is_printed_before_and_after_a_result_for_an_open_file_stays(tmp_path: Path, sign: str, name: str) -> None:
    """Opened anew, the file would be emptied, and written from its beginning."""
    (tmp_path / "link.tar").symlink_to("/dev/stdout")
    (tmp_path / "o").write_text("older\n")
    older = "older\n" if sign == ">>" else ""
    command = [sys.executable, "-c", _TOLD, name]
    subprocess.run(["sh", "-c", f'exec {sign} o 5>&1; "$@"', "sh", *command], cwd=tmp_path, check=True)
    empty = (tmp_path / "o").read_bytes()
    archive = empty[len(older) + len(f"before\n<{name[0]}>\n") : -len("after\n")]
    assert empty.startswith(f"{older}before\n<{name[0]}>\n".encode())
    assert archive.endswith(bytes(1024))
    assert archive[:13] == b"manifest.json"
    assert empty.endswith(b"\0after\n")
    assert (tmp_path / "link.tar").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.tar", "o"]


def test_an_archive_for_a_link_to_a_stream_goes_into_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "link.tar").symlink_to("/dev/stdout")
    done = subprocess.run(
        [sys.executable, "-c", _TOLD, "link.tar"], cwd=tmp_path, capture_output=True, check=True, timeout=60
    )
    assert done.stdout.startswith(b"before\n<l>\nmanifest.json\0")
    assert done.stdout.endswith(b"\0after\n")


def test_the_stream_of_another_process_is_added_to(tmp_path: Path) -> None:
    """Its place in the file is not ours to know."""
    file = tmp_path / "o"
    file.write_bytes(b"older\n")
    with file.open("ab") as stream, subprocess.Popen(["sleep", "60"], stdout=stream) as other:
        try:
            write_result(Path(f"/proc/{other.pid}/fd/1"), [b"more\n"])
        finally:
            other.kill()
    assert file.read_bytes() == b"older\nmore\n"


def test_a_stream_that_is_open_for_reading_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with (tmp_path / "file").open("rb") as file:
        name = Path(f"/dev/fd/{file.fileno()}")
        for act in (check_result, lambda path: write_result(path, [b"x"])):
            with pytest.raises(InputError, match=f"{name}: can't write: it is open for reading only"):
                act(name)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_settings_of_the_kernel_are_no_streams() -> None:
    for name in ("/proc/sys/kernel/hostname", "/proc/self/comm", "/sys/kernel/mm/transparent_hugepage/enabled"):
        assert not is_stream(Path(name))
    before = Path("/proc/self/comm").read_bytes()
    for act in (check_result, lambda path: write_result(path, [b"cogpack-test"])):
        with pytest.raises(InputError, match="/proc/self/comm: can't write"):
            act(Path("/proc/self/comm"))
    assert Path("/proc/self/comm").read_bytes() == before


def test_a_link_that_is_named_for_a_result_stays_and_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("sub/file")
    (tmp_path / "sub").mkdir()
    check_result(tmp_path / "link")
    write_result(tmp_path / "link", [b"abc"])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "sub/file").read_bytes() == b"abc"


def test_a_name_that_no_file_can_have_is_told_before_the_work(tmp_path: Path) -> None:
    for act in (check_result, check_writable):
        with pytest.raises(InputError, match="can't write: File name too long"):
            act(tmp_path / ("x" * 300))
