"""Some classes describe JSON objects: models, TypedDicts and dataclasses, with the fields they inherit.

Those of `cog.BaseModel` are dataclasses (cog 0.17 and newer), which Python refuses at import where a default is a list
or dict, or a field without a default stands behind one that has one: that is noted, as nothing else tells it before.
"""

import ast
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from cogpack.notes import Code
from cogpack.runtime.schema.annotations import Type, parse_type
from cogpack.runtime.schema.bindings import Defined, class_names
from cogpack.runtime.schema.names import Foreign, Local, Sources
from cogpack.runtime.schema.source import Place, shown

Kind: TypeAlias = Literal["model", "typed dict", "dataclass"]

_MAX_BASES = 20
_MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_LITERAL = (ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.UnaryOp, ast.USub, ast.expr_context)


class Field(msgspec.Struct, frozen=True, eq=False):
    """Describes one field, without the None that its type may have allowed; `nullable` says so. `default`: what stands
    behind `=`, None where nothing does."""

    type: Type
    nullable: bool
    required: bool
    place: Place
    default: ast.expr | None


def model_kind(sources: Sources, found: Local, depth: int = 0) -> Kind | None:
    """Tell what a class is by its bases, followed through the project, or by its decorator; None where it is no
    model."""
    node = found.node
    sources.spend()
    if not isinstance(node, ast.ClassDef) or depth > _MAX_BASES:
        return None
    for base in node.bases:
        symbol = sources.resolve(found.scope, base)
        if isinstance(symbol, Local):
            kind = model_kind(sources, symbol, depth + 1)
            if kind:
                return kind
        if isinstance(symbol, Foreign):
            if symbol.name == "typing.TypedDict":
                return "typed dict"
            if symbol.name == "cog.BaseModel":
                return "dataclass"
            if symbol.name.endswith("BaseModel"):
                return "model"
    for decorator in node.decorator_list:
        name = sources.foreign(found.scope, decorator.func if isinstance(decorator, ast.Call) else decorator)
        if name in ("dataclasses.dataclass", "pydantic.dataclasses.dataclass"):
            return "dataclass"
    return None


def model_fields(sources: Sources, found: Local, kind: Kind, depth: int = 0) -> dict[str, Field]:
    """Give the fields by name, inherited ones first. A field whose type is not known is an `InputError`."""
    node = found.node
    assert isinstance(node, ast.ClassDef)  # a model is one
    fields: dict[str, Field] = {}
    for base in node.bases if depth < _MAX_BASES else ():
        symbol = sources.resolve(found.scope, base)
        if isinstance(symbol, Local) and isinstance(symbol.node, ast.ClassDef):
            fields |= model_fields(sources, symbol, kind, depth + 1)
    total = not any(
        keyword.arg == "total" and isinstance(keyword.value, ast.Constant) and not keyword.value.value
        for keyword in node.keywords
    )
    # Only the classes inside: a field named like its type would else hide it.
    inner = {name: binding for name, binding in class_names(node).items() if isinstance(binding, Defined)}
    scope = found.scope.within(inner)
    is_ordered = True
    for statement in node.body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        sources.spend(3)
        if kind == "dataclass" and sources.foreign(scope, statement.annotation) == "dataclasses.KW_ONLY":
            is_ordered = False  # no field: those behind it may have defaults or not
            continue
        name = statement.target.id
        place = Place.of(scope.module.path, statement, f"field {name!r} of {node.name}")
        type_ = parse_type(sources, scope, statement.annotation, place, typed_dict=kind == "typed dict")
        if type_.kind == "class variable":
            continue
        plain, nullable = type_.optional()
        if kind == "typed dict":
            required = total if type_.required is None else type_.required
        else:
            required = not nullable and (statement.value is None or not _is_literal(statement.value))
        fields[name] = Field(plain, nullable, required, place, statement.value)
    is_plain = not node.keywords and not any(isinstance(one, ast.Call) for one in node.decorator_list)
    if kind == "dataclass" and is_plain and is_ordered:
        _note_defaults(sources, fields)
    return fields


def _note_defaults(sources: Sources, fields: Mapping[str, Field]) -> None:
    """Note what no dataclass can be. What `field(...)` says is not looked at: all is well behind one."""
    before = ""
    for name, field in fields.items():
        if isinstance(field.default, ast.Call):
            return
        wrong = ""
        if isinstance(field.default, _MUTABLE):
            wrong = f"its default {shown(field.default)} can be changed; write dataclasses.field(default_factory=...)"
        elif before and field.default is None:
            wrong = f"has no default, and stands behind {before!r}, which has one; put it before that"
        if wrong:
            text = f"{wrong}: Python refuses such a dataclass at import, and the model is never ready"
            sources.notes.append(field.place.note(Code.BROKEN_MODEL, text))
            return
        before = name if field.default is not None else before


def _is_literal(node: ast.expr) -> bool:
    """Tell whether an expression is made of literals alone. `...` is how models say that there is no default."""
    return all(
        isinstance(part, _LITERAL) and not (isinstance(part, ast.Constant) and part.value is ...)
        for part in ast.walk(node)
    )
