"""A file of a newer Python is read by an older one: what that has not is written as it has it, and then parsed.

Known are f-strings as they are since 3.12 (PEP 701), `type` statements and parameters of types (PEP 695), their
defaults since 3.13 (PEP 696), `except A, B:` (PEP 758) and t-strings (PEP 750) since 3.14. Lines and columns stay. A
type's parameters are left out, as nobody asks for them; text and fields of a new f-string are parsed one by one, and
stand in the tree where it began.
"""

import ast
import re
import sys
import warnings
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from importlib.util import decode_source
from keyword import iskeyword
from typing import Any, TypeGuard

from cogpack.runtime.newer_strings import MAX_DEPTH, TOKEN, Piece, Unread, read_string, read_text
from cogpack.runtime.schema.bindings import TYPE_STATEMENT

NEWEST = (3, 14)
"""The Python whose syntax is known here."""
_FORMATS = (3, 12)
_GENERICS = (3, 12)
_TYPE_DEFAULTS = (3, 13)
_BARE_EXCEPT = (3, 14)
_TEMPLATES = (3, 14)

_NEXT = re.compile(
    r"""(?P<comment>\#[^\n]*)|(?:(?<!\w)(?P<prefix>[rR][bfBFtT]?|[bfBFtT][rR]?|[uU]))?(?P<quote>'''|\"""|'|")
    |(?<!\w)(?P<word>type|class|def|except)\b""",
    re.VERBOSE,
)
"""What is looked at: a string, or a word that begins a statement which may be new. `type` is a name elsewhere."""
_ALIAS = re.compile(r"type([ \t]+)([^\W\d]\w*)(?=[ \t]*(?:\[|=(?!=)))")
_NAMED = re.compile(r"(?:[ \t]|\\\n)+[^\W\d]\w*[ \t]*(?=\[)")
_DEFAULT = re.compile(r"[^=!<>:]=(?!=)")
_SELF_NAMED = re.compile(r"(?<![=!<>])=\s*\Z")
_STAND_INS = re.compile("[\U000f0000-\U000ffffd]|\\\\U000[fF]")
"""One character in a string stands for a whole f-string; a source that has such itself is not read."""


class _TooNew(Unread):
    """Says that the Python which was told has not the syntax of a line."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


class TemplateStr(ast.expr):
    """Is a t-string, as `ast` has it since 3.14, but with fields as those of an f-string. `values`: texts and these."""

    _fields = ("values",)
    values: list[ast.expr]


def parse_newer(data: bytes, path: str, *, python: tuple[int, int]) -> tuple[ast.Module, str]:
    """Parse a file of Python `python` that the running one refused, and give the text whose columns the tree has.

    `SyntaxError` where that is not for being new; `RecursionError`, `MemoryError` as `ast.parse`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            older = _Older(decode_source(data), python)
            tree = ast.parse(older.text, path, feature_version=min(python, sys.version_info[:2]))
            older.fill(tree)
    except (Unread, ValueError, LookupError) as error:  # SyntaxError is left as it is
        raise error if isinstance(error, SyntaxError) else SyntaxError(str(error)) from error
    return tree, older.text


def first_python(data: bytes, path: str, *, newer_than: tuple[int, int]) -> tuple[int, int] | None:
    """Tell which is the first newer Python that has the syntax of a file; None where none does that is known here."""
    for minor in range(newer_than[1] + 1, NEWEST[1] + 1):
        try:
            parse_newer(data, path, python=(3, minor))
        except SyntaxError:
            continue
        return 3, minor
    return None


def newer_format(data: bytes) -> int | None:
    """Give the line of the first f-string of a file that the running Python reads, and none before 3.12 does."""
    try:
        _Older(decode_source(data), (3, 11))
    except _TooNew as found:
        return found.line
    except (Unread, SyntaxError, ValueError, LookupError):
        pass
    return None


class _Older:
    """Writes a text anew. `text`: what comes of it."""

    def __init__(self, text: str, python: tuple[int, int], depth: int = 0) -> None:
        if _STAND_INS.search(text) or depth > MAX_DEPTH:
            raise Unread
        self._source = text
        self._python = python
        self._depth = depth
        self._formats: list[list[ast.expr]] = []
        self._templates: set[int] = set()
        """Which of the formats are t-strings."""
        self._lines: list[int] = []
        """Where each of them begins."""
        self._types = set[tuple[int, str]]()
        """Line and name of each `type` statement."""
        self._counted = (0, 1)
        """Up to where lines are counted, and which one that is."""
        parts: list[str] = []
        kept = 0
        for start, end, written in self._changes():
            parts += (text[kept:start], written)
            kept = end
        self.text = "".join((*parts, text[kept:]))

    def fill(self, tree: ast.AST) -> None:
        """Put the f-strings where one character stands for each, and mark what `type` statements name."""
        pending = [tree] if self._formats else []
        while pending:
            node = pending.pop()
            if isinstance(node, ast.stmt) and not self._has_formats(node):
                continue
            for name in node._fields:
                value = getattr(node, name, None)
                if isinstance(value, list):
                    if any(map(self._is_stand_in, value)):
                        inner = isinstance(node, ast.JoinedStr)
                        value[:] = (part for one in value for part in self._parts(one, inner))
                    pending += (one for one in value if isinstance(one, ast.AST))
                elif self._is_stand_in(value):
                    setattr(node, name, self._filled(value))
                elif isinstance(value, ast.AST):
                    pending.append(value)
        for node in ast.walk(tree) if self._types else ():
            match node:
                case ast.Assign([ast.Name(name)], value) if (node.lineno, name) in self._types:
                    vars(value)[TYPE_STATEMENT] = True

    def _has_formats(self, node: ast.stmt) -> bool:
        line = min((node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))))
        first = bisect_left(self._lines, line)
        return first < len(self._lines) and self._lines[first] <= (node.end_lineno or line)

    def _parts(self, node: Any, inner: bool) -> list[Any]:
        """Give what stands for an item of a list; within an f-string, the parts of one."""
        if not self._is_stand_in(node):
            return [node]
        filled = self._filled(node)
        if inner and isinstance(filled, TemplateStr):
            raise Unread
        return filled.values if inner else [filled]

    @staticmethod
    def _is_stand_in(value: object) -> "TypeGuard[ast.Constant]":
        return isinstance(value, ast.Constant) and isinstance(value.value, str) and bool(_STAND_INS.search(value.value))

    def _filled(self, stand_in: ast.Constant) -> ast.JoinedStr | TemplateStr:
        values: list[ast.expr] = []
        texts = templates = 0
        for part in re.split(f"({_STAND_INS.pattern})", str(stand_in.value)):
            if _STAND_INS.match(part):
                number = ord(part) - 0xF0000
                values += self._formats[number]
                templates += number in self._templates
                texts += number not in self._templates
            elif part:
                values.append(ast.Constant(part))
                texts += 1
        if templates and texts:
            raise Unread  # Python joins neither kind to the other
        found = TemplateStr() if templates else ast.JoinedStr([])
        found.values = values
        for node in ast.walk(found):
            if isinstance(node, ast.expr):
                ast.copy_location(node, stand_in)
        return found

    def _changes(self) -> Iterator[tuple[int, int, str]]:
        """Give from where to where what else is written, in the order of the text."""
        at = 0
        while found := _NEXT.search(self._source, at):
            at = found.end()
            if found["quote"]:
                at, is_newer, pieces = read_string(self._source, found)
                if is_newer:
                    yield found.start(), at, self._stand_in(found, found.start(), at, pieces)
            elif found["word"] and (change := self._changed(found)):
                yield change
                at = change[1]

    def _stand_in(self, found: re.Match[str], at: int, end: int, pieces: Sequence[Piece]) -> str:
        prefix = (found["prefix"] or "").lower()
        if self._python < (_TEMPLATES if "t" in prefix else _FORMATS):
            raise _TooNew(self._line(at))
        if len(self._formats) > 0xFFFD:
            raise Unread
        if "t" in prefix:
            self._templates.add(len(self._formats))
        self._formats.append(list(self._values(pieces, is_raw="r" in prefix)))
        self._lines.append(self._line(at))
        lines = self._source[at:end].split("\n")
        written = chr(0xF0000 + len(self._formats) - 1)
        if len(lines) == 1:
            return f'"{written}"'.ljust(end - at)
        return f'"{written}' + "\\\n" * (len(lines) - 1) + '"'.ljust(len(lines[-1]))

    def _line(self, at: int) -> int:
        """Count lines, on from where they were counted last."""
        before, line = self._counted
        self._counted = at, line + self._source.count("\n", before, at)
        return self._counted[1]

    def _changed(self, found: re.Match[str]) -> tuple[int, int, str] | None:
        """Write a statement's beginning anew where a word begins one that is new."""
        at, word = found.start(), found["word"]
        if word == "except" and self._python >= _BARE_EXCEPT:
            return self._bare_except(found.end())
        if self._python < _GENERICS:
            return None
        if word == "type" and (alias := _ALIAS.match(self._source, at)) and not iskeyword(alias[2]):
            self._types.add((self._line(at), alias[2]))
            end = self._behind(alias.end())
            return at, end, f"{alias[2]}     ".ljust(alias.end() - at) + self._blank(alias.end(), end)
        if word in ("class", "def") and (named := _NAMED.match(self._source, found.end())):
            end = self._behind(named.end())
            return found.end(), end, named[0] + self._blank(named.end(), end)
        return None

    def _behind(self, at: int) -> int:
        """Find the end of what stands in brackets here; `at` where nothing does."""
        depth = 0
        while self._source.startswith("[", at) or depth:
            found = TOKEN.match(self._source, at)
            if found is None:
                raise Unread
            at = read_string(self._source, found)[0] if found["quote"] else found.end()
            if mark := found["mark"]:
                depth += (mark in "([{") - (mark in ")]}")
                if not depth:
                    break
                if depth == 1 and self._python < _TYPE_DEFAULTS and _DEFAULT.match(self._source, found.start() - 1):
                    raise _TooNew(self._line(at))
        return at

    def _blank(self, start: int, end: int) -> str:
        return "\\\n".join(" " * len(line) for line in self._source[start:end].split("\n"))

    def _bare_except(self, at: int) -> tuple[int, int, str] | None:
        """Put what is caught in parentheses, where it is more than one without."""
        at += self._source.startswith("*", at)
        depth, commas, start = 0, 0, at
        while found := TOKEN.match(self._source, at):
            mark = found["mark"]
            if found["quote"] or found["word"] in ("as", "except") or (mark == "\n" and not depth):
                return None
            if mark == ":" and not depth:
                return (start, at, f"({self._source[start:at].lstrip(' ')})") if commas else None
            if mark:
                depth += (mark in "([{") - (mark in ")]}")
                commas += mark == "," and not depth
            at = found.end()
        return None

    def _values(self, pieces: Sequence[Piece], *, is_raw: bool, is_spec: bool = False) -> Iterator[ast.expr]:
        """Make nodes of pieces, as `ast.JoinedStr` has them."""
        for piece in pieces:
            if isinstance(piece, str):
                if piece:
                    yield ast.Constant(read_text(piece, is_raw=is_raw, is_spec=is_spec))
                continue
            expression, conversion = piece.expression, piece.conversion
            if found := _SELF_NAMED.search(expression):
                yield ast.Constant(expression)
                expression = expression[: found.start()]
                conversion = ord("r") if conversion < 0 and piece.spec is None else conversion
            older = _Older(f"({expression}\n)", self._python, self._depth + 1)
            parsed = ast.parse(older.text, mode="eval")
            older.fill(parsed)
            spec = (
                None if piece.spec is None else ast.JoinedStr([*self._values(piece.spec, is_raw=is_raw, is_spec=True)])
            )
            yield ast.FormattedValue(parsed.body, conversion, spec)
