"""Time that passes only where somebody waits; progress that nobody draws."""

import time

from cogpack.notes import Note
from cogpack.progress import Cancellation


class Time(Cancellation):
    """A clock that only waiting moves. `waits`: how long each wait was to be."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        super().wait(0)


def an_hour_later() -> int:
    """Nanoseconds, by which no file was touched just now."""
    return time.time_ns() + 3600 * 10**9


class Notes:
    """Progress: its `notes`, what was `named` as a task, and the bytes that `moved` in all."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.named: list[str] = []
        self.moved = 0

    def task(self, name: str, size: int | None, verb: str = "") -> "Notes":
        self.named.append(name)
        return self

    def advance(self, size: int) -> None:
        self.moved += size

    def doing(self, verb: str) -> None:
        pass

    def done(self, outcome: str) -> None:
        pass

    def note(self, note: Note) -> None:
        self.notes.append(note.text)

    def summary(self, text: str) -> None:
        pass
