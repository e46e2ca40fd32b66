"""`cogpack inspect`: what an image is, from a registry or an OCI layout, without pulling its layers."""

from typing import Any

import msgspec

from cogpack.commands.images import open_image
from cogpack.commands.session import Session
from cogpack.digest import Digest
from cogpack.errors import InputError
from cogpack.image import LAYER_KEY, TITLE
from cogpack.oci import Descriptor, Platform, decode, read_config
from cogpack.runtime.contract import SCHEMA_LABEL


class InspectedLayer(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    key: str | None
    media_type: str = msgspec.field(name="mediaType")
    digest: Digest
    size: int


class Inspected(msgspec.Struct, frozen=True, kw_only=True):
    """`index`: what the image was chosen from, None where there is none; `platforms`: what that one offers.

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
    """The `properties` of the schema's Input, empty where the image has no schema."""


class _Inner(msgspec.Struct, rename="pascal"):
    env: list[str] | None = None
    labels: dict[str, str] | None = None


class _Config(msgspec.Struct):
    architecture: str = ""
    os: str = ""
    config: _Inner | None = None


def inspect(session: Session, target: str, *, platform: Platform | None = None) -> Inspected:
    image = open_image(session, target, platform)
    config = read_config(image.document(image.manifest.config), _Config, where=f"{image.name}: config")
    inner = config.config or _Inner()
    labels = inner.labels or {}
    return Inspected(
        reference=image.name,
        digest=image.digest,
        index=image.index,
        platforms=image.platforms,
        platform=f"{config.os}/{config.architecture}" if config.os else "",
        size=sum(layer.size for layer in image.manifest.layers),
        layers=tuple(_layer(name, layer) for name, layer in image.layers),
        environment=tuple(inner.env or ()),
        labels=labels,
        inputs=_inputs(labels.get(SCHEMA_LABEL)),
    )


def _layer(name: str, found: Descriptor) -> InspectedLayer:
    return InspectedLayer(
        name=name or (found.annotations or {}).get(TITLE, ""),
        key=(found.annotations or {}).get(LAYER_KEY),
        media_type=found.media_type,
        digest=found.digest,
        size=found.size,
    )


def _inputs(schema: str | None) -> dict[str, Any]:
    try:
        document = decode((schema or "{}").encode(), dict, where=SCHEMA_LABEL)
        properties = document["components"]["schemas"]["Input"]["properties"]
    except (InputError, KeyError, TypeError):
        return {}
    return properties if isinstance(properties, dict) else {}
