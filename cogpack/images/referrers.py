"""Referrers are manifests that refer to another by `subject`: signatures, SBOMs (distribution-spec v1.1, "Referrers").

A registry that keeps the list itself says so (`OCI-Subject`). For the others the list is an index under the fallback
tag `sha256-<hex>`, which every client reads, changes and puts back; nothing locks it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from cogpack.digest import Digest, sha256
from cogpack.errors import InputError, UnavailableError
from cogpack.images.graph import Node
from cogpack.images.interface import Images, WritableImages
from cogpack.oci import (
    MANIFEST_LIMIT,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    decode,
    encode,
    encode_manifest,
)

LIMIT = 2_000
"""Referrers of one manifest, and pages of their list."""

_TRIES = 3


class ArtifactFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an artifact, in memory."""

    media_type: str
    data: bytes
    annotations: dict[str, str] | None = None

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(
            media_type=self.media_type,
            digest=sha256(self.data),
            size=len(self.data),
            annotations=self.annotations,
        )


EMPTY_CONFIG = ArtifactFile(media_type=OCI_EMPTY, data=b"{}")


def artifact_of(
    subject: Descriptor,
    artifact_type: str,
    layers: Sequence[Descriptor] = (),
    annotations: Mapping[str, str] | None = None,
) -> Node:
    """Make a manifest that refers to `subject`, of `layers`; `InputError` where it is too large to be stored."""
    manifest = Manifest(
        schema_version=2,
        media_type=OCI_MANIFEST,
        artifact_type=artifact_type,
        config=EMPTY_CONFIG.descriptor,
        layers=list(layers) or [EMPTY_CONFIG.descriptor],
        subject=Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size),
        annotations=dict(annotations) if annotations else None,
    )
    data = encode_manifest(manifest, next_step="shorten its annotations")
    own = Descriptor(media_type=OCI_MANIFEST, digest=sha256(data), size=len(data))
    return Node(descriptor=own, data=data, document=manifest)


def put_artifact(images: WritableImages, node: Node) -> None:
    """Store what `artifact_of` made, of which all layers are there."""
    images.put_blob(EMPTY_CONFIG.descriptor, EMPTY_CONFIG.data)
    images.put_referrer(node)


def fallback_tag(subject: Digest) -> str:
    """Name the tag of a subject's list (distribution-spec, "Referrers Tag Schema")."""
    return subject.replace(":", "-")


def cosign_tags(subject: Digest) -> tuple[str, ...]:
    """Name where cosign before 3.0 keeps signatures, attestations and an SBOM: images of their own, listed nowhere."""
    return tuple(f"{fallback_tag(subject)}.{kind}" for kind in ("sig", "att", "sbom"))


def fallback_entries(images: Images, subject: Digest) -> tuple[Descriptor, ...]:
    """List what is written under the fallback tag, each once."""
    tag = fallback_tag(subject)
    found = images.manifest(tag)
    return _entries(found.data, tag) if found else ()


def add_to_fallback(images: WritableImages, nodes: Sequence[Node], *, pause: Callable[[int], None]) -> None:
    """List `nodes`, of one subject, under its fallback tag: at once, since each list is a round trip to put and one to
    read back. That is done as another client may have put its own over it.

    `pause` waits after so many attempts.
    """
    assert nodes[0].subject is not None
    tag = fallback_tag(nodes[0].subject.digest)
    for attempt in range(_TRIES + 1):
        found = images.manifest(tag)
        data = found.data if found else encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
        listed = {entry.digest for entry in _entries(data, tag)}
        lacking = [node.entry for node in nodes if node.descriptor.digest not in listed]
        if not lacking:
            return
        if attempt:  # somebody else was faster: not in step with them again
            pause(attempt)
        if attempt < _TRIES:
            images.put_manifest(_with(data, lacking, tag), OCI_INDEX, tag)
    raise UnavailableError(
        f"{images.name}:{tag}: {lacking[0].digest} was listed {_TRIES} times and each time removed by another client",
        next_step="run it again",
    )


def _entries(data: bytes, tag: str) -> tuple[Descriptor, ...]:
    listed = decode(data, Index, where=f"referrers under {tag}").manifests
    check_count(len(listed), tag)
    return tuple({entry.digest: entry for entry in listed}.values())


def _with(data: bytes, new: Iterable[Descriptor], tag: str) -> bytes:
    """Add `new` entries to the list of others as they wrote it, unknown fields included."""
    index: dict[str, Any] = decode(data, dict, where=tag)
    entries = {listed["digest"]: listed for listed in index["manifests"]}
    entries |= {entry.digest: msgspec.to_builtins(entry) for entry in new}
    made = encode({**index, "manifests": list(entries.values())})
    if len(made) > MANIFEST_LIMIT:
        raise InputError(
            f"{tag}: a list of {len(entries)} referrers is larger than registries take",
            next_step="delete old signatures and SBOMs of this image",
        )
    return made


def of_type(entries: Iterable[Descriptor], artifact_type: str | None) -> tuple[Descriptor, ...]:
    """Keep those of one type. It is done by us in any case: not every registry does it, or says so."""
    return tuple(entry for entry in entries if artifact_type in (None, entry.artifact_type))


def check_count(count: int, where: str) -> None:
    """Refuse a list of more referrers, or of more pages, than there can be."""
    if count > LIMIT:
        raise InputError(
            f"{where}: more than {LIMIT} referrers, or pages of them", next_step="copy without them: --no-referrers"
        )
