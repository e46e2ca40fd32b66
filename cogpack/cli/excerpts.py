"""This module shows the line of a file that an error is about, as compilers do, with a caret below its column.

Errors begin with their place, `cog.yaml:3:5: `, as GNU's coding standards have it ("Formatting Error Messages").
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from cogpack.errors import CogpackError, InputError, MismatchError, listed

PLACE = re.compile(r"(?P<file>[^\s:][^:\n]{0,400}):(?P<line>[1-9][0-9]{0,8})(?::(?P<column>[1-9][0-9]{0,8}))?: ")
_MOST = 1024 * 1024
"""Bytes of a file that is looked at."""
_WIDTH = 100
"""Columns of a line that are shown."""
_BEFORE = 60
"""Columns before the caret that are shown of a longer line."""


class Found(NamedTuple):
    """Is what a message begins with: a file that is here, and where in it. `column`: None where it names none."""

    path: Path
    line: int
    column: int | None


def project_root(directory: Path, file: str) -> Path | None:
    """Give the directory that places are relative to: that of the project that `directory` is in."""
    try:
        start = Path(os.path.realpath(directory))  # which a loop of links does not end
    except OSError:
        return None
    upward = (start,) if "/" in file else (start, *start.parents)
    found = next((above / file for above in upward if os.path.isfile(above / file)), None)  # noqa: PTH113 - no errors
    return Path(os.path.realpath(found.parent)) if found else None


def find_place(text: str, root: Path | None) -> Found | None:
    """Give the file of the project that a message begins with; None for what is outside, by a link too."""
    found = PLACE.match(text)
    if found is None or root is None:
        return None
    path = Path(os.path.realpath(root / found["file"]))
    if not path.is_relative_to(root) or not os.path.isfile(path):  # noqa: PTH113 - no errors
        return None
    return Found(path, int(found["line"]), int(found["column"]) if found["column"] else None)


def illustrated(error: CogpackError, root: Path | None) -> str:
    """Return the message, the line that it is about below it; of several in one, each with its own.

    Only what each begins with is taken for a place: what follows may be what others said, a build for example.
    """
    if isinstance(error, InputError) and error.parts:
        return listed(error.parts, lambda part: _excerpt(part.message, root))
    rows = _excerpt(error.message, root) if isinstance(error, InputError | MismatchError) else []
    return "\n".join([error.message, *rows])


def _excerpt(message: str, root: Path | None) -> list[str]:
    place = find_place(message, root) if not message.startswith("/") else None
    line = _line(place, root) if place and root else None
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


def _line(place: Found, root: Path) -> str | None:
    """Give a line of a file; None where there is none, or where it may hold a secret."""
    from cogpack.cli.hidden_lines import may_hold_secret
    from cogpack.encodings import decode_text

    if any(name.startswith(".") and name != ".dockerignore" for name in place.path.relative_to(root).parts):
        return None  # .env, .netrc, .git/config
    try:
        with place.path.open("rb") as stream:
            text = decode_text(stream.read(_MOST))
    except (OSError, UnicodeDecodeError):
        return None
    is_config = place.path.suffix in (".yaml", ".yml")
    lines = re.split("\r\n|[\r\n\x85\u2028\u2029]" if is_config else "\r\n|[\r\n]", text)
    if place.line > len(lines) or may_hold_secret(lines, place.line - 1, is_config=is_config):
        return None
    return lines[place.line - 1]
