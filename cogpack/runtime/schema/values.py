"""Some values can be told without running anything: of literals, constants, a few harmless calls.

Sizes are bounded before they arise: integers have 64 bits, text a mebibyte, and each node counts against the budget
of the document. Tuples and sets come out as lists, as JSON has it.
"""

import ast
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from cogpack.runtime.schema.bindings import Assigned, Binding, Scope
from cogpack.runtime.schema.calls import MAX_TEXT, Calls
from cogpack.runtime.schema.computing import (
    CONSTANTS,
    MAX_BITS,
    OPERATIONS,
    Uncomputed,
    Unresolved,
    Value,
    compared,
    formatted,
    has_operator,
    hashed,
    literal,
    looked_up,
    marked,
    negated,
    number,
    parts,
    plain,
    power,
    unique,
)
from cogpack.runtime.schema.enums import Member
from cogpack.runtime.schema.names import Foreign, Local, Sources, Unknown
from cogpack.runtime.schema.source import shown

_MAX_DEPTH = 60

_ARITHMETIC = frozenset({ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod})


def evaluate(sources: Sources, scope: Scope, node: ast.expr, *, endless: bool = False) -> Value:
    """Tell the value of an expression, or why not: `Unresolved`. `endless`: it may be infinite."""
    found = plain(_Evaluation(sources).value(scope, node, 0))
    if not endless and any(isinstance(one, float) and math.isinf(one) for one in parts(found)):
        raise Unresolved("it is not a finite number")
    return found


class _Evaluation(Calls):
    def value(self, scope: Scope, node: ast.expr, depth: int) -> Value:
        self.sources.spend()
        if depth > _MAX_DEPTH:
            raise Unresolved("it is nested too deeply")
        deeper = depth + 1
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name() | ast.Attribute():
                return self.value(*self._target(scope, node, deeper), deeper)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return self.items(scope, items, deeper)
            case ast.Set(elts=items):
                return unique(self.items(scope, items, deeper))
            case ast.Dict():
                return self._dict(scope, node, deeper)
            case ast.UnaryOp():
                return negated(node, self.value(scope, node.operand, deeper))
            case ast.BinOp():
                return self._binary(node, self.value(scope, node.left, deeper), self.value(scope, node.right, deeper))
            case ast.JoinedStr(values=parts):
                return self.text("".join(self._formatted(scope, part, deeper) for part in parts))
            case ast.Subscript(value=container, slice=index):
                return looked_up(node, self.value(scope, container, deeper), self._index(scope, index, deeper))
            case ast.Call():
                return self.call(scope, node, deeper)
            case ast.ListComp() | ast.GeneratorExp():
                return list(self._comprehended(scope, node.elt, node.generators, deeper))
            case ast.SetComp():
                return unique(list(self._comprehended(scope, node.elt, node.generators, deeper)))
            case ast.DictComp(key=key, value=value):
                pairs = self._comprehended(scope, ast.Dict([key], [value]), node.generators, deeper)
                return {name: one for pair in pairs if isinstance(pair, dict) for name, one in pair.items()}
            case ast.Compare(left=left, ops=operations, comparators=others):
                operands = [self.value(scope, each, deeper) for each in (left, *others)]
                return compared(node, operations, operands)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(scope, body if self.value(scope, test, deeper) else orelse, deeper)
            case ast.BoolOp(op=operation, values=values):
                for each in values:
                    found = self.value(scope, each, deeper)
                    if bool(found) == isinstance(operation, ast.Or):
                        break
                return found
            case _:
                is_template = type(node).__name__ == "TemplateStr"  # PEP 750
                raise Uncomputed("a t-string is no text" if is_template else f"{shown(node)} is not a literal")

    def _target(self, scope: Scope, node: ast.expr, depth: int) -> tuple[Scope, ast.expr]:
        """Find the expression that a name stands for."""
        if isinstance(node, ast.Attribute) and node.attr == "name":
            owner = self.sources.resolve(scope, node.value)
            if isinstance(owner, Member):
                members = self.sources.members(Local(owner.scope, owner.enum)) or {}
                return scope, ast.Constant(self._firsts(members, depth).get(owner.name, owner.name))
        match self.sources.resolve(scope, node):
            case Local(found, ast.expr() as expression):
                return found, expression
            case Member(scope=found, node=value, kind=kind) as member if kind:
                return found, ast.Constant(marked(member, self.value(found, value, depth)))
            case Member():
                raise Uncomputed(f"{shown(node)} is a member of an Enum, which JSON has not: write {shown(node)}.value")
            case Unknown(reason, computed):
                raise (Uncomputed if computed else Unresolved)(reason)
            case Foreign(name) if name in CONSTANTS:
                return scope, ast.Constant(number(CONSTANTS[name]))
            case _:
                raise Uncomputed(f"{shown(node)} is not a constant of the project")

    def _index(self, scope: Scope, node: ast.expr, depth: int) -> "Value | slice[Any, Any, Any]":
        if not isinstance(node, ast.Slice):
            return self.value(scope, node, depth)
        return slice(*(one and self.value(scope, one, depth) for one in (node.lower, node.upper, node.step)))

    def _constant(self, node: ast.Constant) -> Value:
        match node.value:
            case None | bool():
                return node.value
            case int():
                return number(node.value)
            case float():
                return number(node.value)
            case str():
                return self.text(node.value)
            case _:
                raise Unresolved(f"{shown(node)} has no counterpart in JSON")

    def text(self, text: str) -> str:
        if len(text) > MAX_TEXT:
            raise Unresolved(f"it has {len(text)} characters; at most {MAX_TEXT} are described")
        self.sources.spend(len(text) // 200)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Unresolved("it has a lone surrogate, which is not a character") from None
        return text

    def items(self, scope: Scope, items: list[ast.expr], depth: int) -> "list[Value]":
        found: list[Value] = []
        for item in items:
            if isinstance(item, ast.Starred):
                found += self.elements(scope, item.value, depth)
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

    def elements(self, scope: Scope, node: ast.expr, depth: int) -> "list[Value]":
        """Give what iterating gives: a list's items, a dict's keys, whatever its values are."""
        self.sources.spend()
        if depth > _MAX_DEPTH:
            raise Unresolved("it is nested too deeply")
        match node:
            case ast.Attribute(value=owner, attr="__members__"):
                if members := self.sources.members(self.sources.resolve(scope, owner)):
                    return [*members]
            case ast.Name() | ast.Attribute():
                if members := self.sources.members(self.sources.resolve(scope, node)):
                    return unique([self.value(scope, ast.Attribute(node, name), depth + 1) for name in members])
                return self.elements(*self._target(scope, node, depth), depth + 1)
            case ast.Dict(keys=keys, values=values):
                found: list[Value] = []
                for key, value in zip(keys, values, strict=True):
                    if key is None:
                        found += self.elements(scope, value, depth + 1)
                    else:
                        found.append(self.value(scope, key, depth + 1))
                return unique(found)
        evaluated = self.value(scope, node, depth)
        if isinstance(evaluated, dict):
            return [*evaluated]
        if not isinstance(evaluated, list):
            raise Unresolved(f"{shown(node)} is not a list or dict")
        return evaluated

    def _comprehended(
        self, scope: Scope, element: ast.expr, generators: Sequence[ast.comprehension], depth: int
    ) -> Iterator[Value]:
        if not generators:
            yield self.value(scope, element, depth)
            return
        first, *others = generators
        for names in self._bound(scope, first, depth):
            bound = scope.within(names)
            if all(self.value(bound, test, depth) for test in first.ifs):
                yield from self._comprehended(bound, element, others, depth + 1)

    def _bound(self, scope: Scope, loop: ast.comprehension, depth: int) -> Iterator[dict[str, Binding]]:
        """Give what a loop binds its names to, turn by turn."""
        match loop.target, loop.iter:
            case ast.Name(id=name), ast.Name() | ast.Attribute() as node if members := self.sources.members(
                self.sources.resolve(scope, node)
            ):
                for member in dict.fromkeys(self._firsts(members, depth).values()):
                    yield {name: Assigned(ast.Attribute(node, member), scope)}
            case ast.Name(id=name), node:
                for item in self.elements(scope, node, depth):
                    yield {name: Assigned(literal(item))}
            case ((ast.Tuple(elts=targets) | ast.List(elts=targets)), node) if all(
                isinstance(target, ast.Name) for target in targets
            ):
                names = [target.id for target in targets if isinstance(target, ast.Name)]
                for item in self.elements(scope, node, depth):
                    if not isinstance(item, list) or len(item) != len(names):
                        raise Unresolved(f"{shown(loop)}: what it loops over has other parts")
                    yield {name: Assigned(literal(part)) for name, part in zip(names, item, strict=True)}
            case _:
                raise Unresolved(f"{shown(loop)} is more than for NAME in LIST")

    def _firsts(self, members: Mapping[str, Member], depth: int) -> dict[str, str]:
        """Give of each member the first of equal value, whose other name it is."""
        found: dict[Hashable, str] = {}
        firsts: dict[str, str] = {}
        automatic = 0  # made by auto(), each another
        for name, member in members.items():
            try:
                value = hashed(self.value(member.scope, member.node, depth))
            except Unresolved:
                value = ast.dump(member.node)
                made_by = member.node.func if isinstance(member.node, ast.Call) else member.node
                if self.sources.foreign(member.scope, made_by) == "enum.auto":
                    automatic, value = automatic + 1, member
            firsts[name] = found.setdefault(value, name)
        if 0 < automatic < len(members):
            raise Uncomputed("an Enum has auto() beside values, which may be equal")
        return firsts

    def _binary(self, node: ast.BinOp, left: Value, right: Value) -> Value:
        match node.op, left, right:
            case ast.Add(), str(), str():
                return self.text(left + right)
            case ast.Add(), list(), list():
                self.sources.spend(len(left) + len(right))
                return left + right
            case ast.BitOr(), dict(), dict():
                self.sources.spend(len(left) + len(right))
                return left | right
            case ast.Pow(), int() | float(), int() | float():
                return power(left, right)
            case ast.LShift(), int(), int() if 0 <= right <= MAX_BITS:
                return number(left << right)
            case operation, int() | float(), int() | float() if type(operation) in _ARITHMETIC:
                try:
                    return number(OPERATIONS[type(operation)](left, right))
                except (ZeroDivisionError, OverflowError) as error:
                    raise Unresolved(f"{shown(node)}: {error}") from None
        if not has_operator(node.op, left, right):
            raise Unresolved(f"{shown(node)}: there is no such operator for them")
        raise Uncomputed(f"{shown(node)} is not computed")

    def _formatted(self, scope: Scope, part: ast.expr, depth: int) -> str:
        match part:
            case ast.Constant(value=str() as text):
                return text
            case ast.FormattedValue(value=inner, conversion=conversion, format_spec=None | ast.JoinedStr() as given):
                value = self.value(scope, inner, depth)
                spec = "".join(self._formatted(scope, one, depth) for one in given.values) if given else ""
                if isinstance(value, str | int | float) or value is None:
                    return formatted(part, value, conversion, spec)
        raise Uncomputed(f"{shown(part)} is not formatted")
