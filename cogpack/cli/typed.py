"""The library tells commands on the project, as `cogpack lock`; who typed a project or a config is told what does it
with that one. `options`: what was typed, as `project_options` gives it."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from cogpack.errors import CogpackError, InputError
from cogpack.notes import Note

if TYPE_CHECKING:
    from cogpack.commands.results import Check
    from cogpack.progress import Progress, Task

VERBS = frozenset(
    {"push", "plan", "build", "load", "fetch", "lock", "export", "sbom", "schema", "verify", "diff", "doctor"}
    | {"exec", "run", "predict", "train", "serve", "weights ls", "bench push"}
)
"""Those that take `-C` and `-f`."""
_COMMAND = re.compile(rf"(?<![\w./-])cogpack (?:{'|'.join(sorted(VERBS))})(?![\w-]|\.\w| -[Cf][ =])")


def as_typed(options: str, text: str) -> str:
    """Give `text` with the options behind each of these commands that has none yet."""
    return _COMMAND.sub(lambda found: f"{found[0]} {options}", text)


def tell(options: str, error: CogpackError) -> None:
    """Let an error, and those that it stands for, say what is to be typed."""
    error.message, error.next_step = as_typed(options, error.message), as_typed(options, error.next_step)
    for part in error.parts if isinstance(error, InputError) else ():
        tell(options, part)


def typed_notes(options: str, notes: Iterable[Note]) -> list[Note]:
    return [Note(note.code, as_typed(options, note.text)) for note in notes]


def typed_checks(options: str, checks: "Iterable[Check]") -> "tuple[Check, ...]":
    return tuple(
        msgspec.structs.replace(
            check, said=as_typed(options, check.said), next_step=check.next_step and as_typed(options, check.next_step)
        )
        for check in checks
    )


class Typed:
    """Progress whose notes and sums say what is to be typed."""

    def __init__(self, options: str, progress: "Progress") -> None:
        self._options = options
        self._progress = progress

    def task(self, name: str, size: int | None, verb: str = "") -> "Task":
        return self._progress.task(name, size, verb)

    def note(self, note: Note) -> None:
        self._progress.note(*typed_notes(self._options, [note]))

    def summary(self, text: str) -> None:
        self._progress.summary(as_typed(self._options, text))
