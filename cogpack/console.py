"""Progress on standard error: live bars on a terminal, plain lines everywhere else."""

import os
import sys
import threading
import time
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self, TextIO

from cogpack.notes import Note
from cogpack.progress import Cancellation, Progress, Task

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


def size_text(size: float) -> str:
    """Decimal units, as registries and networks count: 14 kB, 91.0 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit in ("B", "kB") else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} TB"


def printable(text: str) -> str:
    """Names come from servers: what would command a terminal is shown as a question mark. Lines stay lines."""
    return "".join("?" if unicodedata.category(sign)[0] == "C" and sign not in "\n\t" else sign for sign in text)


def _finished(outcome: str, name: str, size: int) -> str:
    return f"{outcome:<8} {name}" + (f"  {size_text(size)}" if size else "")


class Lines:
    """One line per finished task, for logs: `sent     weights: model.safetensors  90.9 MB in 0.4 s`."""

    def __init__(self, stream: TextIO, cancellation: Cancellation, *, quiet: bool) -> None:
        self._stream = stream
        self._cancellation = cancellation
        self._quiet = quiet
        self._lock = threading.Lock()

    def task(self, name: str, size: int | None) -> Task:
        return _LineTask(self, name, size)

    def note(self, note: Note) -> None:
        self._line(f"note: {note.text}")

    def summary(self, text: str) -> None:
        if not self._quiet:
            self._line(text)

    def finished(self, outcome: str, name: str, size: int, seconds: float) -> None:
        if not self._quiet:
            self._line(f"{_finished(outcome, name, size)} in {seconds:.1f} s")

    def check(self) -> None:
        self._cancellation.check()

    def _line(self, text: str) -> None:
        with self._lock:
            self._stream.write(printable(text) + "\n")
            self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _LineTask:
    def __init__(self, lines: Lines, name: str, size: int | None) -> None:
        self._lines = lines
        self._name = name
        self._size = size
        self._seen = 0
        self._started = time.monotonic()

    def advance(self, size: int) -> None:
        self._lines.check()
        self._seen += size

    def done(self, outcome: str) -> None:
        self._lines.finished(outcome, self._name, self._seen or self._size or 0, time.monotonic() - self._started)


class Live:
    """Bars with bytes and rate (rich), finished tasks as lines above them."""

    def __init__(self, cancellation: Cancellation) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
        from rich.progress import Progress as Bars

        self._cancellation = cancellation
        self._console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=self._console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def task(self, name: str, size: int | None) -> Task:
        return _LiveTask(self, self._bars, self._bars.add_task(printable(name), total=size), name, size)

    def note(self, note: Note) -> None:
        self._say(f"note: {note.text}")

    def summary(self, text: str) -> None:
        self._say(text)

    def finished(self, outcome: str, name: str, size: int) -> None:
        self._say(_finished(outcome, name, size))

    def _say(self, text: str) -> None:
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def check(self) -> None:
        self._cancellation.check()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


class _LiveTask:
    def __init__(self, live: Live, bars: "Bars", task: "TaskID", name: str, size: int | None) -> None:
        self._live, self._bars, self._task, self._name, self._size = live, bars, task, name, size
        self._seen = 0
        self._over = False

    def advance(self, size: int) -> None:
        self._live.check()
        self._seen += size
        if not self._over:  # a layer that its registry threw away goes out again
            self._bars.advance(self._task, size)

    def done(self, outcome: str) -> None:
        self._over = True
        self._bars.remove_task(self._task)
        self._live.finished(outcome, self._name, self._seen or self._size or 0)


def open_progress(
    cancellation: Cancellation, *, quiet: bool, environment: Mapping[str, str] = os.environ
) -> Lines | Live:
    """Bars only where a person looks on: a terminal, no CI, no TERM=dumb."""
    person = sys.stderr.isatty() and not environment.get("CI") and environment.get("TERM") != "dumb"
    if person and not quiet:
        return Live(cancellation)  # rich honours NO_COLOR itself
    return Lines(sys.stderr, cancellation, quiet=quiet)


__all__ = ["Lines", "Live", "Progress", "open_progress", "printable", "size_text"]
