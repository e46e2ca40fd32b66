"""A project's Python files are read as modules by `ast`, never run: what is each top-level name bound to?

Sources are bounded in size, and walked without recursion, so that no file can exhaust stack or memory.
"""

import ast
import re
import sys
import warnings
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from importlib.util import decode_source
from itertools import accumulate
from typing import Any, Protocol, TypeAlias

import msgspec

from cogpack.errors import InputError
from cogpack.notes import Code, Note
from cogpack.runtime.schema.bindings import Module, collect

MAX_BYTES = 512 * 1024
"""Of one Python file, many times the longest predictor seen; the densest such source needs 200 MiB as a tree."""

_SERVED_WITH = ("certifi", "charset_normalizer", "cog", "coglet", "idna", "requests", "urllib3")
_HARMLESS = frozenset({"antigravity", "idlelib", "test", "this", "turtledemo"})
_FORMATS = (3, 12)
"""The Python whose f-strings are newer than what `ast` tells."""
_BEGINS = bytes(byte & 0xC0 != 0x80 for byte in range(256))
"""For each byte of UTF-8: does a character begin with it?"""

_Positioned: TypeAlias = ast.stmt | ast.expr | ast.arg | ast.alias


class SourceFiles(Protocol):
    """Gives a project's files by POSIX path relative to its root; `None` where there is no such file."""

    def read(self, path: str) -> bytes | None: ...


class MappedSourceFiles:
    """Gives files that are held in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def read(self, path: str) -> bytes | None:
        return self._files.get(path)


class Place(msgspec.Struct, frozen=True):
    """Says where in the user's sources something stands, and about what: `predict.py:12:9: parameter 'x'`."""

    path: str
    line: int
    column: int
    subject: str = ""

    @classmethod
    def of(cls, path: str, node: "_Positioned", subject: str = "") -> "Place":
        return cls(path, node.lineno, node.col_offset + 1, subject)

    def at(self, node: ast.AST) -> "Place":
        """Give the place of another node of the file; this one where that was made by us."""
        line = getattr(node, "lineno", None)
        return Place(self.path, line, getattr(node, "col_offset", 0) + 1, self.subject) if line else self

    def text(self, message: str) -> str:
        return f"{self.path}:{self.line}:{self.column}: " + (f"{self.subject}: " if self.subject else "") + message

    def note(self, code: Code, message: str) -> Note:
        return Note(code, self.text(message))

    def error(self, message: str, *, next_step: str) -> InputError:
        return InputError(self.text(message), next_step=next_step)


def parse_module(path: str, data: bytes, *, python: tuple[int, int], running: tuple[int, int]) -> Module:
    """Collect the names of one file, or raise an `InputError`. `python`: the model's, `running`: whose `ast` reads."""
    if len(data) > MAX_BYTES:
        raise InputError(
            f"{path}: {len(data)} bytes of Python; at most {MAX_BYTES} are read",
            next_step="move data out of the source file",
        )
    text: str | None = None
    try:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about the user's literals; Python says so again when it runs them
                tree = ast.parse(data, path, feature_version=min(python, running))
        except SyntaxError as error:
            tree, text = _parse_newer(data, path, error, python=python, running=running)
        else:
            if python < _FORMATS <= running:
                _refuse_newer_formats(data, path, python)
    except (ValueError, LookupError) as error:
        raise InputError(f"{path}: not Python source: {error}", next_step="save the file as UTF-8 text") from error
    except (RecursionError, MemoryError) as error:
        raise too_deep(path) from error
    if not (text or data).isascii():
        count_characters(tree, data, text)
    names, stars, relative = collect(tree.body)
    return Module(path, names, stars, relative)


def count_characters(tree: ast.Module, data: bytes, text: str | None) -> None:
    """Count columns in characters, as editors do; `ast` counts the bytes that UTF-8 has for them. `text`: what was read
    in place of the data."""
    try:
        lines = [line.encode() for line in re.split(r"\r\n?|\n", decode_source(data) if text is None else text)]
    except (SyntaxError, ValueError, LookupError):  # `ast` takes a little more
        return
    wide = [number for number, line in enumerate(lines, 1) if not line.isascii()]
    counted: dict[int, array[int]] = {}  # of each wide line, how many characters begin before each of its bytes
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, _Positioned):
            first = bisect_left(wide, node.lineno)
            if first == len(wide) or wide[first] > (node.end_lineno or node.lineno):
                continue
            if wide[first] == node.lineno:
                if node.lineno not in counted:
                    line = lines[node.lineno - 1].translate(_BEGINS)
                    counted[node.lineno] = array("L", accumulate(line, initial=0))
                node.col_offset = counted[node.lineno][min(node.col_offset, len(lines[node.lineno - 1]))]
        pending += ast.iter_child_nodes(node)


def parsed(data: bytes | None, path: str) -> ast.Module | None:
    """Parse a file, columns in characters; None of one that can't be read, of which who checks the predictor tells."""
    if data is None or len(data) > MAX_BYTES:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text: str | None = None
            try:
                tree = ast.parse(data, path)
            except SyntaxError:
                from cogpack.runtime.newer_syntax import NEWEST, parse_newer  # few models need it

                tree, text = parse_newer(data, path, python=NEWEST)
    except (SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        return None
    if not (text or data).isascii():
        count_characters(tree, data, text)
    return tree


def parse_annotation(text: str, quotes: ast.expr) -> ast.expr:
    """Parse a quoted annotation; `ValueError` where it is none. Its nodes stand where the quotes do."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(str(error)) from error
    for node in ast.walk(parsed):
        if isinstance(node, ast.expr):
            node.lineno, node.col_offset = quotes.lineno, quotes.col_offset
    return parsed


def shown(node: ast.AST) -> str:
    """Show the source of a node in a message, on one line and shortened."""
    try:
        values: Any = getattr(node, "values", None) if type(node).__name__ == "TemplateStr" else None
        is_ours = values and sys.version_info < (3, 14)  # of `newer_syntax`, which no older Python can write
        text = " ".join(("t" + ast.unparse(ast.JoinedStr(values))[1:] if is_ours else ast.unparse(node)).split())
    except RecursionError:
        return "..."
    return text if len(text) <= 80 else text[:77] + "..."


def too_deep(path: str) -> InputError:
    return InputError(f"{path}: nested too deeply to be read", next_step="split the deeply nested expression")


def _parse_newer(
    data: bytes, path: str, error: SyntaxError, *, python: tuple[int, int], running: tuple[int, int]
) -> tuple[ast.Module, str]:
    """Read syntax that the running Python has not and the model's has; else refuse it by the running one's `error`."""
    from cogpack.runtime.newer_syntax import first_python, parse_newer  # few models need it

    next_step = "correct the syntax"
    if running < python:
        try:
            return parse_newer(data, path, python=python)
        except SyntaxError as newer:
            error = newer if newer.filename == path else error  # behind what it can read
            ours, theirs = (".".join(map(str, one)) for one in (running, python))
            next_step += f", or run cogpack with Python {theirs}: this is {ours}, which can't read all newer syntax"
    place = Place(path, error.lineno or 1, max(error.offset or 1, 1))
    since = first_python(data, path, newer_than=python)
    if since or "supported in Python" in error.msg:
        raise _too_new(place, since, python, error.msg) from error
    raise place.error(f"syntax error: {error.msg}", next_step=next_step) from error


def _refuse_newer_formats(data: bytes, path: str, python: tuple[int, int]) -> None:
    """Refuse f-strings that the running Python reads and the model's does not, which `feature_version` is silent of."""
    from cogpack.runtime.newer_syntax import newer_format

    if line := newer_format(data):
        raise _too_new(Place(path, line, 1), _FORMATS, python)


def _too_new(place: Place, since: tuple[int, int] | None, python: tuple[int, int], message: str = "") -> InputError:
    if since:
        message = f"this is of Python {since[0]}.{since[1]}, and the model has {python[0]}.{python[1]}"
    return place.error(
        f"syntax error: {message}",
        next_step="raise build.python_version in cog.yaml, or write it as that Python has it",
    )


def shadowed(source: SourceFiles) -> list[Note]:
    """Give a note of each module of the standard library or of the server that a file in the root replaces: the working
    directory comes first."""
    names = sorted({*sys.stdlib_module_names, *_SERVED_WITH} - _HARMLESS)
    return [
        Note(Code.HIDDEN_MODULE, f"{path}:1: hides the module {name} from everything in the container; rename it")
        for name in names
        if not name.startswith("_")
        for path in (f"{name}.py", f"{name}/__init__.py")
        if source.read(path) is not None
    ]
