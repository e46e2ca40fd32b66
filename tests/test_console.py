import io
import re

from cogpack.console import Lines
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
    progress.note("a thing worth knowing")
    assert stream.getvalue() == "note: a thing worth knowing\n"
