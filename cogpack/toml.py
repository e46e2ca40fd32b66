"""TOML 1.0 is written with one line per item of a list, so that what changed is what a diff shows; and read in bounded
time."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cogpack.patterns import pattern

_PARTS = 16
"""Of a dotted key, as people write them."""
_QUOTED = pattern(
    r'"""(?:[^"\\]|\\.?|"(?!""))*+(?:"{3,5}|\Z)|"(?:[^"\\\n]|\\[^\n]?)*+"?'
    r"|'''(?:[^']|'(?!''))*+(?:'{3,5}|\Z)|'[^'\n]*+'?|#[^\n]*+",
    re.DOTALL,
)
"""Strings, which may end in two quotes of their own, and comments. One that nobody closes is one, too: what follows it
is not read, and each character is looked at once."""


def decode(text: str, *, most_parts: int = _PARTS) -> dict[str, Any]:
    """Read it; `ValueError` of what is none, and of a key with more parts than `most_parts`: for those, tomllib takes
    more than the time of a text's length."""
    bare = _QUOTED.sub("s", text)
    if re.search(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{most_parts}}}", bare):
        raise ValueError(f"a key of more than {most_parts} parts")
    return tomllib.loads(text)


def encode(document: Mapping[str, Any]) -> bytes:
    """Write tables, lists, text, integers and booleans; what is None is left out, since TOML has no null."""
    return ("\n".join(_table(document, ())) + "\n").encode()


def encode_array(name: str, tables: Iterable[Mapping[str, Any]]) -> bytes:
    """Write an array of tables, `[[name]]`, each with its own tables in a line."""
    return b"".join(("\n".join(("", f"[[{_key(name)}]]", *_pairs(table))) + "\n").encode() for table in tables)


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if path and (len(tables) < len(table) or not table):
        yield f"\n[{'.'.join(map(_key, path))}]"
    yield from _pairs({key: value for key, value in table.items() if key not in tables})
    for key, value in tables.items():
        yield from _table(value, (*path, key))


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, list | tuple) and value:
            yield f"{_key(key)} = ["
            yield from (f"    {_inline(item)}," for item in value)
            yield "]"
        elif value is not None:
            yield f"{_key(key)} = {_inline(value)}"


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{_key(key)} = {_inline(item)}" for key, item in value.items() if item is not None)
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    # A JSON string, number or boolean is a TOML one (TOML 1.0, "String": basic strings escape as JSON does),
    # but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _inline(key)
