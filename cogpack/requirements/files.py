"""A file that lists packages is read by what its name says: pip's own form, `pyproject.toml`, or a lock of others."""

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from cogpack.errors import InputError
from cogpack.requirements.model import Requirements, Selection
from cogpack.requirements.parse import parse_requirements

if TYPE_CHECKING:
    from cogpack.requirements.toml_text import Line


def parse_file(text: str, *, path: str, selection: Selection, faults: list[InputError]) -> Requirements:
    """Read the file `path`, of which extras and groups count as `selection` says. What is wrong with single lines is
    appended to `faults`, and the answer is what the others say."""
    if not has_sets(path):
        return parse_requirements(text, path=path, faults=faults)
    lines = _lines(text, path, selection)
    for line in lines:
        if re.search(r"[\r\n]|\\\Z", line.text):  # which the next would be part of, or options of its own
            raise InputError(
                f"{path}:{line.number}: {line.text!r:.120} is no line of requirements", next_step="make the file anew"
            )
    written = "\n".join(line.text for line in lines)
    return parse_requirements(written, path=path, lines=[line.number for line in lines], faults=faults)


def has_sets(path: str) -> bool:
    """Tell whether a file of this name may hold extras and groups."""
    return is_lock(path) or PurePosixPath(path).name == "pyproject.toml"


def is_lock(path: str) -> bool:
    """Tell whether a file of this name is another tool's lock, of which each platform takes its own lines."""
    from cogpack.requirements.pylock import is_pylock

    name = PurePosixPath(path).name
    return name == "uv.lock" or is_pylock(name)


def _lines(text: str, path: str, selection: Selection) -> "list[Line]":
    from cogpack.requirements.pylock import pylock_lines
    from cogpack.requirements.pyproject import pyproject_lines
    from cogpack.requirements.toml_text import TomlText
    from cogpack.requirements.uv_lock import uv_lock_lines

    name = PurePosixPath(path).name
    if name == "pyproject.toml":
        return pyproject_lines(TomlText(text, path), selection)
    if name == "uv.lock":
        return uv_lock_lines(TomlText(text, path), selection)
    return pylock_lines(TomlText(text, path), selection)
