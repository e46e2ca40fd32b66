"""Live progress draws bars on a terminal for what goes on, and finished tasks as lines above them.

All that is written goes through one lock: lines, bars, and their removal. Bars are drawn as rows that never fill the
last column, and are taken away by their number, or where the window became narrower by the rows that they have now.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

from cogpack.console.board import STILL, Board, Ticker, Total, Work
from cogpack.console.lines import amounts, finished
from cogpack.notes import Note
from cogpack.progress import Cancellation, Task
from cogpack.text import cells, of_text, one_line, printable, shortened, size_text, time_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_PERIOD = 0.1
_BAR = 12
_COLUMN = 28
"""Columns of the names, where there is room and none is longer."""
_NAME = 20
"""Letters that a name has at least, before the bar becomes shorter."""
_CLEARED_ABOVE = "\x1b[1A\x1b[2K"
"""Row by row: tmux keeps what "clear to the end" takes off a whole screen, in its history."""


class Live:
    """Draws on a terminal. `reflows`: it wraps rows anew when it becomes narrower, as nearly all do but xterm and the
    console. `colours`: unless NO_COLOR is set, which rich looks at."""

    def __init__(
        self,
        cancellation: Cancellation,
        *,
        console: "Console | None" = None,
        clock: Callable[[], float] = time.monotonic,
        reflows: bool = True,
        colours: bool = True,
    ) -> None:
        from rich.console import Console

        self._console = console or Console(stderr=True, no_color=None if colours else True)
        self._board = Board(self, cancellation, clock)
        self._ticker = Ticker(_PERIOD, self.tick)
        self._lock = threading.Lock()
        self._drawn: list[int] = []
        self._width = self._console.width
        self._reflows = reflows
        self._open = False

    def task(self, name: str, size: int | None, verb: str = "") -> Task:
        return self._board.task(one_line(name), size, verb)

    def note(self, note: Note) -> None:
        self._draw(one_line(f"note: {note.text}"))

    def debug(self, text: str) -> None:
        """Write a line of the trace."""
        self._draw(f"debug: {text}")

    def summary(self, text: str) -> None:
        self._draw(one_line(text))

    def ended(self, work: Work, outcome: str) -> None:
        line = finished(outcome, "", work.moved or work.size or 0)
        room = self._console.width - 1 - len(line)
        self._draw(finished(outcome, shortened(work.name, max(_NAME, room)), work.moved or work.size or 0))

    def tick(self) -> None:
        self._draw()

    def _draw(self, *lines: str) -> None:
        """Write `lines` where the bars are, and the bars as they are now below them, at once."""
        with self._lock:
            rows = self._rows() if self._open else []
            with self._console.capture() as captured:
                for line in lines:
                    self._console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
                for row in rows:
                    self._console.print(row, no_wrap=True, overflow="ignore", crop=False)
            text = captured.get() if self._utf8() else captured.get().replace("…", "~")
            self._console.file.write(self._erased() + text)
            self._console.file.flush()
            self._drawn = [row.cell_len for row in rows]
            self._width = self._console.width

    def _erased(self) -> str:
        """Return what takes the bars away, and leaves the cursor where they began."""
        width = self._console.width
        folded = self._reflows and width < self._width
        rows = sum(-(-size // width) if folded and size else 1 for size in self._drawn)
        return "\r" + _CLEARED_ABOVE * rows if rows else ""

    def _rows(self) -> "list[Text]":
        now = self._board.clock()
        total = self._board.total(now)
        active = self._board.active()
        if not active:
            return []
        room = max(1, self._console.height - 3)
        rows = [self._row(work, now) for work in active[:room]]
        if len(active) > room:
            rows[-1] = self._fitted(f"         and {len(active) - room + 1} more")
        if self._board.tasks > 1 and total.size > total.moved:
            rows.append(self._fitted(_total_text(total, self._board, self._console.width - 1)))
        return rows

    def _fitted(self, text: str) -> "Text":
        from rich.text import Text

        return Text(shortened(text, self._console.width - 1))

    def _row(self, work: Work, now: float) -> "Text":
        """Return a task as `send     weights: model…fetensors  ━━━━━━──────  45.2 of 90.9 MB  12.3 MB/s`."""
        from rich.text import Text

        whole = work.size if work.size and work.moved <= work.size else None  # a size may be about right only
        if work.moved or whole:
            amount = of_text(work.moved, whole) if work.moved else size_text(whole or 0)
            still = work.verb in STILL or not work.moved
            speed = time_text(work.seconds(now)) if still else f"{size_text(work.rate.value())}/s"
            right = f"  {amount:>16}  {speed:>10}"
        else:
            right = f"  {time_text(work.seconds(now))}" if work.seconds(now) >= 1 else ""
        width = self._console.width - 1
        room = width - 9 - len(right)
        bar = min(_BAR, room - 2 - _NAME) if whole else 0
        name_room = max(1, room - (bar + 2 if bar >= 4 else 0))
        row = Text(f"{work.shown_verb(now):<8} ", style="cyan")
        name = shortened(work.name, name_room)
        padding = max(0, min(name_room, _COLUMN) - cells(name)) if right else 0
        row.append(name + " " * padding, style="default")
        if whole and bar >= 4:
            full = min(bar, bar * max(0, work.moved) // whole)
            signs = "━─" if self._utf8() else "#-"
            row.append("  ")
            row.append(signs[0] * full, style="green")
            row.append(signs[1] * (bar - full), style="dim")
        row.append(right)
        row.truncate(width)
        return row

    def _utf8(self) -> bool:
        return self._console.encoding.lower().replace("-", "").startswith("utf")

    def __enter__(self) -> Self:
        self._open = True
        self._console.show_cursor(show=False)
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ticker.stop()
        self._open = False
        self._draw()
        self._console.show_cursor(show=True)


def _total_text(total: Total, board: Board, width: int) -> str:
    """Write as much of the sum as there is room for."""
    parts = amounts(total)
    if total.there:
        parts.append(f"{size_text(total.there)} there already")
    parts.append(f"{board.ended} of {board.tasks} done")
    text = "total    "
    for part in parts:
        if len(text) + len(part) <= width:
            text += f"{part}  "
    return text.rstrip()


def reflows(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal wraps what it shows anew. xterm, screen and the console of Linux cut it off."""
    term = environment.get("TERM", "")
    if environment.get("XTERM_VERSION") or term.startswith("linux"):
        return False
    return not (term.startswith("screen") and not environment.get("TMUX"))
