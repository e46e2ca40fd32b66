"""Some values can be told without running anything: of literals, constants, a few harmless calls.

Sizes are bounded before they arise: integers have 64 bits, text a mebibyte, and each node counts against the budget
of the document. Tuples and sets come out as lists, as JSON has it.
"""

import ast
import math
import operator
from collections.abc import Callable
from typing import TypeAlias

from cogpack.runtime.schema.names import Foreign, Local, Sources, Unknown
from cogpack.runtime.schema.source import Scope, shown

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"

_MAX_DEPTH = 60
_MAX_TEXT = 1024 * 1024
_MAX_BITS = 64

_PATHS = frozenset({"cog.Path", "cog.Secret", "pathlib.Path"})
_COPIES = frozenset({"builtins.list", "builtins.tuple"})
_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


class Unresolved(Exception):  # noqa: N818 - an answer, turned into an InputError by those who know the place
    """Says why a value can't be told."""


def evaluate(sources: Sources, scope: Scope, node: ast.expr) -> Value:
    """Tell the value of an expression, or why not: `Unresolved`."""
    return _Evaluation(sources).value(scope, node, 0)


class _Evaluation:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def value(self, scope: Scope, node: ast.expr, depth: int) -> Value:
        self._sources.spend()
        if depth > _MAX_DEPTH:
            raise Unresolved("it is nested too deeply")
        deeper = depth + 1
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name() | ast.Attribute():
                return self.value(*self._target(scope, node), deeper)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return self._items(scope, items, deeper)
            case ast.Set(elts=items):
                return _unique(self._items(scope, items, deeper))
            case ast.Dict():
                return self._dict(scope, node, deeper)
            case ast.UnaryOp():
                return self._unary(node, self.value(scope, node.operand, deeper))
            case ast.BinOp():
                return self._binary(node, self.value(scope, node.left, deeper), self.value(scope, node.right, deeper))
            case ast.JoinedStr(values=parts):
                return self._text("".join(self._formatted(scope, part, deeper) for part in parts))
            case ast.Subscript(value=container, slice=index):
                return self._item(node, self.value(scope, container, deeper), self.value(scope, index, deeper))
            case ast.Call():
                return self._call(scope, node, deeper)
            case _:
                raise Unresolved(f"{shown(node)} is not a literal")

    def _target(self, scope: Scope, node: ast.expr) -> tuple[Scope, ast.expr]:
        """Find the expression that a name stands for."""
        match self._sources.resolve(scope, node):
            case Local(found, ast.expr() as expression):
                return found, expression
            case Unknown(reason):
                raise Unresolved(reason)
            case _:
                raise Unresolved(f"{shown(node)} is not a constant of the project")

    def _constant(self, node: ast.Constant) -> Value:
        match node.value:
            case None | bool():
                return node.value
            case int():
                return _number(node.value)
            case float():
                return _number(node.value)
            case str():
                return self._text(node.value)
            case _:
                raise Unresolved(f"{shown(node)} has no counterpart in JSON")

    def _text(self, text: str) -> str:
        if len(text) > _MAX_TEXT:
            raise Unresolved(f"it has {len(text)} characters; at most {_MAX_TEXT} are described")
        self._sources.spend(len(text) // 200)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Unresolved("it has a lone surrogate, which is not a character") from None
        return text

    def _items(self, scope: Scope, items: list[ast.expr], depth: int) -> "list[Value]":
        found: list[Value] = []
        for item in items:
            if isinstance(item, ast.Starred):
                found += self._elements(scope, item.value, depth)
            else:
                found.append(self.value(scope, item, depth))
        return found

    def _dict(self, scope: Scope, node: ast.Dict, depth: int) -> "dict[str, Value]":
        found: dict[str, Value] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            evaluated = self.value(scope, value, depth)
            if key is None:
                if not isinstance(evaluated, dict):
                    raise Unresolved(f"**{shown(value)} is not a dict")
                found |= evaluated
                continue
            name = self.value(scope, key, depth)
            if not isinstance(name, str):
                raise Unresolved(f"the key {shown(key)} is not text, as JSON's keys are")
            found[name] = evaluated
        return found

    def _elements(self, scope: Scope, node: ast.expr, depth: int) -> "list[Value]":
        """Give what iterating gives: a list's items, a dict's keys, whatever its values are."""
        self._sources.spend()
        if depth > _MAX_DEPTH:
            raise Unresolved("it is nested too deeply")
        match node:
            case ast.Name() | ast.Attribute():
                return self._elements(*self._target(scope, node), depth + 1)
            case ast.Dict(keys=keys, values=values):
                found: list[Value] = []
                for key, value in zip(keys, values, strict=True):
                    if key is None:
                        found += self._elements(scope, value, depth + 1)
                    else:
                        found.append(self.value(scope, key, depth + 1))
                return _unique(found)
        evaluated = self.value(scope, node, depth)
        if not isinstance(evaluated, list):
            raise Unresolved(f"{shown(node)} is not a list or dict")
        return evaluated

    def _unary(self, node: ast.UnaryOp, operand: Value) -> Value:
        match node.op, operand:
            case ast.Not(), _:
                return not operand
            case ast.USub(), int() | float():
                return _number(-operand)
            case ast.UAdd(), int() | float():
                return +operand
            case _:
                raise Unresolved(f"{shown(node)} is not computed")

    def _binary(self, node: ast.BinOp, left: Value, right: Value) -> Value:
        match node.op, left, right:
            case ast.Add(), str(), str():
                return self._text(left + right)
            case ast.Add(), list(), list():
                self._sources.spend(len(left) + len(right))
                return left + right
            case ast.BitOr(), dict(), dict():
                self._sources.spend(len(left) + len(right))
                return left | right
            case ast.Pow(), int() | float(), int() | float():
                return _power(left, right)
            case ast.LShift(), int(), int() if 0 <= right <= _MAX_BITS:
                return _number(left << right)
            case operation, int() | float(), int() | float() if type(operation) in _ARITHMETIC:
                try:
                    return _number(_ARITHMETIC[type(operation)](left, right))
                except (ZeroDivisionError, OverflowError) as error:
                    raise Unresolved(f"{shown(node)}: {error}") from None
        raise Unresolved(f"{shown(node)} is not computed")

    def _formatted(self, scope: Scope, part: ast.expr, depth: int) -> str:
        match part:
            case ast.Constant(value=str() as text):
                return text
            case ast.FormattedValue(value=inner, conversion=-1, format_spec=None):
                value = self.value(scope, inner, depth)
                if isinstance(value, str | int | float) or value is None:
                    return str(value)
        raise Unresolved(f"{shown(part)} is not formatted")

    def _item(self, node: ast.Subscript, container: Value, index: Value) -> Value:
        try:
            if isinstance(container, dict) and isinstance(index, str):
                return container[index]
            if isinstance(container, list) and isinstance(index, int):
                return container[index]
        except LookupError:
            raise Unresolved(f"{shown(node)} does not exist") from None
        raise Unresolved(f"{shown(node)} is not looked up")

    def _call(self, scope: Scope, node: ast.Call, depth: int) -> Value:
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="keys"), args=[], keywords=[]):
                return self._elements(scope, owner, depth)
            case ast.Call(func=ast.Attribute(value=owner, attr="values"), args=[], keywords=[]):
                owned = self.value(scope, owner, depth)
                if isinstance(owned, dict):
                    return list(owned.values())
            case ast.Call(func=function, args=[argument], keywords=[]):
                symbol = self._sources.resolve(scope, function)
                name = symbol.name if isinstance(symbol, Foreign) else ""
                if name in _COPIES:
                    return list(self._elements(scope, argument, depth))
                if name == "builtins.sorted":
                    return _sorted(node, self._elements(scope, argument, depth))
                if name == "builtins.len":
                    return len(self._elements(scope, argument, depth))
                if name in _PATHS:
                    path = self.value(scope, argument, depth)
                    if isinstance(path, str):
                        return path
                if name == "builtins.float":
                    return _float(node, self.value(scope, argument, depth))
        raise Unresolved(f"{shown(node)} is not called")


def _number(value: float) -> int | float:
    if isinstance(value, int):
        if value.bit_length() >= _MAX_BITS:
            raise Unresolved(f"an integer of {value.bit_length()} bits does not fit in {_MAX_BITS}")
    elif not math.isfinite(value):
        raise Unresolved("it is not a finite number")
    return value


def _power(base: float, exponent: float) -> int | float:
    if isinstance(base, int) and isinstance(exponent, int) and exponent >= 0:
        # At least this many bits come out; one more multiplication decides.
        if (abs(base).bit_length() - 1) * exponent >= _MAX_BITS:
            raise Unresolved(f"{base}**{exponent} does not fit in {_MAX_BITS} bits")
        return _number(base**exponent)
    try:
        result = base**exponent
    except (ZeroDivisionError, OverflowError) as error:
        raise Unresolved(str(error)) from None
    if isinstance(result, int | float):
        return _number(result)
    raise Unresolved("it is a complex number")


def _float(node: ast.Call, value: Value) -> float:
    try:
        if isinstance(value, str | int | float):
            return _number(float(value))
    except ValueError:
        pass
    raise Unresolved(f"{shown(node)} is not a number")


def _unique(values: "list[Value]") -> "list[Value]":
    """Drop repetitions, in the order of first appearance; `1`, `1.0` and `True` are one in Python."""
    found: dict[Value, None] = {}
    try:
        for value in values:
            found.setdefault(value)
    except TypeError:
        raise Unresolved("a set or a dict's keys hold a list or dict") from None
    return list(found)


def _sorted(node: ast.Call, values: "list[Value]") -> "list[Value]":
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(texts) == len(values):
        return list[Value](sorted(texts))
    if len(numbers) == len(values):
        return list[Value](sorted(numbers))
    raise Unresolved(f"{shown(node)} has items that can't be compared")
