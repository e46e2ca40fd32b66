"""What is computed of values, without running anything of the user's: numbers in 64 bits, orders, conversions."""

import ast
import math
from typing import TypeAlias

from cogpack.runtime.schema.source import shown

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"

MAX_BITS = 64


class Unresolved(Exception):  # noqa: N818 - an answer, turned into an InputError by those who know the place
    """Says why a value can't be told."""


class Uncomputed(Unresolved):
    """Says what would have to be run to tell a value, which may well be one."""


def number(value: float) -> int | float:
    """Refuse what JSON or 64 bits can't hold."""
    if isinstance(value, int):
        if value.bit_length() >= MAX_BITS:
            raise Unresolved(f"an integer of {value.bit_length()} bits does not fit in {MAX_BITS}")
    elif not math.isfinite(value):
        raise Unresolved("it is not a finite number")
    return value


def power(base: float, exponent: float) -> int | float:
    """Raise one number to another, if the result is one that `number` takes."""
    if isinstance(base, int) and isinstance(exponent, int) and exponent >= 0:
        # At least this many bits come out; one more multiplication decides.
        if (abs(base).bit_length() - 1) * exponent >= MAX_BITS:
            raise Unresolved(f"{base}**{exponent} does not fit in {MAX_BITS} bits")
        return number(base**exponent)
    try:
        result = base**exponent
    except (ZeroDivisionError, OverflowError) as error:
        raise Unresolved(str(error)) from None
    if isinstance(result, int | float):
        return number(result)
    raise Unresolved("it is a complex number")


def converted(node: ast.Call, kind: "type[int | float | str]", value: Value) -> Value:
    """Convert as the builtin `kind` does."""
    try:
        if isinstance(value, str | int | float):
            found = kind(value)
            return found if isinstance(found, str) else number(found)
    except (ValueError, OverflowError):
        pass
    raise Unresolved(f"{shown(node)} is not {'text' if kind is str else 'a number'}")


def literal(value: Value) -> ast.expr:
    """Write a value as the source that has it."""
    match value:
        case list():
            return ast.List([literal(item) for item in value])
        case dict():
            return ast.Dict([ast.Constant(key) for key in value], [literal(item) for item in value.values()])
        case _:
            return ast.Constant(value)


def unique(values: "list[Value]") -> "list[Value]":
    """Drop repetitions, in the order of first appearance; `1`, `1.0` and `True` are one in Python."""
    found: dict[Value, None] = {}
    try:
        for value in values:
            found.setdefault(value)
    except TypeError:
        raise Unresolved("a set or a dict's keys hold a list or dict") from None
    return list(found)


def ordered(node: ast.Call, values: "list[Value]") -> "list[Value]":
    """Sort texts or numbers, as `sorted` does."""
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(texts) == len(values):
        return list[Value](sorted(texts))
    if len(numbers) == len(values):
        return list[Value](sorted(numbers))
    raise Unresolved(f"{shown(node)} has items that can't be compared")
