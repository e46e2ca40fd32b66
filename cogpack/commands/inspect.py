"""`cogpack inspect` tells what an image is, from a registry or an OCI layout, without pulling its layers."""

from typing import Any

import msgspec

from cogpack.digest import Digest
from cogpack.errors import InputError
from cogpack.oci import LAYER_KEY, TITLE, Descriptor, Execution, decode
from cogpack.opening import open_image
from cogpack.runtime.contract import SCHEMA_LABEL
from cogpack.session import Session

_PART = "#/components/schemas/"


class InspectedLayer(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    key: str | None
    media_type: str = msgspec.field(name="mediaType")
    digest: Digest
    size: int


class Inspected(msgspec.Struct, frozen=True, kw_only=True):
    """What an image is.

    `index`: what the image was chosen from, None where there is none; `platforms`: what that one offers.

    `platform` is empty for artifacts that are no images.
    """

    reference: str
    digest: Digest
    index: Digest | None
    platform: str
    platforms: tuple[str, ...]
    size: int
    layers: tuple[InspectedLayer, ...]
    environment: tuple[str, ...]
    labels: dict[str, str]
    inputs: dict[str, Any]
    """The `properties` of the schema's Input, with what they refer to; empty where the image has no schema."""
    output: dict[str, Any]
    """The schema's Output, likewise."""


def inspect(session: Session, target: str, *, platform: str | None = None) -> Inspected:
    """Describe `target`: `HOST/NAME[:TAG|@DIGEST]`, or `DIR[:NAME]` of a layout. `platform`: `OS/ARCH`, which image of
    an index."""
    image = open_image(session, target, platform)
    config = image.config()
    inner = config.config or Execution()
    labels = inner.labels or {}
    schemas = _schemas(labels.get(SCHEMA_LABEL))
    return Inspected(
        reference=image.name,
        digest=image.digest,
        index=image.graph.index.digest if image.graph.index else None,
        platforms=image.platforms,
        platform=f"{config.os}/{config.architecture}" if config.os else "",
        size=sum(layer.size for layer in image.manifest.layers),
        layers=tuple(_layer(name, layer) for name, layer in image.layers),
        environment=tuple(inner.env or ()),
        labels=labels,
        inputs={
            name: _followed(schemas, spec)
            for name, spec in _mapping(schemas.get("Input"), "properties").items()
            if isinstance(spec, dict)
        },
        output=_followed(schemas, _mapping(schemas, "Output")),
    )


def _layer(name: str, found: Descriptor) -> InspectedLayer:
    return InspectedLayer(
        name=name or (found.annotations or {}).get(TITLE, ""),
        key=(found.annotations or {}).get(LAYER_KEY),
        media_type=found.media_type,
        digest=found.digest,
        size=found.size,
    )


def _schemas(text: str | None) -> dict[str, Any]:
    """Read the parts of an OpenAPI document by their names; whoever made the image wrote it."""
    try:
        document = decode((text or "{}").encode(), dict, where=SCHEMA_LABEL)
    except InputError:
        return {}
    return _mapping(_mapping(document, "components"), "schemas")


def _mapping(within: object, key: str) -> dict[str, Any]:
    found = within.get(key) if isinstance(within, dict) else None
    return found if isinstance(found, dict) else {}


def _followed(schemas: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """Add to `spec`, behind what it says itself, the part that it refers to: an input with choices is one."""
    several = spec.get("allOf")
    for one in (spec, *(several if isinstance(several, list) else ())):
        reference = one.get("$ref") if isinstance(one, dict) else None
        if isinstance(reference, str) and reference.startswith(_PART):
            spec = _mapping(schemas, reference.removeprefix(_PART)) | spec
    return spec
