"""The schema of an image's label is read here: an OpenAPI document, and the word of whoever made the image."""

from typing import Any

import msgspec

from cogpack.errors import InputError
from cogpack.oci import decode
from cogpack.runtime.contract import CONFIG_LABEL, SCHEMA_LABEL

_PART = "#/components/schemas/"
_LEVELS = 100
"""Of a document that is read: who made it may have nested it deeper than what is below can follow."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Is what a model takes and gives. `inputs`: by name, with the parts that they refer to; all empty where the image
    has no schema."""

    inputs: dict[str, dict[str, Any]] = {}
    required: frozenset[str] = frozenset()
    output: dict[str, Any] = {}


def read_signature(text: str | None, *, takes: str = "Input", gives: str = "Output") -> Signature:
    """Read the parts `takes` and `gives` of the document `text`; what is none tells nothing."""
    schemas = schemas_of(text)
    taken = mapping(schemas, takes)
    required = taken.get("required")
    names = required if isinstance(required, list) else []
    return Signature(
        inputs={
            name: followed(schemas, spec)
            for name, spec in mapping(taken, "properties").items()
            if isinstance(spec, dict)
        },
        required=frozenset(name for name in names if isinstance(name, str)),
        output=followed(schemas, mapping(schemas, gives)),
    )


def only_trains(text: str | None) -> bool:
    """Tell whether the document is of a model that makes no predictions."""
    schemas = schemas_of(text)
    return "TrainingOutput" in schemas and "Output" not in schemas


def wants_gpu(config: str | None) -> bool:
    """Tell whether the label with the config says `build.gpu`; what is none of Cog's tells nothing."""
    try:
        document = decode((config or "{}").encode(), dict, where=CONFIG_LABEL)
    except InputError:
        return False
    return mapping(document, "build").get("gpu") is True


def with_streaming(text: str) -> str:
    """Add the word by which coglet hands pieces of the output on while they come, as it does for `@streaming`."""
    document = decode(text.encode(), dict, where=SCHEMA_LABEL)
    if predicts := mapping(mapping(mapping(document, "paths"), "/predictions"), "post"):
        predicts["x-cog-streaming"] = True
    return msgspec.json.encode(document).decode()


def schemas_of(text: str | None) -> dict[str, Any]:
    """Read the parts of an OpenAPI document by their names."""
    try:
        document = decode((text or "{}").encode(), dict, where=SCHEMA_LABEL)
    except InputError:
        return {}
    return mapping(mapping(document, "components"), "schemas") if _is_flat(document, _LEVELS) else {}


def _is_flat(value: object, levels: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_flat(one, levels - 1) for one in inside)


def followed(schemas: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """Add to `spec`, behind what it says itself, the part that it refers to: an input with choices is one."""
    for one in (spec, *mappings(spec, "allOf")):
        reference = one.get("$ref")
        if isinstance(reference, str) and reference.startswith(_PART):
            spec = mapping(schemas, reference.removeprefix(_PART)) | spec
    return spec


def mapping(within: object, key: str) -> dict[str, Any]:
    """Give the mapping at `key`, and an empty one where there is none."""
    found = within.get(key) if isinstance(within, dict) else None
    return found if isinstance(found, dict) else {}


def mappings(within: object, key: str) -> list[dict[str, Any]]:
    """Give the mappings of the list at `key`; none where there is no list."""
    found = within.get(key) if isinstance(within, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
