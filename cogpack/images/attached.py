"""What cogpack attaches to an image, as referrers of its manifest or index: a lock, and an SPDX document.

Each is an artifact of one file (image-spec manifest.md, "Guidelines for Artifact Usage"): the same for the same file
and image.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from cogpack.digest import Digest
from cogpack.images.graph import Node
from cogpack.images.interface import Images, WritableImages
from cogpack.lockfile import LOCK_LIMIT, LOCK_TYPE, AttachedLock, parse_attached_lock
from cogpack.oci import MANIFEST_LIMIT, OCI_MANIFEST, TITLE, Descriptor, Manifest, read_manifest
from cogpack.progress import Cancellation
from cogpack.registry.refusals import MissingBlobError
from cogpack.threads import each

if TYPE_CHECKING:
    from cogpack.images.referrers import ArtifactFile

SPDX_TYPE = "application/spdx+json"
"""IANA's name of an SPDX document, by which others look for one."""
MAKER = "dev.cogpack.attached"
"""This annotation of an artifact says that it is ours: others attach documents of the same type."""
_LIMITS = {LOCK_TYPE: LOCK_LIMIT, SPDX_TYPE: 64 * 1024 * 1024}


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """Is one file to be attached, by its type and what people call it."""

    kind: str
    title: str
    data: bytes

    @property
    def file(self) -> "ArtifactFile":
        from cogpack.images.referrers import ArtifactFile

        return ArtifactFile(media_type=self.kind, data=self.data, annotations={TITLE: self.title})

    def of(self, subject: Descriptor) -> Node:
        """Make the artifact that refers to `subject`."""
        from cogpack.images.referrers import artifact_of

        return artifact_of(subject, self.kind, [self.file.descriptor], {MAKER: self.title})


def put_attachments(
    images: WritableImages,
    ones: Sequence[Attachment],
    subject: Descriptor,
    *,
    there: Collection[Digest],
    cancellation: Cancellation,
) -> None:
    """Attach them. `there`: blobs that the place is thought to have, and is not asked for. After a refusal the
    caller's work may go on."""
    from cogpack.images.referrers import EMPTY_CONFIG

    files = {file.descriptor.digest: file for file in (EMPTY_CONFIG, *(one.file for one in ones))}

    def put(file: "ArtifactFile") -> None:
        images.put_blob(file.descriptor, file.data)

    lacking = [file for digest, file in files.items() if digest not in there]
    each(put, lacking, jobs=len(files), name="attach", cancellation=cancellation, caught=True)
    nodes = [one.of(subject) for one in ones]
    try:
        images.put_referrer(*nodes)
    except MissingBlobError:
        for file in files.values():
            put(file)
        images.put_referrer(*nodes)


def attached_files(images: Images, subject: Digest, kind: str) -> Iterator[tuple[Digest, bytes]]:
    """Read the files of one type that are attached to an image, each with its artifact's digest: ours before others',
    as far as they say so, which anybody who may push can say."""
    found = images.referrers(subject, artifact_type=kind)
    for entry in sorted(found, key=lambda entry: (MAKER not in (entry.annotations or {}), entry.digest)):
        manifest = images.manifest(entry.digest) if entry.size <= MANIFEST_LIMIT else None
        if manifest is None:
            continue
        document = read_manifest(manifest.data, OCI_MANIFEST, where=f"{images.name}@{entry.digest}")
        if isinstance(document, Manifest) and document.subject and document.subject.digest == subject:
            files = [layer for layer in document.layers if layer.media_type == kind]
            if len(files) == 1:
                yield entry.digest, images.blob_bytes(files[0], limit=_LIMITS[kind])


def attached_file(images: Images, subject: Digest, kind: str) -> bytes | None:
    """Read the first of them; None where there is none."""
    return next((data for _, data in attached_files(images, subject, kind)), None)


def attached_lock_of(images: Images, subject: Digest) -> AttachedLock | None:
    """Read the lock that is attached to an image; None where there is none."""
    data = attached_file(images, subject, LOCK_TYPE)
    return None if data is None else parse_attached_lock(data, path=f"the lock of {images.name}@{subject}")
