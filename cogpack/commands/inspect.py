"""`cogpack inspect` tells what an image is, from a registry or an OCI layout, without pulling its layers."""

from typing import Any

import msgspec

from cogpack.digest import Digest
from cogpack.oci import LAYER_KEY, TITLE, Descriptor, Execution
from cogpack.opening import open_image
from cogpack.runtime.contract import SCHEMA_LABEL
from cogpack.runtime.labelled_schema import read_signature
from cogpack.session import Session


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
    inputs: dict[str, dict[str, Any]]
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
    signature = read_signature(labels.get(SCHEMA_LABEL))
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
        inputs=signature.inputs,
        output=signature.output,
    )


def _layer(name: str, found: Descriptor) -> InspectedLayer:
    return InspectedLayer(
        name=name or (found.annotations or {}).get(TITLE, ""),
        key=(found.annotations or {}).get(LAYER_KEY),
        media_type=found.media_type,
        digest=found.digest,
        size=found.size,
    )
