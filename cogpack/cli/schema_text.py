"""This module tells in words what a model takes and gives, of its OpenAPI document, which is anybody's: nothing in it
is certain.

A value is `integer, 1 to 10 [3]`, its default in brackets as in our help, or `string: fast, slow`.
"""

import json
from collections.abc import Mapping
from typing import Any

from cogpack.text import shortened

_WIDTH = 60
"""Columns of a default, of all choices, of a pattern."""


def value_text(schema: Mapping[str, Any]) -> str:
    """Write an input or the output in a few words."""
    words = _type(schema)
    choices = schema.get("enum")
    if isinstance(choices, list):
        words += f": {shortened(', '.join(map(_shown, choices)), _WIDTH)}"
    for low, high, unit in (("minimum", "maximum", ""), ("minLength", "maxLength", " characters")):
        least, most = schema.get(low), schema.get(high)
        if least is not None or most is not None:
            words += f", {_limits(least, most)}{unit}"
    if (pattern := schema.get("pattern")) is not None:
        words += f", like {shortened(_shown(pattern), _WIDTH)}"
    if schema.get("default") is not None:
        return f"{words} [{shortened(_shown(schema['default']), _WIDTH)}]"
    return f"{words}, optional" if schema.get("nullable") is True or "default" in schema else words


def _type(schema: Mapping[str, Any]) -> str:
    either = schema.get("anyOf")
    if isinstance(either, list) and either:
        return " or ".join(dict.fromkeys(_type(one) if isinstance(one, dict) else "any" for one in either))
    kind, items = schema.get("type"), schema.get("items")
    if kind == "array" and isinstance(items, dict):
        streamed = schema.get("x-cog-array-type") == "iterator"
        choices = items.get("enum")
        of = (
            f"{_type(items)}: {shortened(', '.join(map(_shown, choices)), _WIDTH)}" if isinstance(choices, list) else ""
        )
        return f"{'stream' if streamed else 'list'} of {of or _type(items)}"
    if kind == "string" and schema.get("format") == "uri":
        return "file"
    if kind == "string" and schema.get("format") == "password":
        return "secret"
    return kind if isinstance(kind, str) else "any"


def _limits(least: object, most: object) -> str:
    if most is None:
        return f"at least {_shown(least)}"
    return f"at most {_shown(most)}" if least is None else f"{_shown(least)} to {_shown(most)}"


def _shown(value: object) -> str:
    """Return text as it is, on one line; else as JSON has it."""
    return " ".join(value.split()) if isinstance(value, str) and value.strip() else json.dumps(value)
