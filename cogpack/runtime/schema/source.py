"""A project's Python files are read as modules by `ast`, never run: what is each top-level name bound to?

Sources are bounded in size, and walked without recursion, so that no file can exhaust stack or memory.
"""

import ast
import re
import sys
import warnings
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import decode_source
from itertools import accumulate
from typing import Any, Protocol, TypeAlias

import msgspec

from cogpack.errors import InputError
from cogpack.notes import Code, Note

MAX_BYTES = 512 * 1024
"""Of one Python file, many times the longest predictor seen; the densest such source needs 200 MiB as a tree."""

_MUTATORS = frozenset(
    "add append clear discard extend insert pop popitem remove reverse setdefault sort update".split()  # noqa: SIM905
)

_FORMATS = (3, 12)
"""The Python whose f-strings are newer than what `ast` tells."""
_BEGINS = bytes(byte & 0xC0 != 0x80 for byte in range(256))
"""For each byte of UTF-8: does a character begin with it?"""

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
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


class Imported(msgspec.Struct, frozen=True, eq=False):
    """Stands for `from module import name`, or `import module` where `name` is None; `level` counts the leading
    dots."""

    module: str
    name: str | None
    level: int
    line: int


class Defined(msgspec.Struct, frozen=True, eq=False):
    """Stands for a class or function."""

    node: ast.ClassDef | Function


class Assigned(msgspec.Struct, frozen=True, eq=False):
    """Stands for a name bound to an expression, which is in `scope` where that differs from the name's own."""

    node: ast.expr
    scope: "Scope | None" = None


class Unclear(msgspec.Struct, frozen=True, eq=False):
    """Stands for a name whose value can't be told without running the code."""

    reason: str


Binding: TypeAlias = Imported | Defined | Assigned | Unclear


class Module(msgspec.Struct, frozen=True, eq=False):
    """Is one parsed file. `stars` are its `from ... import *`."""

    path: str
    names: Mapping[str, Binding]
    stars: Sequence[Imported]
    relative_imports: "Sequence[ast.ImportFrom]"


class Scope(msgspec.Struct, frozen=True, eq=False):
    """Is where an expression is evaluated: the names of enclosing bodies, innermost first, then the module's."""

    module: Module
    inner: tuple[Mapping[str, Binding], ...] = ()

    def within(self, names: Mapping[str, Binding]) -> "Scope":
        return Scope(self.module, (names, *self.inner))


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
    names, stars, relative = _collect(tree.body)
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


def class_names(node: ast.ClassDef) -> dict[str, Binding]:
    """Tell what the names in a class's body are bound to."""
    return _collect(node.body)[0]


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


def _collect(body: Sequence[ast.stmt]) -> tuple[dict[str, Binding], list[Imported], list[ast.ImportFrom]]:
    """Collect bindings in order of execution; what stands under `if`, `try` or a loop may or may not be executed."""
    names: dict[str, Binding] = {}
    stars: list[Imported] = []
    relative: list[ast.ImportFrom] = []
    pending = deque((statement, False) for statement in body)

    def bind(name: str, binding: Binding, conditional: bool) -> None:
        known = names.get(name)
        if not conditional or known is None:
            names[name] = binding
        elif not (isinstance(known, Imported) and isinstance(binding, Imported)):
            names[name] = Unclear(f"{name} is bound in more than one place")

    while pending:
        statement, conditional = pending.popleft()
        match statement:
            case ast.Import():
                for alias in statement.names:
                    module = alias.name if alias.asname else alias.name.partition(".")[0]
                    bind(alias.asname or module, Imported(module, None, 0, statement.lineno), conditional)
            case ast.ImportFrom():
                if statement.level:
                    relative.append(statement)
                for alias in statement.names:
                    imported = Imported(statement.module or "", alias.name, statement.level, statement.lineno)
                    if alias.name == "*":
                        stars.append(imported)
                    else:
                        bind(alias.asname or alias.name, imported, conditional)
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                bind(statement.name, Defined(statement), conditional)
            case ast.Assign() | ast.AnnAssign(value=ast.expr()):
                value = statement.value
                assert value is not None  # by the pattern
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                for target in targets:
                    if isinstance(target, ast.Name):
                        bind(target.id, Assigned(value), conditional)
                    else:
                        names.update(_changed(target))
            case ast.stmt() if type(statement).__name__ == "TypeAlias":  # PEP 695
                named: Any = statement
                bind(named.name.id, Assigned(named.value), conditional)
            case ast.AugAssign():
                names.update(_changed(statement.target))
            case ast.Delete():
                for target in statement.targets:
                    names.update(_changed(target))
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name() as target, attr=attribute))):
                if attribute in _MUTATORS:
                    names.update(_changed(target))
            case ast.For() | ast.AsyncFor():
                names.update(_changed(statement.target))
            case ast.With() | ast.AsyncWith():
                for item in statement.items:
                    if item.optional_vars:
                        names.update(_changed(item.optional_vars))
            case _:
                pass
        runs_once = isinstance(statement, ast.With | ast.AsyncWith)
        inner = [(child, conditional or not runs_once) for child in _blocks(statement)]
        pending.extendleft(reversed(inner))
    return names, stars, relative


def statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Give all statements of one scope, those inside of `if` and the like too, in their order."""
    pending = deque(body)
    while pending:
        statement = pending.popleft()
        yield statement
        pending.extendleft(reversed(list(_blocks(statement))))


def _blocks(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Give the statements directly inside a compound statement of the same scope."""
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return
    yield from getattr(statement, "body", ())
    for clause in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield from clause.body
    yield from getattr(statement, "orelse", ())
    yield from getattr(statement, "finalbody", ())


def _changed(target: ast.expr) -> dict[str, Binding]:
    """Name what an assignment to `target` binds or changes in ways not followed here."""
    return {
        node.id: Unclear(f"{node.id} is changed or computed at line {target.lineno}")
        for node in ast.walk(target)
        if isinstance(node, ast.Name)
    }
