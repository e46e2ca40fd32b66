"""An image that is there already, in a registry or an OCI layout: its manifest, and verified bytes of its blobs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cache, partial
from typing import TypeVar

import msgspec

from cogpack.digest import Digest, sha256
from cogpack.errors import CogpackError, InputError
from cogpack.images.address import parse_address
from cogpack.images.place import LayoutPlace
from cogpack.layout import Layout
from cogpack.oci import (
    CONFIG_LIMIT,
    DOCKER_CONFIG,
    LAYER_NAME,
    OCI_CONFIG,
    TITLE,
    Descriptor,
    Index,
    Manifest,
    Platform,
    decode,
)
from cogpack.progress import asking
from cogpack.registry.graph import Graph, Reader, check_platform
from cogpack.session import Session
from cogpack.text import count_text

T = TypeVar("T")

PLATFORM = Platform(architecture="amd64", os="linux")
"""What is taken of an index if nothing is said, whatever machine this is."""


class StoredImage(msgspec.Struct, frozen=True, kw_only=True):
    """`blob` streams; the last block is only given when all bytes were right. `document` is for small ones.

    `blame_mirror`: to be told of an error in what was made of a blob before its last block: if True, try again.
    `index`: what the image was chosen from, and the `platforms` that this one offers.
    """

    name: str
    digest: Digest
    manifest: Manifest
    blob: Callable[[Descriptor], AbstractContextManager[Iterator[bytes]]]
    document: Callable[[Descriptor], bytes]
    blame_mirror: Callable[[CogpackError], bool]
    index: Digest | None
    platforms: tuple[str, ...]

    @property
    def layers(self) -> list[tuple[str, Descriptor]]:
        """Name ("" where nobody gave one) and descriptor, bottom first."""
        return [((layer.annotations or {}).get(LAYER_NAME, ""), layer) for layer in self.manifest.layers]


def title(blob: Descriptor) -> str:
    """A blob's name, for people."""
    if blob.media_type in (OCI_CONFIG, DOCKER_CONFIG):
        return "config"
    named = blob.annotations or {}
    return named.get(LAYER_NAME) or named.get(TITLE) or f"blob {blob.digest[7:19]}"


def tell_present(session: Session, sizes: Sequence[int]) -> None:
    """Blobs that need not move, in one line."""
    session.progress.task(count_text(len(sizes), "blob"), sum(sizes)).done("reused")


def open_image(session: Session, target: str, platform: Platform | None = None) -> StoredImage:
    """`target`: `HOST/NAME[:TAG|@DIGEST]`, or `DIR[:NAME]`, an OCI layout.

    `platform`: which image of an index, and what the image must be for if there is no index; `PLATFORM` of an index if
    nothing is said.
    """
    address = parse_address(session, target)
    manifest: Reader
    document: Callable[[Descriptor], bytes]
    blob: Callable[[Descriptor], AbstractContextManager[Iterator[bytes]]]
    blame_mirror: Callable[[CogpackError], bool]
    if reference := address.reference:
        repository = session.repository(reference)
        where, wanted = reference.name, reference.digest or reference.tag or "latest"
        manifest = repository.manifest
        document = partial(repository.blob_bytes, limit=CONFIG_LIMIT)
        fetcher = cache(lambda: session.fetcher(repository))

        @contextmanager
        def fetched(descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
            with closing(fetcher().stream(descriptor, lambda _: None)) as blocks:
                yield blocks

        blob, blame_mirror = fetched, repository.blame_mirror
    else:
        layout = Layout.read(address.directory)
        where, wanted = target, layout.image(address.name).digest
        manifest = LayoutPlace(layout, session.cancellation).manifest
        document, blob, blame_mirror = layout.blob_bytes, layout.blob, lambda _: False
    read: list[tuple[str, bytes, Digest]] = []

    def remembered(ref: str) -> tuple[str, bytes, Digest] | None:
        found = manifest(ref)
        read.extend([found] if found else [])
        return found

    graph = Graph(remembered, where=where)
    with asking(session.progress, target):
        root = graph.root(wanted, platform or PLATFORM)
    if not isinstance(root.document, Manifest):
        raise InputError(f"{target} is an index of no images", next_step="check the name and tag")
    if platform and not graph.chosen:
        check_platform(document(root.document.config), platform, where)
    return StoredImage(
        name=str(reference or target),
        digest=root.descriptor.digest,
        manifest=root.document,
        blob=blob,
        document=document,
        blame_mirror=blame_mirror,
        index=sha256(read[0][1]) if graph.chosen else None,
        platforms=_platforms(decode(read[0][1], Index, where=where)) if graph.chosen else (),
    )


def trying(act: Callable[[], T], blame_mirror: Callable[[CogpackError], bool]) -> T:
    """`act`, which makes something of blobs before their last bytes; again where a mirror's may have been wrong."""
    try:
        return act()
    except CogpackError as error:
        if not blame_mirror(error):
            raise
        return act()


def _platforms(index: Index) -> tuple[str, ...]:
    """In the index's order; builders list attestations as of an unknown platform."""
    found = (str(child.platform) for child in index.manifests if child.platform and child.platform.os != "unknown")
    return tuple(dict.fromkeys(found))
