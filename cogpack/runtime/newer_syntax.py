"""A file of a newer Python is read by an older one: what that has not is written as it has it, and then parsed.

Known are f-strings as they are since 3.12 (PEP 701), `type` statements and parameters of types (PEP 695), and
`except A, B:` since 3.14 (PEP 758). Lines and columns stay. A type's parameters are left out, as nobody asks for them;
text and fields of a new f-string are parsed one by one, and stand in the tree where it began.
"""

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import decode_source
from typing import Any, TypeAlias, TypeGuard

import msgspec

NEWEST = (3, 14)
"""The Python whose syntax is known here."""
_FORMATS = (3, 12)
_GENERICS = (3, 12)
_BARE_EXCEPT = (3, 14)

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)|(?P<prefix>[rR][bfBFtT]?|[bfBFtT][rR]?|[uU]|)(?P<quote>'''|\"""|'|")
    |(?P<word>[^\W\d]\w*)
    |(?P<number>[0-9][\w.]*)|(?P<continued>\\\n)|(?P<blank>[ \t\f]+)|(?P<mark>.)""",
    re.DOTALL | re.VERBOSE,
)
_DULL = re.compile(r"(?:(?!def\b|class\b)[^\W\d]\w*+(?!['\"])|[0-9][\w.]*|[ \t\f.,=+*/<>%&|^~@-]++)++")
"""What can be passed over within a statement: no bracket, string, comment or end of a line."""
_PLAIN = {
    quote: re.compile(rf"(?:\\.|[^\\{'' if len(quote) > 1 else chr(10)}])*?{quote}", re.DOTALL)
    for quote in ("'''", '"""', "'", '"')
}
"""The rest of a string without fields."""
_STOP = re.compile(r"[\\{}'\"\n]")
_ALIAS = re.compile(r"type([ \t]+)([^\W\d]\w*)(?=[ \t]*(?:\[|=(?!=)))")
_NAMED = re.compile(r"(?:[ \t]|\\\n)+[^\W\d]\w*[ \t]*(?=\[)")
_BRACES = re.compile(r"(\\N\{[^}]*\})|\{\{|\}\}")
_QUOTES = re.compile(r"\\.|\"", re.DOTALL)
_SELF_NAMED = re.compile(r"(?<![=!<>])=\s*\Z")
_STAND_INS = re.compile("[\U000f0000-\U000ffffd]|\\\\U000[fF]")
"""One character in a string stands for a whole f-string; a source that has such itself is not read."""
_MAX_DEPTH = 20


class _Field(msgspec.Struct, frozen=True, eq=False):
    """Is what stands in braces; `spec` behind the colon, None without one."""

    expression: str
    conversion: int
    spec: "tuple[_Piece, ...] | None"


_Piece: TypeAlias = str | _Field
"""Of an f-string: text as it is written, or a field."""


class _Unread(Exception):  # noqa: N818 - never seen by others
    """Says that this is not the Python that is known here."""


def parse_newer(data: bytes, path: str, *, python: tuple[int, int]) -> tuple[ast.Module, str]:
    """Parse a file of Python `python` that the running one refused, and give the text whose columns the tree has.

    `SyntaxError` where that is not for being new; `RecursionError`, `MemoryError` as `ast.parse`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            older = _Older(decode_source(data), python)
            tree = ast.parse(older.text, path)
            older.fill(tree)
    except (_Unread, ValueError, LookupError) as error:  # SyntaxError is left as it is
        raise error if isinstance(error, SyntaxError) else SyntaxError(str(error)) from error
    return tree, older.text


class _Older:
    """Writes a text anew. `text`: what comes of it."""

    def __init__(self, text: str, python: tuple[int, int], depth: int = 0) -> None:
        if _STAND_INS.search(text) or depth > _MAX_DEPTH:
            raise _Unread
        self._source = text
        self._python = python
        self._depth = depth
        self._formats: list[list[ast.expr]] = []
        parts: list[str] = []
        kept = 0
        for start, end, written in self._changes():
            parts += (text[kept:start], written)
            kept = end
        self.text = "".join((*parts, text[kept:]))

    def fill(self, tree: ast.AST) -> None:
        """Put the f-strings where one character stands for each."""
        pending = [tree] if self._formats else []
        while pending:
            node = pending.pop()
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

    def _parts(self, node: Any, inner: bool) -> list[Any]:
        """Give what stands for an item of a list; within an f-string, the parts of one."""
        if not self._is_stand_in(node):
            return [node]
        filled = self._filled(node)
        return filled.values if inner else [filled]

    @staticmethod
    def _is_stand_in(value: object) -> "TypeGuard[ast.Constant]":
        return isinstance(value, ast.Constant) and isinstance(value.value, str) and bool(_STAND_INS.search(value.value))

    def _filled(self, stand_in: ast.Constant) -> ast.JoinedStr:
        values: list[ast.expr] = []
        for part in re.split(f"({_STAND_INS.pattern})", str(stand_in.value)):
            if _STAND_INS.match(part):
                values += self._formats[ord(part) - 0xF0000]
            elif part:
                values.append(ast.Constant(part))
        found = ast.JoinedStr(values)
        for node in ast.walk(found):
            if isinstance(node, ast.expr):
                ast.copy_location(node, stand_in)
        return found

    def _changes(self) -> Iterator[tuple[int, int, str]]:
        """Give from where to where what else is written, in the order of the text."""
        at, depth, begins = 0, 0, True
        while at < len(self._source):
            if not begins and (dull := _DULL.match(self._source, at)):
                at = dull.end()
                continue
            found = _TOKEN.match(self._source, at)
            assert found is not None  # it takes any character
            end, first, begins = found.end(), begins, begins and found["blank"] is not None
            if found["quote"]:
                end, is_newer, pieces = self._string(found, 0)
                if is_newer:
                    yield at, end, self._stand_in(found, at, end, pieces)
            elif found["word"]:
                if change := self._changed(found, first and not depth):
                    yield change
                    end = change[1]
            elif mark := found["mark"]:
                depth += (mark in "([{") - (mark in ")]}")
                begins = mark in "\n;:" and depth <= 0
            at = end

    def _stand_in(self, found: re.Match[str], at: int, end: int, pieces: Sequence[_Piece]) -> str:
        if len(self._formats) > 0xFFFD or self._python < _FORMATS:
            raise _Unread
        self._formats.append(list(self._values(pieces, is_raw="r" in found["prefix"].lower())))
        lines = self._source[at:end].split("\n")
        written = chr(0xF0000 + len(self._formats) - 1)
        if len(lines) == 1:
            return f'"{written}"'.ljust(end - at)
        return f'"{written}' + "\\\n" * (len(lines) - 1) + '"'.ljust(len(lines[-1]))

    def _changed(self, found: re.Match[str], begins: bool) -> tuple[int, int, str] | None:
        """Write a statement's beginning anew where a word begins one that is new."""
        at, word = found.start(), found["word"]
        if begins and word == "except" and self._python >= _BARE_EXCEPT:
            return self._bare_except(found.end())
        if self._python < _GENERICS:
            return None
        if begins and word == "type" and (alias := _ALIAS.match(self._source, at)):
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
            found = _TOKEN.match(self._source, at)
            if found is None:
                raise _Unread
            at = self._string(found, 0)[0] if found["quote"] else found.end()
            if mark := found["mark"]:
                depth += (mark in "([{") - (mark in ")]}")
                if not depth:
                    break
        return at

    def _blank(self, start: int, end: int) -> str:
        return "\\\n".join(" " * len(line) for line in self._source[start:end].split("\n"))

    def _bare_except(self, at: int) -> tuple[int, int, str] | None:
        """Put what is caught in parentheses, where it is more than one without."""
        at += self._source.startswith("*", at)
        depth, commas, start = 0, 0, at
        while found := _TOKEN.match(self._source, at):
            mark = found["mark"]
            if found["quote"] or found["word"] == "as" or (mark == "\n" and not depth):
                return None
            if mark == ":" and not depth:
                return (start, at, f"({self._source[start:at].lstrip(' ')})") if commas else None
            if mark:
                depth += (mark in "([{") - (mark in ")]}")
                commas += mark == "," and not depth
            at = found.end()
        return None

    def _string(self, found: re.Match[str], depth: int) -> tuple[int, bool, list[_Piece]]:
        """Give where a string ends, whether only newer Pythons know it, and what it has."""
        prefix, quote = found["prefix"].lower(), found["quote"]
        if "f" in prefix:
            return self._pieces(found.end(), quote, is_raw="r" in prefix, is_spec=False, depth=depth)
        end = _PLAIN[quote].match(self._source, found.end())
        if end is None or "t" in prefix:
            raise _Unread
        return end.end(), False, []

    def _pieces(
        self, at: int, quote: str, *, is_raw: bool, is_spec: bool, depth: int
    ) -> tuple[int, bool, list[_Piece]]:
        """Read an f-string to its end, or what is behind a field's colon up to the brace."""
        text, begin, is_newer = self._source, at, False
        pieces: list[_Piece] = []
        while stop := _STOP.search(text, at):
            at, mark = stop.start(), stop[0]
            if text.startswith(quote, at) or (is_spec and mark == "}"):
                if is_spec and mark != "}":
                    raise _Unread
                pieces.append(text[begin:at])
                return at + (0 if is_spec else len(quote)), is_newer, pieces
            match mark:
                case "\\" if not is_raw and text.startswith("\\N{", at):
                    at = text.index("}", at) + 1
                case "\\":
                    at += 2 if text[at + 1 : at + 2] in ("\\", "'", '"', "\n") else 1
                case "{" if is_spec or not text.startswith("{{", at):
                    pieces.append(text[begin:at])
                    at, is_new, field = self._field(at + 1, quote, is_raw=is_raw, depth=depth + 1)
                    is_newer |= is_new or (is_spec and field.spec is not None and len(field.spec) > 1)
                    begin = at
                    pieces.append(field)
                case "{" | "}":
                    if text[at + 1 : at + 2] != mark:
                        raise _Unread
                    at += 2
                case "\n" if len(quote) == 1:
                    raise _Unread
                case _:
                    at += 1
        raise _Unread

    def _field(self, at: int, quote: str, *, is_raw: bool, depth: int) -> tuple[int, bool, _Field]:
        """Read a field from behind its brace to behind the other."""
        if depth > _MAX_DEPTH:
            raise _Unread
        text, begin, brackets, is_newer, expression = self._source, at, 0, False, ""
        while found := _TOKEN.match(text, at):
            mark = found["mark"]
            if not brackets and (mark in ("}", ":") or (mark == "!" and text[at + 1 : at + 2] != "=")):
                break
            end = found.end()
            if found["quote"]:
                end, is_new, _ = self._string(found, depth)
                inner = text[at:end]
                is_newer |= is_new or quote in inner or "\\" in inner or (len(quote) == 1 and "\n" in inner)
            elif mark:
                brackets += (mark in "([{") - (mark in ")]}")
                if brackets < 0:
                    raise _Unread
            if found["comment"]:
                expression, begin = expression + text[begin:at], end
            is_newer |= bool(found["comment"] or found["continued"]) or (mark == "\n" and len(quote) == 1)
            at = end
        expression += text[begin:at]
        conversion, spec = -1, None
        if text.startswith("!", at):
            conversion = ord(text[at + 1 : at + 2] or "?")
            at += 2
            while text[at : at + 1].isspace():
                at, is_newer = at + 1, True
        if text.startswith(":", at):
            at, is_new, pieces = self._pieces(at + 1, quote, is_raw=is_raw, is_spec=True, depth=depth)
            is_newer, spec = is_newer or is_new, tuple(pieces)
        if not text.startswith("}", at) or conversion not in (-1, *b"rsa"):
            raise _Unread
        return at + 1, is_newer, _Field(expression, conversion, spec)

    def _values(self, pieces: Sequence[_Piece], *, is_raw: bool, is_spec: bool = False) -> Iterator[ast.expr]:
        """Make nodes of pieces, as `ast.JoinedStr` has them."""
        for piece in pieces:
            if isinstance(piece, str):
                if piece:
                    yield ast.Constant(_read_text(piece, is_raw=is_raw, is_spec=is_spec))
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


def _read_text(text: str, *, is_raw: bool, is_spec: bool) -> str:
    """Read the text of an f-string as Python does that of a string."""
    if not is_spec:
        text = _BRACES.sub(lambda found: found[1] or found[0][0], text)
    if is_raw:
        return text
    text = _QUOTES.sub(lambda found: found[0] if len(found[0]) > 1 else '\\"', text)
    if (len(text) - len(text.rstrip("\\"))) % 2:
        text += "\\"  # before a field
    return str(ast.literal_eval(f'"""{text}"""'))
