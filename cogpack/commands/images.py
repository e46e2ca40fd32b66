"""An image that is there already, in a registry or an OCI layout: its manifest, and verified bytes of its blobs."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from cogpack.commands.session import Session
from cogpack.digest import Digest
from cogpack.errors import InputError
from cogpack.image import LAYER_NAME
from cogpack.layout import Layout
from cogpack.oci import CONFIG_LIMIT, INDEX_TYPES, Descriptor, Index, Manifest, decode
from cogpack.reference import Reference


class StoredImage(msgspec.Struct, frozen=True, kw_only=True):
    """`blob` streams; the last block is only given when all bytes were right. `document` is for small ones."""

    name: str
    digest: Digest
    manifest: Manifest
    blob: Callable[[Descriptor], AbstractContextManager[Iterator[bytes]]]
    document: Callable[[Descriptor], bytes]

    @property
    def layers(self) -> list[tuple[str, Descriptor]]:
        """Name ("" where nobody gave one) and descriptor, bottom first."""
        return [((layer.annotations or {}).get(LAYER_NAME, ""), layer) for layer in self.manifest.layers]


def open_image(session: Session, target: str) -> StoredImage:
    """`target`: a directory with an OCI layout, else a reference. An index is an `InputError` that lists it."""
    if Path(target).is_dir():
        layout = Layout.read(Path(target))
        descriptor, data = layout.root_manifest()
        return StoredImage(
            name=target,
            digest=descriptor.digest,
            manifest=decode(data, Manifest, where=target),
            blob=layout.blob,
            document=layout.blob_bytes,
        )
    reference = Reference.parse(target)
    repository = session.repository(reference)
    found = repository.manifest(reference.digest or reference.tag or "latest")
    if found is None:
        raise InputError(f"{reference}: the registry has no such image", next_step="check the name and tag")
    media_type, data, digest = found
    if media_type in INDEX_TYPES:
        children = decode(data, Index, where=str(reference)).manifests
        listing = ", ".join(f"{child.platform}: {child.digest}" for child in children)
        raise InputError(f"{reference} is an index ({listing:.500})", next_step="name one of its digests")
    return StoredImage(
        name=str(reference),
        digest=digest,
        manifest=decode(data, Manifest, where=str(reference)),
        blob=repository.blob,
        document=lambda blob: repository.blob_bytes(blob, limit=CONFIG_LIMIT),
    )
