"""`cogpack inspect`: what an image is, from a registry or an OCI layout, without pulling its layers."""

from pathlib import Path
from typing import Any

import msgspec

from cogpack.commands.session import Session
from cogpack.digest import Digest
from cogpack.errors import InputError
from cogpack.image import LAYER_KEY, LAYER_NAME
from cogpack.layout import Layout
from cogpack.oci import INDEX_TYPES, Descriptor, Index, Manifest, decode
from cogpack.reference import Reference
from cogpack.runtime.contract import SCHEMA_LABEL

_CONFIG_LIMIT = 8 * 1024 * 1024


class InspectedLayer(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    key: str | None
    media_type: str
    digest: Digest
    size: int


class Inspected(msgspec.Struct, frozen=True, kw_only=True):
    reference: str
    digest: Digest
    platform: str
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


def inspect(session: Session, target: str) -> Inspected:
    if Path(target).is_dir():
        layout = Layout.read(Path(target))
        descriptor, data = layout.root_manifest()
        return _inspected(target, descriptor.digest, data, layout.blob_bytes)
    reference = Reference.parse(target, where="inspect")
    repository = session.repository(reference)
    found = repository.manifest(reference.digest or reference.tag or "latest")
    if found is None:
        raise InputError(f"{reference}: the registry has no such image", next_step="check the name and tag")
    media_type, data, digest = found
    if media_type in INDEX_TYPES:
        children = decode(data, Index, where=str(reference)).manifests
        listing = ", ".join(f"{child.platform}: {child.digest}" for child in children)
        raise InputError(f"{reference} is an index ({listing:.500})", next_step="inspect one of its digests")
    return _inspected(str(reference), digest, data, lambda blob: repository.blob_bytes(blob, limit=_CONFIG_LIMIT))


def _inspected(where: str, digest: Digest, data: bytes, read: Any) -> Inspected:
    manifest = decode(data, Manifest, where=where)
    config = decode(read(manifest.config), _Config, where=f"{where}: config")
    inner = config.config or _Inner()
    labels = inner.labels or {}
    return Inspected(
        reference=where,
        digest=digest,
        platform=f"{config.os}/{config.architecture}",
        size=sum(layer.size for layer in manifest.layers),
        layers=tuple(_layer(layer) for layer in manifest.layers),
        environment=tuple(inner.env or ()),
        labels=labels,
        inputs=_inputs(labels.get(SCHEMA_LABEL)),
    )


def _layer(found: Descriptor) -> InspectedLayer:
    notes = found.annotations or {}
    return InspectedLayer(
        name=notes.get(LAYER_NAME, ""),
        key=notes.get(LAYER_KEY),
        media_type=found.media_type,
        digest=found.digest,
        size=found.size,
    )


def _inputs(schema: str | None) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(schema or "{}")
        properties = document["components"]["schemas"]["Input"]["properties"]
    except (msgspec.MsgspecError, KeyError, TypeError):
        return {}
    return properties if isinstance(properties, dict) else {}
