"""Documents are the manifests and indexes that clients put: read, judged, and described as referrers."""

from typing import TypeAlias

from cogpack.errors import InputError
from cogpack.oci import Descriptor, Index, Manifest, read_manifest
from cogpack.registry.server.failure import Refusal

Document: TypeAlias = Manifest | Index


def read_document(media_type: str, data: bytes) -> Document:
    """Read `data`, which must be what `media_type` says, and nothing else to any client."""
    try:
        return read_manifest(data, media_type, where="the body")
    except InputError as error:
        raise Refusal(400, "MANIFEST_INVALID", error.message) from error


def parts(document: Document) -> list[Descriptor]:
    """Return all that must be in the repository before the document is. The subject may come later, says the spec."""
    return document.manifests if isinstance(document, Index) else [document.config, *document.layers]


def as_referrer(document: Document, stored: Descriptor) -> Descriptor:
    """Describe the document, stored as `stored`, as its subject's referrers list it (distribution-spec, "Listing
    Referrers")."""
    kind = document.artifact_type or None
    if isinstance(document, Manifest):
        kind = kind or document.config.media_type
    return Descriptor(
        media_type=stored.media_type,
        digest=stored.digest,
        size=stored.size,
        annotations=document.annotations,
        artifact_type=kind,
    )
