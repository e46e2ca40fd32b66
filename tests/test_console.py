import io
import re

import pytest

from cogpack.console import Lines, Live, printable
from cogpack.notes import Code, Note
from cogpack.progress import Cancellation


def lines(*, quiet: bool = False) -> tuple[Lines, io.StringIO]:
    stream = io.StringIO()
    return Lines(stream, Cancellation(), quiet=quiet), stream


def test_what_was_done_is_a_verb_a_noun_and_the_bytes_that_it_took() -> None:
    progress, stream = lines()
    task = progress.task("wheels: numpy", None)
    task.advance(16_000_000)
    task.advance(700_000)
    task.done("sent")
    progress.task("3 requirements", None).done("resolved")
    assert re.sub(r"\d+\.\d s", "? s", stream.getvalue()) == (
        "sent     wheels: numpy  16.7 MB in ? s\nresolved 3 requirements in ? s\n"
    )


def test_quiet_keeps_the_notes() -> None:
    progress, stream = lines(quiet=True)
    progress.task("wheels: numpy", 10).done("sent")
    progress.note(Note(Code.OUTAGE, "a thing worth knowing"))
    assert stream.getvalue() == "note: a thing worth knowing\n"


def test_a_name_commands_neither_the_terminal_nor_the_bars(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "weights: [/red]a\x1b]0;x\x07\u202e.bin"
    progress, stream = lines()
    progress.task(hostile, None).done("sent")
    with Live(Cancellation()) as live:
        task = live.task(hostile, 10)
        task.advance(10)
        live._bars.refresh()
        task.done("sent")
        live.note(Note(Code.OUTAGE, hostile))
    shown = "weights: [/red]a?]0;x??.bin"
    assert shown in stream.getvalue()
    assert capsys.readouterr().err.count(shown) >= 2


def test_what_is_sent_again_after_its_end_has_no_bar_any_more() -> None:
    """A registry may throw a layer away before the manifest comes."""
    with Live(Cancellation()) as live:
        task = live.task("weights: model", 10)
        task.advance(10)
        task.done("sent")
        task.advance(10)


def test_letters_of_all_scripts_and_undecodable_names_are_shown() -> None:
    assert printable("Gewichte\u00a0größer, 重み\n") == "Gewichte\u00a0größer, 重み\n"
    assert printable("a\udcff") == "a?"
