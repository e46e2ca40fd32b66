"""This module tells GitHub's runner, and others that speak its language: annotations, outputs, the step's summary.

docs.github.com, "Workflow commands for GitHub Actions". Each part depends on its own variable, which the runner sets.
"""

import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cogpack.cli.json_output import Failure
    from cogpack.commands.build import Built
    from cogpack.commands.push import Pushed
    from cogpack.notes import Note

_ROWS = 50
"""Layers that the summary names at most."""


def is_here() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def error_line(failed: "Failure", root: Path | None) -> str:
    """Return one annotation, at its file and line where the message names them. `root`: of the project."""
    return _command("error", f"{failed.message}\nnext: {failed.next_step}", "", root)


def note_line(note: "Note", root: Path | None) -> str:
    """Return an annotation: what stands at a line of a file is a warning there; all else is a notice."""
    from cogpack.cli.excerpts import PLACE

    kind = "warning" if PLACE.match(note.text) else "notice"
    return _command(kind, note.text, note.code, root)


def _command(kind: str, text: str, code: str, root: Path | None) -> str:
    words = _place(text, root) | {"title": f"cogpack: {code}" if code else "cogpack"}
    said = ",".join(f"{key}={_escaped(value, more=':,')}" for key, value in words.items())
    return f"::{kind} {said}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    for sign in "%\r\n" + more:
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text


def _place(text: str, root: Path | None) -> dict[str, str]:
    """Return file, line and column, the file relative to the checkout; nothing where it is not in that."""
    from cogpack.cli.excerpts import find_place

    workspace = Path(os.path.realpath(os.environ.get("GITHUB_WORKSPACE") or "."))
    found = find_place(text, root)
    if found is None or not found.path.is_relative_to(workspace):
        return {}
    words = {"file": found.path.relative_to(workspace).as_posix(), "line": str(found.line)}
    return words | ({"col": str(found.column)} if found.column else {})


def report(result: "Pushed | Built", notes: "Sequence[Note]", note: "Callable[[Note], None]") -> None:
    """Write the outputs of the step, and its summary. A file that can't be written is the runner's trouble, not the
    image's: a `note`."""
    values = {"digest": result.digest, "reference": result.reference, "tags": "\n".join(result.tags)}
    _append("GITHUB_OUTPUT", lambda: "".join(map(_output, values, values.values())), note)
    _append("GITHUB_STEP_SUMMARY", lambda: _summary(result, notes), note)


def report_failure(failed: "Failure", note: "Callable[[Note], None]") -> None:
    """Write the step's summary of a command that failed."""
    lines = ["### cogpack", "", f"**error:** {_marked(failed.message)}", "", f"next: {_marked(failed.next_step)}"]
    _append("GITHUB_STEP_SUMMARY", lambda: "\n".join(lines) + "\n\n", note)


def _append(variable: str, text: "Callable[[], str]", note: "Callable[[Note], None]") -> None:
    """Add text to the file that the runner names, where it names one: steps that come later read it."""
    if not (path := os.environ.get(variable)):
        return
    try:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text())
    except OSError as error:
        from cogpack.notes import Code, Note

        why = error.strerror or str(error)
        note(Note(Code.STEP_UNWRITTEN, f"{variable}={path} can't be written: {why}; the step has none of it"))


def _output(name: str, value: str) -> str:
    """Return a value with a word of its own around it: none can end early or set another."""
    word = f"end-{secrets.token_hex(8)}"
    return f"{name}<<{word}\n{value}\n{word}\n"


def _summary(result: "Pushed | Built", notes: "Sequence[Note]") -> str:
    from cogpack.text import size_text

    rows = [("digest", f"`{result.digest}`")]
    rows += [("tag", f"`{name}`") for name in result.tags]
    rows += [("size", f"{size_text(sum(layer.size for layer in result.layers))} in {len(result.layers)} layers")]
    rows += [("sent", size_text(sum(layer.sent for layer in result.layers)))]
    lines = [f"### cogpack: `{result.reference}`", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {text} |" for name, text in rows]
    moved = [layer for layer in result.layers if layer.sent]
    if moved:
        lines += ["", "| layer that moved | size |", "|---|---|"]
        lines += [f"| {_marked(layer.name)} | {size_text(layer.size)} |" for layer in moved[:_ROWS]]
    lines += [f"\n> **{note.code}:** {_marked(note.text)}" for note in dict.fromkeys(notes)]
    return "\n".join(lines) + "\n\n"


def _marked(text: str) -> str:
    """Return text of others as it is: nothing in it makes markup, a row or a link."""
    return "".join(
        f"&#{ord(sign)};" if sign in "&<>|`*_[]()#!~\\@" else " " if sign in "\r\n" else sign for sign in text
    )
