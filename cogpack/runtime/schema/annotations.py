"""Annotations become types: what was written, with names resolved, before any rule on where it may stand."""

import ast
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from cogpack.patterns import pattern
from cogpack.runtime.schema.bindings import Scope
from cogpack.runtime.schema.names import Foreign, Local, LocalModule, Sources, Unknown
from cogpack.runtime.schema.source import Place, parse_annotation, shown

Piece: TypeAlias = dict[str, object]
"""A schema object, or the part of one that its type makes."""


class Ordered(dict[str, object]):
    """Marks an object whose keys keep the order of their making; all others are sorted."""


OPAQUE_ADVICE = "use str, int, float, bool, Path, Secret, dict, a list of these, or Annotated[T, cog.Opaque] for JSON"

_MAX_DEPTH = 40

SCALARS: dict[str, Piece] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "path": {"format": "uri", "type": "string"},
    "pathlib path": {"format": "uri", "type": "string"},
    "file": {"format": "uri", "type": "string"},
    "secret": {"format": "password", "type": "string", "writeOnly": True, "x-cog-secret": True},
    "object": {"type": "object"},
}

_NAMES = {
    "builtins.str": "string",
    "builtins.int": "integer",
    "builtins.float": "number",
    "builtins.bool": "boolean",
    "cog.Path": "path",
    "pathlib.Path": "pathlib path",
    "cog.File": "file",
    "cog.Secret": "secret",
    "typing.Any": "object",
    "builtins.dict": "dict",
    "typing.Dict": "dict",
    "builtins.list": "list",
    "typing.List": "list",
    "typing.Optional": "optional",
    "typing.Union": "union",
    "typing.Annotated": "annotated",
    "typing.Literal": "literal",
    "typing.Iterator": "iterator",
    "typing.AsyncIterator": "iterator",
    "cog.ConcatenateIterator": "concatenate",
    "cog.AsyncConcatenateIterator": "concatenate",
    "typing.Required": "required",
    "typing.NotRequired": "not required",
    "typing.ReadOnly": "wrapper",
    "typing.ClassVar": "class variable",
}


_NAMED = (ast.Name, ast.Attribute, ast.Subscript)
_SURROGATES = pattern("[\ud800-\udfff]")
_YIELDED = frozenset({"typing.Generator", "typing.AsyncGenerator", "typing.Iterable", "typing.AsyncIterable"})


def title(name: str) -> str:
    """Write a name as Cog does: `top_k` is `Top K`; empty parts are kept."""
    return " ".join(part[:1].upper() + part[1:] for part in name.split("_"))


class Type(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Is what one annotation says.

    `kind`: a key of `SCALARS`, or `none`, `list`, `dict`, `iterator`, `concatenate`, `union`, `class`,
    `class variable`. `item`: a list's or iterator's element, a dict's value; None where not said. `members`: a
    union's, flat, None's included. `defined`: a class of the project. `required`: what `Required[...]` or
    `NotRequired[...]` says of a TypedDict's field. `literals`: of a text, number or truth value, what alone it may be;
    empty where it may be any.
    """

    kind: str
    place: Place
    text: str
    item: "Type | None" = None
    members: "tuple[Type, ...]" = ()
    defined: Local | None = None
    required: bool | None = None
    literals: tuple[bool | int | str, ...] = ()

    def optional(self) -> "tuple[Type, bool]":
        """Give the type without None, and whether None was allowed."""
        if self.kind != "union":
            return self, False
        rest = tuple(member for member in self.members if member.kind != "none")
        if not rest:
            return self.members[0], False
        if len(rest) == 1:
            return rest[0], len(self.members) > 1
        return msgspec.structs.replace(self, members=rest), len(rest) < len(self.members)


def parse_type(sources: Sources, scope: Scope, node: ast.expr, place: Place, *, typed_dict: bool = False) -> Type:
    """Read the type an annotation names. What is no type, or none that is known here, is an `InputError`.

    `typed_dict`: it is of a TypedDict's field, where alone `Required` and `NotRequired` may stand.
    """
    found = _Parser(sources).parse(scope, node, place, 0)
    if found.required is not None and not typed_dict:
        raise place.error(f"type {shown(node)} is for fields of a TypedDict only", next_step=f"write {found.text}")
    return found


class _Parser:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def parse(self, scope: Scope, node: ast.expr, place: Place, depth: int) -> Type:
        self._sources.spend()
        if depth > _MAX_DEPTH:
            raise place.error("its type is nested too deeply", next_step="shorten the annotation")
        place = place.at(node) if place.path == scope.module.path else place
        deeper = depth + 1
        match node:
            case ast.Constant(value=None):
                return Type(kind="none", place=place, text="None")
            case ast.Constant(value=str() as text):
                try:
                    quoted = parse_annotation(text, node)
                except ValueError:
                    raise place.error(f"{shown(node)} is not a type", next_step="correct the annotation") from None
                return self.parse(scope, quoted, place, deeper)
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return self._union(scope, node, [left, right], place, deeper)
            case ast.Subscript(value=base, slice=index):
                arguments = list(index.elts) if isinstance(index, ast.Tuple) else [index]
                return self._subscript(scope, node, base, arguments, place, deeper)
            case ast.Name() | ast.Attribute():
                return self._named(scope, node, place, deeper)
            case _:
                raise place.error(f"{shown(node)} is not a type", next_step="correct the annotation")

    def _named(self, scope: Scope, node: ast.expr, place: Place, depth: int) -> Type:
        text = shown(node)
        match self._sources.resolve(scope, node):
            case Local(_, ast.ClassDef()) as found:
                return Type(kind="class", place=place, text=text, defined=found)
            case Local(found_scope, ast.expr() as alias):
                return self.parse(found_scope, alias, place, depth)
            case Foreign() as foreign:
                kind = _NAMES.get(foreign.name)
                if kind in SCALARS or kind in ("list", "dict", "iterator", "concatenate", "class variable"):
                    return Type(kind=kind, place=place, text=text)
                raise _unsupported(place, text, foreign)
            case Unknown(reason):
                raise place.error(f"type {text} can't be found: {reason}", next_step=f"import it, or {OPAQUE_ADVICE}")
            case _:
                raise place.error(f"{text} is not a type", next_step="correct the annotation")

    def _subscript(
        self, scope: Scope, node: ast.expr, base: ast.expr, arguments: list[ast.expr], place: Place, depth: int
    ) -> Type:
        text = shown(node)
        symbol = self._sources.resolve(scope, base)
        kind = _NAMES.get(symbol.name) if isinstance(symbol, Foreign) else None
        match kind, arguments:
            case "optional", [only]:
                return self._union(scope, node, [only, ast.copy_location(ast.Constant(None), node)], place, depth)
            case "union", [_, *_]:
                return self._union(scope, node, arguments, place, depth)
            case "annotated", [annotated, *metadata] if metadata:
                if any(self._sources.foreign(scope, item) == "cog.Opaque" for item in metadata):
                    return self._opaque(scope, annotated, place, depth)
                self._refuse_input(scope, metadata, place)
                return self.parse(scope, annotated, place, depth)
            case "literal", [_, *_]:
                return self._literal(scope, node, arguments, place, depth)
            case "list" | "iterator" | "concatenate", [only]:
                return Type(kind=kind, place=place, text=text, item=self.parse(scope, only, place, depth))
            case "dict", [_, value]:
                return Type(kind=kind, place=place, text=text, item=self.parse(scope, value, place, depth))
            case "required" | "not required", [only]:
                inner = self.parse(scope, only, place, depth)
                return msgspec.structs.replace(inner, required=kind == "required")
            case "wrapper", [only]:
                return self.parse(scope, only, place, depth)
            case "class variable", _:
                return Type(kind=kind, place=place, text=text)
        if isinstance(symbol, Unknown):
            raise place.error(
                f"type {text} can't be found: {symbol.reason}", next_step=f"import it, or {OPAQUE_ADVICE}"
            )
        raise _unsupported(place, text, symbol if isinstance(symbol, Foreign) else None)

    def _union(self, scope: Scope, node: ast.expr, parts: list[ast.expr], place: Place, depth: int) -> Type:
        return _united([self.parse(scope, part, place, depth) for part in parts], place, shown(node))

    def _literal(self, scope: Scope, node: ast.expr, parts: list[ast.expr], place: Place, depth: int) -> Type:
        """Read what may stand there (PEP 586): text, integers, truth values, None, and what further Literals have."""
        text = shown(node)
        found: list[Type] = []
        for part in parts:
            self._sources.spend()
            if told := _literal(part):
                found.append(Type(kind=told[0], place=place, text=text, literals=told[1]))
                continue
            inner = self.parse(scope, part, place, depth) if isinstance(part, _NAMED) else None
            if inner is None or not all(one.literals or one.kind == "none" for one in inner.members or (inner,)):
                raise place.at(part).error(
                    f"{shown(part)} in a Literal is no text, integer or truth value",
                    next_step="write the value itself, as Literal['a', 'b']",
                )
            found.append(inner)
        return _united(found, place, text)

    def _refuse_input(self, scope: Scope, metadata: Sequence[ast.expr], place: Place) -> None:
        for item in metadata:
            if isinstance(item, ast.Call) and self._sources.foreign(scope, item.func) == "cog.Input":
                raise place.at(item).error(
                    "Input in Annotated is read neither by coglet nor by Cog",
                    next_step="write it as the default: x: str = Input(...)",
                )

    def _opaque(self, scope: Scope, node: ast.expr, place: Place, depth: int) -> Type:
        """Read the shape alone: a list, optional, or neither. The type itself is not looked at."""
        self._sources.spend()
        if depth > _MAX_DEPTH:
            raise place.error("its type is nested too deeply", next_step="shorten the annotation")
        plain = Type(kind="object", place=place, text=shown(node))
        none = Type(kind="none", place=place, text="None")
        match node:
            case ast.Constant(value=str() as text):
                try:
                    return self._opaque(scope, parse_annotation(text, node), place, depth + 1)
                except ValueError:
                    return plain
            case ast.Constant(value=None):
                return none
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                parts = [left, right]
            case ast.Subscript(value=base, slice=index):
                kind = _NAMES.get(self._sources.foreign(scope, base))
                if kind == "list":
                    return Type(kind="list", place=place, text=plain.text, item=plain)
                if kind not in ("optional", "union"):
                    return plain
                parts = list(index.elts) if isinstance(index, ast.Tuple) else [index]
                if kind == "optional":
                    parts.append(ast.copy_location(ast.Constant(None), node))
            case ast.Name() | ast.Attribute() if _NAMES.get(self._sources.foreign(scope, node)) == "list":
                return Type(kind="list", place=place, text=plain.text, item=plain)
            case _:
                return plain
        shapes = [self._opaque(scope, part, place, depth + 1) for part in parts]
        rest = [shape for shape in shapes if shape.kind != "none"]
        if len(rest) == len(shapes):
            return plain
        inner = rest[0] if len(rest) == 1 else plain
        return Type(kind="union", place=place, text=plain.text, members=(inner, none))


def _united(types: Sequence[Type], place: Place, text: str) -> Type:
    """Make one type of several: each once, and of one that may be anything no more what else it may be."""
    members: dict[str, Type] = {}
    for member in (inner for one in types for inner in (one.members if one.kind == "union" else (one,))):
        key = member.kind if member.kind in SCALARS else member.text
        known = members.setdefault(key, member)
        if known.literals:
            both = tuple(dict.fromkeys((*known.literals, *member.literals))) if member.literals else ()
            members[key] = msgspec.structs.replace(known, literals=both)
    if len(members) == 1:
        return next(iter(members.values()))
    return Type(kind="union", place=place, text=text, members=tuple(members.values()))


def _literal(node: ast.expr) -> tuple[str, tuple[bool | int | str, ...]] | None:
    """Give kind and value of what a Literal has, as far as JSON has it; integers are of 64 bits."""
    match node:
        case ast.Constant(value=None):
            return "none", ()
        case ast.Constant(value=bool(value)):
            return "boolean", (value,)
        case ast.Constant(value=int(number)) if number.bit_length() < 64:
            return "integer", (number,)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))) if number.bit_length() < 64:
            return "integer", (-number,)
        case ast.Constant(value=str(text)) if not _SURROGATES.search(text):
            return "string", (text,)
    return None


def _unsupported(place: Place, text: str, foreign: Foreign | LocalModule | None) -> Exception:
    if isinstance(foreign, Foreign) and foreign.name == "typing.Literal":
        return place.error(f"{text} does not say what it may be", next_step="write Literal['a', 'b'], for example")
    if isinstance(foreign, Foreign) and foreign.name in _YIELDED:
        return place.error(
            f"type {text} is not supported: a function that yields is annotated as Iterator",
            next_step="write -> Iterator[str], with the type of what it yields",
        )
    if isinstance(foreign, Foreign) and foreign.looked_for and not foreign.name.startswith("builtins."):
        return place.error(
            f"type {text} is not supported: {foreign.name} is of another package, and the project has no "
            + " or ".join(reversed(foreign.looked_for)),
            next_step=OPAQUE_ADVICE,
        )
    return place.error(f"type {text} is not supported", next_step=OPAQUE_ADVICE)
