"""This module shows the line of a file that an error is about, as compilers do, with a caret below its column.

Errors begin with their place, `cog.yaml:3:5: `, as GNU's coding standards have it ("Formatting Error Messages").
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cogpack.errors import CogpackError, InputError

PLACE = re.compile(r"(?P<file>[^\s:][^:\n]{0,400}):(?P<line>[1-9][0-9]{0,8})(?::(?P<column>[1-9][0-9]{0,8}))?: ")
_MOST = 1024 * 1024
"""Bytes of a file that is looked at."""
_WIDTH = 100
"""Columns of a line that are shown."""
_BEFORE = 60
"""Columns before the caret that are shown of a longer line."""

_TOKEN = re.compile(
    r"\b(?:hf_|gh[opsur]_|github_pat_|glpat-|r8_|sk-|xox[abprs]-|AKIA|ASIA|pypi-|npm_|AIza)[\w-]{8}|eyJ[\w-]+\.eyJ"
)
_NAMED = r"(?:token|secret|passw|passphrase|credential|api_?key|access_?key|private_?key)"
_LITERAL = re.compile(
    rf"{_NAMED}\w*[\"']?\s*(?::[^=]*)?=\s*(?:\w+\((?:.*\bdefault\s*=\s*)?)?[\"'][^\"']", re.IGNORECASE
)
"""A name that tells of a secret gets a text."""
_MIXED = re.compile(rf"{_NAMED}.*[\"'=:\s](?=[\w+/.~-]*[0-9])(?=[\w+/.~-]*[A-Za-z])[\w+/.~-]{{8,}}", re.IGNORECASE)
"""Such a name stands before letters and digits in one word."""


class Found(NamedTuple):
    """Is what a message begins with: a file that is here, and where in it. `column`: None where it names none."""

    path: Path
    line: int
    column: int | None


def find_place(text: str, directory: Path) -> Iterator[Found]:
    """Give the files that a message may be about: of the directory, then of those above."""
    found = PLACE.match(text)
    if found is None:
        return
    start = directory.resolve()
    for above in (start, *start.parents):
        path = above / found["file"]
        if path.is_file():
            yield Found(path, int(found["line"]), int(found["column"]) if found["column"] else None)


def illustrated(error: CogpackError, directory: Path) -> str:
    """Return the message, the line that it is about below it; of several in one, each with its own."""
    parts = error.parts if isinstance(error, InputError) else ()
    if not parts:
        return "\n".join([error.message, *_excerpt(error.message, directory)])
    head, *lines = error.message.split("\n  ")
    shown = [head]
    for line in lines:
        shown += [f"  {line}", *(f"  {row}" for row in _excerpt(line, directory))]
    return "\n".join(shown)


def _excerpt(message: str, directory: Path) -> list[str]:
    place = next(find_place(message, directory), None)
    line = _line(place) if place and not message.startswith("/") else None
    if place is None or line is None or not line.strip():
        return []
    from cogpack.text import cells, visible

    line = visible(line)  # as many signs as before
    column = min(place.column - 1, len(line)) if place.column else 0
    start = max(0, column - _BEFORE)
    while cells(line[start:column]) > _BEFORE:
        start += 1
    end = min(len(line), start + _WIDTH)
    while cells(line[start:end]) > _WIDTH:
        end -= 1
    left, right = "..." if start else "", "..." if end < len(line) else ""
    rows = [f"{place.line:>5} | {left}{line[start:end]}{right}"]
    if place.column:
        # A tab takes as much as the one above it.
        under = "".join("\t" if sign == "\t" else " " * cells(sign) for sign in left + line[start:column])
        rows.append(f"{'':>5} | {under}^")
    return rows


def _line(place: Found) -> str | None:
    """Give a line of a file; None where there is none, or where it may hold a secret."""
    from cogpack.encodings import decode_text
    from cogpack.redaction import redact

    try:
        with place.path.open("rb") as stream:
            text = decode_text(stream.read(_MOST))
    except (OSError, UnicodeDecodeError):
        return None
    lines = re.split("\r\n|[\r\n\x85\u2028\u2029]" if place.path.suffix in (".yaml", ".yml") else "\r\n|[\r\n]", text)
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    if redact(line) != line or any(pattern.search(line) for pattern in (_TOKEN, _LITERAL, _MIXED)):
        return None
    return line
