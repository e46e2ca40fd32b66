"""An Enum of the project has members, which are told from its body: which names are some, and what their text is."""

import ast
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TypeAlias

import msgspec

from cogpack.runtime.schema.bindings import Assigned, Binding, Defined, Scope, Unclear, class_names

_ENUMS = frozenset({"enum.Enum", "enum.IntEnum", "enum.StrEnum"})

Kind: TypeAlias = "type[str | int | float]"

_KINDS: "Mapping[str, Kind]" = {
    "builtins.str": str,
    "builtins.int": int,
    "builtins.float": float,
    "enum.IntEnum": int,
    "enum.StrEnum": str,
}
"""Bases of an Enum whose members are their values."""


class Member(msgspec.Struct, frozen=True, eq=False):
    """Is a member of an Enum of the project, and where its value stands.

    `kind`: what it is itself besides, as those of `class Kind(str, Enum)` are text. `is_shown`: `str()` and f-strings
    write its value, and not `Kind.A`.
    """

    name: str
    enum: ast.ClassDef
    scope: Scope
    node: ast.expr
    kind: "Kind | None"
    is_shown: bool


def read_members(
    scope: Scope, node: ast.ClassDef, bases: AbstractSet[str], *, python: tuple[int, int]
) -> dict[str, Member] | None:
    """Give the members of an Enum in the order of its body; None of what is no Enum, or makes them when it runs."""
    if not bases & _ENUMS:
        return None
    names = class_names(node)
    ignored = _ignored(names.get("_ignore_"))
    if ignored is None or "__new__" in names:
        return None
    if any(isinstance(bound, Unclear) for bound in names.values()):
        return None
    kind = next((_KINDS[base] for base in sorted(bases) if base in _KINDS), None)
    is_shown = _is_shown(bases, names, python)
    inner = scope.within(names)
    found = {
        name: Member(name, node, inner, bound.node, kind, is_shown)
        for name, bound in names.items()
        if isinstance(bound, Assigned) and name not in ignored and not _is_reserved(name)
    }
    return None if kind and any(_is_converted(kind, member.node) for member in found.values()) else found


def _is_converted(kind: Kind, node: ast.expr) -> bool:
    """Tell whether an Enum makes a value of what is written, as `str` does of a number."""
    return isinstance(node, ast.Tuple) or (isinstance(node, ast.Constant) and type(node.value) is not kind)


def _is_reserved(name: str) -> bool:
    return name.startswith("__") or (name.startswith("_") and name.endswith("_"))


def _ignored(binding: Binding | None) -> frozenset[str] | None:
    """Read `_ignore_`, whose names are no members; None where it is made of more than literal text."""
    match binding:
        case None:
            return frozenset()
        case Assigned(ast.Constant(str() as text)):
            return frozenset(text.replace(",", " ").split())
        case Assigned(ast.List(elts=items) | ast.Tuple(elts=items)):
            texts = [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
            return frozenset(texts) if len(texts) == len(items) else None
    return None


def _is_shown(bases: AbstractSet[str], names: Mapping[str, Binding], python: tuple[int, int]) -> bool:
    if "__format__" in names:
        return False
    match names.get("__str__"):
        case None:
            return "enum.StrEnum" in bases or ("enum.IntEnum" in bases and python >= (3, 11))
        case Defined(ast.FunctionDef(body=[ast.Return(ast.Attribute(ast.Name("self"), "value"))], decorator_list=[])):
            return "builtins.str" in bases or "enum.StrEnum" in bases
    return False
