"""Strings of Python are read by their text alone: where one ends, what an f-string or t-string has, and since when."""

import ast
import re
from typing import TypeAlias

import msgspec

TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)|(?P<prefix>[rR][bfBFtT]?|[bfBFtT][rR]?|[uU]|)(?P<quote>'''|\"""|'|")
    |(?P<word>[^\W\d]\w*)
    |(?P<number>[0-9][\w.]*)|(?P<continued>\\\n)|(?P<blank>[ \t\f]+)|(?P<mark>.)""",
    re.DOTALL | re.VERBOSE,
)
_PLAIN = {
    quote: re.compile(rf"(?:\\.|[^\\{'' if len(quote) > 1 else chr(10)}])*?{quote}", re.DOTALL)
    for quote in ("'''", '"""', "'", '"')
}
"""The rest of a string without fields."""
_STOP = re.compile(r"[\\{}'\"\n]")
_BRACES = re.compile(r"(\\N\{[^}]*\})|\{\{|\}\}")
_QUOTES = re.compile(r"\\.|\"", re.DOTALL)
MAX_DEPTH = 20


class Field(msgspec.Struct, frozen=True, eq=False):
    """Is what stands in braces; `spec` behind the colon, None without one."""

    expression: str
    conversion: int
    spec: "tuple[Piece, ...] | None"


Piece: TypeAlias = str | Field
"""Of an f-string: text as it is written, or a field."""


class Unread(Exception):  # noqa: N818 - never seen by others
    """Says that this is not the Python that is known here."""


def read_string(text: str, found: re.Match[str], depth: int = 0) -> tuple[int, bool, list[Piece]]:
    """Give where a string ends, whether only newer Pythons know it, and what it has."""
    prefix, quote = (found["prefix"] or "").lower(), found["quote"]
    if "f" in prefix or "t" in prefix:
        end, is_newer, pieces = _pieces(text, found.end(), quote, is_raw="r" in prefix, is_spec=False, depth=depth)
        return end, is_newer or "t" in prefix, pieces
    plain = _PLAIN[quote].match(text, found.end())
    if plain is None:
        raise Unread
    return plain.end(), False, []


def _pieces(
    text: str, at: int, quote: str, *, is_raw: bool, is_spec: bool, depth: int
) -> tuple[int, bool, list[Piece]]:
    """Read an f-string to its end, or what is behind a field's colon up to the brace."""
    begin, is_newer = at, False
    pieces: list[Piece] = []
    while stop := _STOP.search(text, at):
        at, mark = stop.start(), stop[0]
        if text.startswith(quote, at) or (is_spec and mark == "}"):
            if is_spec and mark != "}":
                raise Unread
            pieces.append(text[begin:at])
            return at + (0 if is_spec else len(quote)), is_newer, pieces
        match mark:
            case "\\" if not is_raw and text.startswith("\\N{", at):
                at = text.index("}", at) + 1
            case "\\":
                at += 2 if text[at + 1 : at + 2] in ("\\", "'", '"', "\n") else 1
            case "{" if is_spec or not text.startswith("{{", at):
                pieces.append(text[begin:at])
                at, is_new, field = _field(text, at + 1, quote, is_raw=is_raw, depth=depth + 1)
                is_newer |= is_new or (is_spec and field.spec is not None and len(field.spec) > 1)
                begin = at
                pieces.append(field)
            case "{" | "}":
                if text[at + 1 : at + 2] != mark:
                    raise Unread
                at += 2
            case "\n" if len(quote) == 1:
                raise Unread
            case _:
                at += 1
    raise Unread


def _field(text: str, at: int, quote: str, *, is_raw: bool, depth: int) -> tuple[int, bool, Field]:
    """Read a field from behind its brace to behind the other."""
    if depth > MAX_DEPTH:
        raise Unread
    begin, brackets, is_newer, expression = at, 0, False, ""
    while found := TOKEN.match(text, at):
        mark = found["mark"]
        if not brackets and (mark in ("}", ":") or (mark == "!" and text[at + 1 : at + 2] != "=")):
            break
        end = found.end()
        if found["quote"]:
            end, is_new, _ = read_string(text, found, depth)
            inner = text[at:end]
            is_newer |= is_new or quote in inner or "\\" in inner or (len(quote) == 1 and "\n" in inner)
        elif mark:
            brackets += (mark in "([{") - (mark in ")]}")
            if brackets < 0:
                raise Unread
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
        at, is_new, pieces = _pieces(text, at + 1, quote, is_raw=is_raw, is_spec=True, depth=depth)
        is_newer, spec = is_newer or is_new, tuple(pieces)
    if not text.startswith("}", at) or conversion not in (-1, *b"rsa"):
        raise Unread
    return at + 1, is_newer, Field(expression, conversion, spec)


def read_text(text: str, *, is_raw: bool, is_spec: bool) -> str:
    """Read the text of an f-string as Python does that of a string."""
    if not is_spec:
        text = _BRACES.sub(lambda found: found[1] or found[0][0], text)
    if is_raw:
        return text
    text = _QUOTES.sub(lambda found: found[0] if len(found[0]) > 1 else '\\"', text)
    if (len(text) - len(text.rstrip("\\"))) % 2:
        text += "\\"  # before a field
    return str(ast.literal_eval(f'"""{text}"""'))
