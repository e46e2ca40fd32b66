"""The console shows progress on standard error: live bars on a terminal, plain lines everywhere else.

`board`: what goes on; `lines` and `live`: who shows it.
"""

import os
import sys
from collections.abc import Callable, Mapping

from cogpack.console.lines import Lines, noted
from cogpack.console.live import Live, reflows
from cogpack.notes import Note
from cogpack.policy import in_ci
from cogpack.progress import Cancellation


def open_progress(
    cancellation: Cancellation,
    *,
    quiet: bool,
    colours: bool = True,
    environment: Mapping[str, str] = os.environ,
    told: Callable[[Note], str] = noted,
) -> Lines | Live:
    """Return bars where a person looks on (a terminal, no CI, no TERM=dumb), else lines. `told`: the line of a note in
    a log."""
    person = sys.stderr.isatty() and not in_ci(environment) and environment.get("TERM") != "dumb"
    if person and not quiet:
        colours = colours and not environment.get("COG_NO_COLOR")
        return Live(cancellation, reflows=reflows(environment), colours=colours)
    return Lines(sys.stderr, cancellation, quiet=quiet, told=told)


__all__ = ["Lines", "Live", "open_progress"]
