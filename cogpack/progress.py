"""Progress is what long work tells of itself; a cancellation is where it notices that it is to stop.

The library knows these protocols only; the command line draws them.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from cogpack.notes import Note


class Task(Protocol):
    """One piece of work with bytes to come: a download, a layer."""

    def advance(self, size: int) -> None:
        """`size` more bytes are done (negative when an attempt starts anew). Raises `Cancelled` after Ctrl-C."""

    def doing(self, verb: str) -> None:
        """From now on it is worked on, as the verb says: fetch, read, build, unpack, send, load, ask, resolve."""

    def done(self, outcome: str) -> None:
        """It has ended: sent, reused, mounted, built, fetched; "" where that is worth no line."""


class Progress(Protocol):
    """What a session tells while it works; called from many threads at once."""

    def task(self, name: str, size: int | None, verb: str = "") -> Task:
        """Begin a piece of work. `name`: a noun; `size`: bytes in all, None when not known.

        It is worked on from its first `doing`, which `verb` stands for; until then it only counts towards the total.
        """

    def note(self, note: Note) -> None:
        """Show one line to the user: a warning or a fact worth knowing."""

    def summary(self, text: str) -> None:
        """Show what a command did, in one line at its end; not for programs, which have its result."""


class Cancelled(BaseException):
    """Raised when the user asked to stop. Not an `Exception`: no retry may swallow it."""


class Silent:
    """Progress that tells nobody, and its own task: a base for who wants to hear some of it only."""

    def task(self, name: str, size: int | None, verb: str = "") -> Task:  # noqa: ARG002
        return self

    def note(self, note: Note) -> None:
        pass

    def summary(self, text: str) -> None:
        pass

    def advance(self, size: int) -> None:
        pass

    def doing(self, verb: str) -> None:
        pass

    def done(self, outcome: str) -> None:
        pass


@contextmanager
def shown(progress: Progress, name: str, verb: str) -> Iterator[None]:
    """Show work without bytes that could be counted, while the `with` lasts; its end is told nowhere."""
    task = progress.task(name, None, verb)
    try:
        yield
    finally:
        task.done("")


def asking(progress: Progress, whom: str) -> AbstractContextManager[None]:
    """Show that a server is asked, which may take long."""
    return shown(progress, whom, "ask")


def counted(blocks: Iterable[bytes], on_bytes: Callable[[int], object]) -> Iterator[bytes]:
    """Hand on `blocks`, and tell `on_bytes` of the size of each, as `Task.advance` wants it."""
    for block in blocks:
        on_bytes(len(block))
        yield block


SILENT: Progress = Silent()


class Cancellation:
    """Ends work from another thread: every loop that moves bytes asks it. A signal handler or a library's user sets
    it."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._asked = False
        self._stops = 0
        self._lock = threading.Lock()

    def cancel(self) -> None:
        self._asked = True  # first, and without the lock: who takes the event's place sees it, and a signal may be ours
        self._event.set()

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """Set it for a `with` that waits for what is to end after a failure. It is as before then, unless it was
        cancelled meanwhile, or the wait was given up."""
        with self._lock:
            self._stops += 1
            self._event.set()
        yield
        with self._lock:
            self._stops -= 1
            if not self._stops:
                self._event = threading.Event()  # who waits on the old one ends
                if self._asked:
                    self._event.set()

    def check(self) -> None:
        """Raise `Cancelled` once it is set."""
        if self._event.is_set():
            raise Cancelled

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds`, or until it is set."""
        if self._event.wait(seconds):
            raise Cancelled
