"""What is mounted within a project's directory needs something there to be mounted on. It is made for as long, and only
what was made is taken away again: by the last of the containers of a project, since who removes a mount point removes
the mount (Linux, since 3.18).
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from blake3 import blake3

from cogpack.cache import Kept
from cogpack.disk import writing
from cogpack.runtime import contract
from cogpack.sandbox.guest import Bind


@contextmanager
def mount_points(kept: Kept, project: Path, binds: Sequence[Bind]) -> Iterator[None]:
    """Make in `project`, which is the first of `binds`, what the others need there, for a `with`.

    What was made is written down in the cache, in a file that all containers of the project lock: so the last of them
    knows it of the others, and of those that were killed. The directory is locked as well, for those with another
    cache; but not waited for, as it is the user's own, to lock as long as he likes.
    """
    name = blake3(os.fsencode(project.resolve())).hexdigest()[:32]
    record = kept.root / "trees" / f"mounts-{name}"
    kept.used(record)
    with writing(record):
        record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = os.open(record, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    place = -1
    try:
        place = os.open(project, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(made, fcntl.LOCK_SH)
        shared = _locked(place, fcntl.LOCK_SH)
        try:
            with writing(project):
                for bind in binds[1:]:
                    _make(project, bind, made)
            yield
        finally:
            if _locked(made, fcntl.LOCK_EX) and (_locked(place, fcntl.LOCK_EX) or not shared):
                _remove(project, record)
                os.truncate(made, 0)
    finally:
        os.close(made)
        if place != -1:
            os.close(place)


def _locked(descriptor: int, kind: int) -> bool:
    """Lock it unless somebody else has; a file system without locks says yes."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _make(project: Path, bind: Bind, made: int) -> None:
    below = bind.target.removeprefix(f"{contract.WORKING_DIRECTORY}/")
    if below == bind.target:
        return
    parts = below.split("/")
    directories = ["/".join(parts[: depth + 1]) for depth in range(len(parts) - (not bind.source.is_dir()))]
    for directory in directories:
        with suppress(FileExistsError):
            (project / directory).mkdir()
            os.write(made, os.fsencode(directory) + b"\0")
    if not bind.source.is_dir():
        file = project / below
        if not os.path.lexists(file):
            file.touch()
        if file.stat().st_size == 0:  # or a run that was killed has left it
            os.write(made, os.fsencode(below) + b"\0")


def _remove(project: Path, record: Path) -> None:
    """Take away what is written down, but not what is used by now, nor what lies elsewhere: the cache may be anybody's
    copy."""
    root = os.path.realpath(project)
    for name in sorted(set(record.read_bytes().split(b"\0")) - {b""}, reverse=True):
        path = project / os.fsdecode(name)
        if not Path(os.path.realpath(path.parent)).is_relative_to(root):
            continue
        with suppress(OSError):  # it is gone, or has something in it
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif path.lstat().st_size == 0:
                path.unlink()
