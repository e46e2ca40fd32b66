"""Return annotations become the Output schema; models of the project are written out where they stand."""

import ast

from cogpack.errors import InputError
from cogpack.runtime.schema.annotations import OPAQUE_ADVICE, SCALARS, Ordered, Piece, Type, parse_type, title
from cogpack.runtime.schema.names import Local, Sources
from cogpack.runtime.schema.source import Place
from cogpack.runtime.schema.targets import TargetFunction

ITERATORS = frozenset({"iterator", "concatenate"})

_MAX_DEPTH = 30


def output_type(sources: Sources, target: TargetFunction) -> Type:
    """Read the type behind `->`, or raise an `InputError` where there is none."""
    returns = target.node.returns
    if returns is None:
        raise target.place.error("has no return type", next_step="annotate it, for example -> str")
    place = Place.of(target.place.path, returns, f"output of {target.node.name}")
    type_ = parse_type(sources, target.scope, returns, place)
    plain, optional = type_.optional()
    if plain.kind == "none":
        raise place.error("None can't be an output", next_step="annotate what it returns, for example -> str")
    if optional:
        raise place.error(
            f"{type_.text} is optional, and an output can't be declared so",
            next_step=f"annotate it as {plain.text}; returning None is allowed all the same",
        )
    return plain


def describe_output(sources: Sources, type_: Type) -> Piece:
    """Write the Output component."""
    return {"title": "Output", **_Outputs(sources).top(type_)}


class _Outputs:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._open: list[ast.AST] = []

    def top(self, type_: Type) -> Piece:
        if type_.kind not in ITERATORS:
            return self._piece(type_)
        item = type_.item
        if type_.kind == "concatenate" and (item is None or item.kind != "string"):
            raise type_.place.error(
                f"{type_.text} joins text only", next_step="write ConcatenateIterator[str], or Iterator of something"
            )
        if item is None:
            raise type_.place.error(f"{type_.text} does not say of what", next_step="write Iterator[str], for example")
        piece: Piece = {"type": "array", "items": self._piece(item), "x-cog-array-type": "iterator"}
        if type_.kind == "concatenate":
            piece["x-cog-array-display"] = "concatenate"
        return piece

    def _piece(self, type_: Type) -> Piece:
        self._sources.spend()
        match type_.kind:
            case "list":
                return {"type": "array", "items": self._piece(type_.item) if type_.item else dict(SCALARS["object"])}
            case "dict":
                return self._dict(type_)
            case "class":
                assert type_.defined is not None  # what the kind says
                return self._model(type_, type_.defined)
            case kind if kind in SCALARS:
                return {**SCALARS[kind], "enum": [*type_.literals]} if type_.literals else dict(SCALARS[kind])
        raise self._unsupported(type_)

    def _dict(self, type_: Type) -> Piece:
        if type_.item is None:
            return dict(SCALARS["object"])
        plain, nullable = type_.item.optional()
        value = self._piece(plain) | ({"nullable": True} if nullable else {})
        return {"type": "object", "additionalProperties": value}

    def _model(self, type_: Type, found: Local) -> Piece:
        from cogpack.runtime.schema.models import model_fields, model_kind

        kind = model_kind(self._sources, found)
        if kind is None:
            raise type_.place.error(
                f"class {type_.text} is no BaseModel, TypedDict or dataclass, so its fields aren't known",
                next_step="derive it from cog.BaseModel, or annotate Annotated[T, cog.Opaque]",
            )
        if found.node in self._open or len(self._open) >= _MAX_DEPTH:
            return dict(SCALARS["object"])
        self._open.append(found.node)
        properties = Ordered()
        required: list[str] = []
        for name, field in model_fields(self._sources, found, kind).items():
            piece = self._piece(field.type) | {"title": title(name)}
            if field.nullable:
                piece["nullable"] = True
            properties[name] = piece
            if field.required:
                required.append(name)
        self._open.pop()
        model: Piece = {"type": "object", "properties": properties}
        if required:
            model["required"] = required
        return model

    def _unsupported(self, type_: Type) -> InputError:
        match type_.kind:
            case "union":
                plain, optional = type_.optional()
                if optional:
                    message = f"{type_.text} is optional, which is only possible for fields"
                else:
                    message = f"{plain.text} is a union, which an output can't have"
            case "iterator" | "concatenate":
                message = f"{type_.text} is only possible as the whole output"
            case _:
                message = f"type {type_.text} is not supported in an output"
        return type_.place.error(message, next_step=OPAQUE_ADVICE)
