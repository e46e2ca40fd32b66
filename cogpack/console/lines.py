"""Lines show progress in logs: one for what is done, and signs of life while something takes long."""

import threading
import time
from collections.abc import Callable
from typing import Self, TextIO

from cogpack.console.board import Board, Ticker, Total, Work
from cogpack.notes import Note
from cogpack.progress import Cancellation, Task
from cogpack.text import of_text, one_line, printable, size_text, time_text

LONG = 5.0
"""Seconds after which a task is said to go on: shorter ones have their last line only."""
HEARTBEAT = 30.0
_NAMED = 2
"""Tasks that a heartbeat names."""


def noted(note: Note) -> str:
    return f"note: {note.text}"


class Lines:
    """Writes one line per finished task: `sent weights: model.safetensors 90.9 MB in 0.4 s`.

    After 5 seconds a line says that a task is under way; every 30 seconds one tells of all together.
    """

    def __init__(
        self,
        stream: TextIO,
        cancellation: Cancellation,
        *,
        quiet: bool,
        clock: Callable[[], float] = time.monotonic,
        told: Callable[[Note], str] = noted,
    ) -> None:
        self._stream = stream
        self._quiet = quiet
        self._noted = told
        self._lock = threading.Lock()
        self._board = Board(self, cancellation, clock)
        self._ticker = Ticker(1.0, self.tick)
        self._told: set[Work] = set()
        self._beat: float | None = None

    def task(self, name: str, size: int | None, verb: str = "") -> Task:
        return self._board.task(name, size, verb)

    def note(self, note: Note) -> None:
        self._line(self._noted(note))

    def debug(self, text: str) -> None:
        """Write a line of the trace, which who asked for it gets with `-q`, too."""
        self._write(printable(f"debug: {text}"))

    def summary(self, text: str) -> None:
        if not self._quiet:
            self._line(text)

    def ended(self, work: Work, outcome: str) -> None:
        if not self._quiet:
            size = work.moved or work.size or 0
            self._line(f"{finished(outcome, work.name, size)} in {time_text(work.seconds(self._board.clock()))}")

    def tick(self) -> None:
        """Say what is to be said of what takes long."""
        now = self._board.clock()
        active = self._board.active()
        total = self._board.total(now)
        for work in active:
            if work not in self._told and work.seconds(now) >= LONG:
                self._told.add(work)
                self._beat = now if self._beat is None else self._beat
                self._line(finished(work.verb, work.name, work.size or 0))
        self._told.intersection_update(active)
        if not self._told:
            self._beat = None
        elif self._beat is not None and now - self._beat >= HEARTBEAT:
            self._beat = now
            named = [_named(work, now) for work in active[:_NAMED]]
            more = [f"{len(active) - _NAMED} more"] if len(active) > _NAMED else []
            # What goes on where no more bytes are to move is counted by nobody.
            moving = f"{', '.join(amounts(total))}: " if total.size > total.moved or not total.whole else ""
            self._line(f"still    {moving}{', '.join([*named, *more])}")

    def _line(self, text: str) -> None:
        self._write(one_line(text))

    def _write(self, text: str) -> None:
        with self._lock:
            self._stream.write(text + "\n")
            self._stream.flush()

    def __enter__(self) -> Self:
        if not self._quiet:
            self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ticker.stop()


def amounts(total: Total) -> list[str]:
    """Write bytes, rate, and the time that is left where that can be told."""
    parts = [of_text(total.moved, total.size if total.whole else None), f"{size_text(total.rate)}/s"]
    return parts if total.left is None else [*parts, f"{time_text(total.left)} left"]


def finished(outcome: str, name: str, size: int) -> str:
    return f"{outcome:<8} {name}" + (f"  {size_text(size)}" if size else "")


def _named(work: Work, now: float) -> str:
    amount = f" ({of_text(work.moved, work.size)})" if work.moved else f" ({time_text(work.seconds(now))})"
    return f"{work.shown_verb(now)} {work.name}{amount}"
