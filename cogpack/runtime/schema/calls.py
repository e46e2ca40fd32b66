"""Some calls give a value that is known without making them: of builtins, of methods of dicts and texts."""

import ast
import textwrap
from abc import ABC, abstractmethod

from cogpack.notes import Code
from cogpack.runtime.schema.bindings import TYPE_STATEMENT, Scope
from cogpack.runtime.schema.computing import (
    NUMERIC,
    TEXTUAL,
    PathText,
    Uncomputed,
    Unresolved,
    Value,
    called,
    converted,
    hashed,
    ordered,
    ranged,
)
from cogpack.runtime.schema.names import Foreign, Local, Sources, Unknown
from cogpack.runtime.schema.source import Place, shown

_PATHS = frozenset({"cog.Path", "cog.Secret", "pathlib.Path"})
_COPIES = frozenset({"builtins.list", "builtins.tuple"})
_CONVERSIONS: "dict[str, type[int | float | str]]" = {
    "builtins.int": int,
    "builtins.float": float,
    "builtins.str": str,
}

MAX_TEXT = 1024 * 1024


class Calls(ABC):
    """Evaluates calls, for who evaluates all else."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources

    @abstractmethod
    def value(self, scope: Scope, node: ast.expr, depth: int) -> Value: ...

    @abstractmethod
    def elements(self, scope: Scope, node: ast.expr, depth: int) -> "list[Value]": ...

    @abstractmethod
    def items(self, scope: Scope, items: list[ast.expr], depth: int) -> "list[Value]": ...

    @abstractmethod
    def text(self, text: str) -> str: ...

    def call(self, scope: Scope, node: ast.Call, depth: int) -> Value:
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="keys"), args=[], keywords=[]):
                return self.elements(scope, owner, depth)
            case ast.Call(func=ast.Attribute(value=owner, attr="values"), args=[], keywords=[]):
                owned = self.value(scope, owner, depth)
                if isinstance(owned, dict):
                    return list(owned.values())
            case ast.Call(func=ast.Attribute(value=owner, attr="items"), args=[], keywords=[]):
                owned = self.value(scope, owner, depth)
                if isinstance(owned, dict):
                    return [[key, value] for key, value in owned.items()]
            case ast.Call(func=ast.Attribute(value=owner, attr=attribute), args=[], keywords=[]) if (
                attribute in TEXTUAL or attribute == "split"
            ):
                text = self.value(scope, owner, depth)
                if isinstance(text, str):
                    return [*text.split()] if attribute == "split" else self.text(getattr(text, attribute)())
            case ast.Call(func=ast.Name("dict") as function, args=[], keywords=pairs) if all(
                pair.arg for pair in pairs
            ):
                if self.sources.foreign(scope, function) == "builtins.dict":
                    return {str(pair.arg): self.value(scope, pair.value, depth) for pair in pairs}
            case ast.Call(
                func=ast.Name("sorted") as function,
                args=[argument],
                keywords=[ast.keyword("reverse", ast.Constant(bool(is_reversed)))],
            ):
                if self.sources.foreign(scope, function) == "builtins.sorted":
                    found = ordered(node, self.elements(scope, argument, depth))
                    return found[::-1] if is_reversed else found
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str() as between), attr="join"), args=[joined]):
                return self._joined(between, self.elements(scope, joined, depth))
            case ast.Call(func=function, args=[_, *_] as arguments, keywords=[]) if len(arguments) > 1:
                match self.sources.resolve(scope, function):
                    case Foreign("builtins.range"):
                        return self._range(node, [self.value(scope, each, depth) for each in arguments])
                    case Foreign(name) if name in NUMERIC:
                        return called(node, name, [self.value(scope, each, depth) for each in arguments])
                    case Foreign("os.getenv" | "os.environ.get") if len(arguments) == 2:
                        return self._of_environment(scope, node, self.value(scope, arguments[1], depth))
            case ast.Call(func=function, args=[argument], keywords=[]):
                name = self.sources.foreign(scope, function)
                if name == "builtins.range":
                    return self._range(node, [self.value(scope, argument, depth)])
                if name == "typing.get_args":
                    return self._literals(scope, argument, depth)
                if name in ("os.getenv", "os.environ.get"):
                    return self._of_environment(scope, node, None)
                if name in _COPIES:
                    return list(self.elements(scope, argument, depth))
                if name == "builtins.sorted":
                    return ordered(node, self.elements(scope, argument, depth))
                if name == "builtins.reversed":
                    return self.elements(scope, argument, depth)[::-1]
                if name in NUMERIC:
                    return called(node, name, [self.value(scope, argument, depth)])
                if name == "textwrap.dedent":
                    text = self.value(scope, argument, depth)
                    if isinstance(text, str):
                        return textwrap.dedent(text)
                if name == "builtins.len":
                    return len(self.elements(scope, argument, depth))
                if name in _PATHS:
                    path = self.value(scope, argument, depth)
                    if isinstance(path, str):
                        return PathText(path)
                if name in _CONVERSIONS:
                    return converted(node, _CONVERSIONS[name], self.value(scope, argument, depth))
        match self.sources.resolve(scope, node.func):
            case Unknown(reason, False):
                raise Unresolved(reason)
        raise Uncomputed(f"{shown(node)} is not called")

    def _of_environment(self, scope: Scope, node: ast.Call, fallback: Value) -> Value:
        """Give what a variable's fallback is: nobody knows where the model will run."""
        place = Place.of(scope.module.path, node)
        text = f"{shown(node)} is taken for its fallback, {fallback!r}: the schema can't follow the environment"
        self.sources.notes.append(place.note(Code.ENVIRONMENT_VALUE, text))
        return fallback

    def _literals(self, scope: Scope, node: ast.expr, depth: int) -> "list[Value]":
        """Give the values of a `Literal[...]`, each once, by whatever name but one that `type` made (PEP 695)."""
        symbol = self.sources.resolve(scope, node)
        if isinstance(symbol, Local) and isinstance(symbol.node, ast.Subscript):
            if TYPE_STATEMENT in vars(symbol.node):
                raise Unresolved(f"get_args gives nothing of {shown(node)}, which a type statement made")
            if self.sources.foreign(symbol.scope, symbol.node.value) == "typing.Literal":
                inner = symbol.node.slice
                items = self.items(symbol.scope, inner.elts if isinstance(inner, ast.Tuple) else [inner], depth)
                return [*{(type(item), hashed(item)): item for item in items}.values()]
        raise Unresolved(f"{shown(node)} is no Literal")

    def _range(self, node: ast.Call, arguments: "list[Value]") -> "list[Value]":
        self.sources.spend(len(found := ranged(node, arguments)))
        return list(found)

    def _joined(self, between: str, parts: "list[Value]") -> str:
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) < len(parts):
            raise Unresolved("what is joined is not all text")
        if sum(map(len, texts)) + len(between) * len(texts) > MAX_TEXT:
            raise Unresolved(f"the joined text has more than {MAX_TEXT} characters")
        return self.text(between.join(texts))
