"""A CycloneDX 1.5 document of an image, as JSON (cyclonedx.org/docs/1.5/json)."""

import uuid
from typing import Any

import msgspec

from cogpack import __version__
from cogpack.lockfile import Lock
from cogpack.sbom.parts import Part, contents_text, created_of, parts_of


def cyclonedx_document(name: str, lock: Lock) -> bytes:
    """Write the document of the image that is called `name`: the same lock gives the same bytes."""
    parts = parts_of(lock)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, contents_text(name, parts))}",
        "version": 1,
        "metadata": {
            "timestamp": created_of(lock),
            "tools": {"components": [{"type": "application", "name": "cogpack", "version": __version__}]},
            "component": {"type": "container", "bom-ref": "image", "name": name},
        },
        "components": [_component(part) for part in parts],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _component(part: Part) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "library", "bom-ref": part.purl, "name": part.name, "purl": part.purl}
    if part.version:
        found["version"] = part.version
    if part.sha256:
        found["hashes"] = [{"alg": "SHA-256", "content": part.sha256}]
    return found
