"""Runs inside the container, before the server: puts files together that the image holds in parts.

    python -I join.py COMMAND [ARGUMENT...]

Reads /var/lib/cogpack/join.json (or $COGPACK_JOIN) and needs no privilege: `copy_file_range` lets a file system that
can share blocks do so, and copies in the kernel on others. A file appears under its name only when it is whole. What is
there already, of the same bytes, is left as it is; what an earlier start left half done is gone on with. Only the
standard library: the container has nothing else for sure.
"""

import errno
import fcntl
import json
import os
import stat
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

MANIFEST = "/var/lib/cogpack/join.json"
BLOCK = 64 * 1024 * 1024
THREADS = min(8, os.cpu_count() or 1)
NOT_HERE = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM, errno.EBADF)
"""What `copy_file_range` answers where it can't serve: between some file systems, under some filters."""
LARGEST = 2**53
"""Bytes of a file: the largest integer that JSON carries everywhere."""


class DamagedError(Exception):
    """The image does not hold what its join.json says. Only another image helps."""


class File(NamedTuple):
    """`path` is a link to `joined`; `parts`: path and size in bytes, in order."""

    path: str
    joined: Path
    size: int
    parts: "list[tuple[str, int]]"

    @property
    def identity(self) -> str:
        """A line that says of which bytes it is made, and since when what was written can be trusted: what a machine
        wrote before it last went down may not have reached its disk."""
        digests = [digest_of(path) for path, _ in self.parts]
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            boot = "unknown"
        return " ".join([boot, str(self.size), *digests]) + "\n"


def digest_of(part: str) -> str:
    try:
        return Path(part + ".blake3").read_text()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise DamagedError(f"{part}.blake3 is absent, or no text") from error


def say(text: str) -> None:
    print(f"cogpack: {text}", file=sys.stderr, flush=True)


def read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def join(file: File) -> None:
    final = file.joined
    marker, partial, journal = (final.with_name(f"{final.name}.{word}") for word in ("whole", "partial", "parts"))
    wanted = file.identity

    def is_there() -> bool:
        return read(marker) == wanted and final.is_file() and final.stat().st_size == file.size

    if is_there():  # and may be another user's, or on a volume that is read only here
        return
    final.parent.mkdir(parents=True, exist_ok=True)
    with (final.parent / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another container may share this directory
        if is_there():
            return
        started = time.monotonic()
        marker.unlink(missing_ok=True)
        final.unlink(missing_ok=True)
        lines = read(journal).splitlines(keepends=True)
        done = {line.strip() for line in lines[1:]} if lines[:1] == [wanted] and partial.exists() else set()
        if not done:
            journal.write_text(wanted)
        target = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            os.ftruncate(target, file.size)
            fill(file, target, journal, done)
        finally:
            os.close(target)
        partial.rename(final)
        fresh = marker.with_suffix(".new")
        fresh.write_text(wanted)
        fresh.rename(marker)
        journal.unlink()
    seconds = time.monotonic() - started
    say(f"joined {file.path}: {file.size / 1e9:.1f} GB from {len(file.parts)} parts in {seconds:.1f} s")


def fill(file: File, target: int, journal: Path, done: "set[str]") -> None:
    """Copy the parts that are not `done`, several at a time, and note each in the journal."""
    waiting: list[tuple[str, int, int]] = []
    offset = 0
    for path, size in file.parts:
        if path not in done:
            waiting.insert(0, (path, offset, size))
        offset += size
    failures: list[Exception] = []
    lock = threading.Lock()

    def work() -> None:
        while not failures:
            with lock:
                if not waiting:
                    return
                path, offset, size = waiting.pop()
            try:
                source = open_part(path, size)
                try:
                    copy(source, target, offset, size)
                finally:
                    os.close(source)
                with lock, journal.open("a") as stream:
                    stream.write(path + "\n")
            except (OSError, DamagedError) as error:
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(min(THREADS, len(waiting)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def open_part(path: str, size: int) -> int:
    """A part, which has `size` bytes."""
    try:
        source = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DamagedError(f"{path} is absent") from error
    status = os.fstat(source)
    if not stat.S_ISREG(status.st_mode) or status.st_size != size:
        os.close(source)
        raise DamagedError(f"{path} has {status.st_size} bytes, not {size}")
    return source


def copy(source: int, target: int, offset: int, size: int) -> None:
    """`size` bytes from the start of `source` to `offset` of `target`."""
    done = 0
    try:
        while done < size and (
            moved := os.copy_file_range(source, target, min(BLOCK, size - done), done, offset + done)
        ):
            done += moved
    except OSError as error:
        if error.errno not in NOT_HERE:
            raise
    while done < size:
        block = os.pread(source, min(1024 * 1024, size - done), done)
        if not block:
            raise OSError(errno.EIO, "a part is shorter than it should be")
        done += os.pwrite(target, block, offset + done)


def explain(file: File, error: OSError) -> None:
    place = file.joined.parent.parent
    say(f"error: {file.path}: can't be put together in {place}: {error.strerror or error}")
    if error.errno == errno.ENOSPC:
        say(f"next: {file.size / 1e9:.1f} GB must fit there; a volume helps, as in: docker run -v NAME:{place}")
    else:
        say(f"next: give the container a place to write, as in: docker run --tmpfs {place} or -v NAME:{place}")


def read_manifest(path: str) -> "list[File]":
    try:
        return [file_of(item) for item in json.loads(Path(path).read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DamagedError(f"{path}: {error!r:.300}") from error


def file_of(item: "dict[str, object]") -> File:
    """An item of the manifest; an error of any kind if it is none."""
    listed = item["parts"]
    if not isinstance(listed, list):
        raise TypeError("no list of parts")
    parts = [(path_of(part), size_of(length)) for part, length in listed]
    file = File(path_of(item["path"]), Path(path_of(item["joined"])), size_of(item["size"]), parts)
    if not parts or sum(length for _, length in parts) != file.size or len(dict(parts)) != len(parts):
        raise ValueError(f"the parts of {file.path!r:.100} do not make its {file.size} bytes")
    return file


def path_of(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("/") or value.endswith("/") or b"\0" in value.encode():
        raise ValueError(f"{value!r:.100} is no path of a file")
    return value


def size_of(value: object) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise ValueError(f"{value!r:.100} is no size")
    return value


def main(arguments: "list[str]") -> int:
    try:
        for file in read_manifest(os.environ.get("COGPACK_JOIN", MANIFEST)):
            try:
                join(file)
            except OSError as error:
                explain(file, error)
                return 1
    except DamagedError as error:
        say(f"error: the image is damaged: {error}")
        say("next: push the model again, or pull an image that is whole")
        return 2
    if arguments:
        os.execvp(arguments[0], arguments)  # noqa: S606 - this is how an entrypoint ends
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
