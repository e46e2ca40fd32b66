"""Progress on standard error: lines for logs, bars for a terminal, of which an emulator says what a person sees."""

import io
import os
import random
import re
import threading
import time
from collections.abc import Callable

import pyte
import pytest
from rich.console import Console

from cogpack.console import Lines, Live, open_progress
from cogpack.console.live import reflows
from cogpack.notes import Code, Note
from cogpack.policy import in_ci
from cogpack.progress import Cancellation, asking, shown
from cogpack.text import cells, count_text, harmless, of_text, printable, shortened, time_text

NOTE = Code.OUTAGE


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def lines(*, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> tuple[Lines, io.StringIO]:
    stream = io.StringIO()
    return Lines(stream, Cancellation(), quiet=quiet, clock=clock), stream


class Terminal(io.StringIO):
    """What a person sees of all that is written, after `history` rows have scrolled away."""

    encoding = "utf-8"

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        super().__init__()
        self.screen = pyte.HistoryScreen(columns, rows, history=10_000)
        self.screen.set_mode(pyte.modes.LNM)
        self._stream = pyte.Stream(self.screen)
        self.console = Console(file=self, force_terminal=True, width=columns, height=rows, color_system="standard")

    def write(self, text: str) -> int:
        self._stream.feed(text)
        return len(text)

    def live(self, clock: Callable[[], float] = time.monotonic, *, reflows: bool = True) -> Live:
        return Live(Cancellation(), console=self.console, clock=clock, reflows=reflows)

    def shown(self) -> list[str]:
        gone = ["".join(row[at].data for at in sorted(row)).rstrip() for row in self.screen.history.top]
        return [row for row in [*gone, *(row.rstrip() for row in self.screen.display)] if row]

    def shrink(self, columns: int, *, reflows: bool) -> None:
        """Make the window narrower: rows are wrapped anew, or cut off."""
        if reflows:
            cursor = self.screen.cursor.y
            rows = [row.rstrip() for row in self.screen.display[:cursor]]
            folded = [row[at : at + columns] for row in rows for at in range(0, max(1, len(row)), columns)]
            self.screen.reset()
            self.screen.resize(columns=columns)
            self.screen.set_mode(pyte.modes.LNM)
            self._stream.feed("\n".join([*folded, ""]))
        else:
            self.screen.resize(columns=columns)
        self.console.width = columns


def test_what_was_done_is_a_verb_a_noun_and_the_bytes_that_it_took() -> None:
    progress, stream = lines()
    task = progress.task("wheels: numpy", None, "send")
    task.advance(16_000_000)
    task.advance(700_000)
    task.done("sent")
    progress.task("3 requirements", None, "resolve").done("resolved")
    assert re.sub(r"\d+\.\d s", "? s", stream.getvalue()) == (
        "sent     wheels: numpy  16.7 MB in ? s\nresolved 3 requirements in ? s\n"
    )


def test_quiet_keeps_the_notes_and_has_no_signs_of_life() -> None:
    clock = Clock()
    progress, stream = lines(quiet=True, clock=clock)
    with progress:
        progress.task("wheels: numpy", 10, "send").done("sent")
        progress.task("weights", 10, "send")
        clock.now += 1000
        progress.note(Note(NOTE, "a thing worth knowing"))
        progress.summary("sent 10 B")
    assert stream.getvalue() == "note: a thing worth knowing\n"


def test_a_long_upload_is_told_when_it_is_long_and_then_every_30_seconds() -> None:
    clock = Clock()
    progress, stream = lines(clock=clock)
    weights = progress.task("weights: model.safetensors", 4_000_000_000, "send")
    wheels = progress.task("wheels: torch 2.4", 1_000_000_000)
    told: dict[int, str] = {}
    for second in range(1, 101):
        clock.now += 1
        weights.advance(40_000_000)
        if second == 62:
            wheels.doing("build")
        before = len(stream.getvalue())
        progress.tick()
        if said := stream.getvalue()[before:]:
            told[second] = said
    weights.done("sent")
    assert told == {
        5: "send     weights: model.safetensors  4.0 GB\n",
        35: "still    1.4 of 5.0 GB, 40.0 MB/s, 1 min 30 s left: send weights: model.safetensors (1.4 of 4.0 GB)\n",
        65: "still    2.6 of 5.0 GB, 40.0 MB/s, 1 min left: send weights: model.safetensors (2.6 of 4.0 GB), "
        "build wheels: torch 2.4 (3.0 s)\n",
        67: "build    wheels: torch 2.4  1.0 GB\n",
        95: "still    3.8 of 5.0 GB, 40.0 MB/s, 30 s left: send weights: model.safetensors (3.8 of 4.0 GB), "
        "build wheels: torch 2.4 (33 s)\n",
    }
    assert stream.getvalue().endswith("sent     weights: model.safetensors  4.0 GB in 1 min 40 s\n")


def test_short_tasks_have_their_last_line_only_and_a_log_that_waits_says_so() -> None:
    clock = Clock()
    progress, stream = lines(clock=clock)
    for _ in range(100):
        task = progress.task("small", 10, "send")
        clock.now += 1
        task.advance(10)
        progress.tick()
        task.done("sent")
    assert set(stream.getvalue().splitlines()) == {"sent     small  10 B in 1.0 s"}
    progress.task("large", 1_000_000, "send")
    clock.now += 36
    progress.tick()
    clock.now += 30
    progress.tick()
    assert stream.getvalue().splitlines()[-1] == "still    1 kB of 1.0 MB, 0 B/s: wait large (1 min 6 s)"


def test_what_is_told_of_a_task_or_in_a_note_is_one_line() -> None:
    progress, stream = lines()
    progress.task("weights: a\nerror: b", 10, "send").done("sent")
    progress.note(Note(NOTE, "c\n::debug::d"))
    assert stream.getvalue().splitlines() == ["sent     weights: a\\nerror: b  10 B in 0.0 s", "note: c\\n::debug::d"]
    terminal = Terminal()
    live = terminal.live()
    live.task("weights: a\nerror: b", 10, "send").done("sent")
    live.note(Note(NOTE, "c\nd"))
    assert terminal.shown() == ["sent     weights: a\\nerror: b  10 B", "note: c\\nd"]


def test_work_whose_bytes_nobody_counts_is_not_said_to_have_no_time_left() -> None:
    clock = Clock()
    progress, stream = lines(clock=clock)
    fetched = progress.task("wheels", 1_000_000, "fetch")
    fetched.advance(1_000_000)
    fetched.done("fetched")
    task = progress.task("hello", None, "unpack")
    for _ in range(36):
        clock.now += 1
        progress.tick()
    task.doing("fetch")  # of unknown size
    for _ in range(30):
        clock.now += 1
        task.advance(1000)
        progress.tick()
    told = [line for line in stream.getvalue().splitlines() if line.startswith("still")]
    assert told == ["still    unpack hello (35 s)", "still    1.0 MB, 1 kB/s: fetch hello (29 kB)"]


def test_the_thread_that_tells_of_long_tasks_ends_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogpack.console.lines.LONG", 0.0)
    progress, stream = lines()
    progress._ticker._period = 0.01
    told = threading.Event()
    monkeypatch.setattr(progress, "_line", lambda text: (stream.write(text), told.set()))
    with progress:
        progress.task("a layer", 10, "send")
        assert told.wait(30)
    assert not progress._ticker._thread.is_alive()
    assert stream.getvalue() == "send     a layer  10 B"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_every_finished_line_stays_and_no_bar_does(seed: int) -> None:
    """F4: 8 threads with 5 tasks each."""
    terminal = Terminal()
    live = terminal.live()
    live._ticker._period = 0.001

    def work(thread: int) -> None:
        chance = random.Random(f"{seed} {thread}")
        for number in range(5):
            task = live.task(f"layer {thread} {number}", 1000, "send")
            for _ in range(chance.randrange(1, 6)):
                task.advance(chance.randrange(300))
                time.sleep(chance.random() / 500)
            if chance.random() < 0.2:
                live.note(Note(NOTE, f"note {thread} {number}"))
            task.done("sent")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    with live:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        live.summary("the end")
    shown = terminal.shown()
    assert len([row for row in shown if row.startswith("sent     layer ")]) == 40
    assert len({tuple(row.split()[:4]) for row in shown if row.startswith("sent")}) == 40
    assert all(row.startswith(("sent     layer ", "note: note ", "the end")) for row in shown)
    assert shown[-1] == "the end"
    assert not terminal.screen.cursor.hidden


def moving(terminal: Terminal, clock: Clock) -> Live:
    """Three tasks of a push, two seconds after its beginning."""
    live = terminal.live(clock)
    live._open = True
    live.task("wheels: numpy 2.4.6", 16_700_000).done("reused")
    sending = live.task("weights: model/a-very-long-name-of-a-model.safetensors", 90_900_000, "send")
    live.task("wheels: torch 2.13.0", 800_000_000, "build")
    live.task("project", 1000)
    live.task("5 requirements for Python 3.13: numpy, torch, pillow and 2 more", None, "resolve")
    live.tick()
    for _ in range(2):
        clock.now += 1
        sending.advance(12_345_678)
        live.tick()
    return live


def test_bars_have_verbs_sizes_and_rates_and_a_total_of_all() -> None:
    terminal = Terminal()
    moving(terminal, Clock())
    assert terminal.shown() == [
        "reused   wheels: numpy 2.4.6  16.7 MB",
        "send     weights: mod…l.safetensors  ━━━─────────   24.7 of 90.9 MB   12.3 MB/s",
        "build    wheels: torch 2.13.0        ────────────          800.0 MB       2.0 s",
        "resolve  5 requirements for Python 3.13: numpy, torch, pillow and 2 more  2.0 s",
        "total    24.7 of 890.9 MB  12.3 MB/s  1 min 10 s left  16.7 MB there already",
    ]


@pytest.mark.parametrize("columns", [30, 40, 60, 80, 120])
def test_no_row_is_wider_than_the_window(columns: int) -> None:
    terminal = Terminal(columns)
    live = moving(terminal, Clock())
    assert len(live._drawn) == 4
    assert all(0 < size < columns for size in live._drawn)
    live.task("x" * 300, 10, "send").done("sent")
    if columns >= 40:
        assert any("…" in row and row.startswith("sent") for row in terminal.shown())


def test_a_terminal_without_unicode_gets_signs_that_it_has() -> None:
    terminal = Terminal()
    terminal.encoding = "ascii"
    moving(terminal, Clock())
    assert "###---------" in terminal.shown()[1]
    assert all(row.isascii() for row in terminal.shown())


def test_a_server_that_is_asked_is_shown_while_it_is_and_not_told_of() -> None:
    terminal, clock = Terminal(), Clock()
    live = terminal.live(clock)
    live._open = True
    with asking(live, "ghcr.io/me/model:v1"):
        live.tick()
        assert terminal.shown() == ["ask      ghcr.io/me/model:v1"]
        clock.now += 5
        live.tick()
        assert terminal.shown() == ["wait     ghcr.io/me/model:v1           5.0 s"]
    live.tick()
    assert terminal.shown() == []
    progress, stream = lines()
    with pytest.raises(ZeroDivisionError), asking(progress, "ghcr.io/me/model:v1"):
        raise ZeroDivisionError
    assert stream.getvalue() == ""
    assert progress._board.active() == []


def test_what_moves_no_byte_for_a_while_waits() -> None:
    terminal, clock = Terminal(), Clock()
    live = moving(terminal, clock)
    clock.now += 4
    live.tick()
    assert [row.split()[0] for row in terminal.shown()] == ["reused", "wait", "build", "resolve", "total"]


@pytest.mark.parametrize("verb", ["load", "unpack"])
def test_an_engine_that_unpacks_has_a_row_with_its_time_and_a_sign_of_life_in_logs(verb: str) -> None:
    terminal, clock = Terminal(), Clock()
    live = terminal.live(clock)
    live._open = True
    with shown(live, "me/model:v1", verb):
        clock.now += 40
        live.tick()
        assert terminal.shown() == [f"{verb:<8} me/model:v1                   40 s"]
    live.tick()
    assert terminal.shown() == []
    stream = io.StringIO()
    log = Lines(stream, Cancellation(), quiet=False, clock=clock)
    with shown(log, "me/model:v1", verb):
        for _ in range(8):
            clock.now += 5
            log.tick()
    first, beat = stream.getvalue().splitlines()
    assert first == f"{verb:<8} me/model:v1"
    assert beat == f"still    {verb} me/model:v1 (35 s)"


@pytest.mark.parametrize("wraps", [True, False])
@pytest.mark.parametrize("narrower", [70, 50, 35])
def test_a_window_that_shrinks_keeps_its_lines_and_no_rubbish(narrower: int, wraps: bool) -> None:
    terminal, clock = Terminal(120), Clock()
    live = terminal.live(clock, reflows=wraps)
    live._open = True
    for number in range(5):
        live.task(f"layer {number}", 10, "send").done("sent")
    for number in range(3):
        live.task(f"weights: a rather long name of a layer {number}", 1_000_000, "send").advance(1000)
    live.tick()
    terminal.shrink(narrower, reflows=wraps)
    live.tick()
    shown = terminal.shown()
    assert shown[:5] == [f"sent     layer {number}  10 B" for number in range(5)]
    assert [row.split()[0] for row in shown[5:]] == ["send", "send", "send", "total"]


def test_more_tasks_than_rows_are_counted() -> None:
    terminal = Terminal(80, 10)
    live = terminal.live(Clock())
    live._open = True
    for number in range(20):
        live.task(f"layer {number}", 10, "send")
    live.tick()
    assert terminal.shown()[-2].strip() == "and 14 more"
    live.tick()
    assert len(terminal.shown()) == 8


def test_a_name_commands_neither_the_terminal_nor_the_bars() -> None:
    hostile = "weights: [/red]a\x1b]0;x\x07\u202e.bin"
    progress, stream = lines()
    progress.task(hostile, None, "send").done("sent")
    terminal = Terminal()
    live = terminal.live(Clock())
    live._open = True
    task = live.task(hostile, 10, "send")
    task.advance(10)
    live.tick()
    shown = "weights: [/red]a?]0;x??.bin"
    assert "weights: [/r…" in terminal.shown()[0]
    assert "]0;x??.bin" in terminal.shown()[0]
    task.done("sent")
    live.note(Note(NOTE, hostile))
    assert shown in stream.getvalue()
    assert terminal.shown() == [f"sent     {shown}  10 B", f"note: {shown}"]


def test_what_is_sent_again_after_its_end_has_no_bar_any_more() -> None:
    """A registry may throw a layer away before the manifest comes."""
    terminal = Terminal()
    with terminal.live() as live:
        task = live.task("weights: model", 10, "send")
        task.advance(10)
        task.done("sent")
        task.advance(10)
        task.done("sent")
    assert terminal.shown() == ["sent     weights: model  10 B"]


def test_a_reader_that_went_away_ends_the_display_and_not_the_work() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    progress = Lines(Gone(), Cancellation(), quiet=False)
    progress._ticker._period = 0.001
    progress.task("a layer", 10, "send")
    progress._board._works[0].begun = -100.0
    with progress:
        progress._ticker._thread.join(30)
        assert not progress._ticker._thread.is_alive()


@pytest.mark.parametrize(
    ("value", "machine"), [("true", True), ("1", True), ("", False), ("0", False), ("false", False), ("False", False)]
)
def test_ci_is_one_where_the_variable_says_so(value: str, machine: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_ci({"CI": value}) is machine
    monkeypatch.setattr("sys.stderr", type("Tty", (io.StringIO,), {"isatty": lambda self: True})())
    for environment, person in (({"CI": value}, not machine), ({"CI": value, "TERM": "dumb"}, False)):
        opened = open_progress(Cancellation(), quiet=False, environment=environment)
        assert isinstance(opened, Live) is person
    assert in_ci({}) is False


@pytest.mark.parametrize(
    ("environment", "wraps"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm", "XTERM_VERSION": "XTerm(379)"}, False),
        ({"TERM": "linux"}, False),
        ({"TERM": "screen"}, False),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux-0/default,1,0"}, True),
    ],
)
def test_terminals_that_cut_rows_off_are_known(environment: dict[str, str], wraps: bool) -> None:
    assert reflows(environment) is wraps


def test_letters_of_all_scripts_and_undecodable_names_are_shown() -> None:
    assert printable("Gewichte\u00a0größer, 重み\n") == "Gewichte\u00a0größer, 重み\n"
    assert printable("a\udcff") == "a?"


def test_names_are_shortened_in_their_middle_by_columns() -> None:
    assert shortened("weights: model.bin", 18) == "weights: model.bin"
    assert shortened("weights: model.bin", 9) == "weig….bin"
    assert [cells(shortened("重み" * 20, width)) for width in (3, 9, 40, 79)] == [3, 9, 39, 79]
    assert shortened("abc", 0) == ""


def test_a_text_of_a_megabyte_that_an_image_has_is_shortened_at_once() -> None:
    began = time.process_time()
    assert shortened("a" * 2**20, 9) == "aaaa…aaaa"
    assert time.process_time() - began < 10  # by pieces, each copied, it took a minute


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (42.4, "42 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
    ],
)
def test_times_are_told_in_units_that_people_read(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


def test_counts_have_their_plural_and_amounts_their_unit_once() -> None:
    assert [count_text(count, "request") for count in (0, 1, 2)] == ["0 requests", "1 request", "2 requests"]
    assert of_text(45_200_000, 165_500_000) == "45.2 of 165.5 MB"
    assert of_text(14_000, 165_500_000) == "14 kB of 165.5 MB"
    assert of_text(14_000, None) == "14 kB"
    assert os.linesep == "\n"


def test_what_a_model_says_is_left_as_it_is_but_for_what_commands_a_terminal() -> None:
    family = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}\N{RIGHT-TO-LEFT MARK}"
    assert harmless(f"\ta\x1b[31m\x9b\r\n{family}\udc80") == f"\ta?[31m??\n{family}?"
