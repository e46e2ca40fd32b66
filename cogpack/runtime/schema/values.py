"""Some values can be told without running anything: of literals, constants, a few harmless calls.

Sizes are bounded before they arise: integers have 64 bits, text a mebibyte, and each node counts against the budget
of the document. Tuples and sets come out as lists, as JSON has it.
"""

import ast
from collections.abc import Hashable, Iterator, Mapping, Sequence

from cogpack.notes import Code
from cogpack.runtime.schema.computing import (
    MAX_BITS,
    OPERATIONS,
    Uncomputed,
    Unresolved,
    Value,
    compared,
    converted,
    formatted,
    has_operator,
    hashed,
    literal,
    looked_up,
    marked,
    negated,
    number,
    ordered,
    plain,
    power,
    ranged,
    unique,
)
from cogpack.runtime.schema.enums import Member
from cogpack.runtime.schema.names import Foreign, Local, Sources, Unknown
from cogpack.runtime.schema.source import Assigned, Binding, Place, Scope, shown

_MAX_DEPTH = 60
_MAX_TEXT = 1024 * 1024

_PATHS = frozenset({"cog.Path", "cog.Secret", "pathlib.Path"})
_COPIES = frozenset({"builtins.list", "builtins.tuple"})
_CONVERSIONS: "dict[str, type[int | float | str]]" = {
    "builtins.int": int,
    "builtins.float": float,
    "builtins.str": str,
}
_ARITHMETIC = frozenset({ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod})


def evaluate(sources: Sources, scope: Scope, node: ast.expr) -> Value:
    """Tell the value of an expression, or why not: `Unresolved`."""
    return plain(_Evaluation(sources).value(scope, node, 0))


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
                return self.value(*self._target(scope, node, deeper), deeper)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return self._items(scope, items, deeper)
            case ast.Set(elts=items):
                return unique(self._items(scope, items, deeper))
            case ast.Dict():
                return self._dict(scope, node, deeper)
            case ast.UnaryOp():
                return negated(node, self.value(scope, node.operand, deeper))
            case ast.BinOp():
                return self._binary(node, self.value(scope, node.left, deeper), self.value(scope, node.right, deeper))
            case ast.JoinedStr(values=parts):
                return self._text("".join(self._formatted(scope, part, deeper) for part in parts))
            case ast.Subscript(value=container, slice=index):
                return looked_up(node, self.value(scope, container, deeper), self.value(scope, index, deeper))
            case ast.Call():
                return self._call(scope, node, deeper)
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
        match self._sources.resolve(scope, node):
            case Local(found, ast.expr() as expression):
                return found, expression
            case Member(scope=found, node=value, kind=kind) as member if kind:
                return found, ast.Constant(marked(member, self.value(found, value, depth)))
            case Member():
                raise Uncomputed(f"{shown(node)} is a member of an Enum, which JSON has not: write {shown(node)}.value")
            case Unknown(reason, computed):
                raise (Uncomputed if computed else Unresolved)(reason)
            case _:
                raise Uncomputed(f"{shown(node)} is not a constant of the project")

    def _constant(self, node: ast.Constant) -> Value:
        match node.value:
            case None | bool():
                return node.value
            case int():
                return number(node.value)
            case float():
                return number(node.value)
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
            case ast.Attribute(value=owner, attr="__members__"):
                if members := self._sources.members(self._sources.resolve(scope, owner)):
                    return [*members]
            case ast.Name() | ast.Attribute():
                if members := self._sources.members(self._sources.resolve(scope, node)):
                    return unique([self.value(scope, ast.Attribute(node, name), depth + 1) for name in members])
                return self._elements(*self._target(scope, node, depth), depth + 1)
            case ast.Dict(keys=keys, values=values):
                found: list[Value] = []
                for key, value in zip(keys, values, strict=True):
                    if key is None:
                        found += self._elements(scope, value, depth + 1)
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
            case ast.Name(id=name), ast.Name() | ast.Attribute() as node if members := self._sources.members(
                self._sources.resolve(scope, node)
            ):
                for member in self._iterated(members, depth):
                    yield {name: Assigned(ast.Attribute(node, member), scope)}
            case ast.Name(id=name), node:
                for item in self._elements(scope, node, depth):
                    yield {name: Assigned(literal(item))}
            case (
                ast.Tuple(elts=[ast.Name(id=name), ast.Name(id=other)]),
                ast.Call(func=ast.Attribute(value=owner, attr="items"), args=[], keywords=[]),
            ):
                owned = self.value(scope, owner, depth)
                for key, item in owned.items() if isinstance(owned, dict) else ():
                    yield {name: Assigned(literal(key)), other: Assigned(literal(item))}
            case _:
                raise Unresolved(f"{shown(loop)} is more than for NAME in LIST")

    def _iterated(self, members: Mapping[str, Member], depth: int) -> Iterator[str]:
        """Name the members that iterating gives: a further one of equal value is another name of the first."""
        found: dict[Hashable, str] = {}
        automatic = 0  # made by auto(), each another
        for name, member in members.items():
            try:
                value = hashed(self.value(member.scope, member.node, depth))
            except Unresolved:
                value = ast.dump(member.node)
                made_by = member.node.func if isinstance(member.node, ast.Call) else member.node
                symbol = self._sources.resolve(member.scope, made_by)
                if isinstance(symbol, Foreign) and symbol.name == "enum.auto":
                    automatic, value = automatic + 1, member
            found.setdefault(value, name)
        if 0 < automatic < len(members):
            raise Uncomputed("an Enum has auto() beside values, which may be equal")
        yield from found.values()

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

    def _call(self, scope: Scope, node: ast.Call, depth: int) -> Value:
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="keys"), args=[], keywords=[]):
                return self._elements(scope, owner, depth)
            case ast.Call(func=ast.Attribute(value=owner, attr="values"), args=[], keywords=[]):
                owned = self.value(scope, owner, depth)
                if isinstance(owned, dict):
                    return list(owned.values())
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str() as between), attr="join"), args=[joined]):
                return self._joined(between, self._elements(scope, joined, depth))
            case ast.Call(func=function, args=[_, *_] as arguments, keywords=[]) if len(arguments) > 1:
                match self._sources.resolve(scope, function):
                    case Foreign("builtins.range"):
                        return self._range(node, [self.value(scope, each, depth) for each in arguments])
                    case Foreign("os.getenv" | "os.environ.get") if len(arguments) == 2:
                        return self._of_environment(scope, node, self.value(scope, arguments[1], depth))
            case ast.Call(func=function, args=[argument], keywords=[]):
                symbol = self._sources.resolve(scope, function)
                name = symbol.name if isinstance(symbol, Foreign) else ""
                if name == "builtins.range":
                    return self._range(node, [self.value(scope, argument, depth)])
                if name == "typing.get_args":
                    return self._literals(scope, argument, depth)
                if name in ("os.getenv", "os.environ.get"):
                    return self._of_environment(scope, node, None)
                if name in _COPIES:
                    return list(self._elements(scope, argument, depth))
                if name == "builtins.sorted":
                    return ordered(node, self._elements(scope, argument, depth))
                if name == "builtins.len":
                    return len(self._elements(scope, argument, depth))
                if name in _PATHS:
                    path = self.value(scope, argument, depth)
                    if isinstance(path, str):
                        return path
                if name in _CONVERSIONS:
                    return converted(node, _CONVERSIONS[name], self.value(scope, argument, depth))
        match self._sources.resolve(scope, node.func):
            case Unknown(reason, False):
                raise Unresolved(reason)
        raise Uncomputed(f"{shown(node)} is not called")

    def _of_environment(self, scope: Scope, node: ast.Call, fallback: Value) -> Value:
        """Give what a variable's fallback is: nobody knows where the model will run."""
        place = Place.of(scope.module.path, node)
        text = f"{shown(node)} is taken for its fallback, {fallback!r}: the schema can't follow the environment"
        self._sources.notes.append(place.note(Code.ENVIRONMENT_VALUE, text))
        return fallback

    def _literals(self, scope: Scope, node: ast.expr, depth: int) -> "list[Value]":
        """Give the values of a `Literal[...]`, by whatever name."""
        symbol = self._sources.resolve(scope, node)
        if isinstance(symbol, Local) and isinstance(symbol.node, ast.Subscript):
            home = self._sources.resolve(symbol.scope, symbol.node.value)
            if isinstance(home, Foreign) and home.name == "typing.Literal":
                inner = symbol.node.slice
                return self._items(symbol.scope, inner.elts if isinstance(inner, ast.Tuple) else [inner], depth)
        raise Unresolved(f"{shown(node)} is no Literal")

    def _range(self, node: ast.Call, arguments: "list[Value]") -> "list[Value]":
        self._sources.spend(len(found := ranged(node, arguments)))
        return list(found)

    def _joined(self, between: str, parts: "list[Value]") -> str:
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) < len(parts):
            raise Unresolved("what is joined is not all text")
        if sum(map(len, texts)) + len(between) * len(texts) > _MAX_TEXT:
            raise Unresolved(f"the joined text has more than {_MAX_TEXT} characters")
        return self._text(between.join(texts))
