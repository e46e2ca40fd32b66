"""What is computed of values, without running anything of the user's: numbers in 64 bits, orders, conversions."""

import ast
import math
import operator
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from cogpack.patterns import pattern
from cogpack.runtime.schema.enums import Member
from cogpack.runtime.schema.source import shown

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"

MAX_BITS = 64

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: lambda left, right: _is_same(left, right),
    ast.IsNot: lambda left, right: not _is_same(left, right),
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_CONVERSIONS: Mapping[int, Callable[[Any], Any]] = {-1: lambda value: value, ord("r"): repr, ord("s"): str}
_SPEC = pattern(r"(?:.?[<>=^])?[-+ ]?#?0?[0-9]{0,3}[,_]?(?:\.[0-9]{1,2})?[a-zA-Z%]?")


NUMERIC: Mapping[str, Callable[..., Any]] = {
    "builtins.abs": abs,
    "builtins.max": lambda *values: max(values),
    "builtins.min": lambda *values: min(values),
    "builtins.round": round,
}
TEXTUAL = frozenset({"capitalize", "lower", "lstrip", "rstrip", "strip", "title", "upper"})
"""Methods of a text that are called without arguments."""
CONSTANTS: Mapping[str, float] = {
    "math.e": math.e,
    "math.inf": math.inf,
    "math.pi": math.pi,
    "numpy.inf": math.inf,
    "sys.maxsize": 2**63 - 1,
}
OPERATIONS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.MatMult: operator.matmul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
_STAND_INS: Mapping[type, tuple[Any, ...]] = {
    bool: (True,),
    int: (1,),
    float: (1.0,),
    str: ("%s", PurePosixPath()),
    list: ([], (), set[Any](), dict[Any, Any]().keys()),
    dict: (dict[Any, Any](),),
}
"""Of each type of a value, what it may be in Python, small and harmless to compute with."""


class Unresolved(Exception):  # noqa: N818 - an answer, turned into an InputError by those who know the place
    """Says why a value can't be told."""


class Uncomputed(Unresolved):
    """Says what would have to be run to tell a value, which may well be one."""


class _Marked:
    """Is what the value of an Enum's member is besides, until it leaves the computing: Python may show `Kind.A`."""

    member: Member


class _Text(_Marked, str):
    __slots__ = ()


class _Integer(_Marked, int): ...


class _Float(_Marked, float): ...


class PathText(str):
    """Is what a Path or Secret was made of: what Python shows and compares is another."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True


def marked(member: Member, value: Value) -> "str | int | float":
    """Make the value of a member which is text or a number itself."""
    found: _Text | _Integer | _Float
    if member.kind is str and isinstance(value, str):
        found = _Text(value)
    elif member.kind is int and isinstance(value, int):
        found = _Integer(value)
    elif member.kind is float and isinstance(value, int | float):
        found = _Float(value)
    else:
        raise Uncomputed(f"{member.enum.name}.{member.name} is converted when it runs: write it as its Enum has it")
    found.member = member
    return found


def plain(value: Value) -> Value:
    """Give the values of members as JSON has them."""
    match value:
        case _Text() | PathText():
            return str(value)
        case _Integer():
            return int(value)
        case _Float():
            return float(value)
        case list():
            return [plain(item) for item in value]
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case _:
            return value


def _is_same(left: Value, right: Value) -> bool:
    if isinstance(left, _Text | _Integer | _Float) and isinstance(right, _Text | _Integer | _Float):
        return left.member.enum is right.member.enum and left == right
    return left is right


def _refuse_written(node: ast.expr, value: Value, *, is_repr: bool = False) -> None:
    """Refuse to write as text a Path, and a member of an Enum where that is not its value."""
    _refuse_path(node, value)
    if isinstance(value, _Text | _Integer | _Float) and (is_repr or not value.member.is_shown):
        name = f"{value.member.enum.name}.{value.member.name}"
        raise Uncomputed(f"{shown(node)} writes {name}, a member of an Enum, and not its value: write {name}.value")


def _refuse_path(node: ast.expr, value: Value) -> None:
    if any(isinstance(one, PathText) for one in parts(value)):
        raise Uncomputed(f"{shown(node)} makes another of a Path than what it was made of")


def parts(value: Value) -> Iterator[Value]:
    """Give a value, and all that is inside of it."""
    yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(one)


def number(value: float) -> int | float:
    """Refuse what 64 bits can't hold. Of numbers without end, which JSON has not, something finite may be made yet."""
    if isinstance(value, int):
        if value.bit_length() >= MAX_BITS:
            raise Unresolved(f"an integer of {value.bit_length()} bits does not fit in {MAX_BITS}")
    elif math.isnan(value):
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
    if kind is str:
        _refuse_written(node, value)
    try:
        if isinstance(value, str | int | float):
            found = kind(value)
            return found if isinstance(found, str) else number(found)
    except (ValueError, OverflowError):
        pass
    raise Unresolved(f"{shown(node)} is not {'text' if kind is str else 'a number'}")


def has_operator(operation: ast.operator, left: Value, right: Value) -> bool:
    """Tell whether Python has an operator for what two values may be, as it has no `None + 1`."""
    for first in _stand_ins(left):
        for second in _stand_ins(right):
            try:
                OPERATIONS[type(operation)](first, second)
            except TypeError:
                continue
            return True
    return False


def _stand_ins(value: Value) -> tuple[Any, ...]:
    return next((them for kind, them in _STAND_INS.items() if isinstance(value, kind)), (None,))


def negated(node: ast.UnaryOp, operand: Value) -> Value:
    """Apply an operator that stands before its operand: only numbers have those, but for `not`."""
    match node.op, operand:
        case ast.Not(), _:
            return not operand
        case ast.USub(), int() | float():
            return number(-operand)
        case ast.UAdd(), int() | float():
            return +operand
        case ast.Invert(), int():
            return number(-operand - 1)
        case _:
            raise Unresolved(f"{shown(node)}: there is no such operator for it")


def looked_up(node: ast.Subscript, container: Value, index: "Value | slice[Any, Any, Any]") -> Value:
    """Give the item of a list or dict, or a part of a list or text."""
    try:
        match container, index:
            case dict(), str():
                return container[index]
            case list(), int():
                return container[index]
            case list() | str(), slice():
                return container[index]
            case str(), int():
                raise Uncomputed(f"{shown(node)} is not looked up")
    except (LookupError, TypeError, ValueError):
        pass
    raise Unresolved(f"{shown(node)} does not exist")


def compared(node: ast.expr, operations: Sequence[ast.cmpop], operands: "Sequence[Value]") -> bool:
    """Compare neighbours as Python does, but for lists: sets and tuples, which are others, came out as such, too."""
    _refuse_path(node, [*operands])
    for operation, left, right in zip(operations, operands, operands[1:], strict=False):
        sides = (left,) if isinstance(operation, ast.In | ast.NotIn) else (left, right)
        if all(any(isinstance(one, list) for one in parts(side)) for side in sides):
            raise Uncomputed(f"{shown(node)} compares lists, sets or tuples")
    try:
        return all(
            _COMPARISONS[type(operation)](left, right)
            for operation, left, right in zip(operations, operands, operands[1:], strict=False)
        )
    except TypeError as error:
        raise Unresolved(f"{shown(node)}: {error}") from None


def formatted(node: ast.expr, value: "str | int | float | None", conversion: int, spec: str) -> str:
    """Write one value of an f-string; a specification that could make it long is none of ours."""
    if conversion not in _CONVERSIONS or not _SPEC.fullmatch(spec):
        raise Unresolved(f"{shown(node)} is not formatted")
    _refuse_written(node, value, is_repr=conversion == ord("r"))
    try:
        return format(_CONVERSIONS[conversion](value), spec)
    except (ValueError, TypeError) as error:
        raise Unresolved(f"{shown(node)}: {error}") from None


def ranged(node: ast.expr, arguments: "Sequence[Value]") -> range:
    """Count as `range` does, fewer than 2**63 steps."""
    numbers = [value for value in arguments if isinstance(value, int)]
    if len(numbers) < len(arguments):
        raise Unresolved(f"{shown(node)} is no range of integers")
    try:
        found = range(*numbers)
        len(found)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unresolved(f"{shown(node)}: {error}") from None
    return found


def called(node: ast.Call, name: str, arguments: "Sequence[Value]") -> "int | float":
    """Call a builtin that makes a number of numbers, one by one or in a list."""
    match arguments:
        case [list() as given] if name in ("builtins.max", "builtins.min"):
            arguments = given
    numbers = [value for value in arguments if isinstance(value, int | float)]
    try:
        if len(numbers) == len(arguments):
            return number(NUMERIC[name](*numbers))
    except (TypeError, ValueError, OverflowError):
        pass
    raise Unresolved(f"{shown(node)} is not a number")


def literal(value: Value) -> ast.expr:
    """Write a value as the source that has it."""
    match value:
        case list():
            return ast.List([literal(item) for item in value])
        case dict():
            return ast.Dict([ast.Constant(key) for key in value], [literal(item) for item in value.values()])
        case _:
            return ast.Constant(value)


def hashed(value: Value) -> Hashable:
    """Give what is equal for equal values, of lists and dicts too."""
    match value:
        case list():
            return tuple(hashed(item) for item in value)
        case dict():
            return frozenset((key, hashed(item)) for key, item in value.items())
        case _:
            return value


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
    _refuse_path(node, values)
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(texts) == len(values):
        return list[Value](sorted(texts))
    if len(numbers) == len(values):
        return list[Value](sorted(numbers))
    raise Unresolved(f"{shown(node)} has items that can't be compared")
