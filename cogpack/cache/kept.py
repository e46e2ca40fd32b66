"""The cache of one run: opened when first wanted, and marked as in use for as long.

A running process holds a locked file in `running/`, and notes in `used/DAY` what it takes of the cache. So whoever
cleans knows what a process that started on some day may still open, and when anything was last wanted: the times of the
files themselves are left alone, since others go by them.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

from cogpack.cache.place import tag
from cogpack.errors import InputError
from cogpack.notes import Code, Note

LOCK = ".lock"
RUNNING = "running"
USED = "used"


class Kept:
    """Opens the cache of one run. `place`: where it is to be, None if nowhere. What can't be written is left alone, and
    this run keeps nothing."""

    def __init__(self, place: Path | None, note: Callable[[Note], None] = lambda _: None) -> None:
        self.place = place
        self._note = note
        self._lock = threading.RLock()
        self._root: Path | None = None
        self._told: set[str] = set()
        self._today = ""
        self._close: Callable[[], object] | None = None

    @property
    def root(self) -> Path:
        """A directory that can be written; made when it is first asked for."""
        with self._lock:
            if self._root is None:
                self._root = self._open()
            return self._root

    @property
    def also(self) -> Path | None:
        """A cache that can be read and not written, as one that a CI image brings along."""
        return self.place if self.root != self.place and self.place and self.place.is_dir() else None

    def used(self, path: Path) -> None:
        """Note that this run wants `path`, which is in the cache or about to be: from now on nobody removes it."""
        root = self.root
        if not path.is_relative_to(root):
            return
        name = path.relative_to(root).as_posix()
        with self._lock:
            day = datetime.now(UTC).date().isoformat()
            if day != self._today:  # of many runs a day, the first one writes a name
                self._today, self._told = day, _names(root / USED / day)
            if name in self._told:
                return
            self._told.add(name)
            with suppress(OSError), locked(root, fcntl.LOCK_SH):
                file = os.open(root / USED / day, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
                try:
                    os.write(file, f"{name}\n".encode())
                finally:
                    os.close(file)

    def close(self) -> None:
        if self._close:
            self._close()

    def _open(self) -> Path:
        if self.place is None:
            return self._temporary(f"no place for a cache: HOME is not set, and user {os.geteuid()} has no home")
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            for name in (RUNNING, USED):
                (self.place / name).mkdir(exist_ok=True)
            with locked(self.place, fcntl.LOCK_SH):
                self._close = weakref.finalize(self, _end, *_lease(self.place))
            with suppress(OSError, InputError):
                tag(self.place)
        except OSError as error:
            return self._temporary(f"{self.place}: {error.strerror or error}")
        return self.place

    def _temporary(self, why: str) -> Path:
        try:
            root = Path(tempfile.mkdtemp(prefix="cogpack-"))
        except OSError as error:
            raise InputError(
                f"{why}, and there is no temporary directory either: {error.strerror or error}",
                next_step="name a directory that can be written, by --cache-dir or $TMPDIR",
            ) from error
        self._close = weakref.finalize(self, shutil.rmtree, root, ignore_errors=True)
        (root / USED).mkdir()
        tag(root)
        text = f"{why}; this run keeps nothing, and the next one has to fetch and learn the same again"
        self._note(Note(Code.CACHE_UNWRITABLE, text))
        return root


def _names(record: Path) -> set[str]:
    try:
        return set(record.read_text(errors="replace").splitlines())
    except OSError:
        return set()


@contextmanager
def locked(root: Path, kind: int) -> Iterator[None]:
    """Hold the cache's lock, shared by who uses it and alone for who cleans it.

    Raises `OSError`; on a file system without locks only for who would clean.
    """
    file = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with suppress(OSError) if kind == fcntl.LOCK_SH else nullcontext():
            fcntl.flock(file, kind)
        yield
    finally:
        os.close(file)


def _lease(root: Path) -> tuple[int, Path]:
    path = root / RUNNING / f"{os.getpid()}-{secrets.token_hex(8)}"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with suppress(OSError):  # a file system without locks: then it counts as running until it is removed
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file, path


def _end(file: int, path: Path) -> None:
    path.unlink(missing_ok=True)
    os.close(file)
