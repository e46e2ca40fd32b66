"""A form is what a page asks for and shows of a model: its schema, read into a few shapes of values.

Cog's schemas are OpenAPI documents; whoever made the image wrote this one, so a part that is not as it should be counts
as not there.
"""

from typing import Any, TypeAlias

import msgspec

from cogpack.runtime.labelled_schema import Signature, mapping, read_signature, schemas_of


class Text(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="text"):
    least: int | None = None
    most: int | None = None
    pattern: str | None = None


class Secret(msgspec.Struct, frozen=True, tag_field="kind", tag="secret"):
    """Is text that is shown to nobody, and kept nowhere."""


class Number(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="number"):
    integer: bool = False
    minimum: float | None = None
    maximum: float | None = None


class Boolean(msgspec.Struct, frozen=True, tag_field="kind", tag="boolean"):
    pass


class Choice(msgspec.Struct, frozen=True, tag_field="kind", tag="choice"):
    choices: tuple[str | int | float | bool, ...]


class File(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="file"):
    """`accept`: kinds of files, as HTML has it."""

    accept: str = ""


class Many(msgspec.Struct, frozen=True, tag_field="kind", tag="list"):
    item: "Shape"


class Object(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="object"):
    """`properties`: those that are known; there may be others."""

    properties: dict[str, "Shape"] = {}


class Either(msgspec.Struct, frozen=True, tag_field="kind", tag="either"):
    members: tuple["Shape", ...]


class Anything(msgspec.Struct, frozen=True, tag_field="kind", tag="anything"):
    pass


Shape: TypeAlias = Text | Secret | Number | Boolean | Choice | File | Many | Object | Either | Anything


class Input(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Is one input. `default`: None where there is none, or none that can be sent."""

    name: str
    shape: Shape
    required: bool = False
    description: str = ""
    default: Any = None
    deprecated: bool = False


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """`iterates`: the output comes in pieces, `concatenated`: which are one text."""

    inputs: tuple[Input, ...]
    output: Shape
    iterates: bool
    concatenated: bool


def read_form(text: str | None) -> Form | None:
    """Read the schema of an image's label; None where there is none."""
    if not mapping(schemas_of(text), "Input"):
        return None
    signature = read_signature(text)
    inputs = sorted(signature.inputs.items(), key=lambda found: _order(found[1]))
    return Form(
        inputs=tuple(_input(name, spec, signature) for name, spec in inputs),
        output=shape_of(signature.output),
        iterates=signature.output.get("x-cog-array-type") == "iterator",
        concatenated=signature.output.get("x-cog-array-display") == "concatenate",
    )


def _input(name: str, spec: dict[str, Any], signature: Signature) -> Input:
    default = spec.get("default")
    return Input(
        name=name,
        shape=shape_of(spec),
        required=name in signature.required,
        description=_described(spec),
        default=default if _countable(default) else None,
        deprecated=spec.get("deprecated") is True,
    )


def _described(spec: dict[str, Any]) -> str:
    """Give its author's words: what pydantic calls all choices that have none is no help."""
    found = _text(spec, "description") or ""
    return "" if found == "An enumeration." else found


def _countable(value: object) -> bool:
    """Tell whether a browser can hold it as it is: its numbers have 53 bits. Else the model's own default stands."""
    if isinstance(value, list | dict):
        return all(map(_countable, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int) or abs(value) < 2**53


def _order(spec: dict[str, Any]) -> float:
    found = _number(spec, "x-order")
    return found if found is not None else float("inf")


def shape_of(spec: dict[str, Any]) -> Shape:
    """Say which shape the values have that `spec` describes."""
    choices = spec.get("enum")
    if isinstance(choices, list) and choices:
        return Choice(tuple(one for one in choices if isinstance(one, str | int | float | bool)))
    members = spec.get("anyOf")
    if isinstance(members, list) and members:
        return Either(tuple(shape_of(member) for member in members if isinstance(member, dict)))
    match spec.get("type"):
        case "string" if spec.get("format") == "uri":
            return File(_text(spec, "x-cog-accept") or "")
        case "string" if spec.get("format") == "password" or spec.get("x-cog-secret") is True:
            return Secret()
        case "string":
            least, most = _number(spec, "minLength"), _number(spec, "maxLength")
            return Text(
                least=int(least) if least is not None else None,
                most=int(most) if most is not None else None,
                pattern=_text(spec, "pattern"),
            )
        case "integer" | "number" as kind:
            return Number(integer=kind == "integer", minimum=_number(spec, "minimum"), maximum=_number(spec, "maximum"))
        case "boolean":
            return Boolean()
        case "array":
            items = mapping(spec, "items")
            return Many(_accepting(shape_of(items), _text(spec, "x-cog-accept")))
        case "object":
            properties = mapping(spec, "properties")
            return Object({name: shape_of(mapping(properties, name)) for name in properties})
    return Anything()


def _accepting(item: Shape, accept: str | None) -> Shape:
    """Cog writes the kinds of files of a list on the list."""
    return File(accept) if isinstance(item, File) and accept else item


def _text(spec: dict[str, Any], key: str) -> str | None:
    found = spec.get(key)
    return found if isinstance(found, str) else None


def _number(spec: dict[str, Any], key: str) -> float | None:
    found = spec.get(key)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None
