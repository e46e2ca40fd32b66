"""An image that is there already, in a registry or an OCI layout: its manifest, and verified bytes of its blobs."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cache
from pathlib import Path

import msgspec

from cogpack.commands.session import Session
from cogpack.digest import Digest
from cogpack.errors import InputError
from cogpack.image import LAYER_NAME
from cogpack.layout import Layout
from cogpack.oci import CONFIG_LIMIT, Descriptor, Manifest, Platform, decode
from cogpack.reference import Reference
from cogpack.registry.graph import Graph

PLATFORM = Platform(architecture="amd64", os="linux")
"""What is taken of an index if nothing is said, whatever machine this is."""


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


def open_image(session: Session, target: str, platform: Platform = PLATFORM) -> StoredImage:
    """`target`: a directory with an OCI layout, else a reference. Of an index, the image for `platform`."""
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
    graph = Graph(repository.manifest, where=reference.name)
    root = graph.root(reference.digest or reference.tag or "latest", platform)
    if not isinstance(root.document, Manifest):
        raise InputError(f"{reference} is an index of no images", next_step="check the name and tag")
    fetcher = cache(lambda: session.fetcher(repository))

    @contextmanager
    def blob(descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        with closing(fetcher().stream(descriptor, lambda _: None)) as blocks:
            yield blocks

    return StoredImage(
        name=str(reference),
        digest=root.descriptor.digest,
        manifest=root.document,
        blob=blob,
        document=lambda blob: repository.blob_bytes(blob, limit=CONFIG_LIMIT),
    )
