"""An SPDX 2.3 document of an image, as JSON (spdx.github.io/spdx-spec/v2.3)."""

import hashlib
from typing import Any

import msgspec

from cogpack import __version__
from cogpack.lockfile import Lock
from cogpack.sbom.parts import Part, contents_text, created_of, parts_of

_NOBODY_SAID = "NOASSERTION"
_IMAGE = "SPDXRef-image"


def spdx_document(name: str, lock: Lock) -> bytes:
    """Write the document of the image that is called `name`: the same lock gives the same bytes."""
    parts = parts_of(lock)
    packages = [_package(part, at) for at, part in enumerate(parts, 1)]
    contained = [
        {"spdxElementId": _IMAGE, "relationshipType": "CONTAINS", "relatedSpdxElement": package["SPDXID"]}
        for package in packages
    ]
    digest = hashlib.sha256(contents_text(name, parts).encode()).hexdigest()
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"https://spdx.org/spdxdocs/cogpack-{digest}",
        "creationInfo": {
            "created": created_of(lock),
            "creators": [f"Tool: cogpack-{__version__}"],
        },
        "packages": [_common(_IMAGE, name) | {"primaryPackagePurpose": "CONTAINER"}, *packages],
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": _IMAGE},
            *contained,
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _common(identity: str, name: str, url: str = "") -> dict[str, Any]:
    return {
        "SPDXID": identity,
        "name": name,
        "downloadLocation": url if url.startswith(("http://", "https://", "git+")) else _NOBODY_SAID,
        "filesAnalyzed": False,
        "licenseConcluded": _NOBODY_SAID,
        "licenseDeclared": _NOBODY_SAID,
        "copyrightText": _NOBODY_SAID,
    }


def _package(part: Part, at: int) -> dict[str, Any]:
    found = _common(f"SPDXRef-part-{at}", part.name, part.url)
    if part.version:
        found["versionInfo"] = part.version
    if part.sha256:
        found["checksums"] = [{"algorithm": "SHA256", "checksumValue": part.sha256}]
    locator = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": part.purl}
    found["externalRefs"] = [locator]
    return found
