"""The images of an OCI layout directory are read and written here (image-spec image-layout.md)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property

from cogpack.digest import Digest, sha256
from cogpack.errors import CogpackError, InputError
from cogpack.http import backoff
from cogpack.images.graph import Node
from cogpack.images.interface import Blobs
from cogpack.layout import Layout
from cogpack.oci import (
    CONFIG_LIMIT,
    MANIFEST_LIMIT,
    MANIFEST_TYPES,
    Descriptor,
    FoundManifest,
    read_manifest,
)
from cogpack.progress import Cancellation
from cogpack.registry.pull.mirrors import MirrorError


class LayoutImages:
    """`WritableImages` of a layout; to write, it must have been made or opened by `Layout.create`."""

    def __init__(self, layout: Layout, cancellation: Cancellation) -> None:
        self.layout = layout
        self.name = str(layout.root)
        self.origin = ""
        self._cancellation = cancellation

    def manifest(self, ref: str) -> FoundManifest | None:
        """Look it up by name or digest; of one that index.json does not list, nobody knows the media type."""
        if ref.startswith("sha256:"):
            types = {entry.get("digest"): entry.get("mediaType") for entry in self.layout.entries()}
            media_type, digest, size = str(types.get(ref, "")), Digest(ref), self.layout.blob_size(Digest(ref))
            if size is None:
                return None
        else:
            found = self.layout.names().get(ref)
            if found is None:
                return None
            media_type, digest, size = found.media_type, found.digest, found.size
        if size > MANIFEST_LIMIT:
            raise InputError(
                f"{self.name}: {digest} has {size} bytes; a manifest has {MANIFEST_LIMIT} at most",
                next_step="check that the directory holds a container image",
            )
        data = self.layout.blob_bytes(Descriptor(media_type=media_type, digest=digest, size=size))
        return FoundManifest(media_type, data, digest)

    def has_name(self, name: str) -> bool:
        return name in self.layout.names()

    def referrers(self, subject: Digest, *, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """List them as in a registry without the API (by us, by regclient), or nameless in the index (by oras)."""
        from cogpack.images.referrers import fallback_entries, of_type

        found = (*fallback_entries(self, subject), *self._nameless.get(subject, ()))
        return of_type({entry.digest: entry for entry in found}.values(), artifact_type)

    @cached_property
    def _nameless(self) -> dict[Digest, list[Descriptor]]:
        """List by subject what index.json names only by digest."""
        found: dict[Digest, list[Descriptor]] = {}
        for entry in self.layout.nameless():
            if entry.media_type in MANIFEST_TYPES and entry.size <= MANIFEST_LIMIT:
                data = self.layout.blob_bytes(entry)
                document = read_manifest(data, entry.media_type, where=f"{self.name}@{entry.digest}")
                if document.subject is not None:
                    found.setdefault(document.subject.digest, []).append(entry)
        return found

    def has_whole(self, node: Node) -> bool:
        return all(self.has_blob(blob) for blob in (node.descriptor, *node.blobs))

    def has_blob(self, descriptor: Descriptor) -> bool:
        return self.layout.has(descriptor)

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        return self.layout.blob(descriptor)

    def blob_bytes(self, descriptor: Descriptor, *, limit: int = CONFIG_LIMIT) -> bytes:
        return self.layout.blob_bytes(descriptor, limit=limit)

    def blame_mirror(self, why: CogpackError) -> bool:  # noqa: ARG002 - a directory has none
        return False

    def bring(self, descriptor: Descriptor, source: Blobs, on_bytes: Callable[[int], None]) -> bool:
        while True:
            came = 0
            try:
                with self.layout.incoming() as incoming, source.blob(descriptor) as blocks:
                    for block in blocks:
                        incoming.write(block)
                        on_bytes(len(block))
                        came += len(block)
                    incoming.keep(descriptor.digest)
                    return False
            except MirrorError:  # that mirror is not asked any more, so the next try is another
                on_bytes(-came)

    def put_blob(self, descriptor: Descriptor, data: bytes) -> None:  # noqa: ARG002 - a layout keeps bytes alone
        self.layout.add(data)

    def put_manifest(self, data: bytes, media_type: str, ref: str) -> None:
        self.layout.add(data)
        if not ref.startswith("sha256:"):
            self.layout.publish({ref: Descriptor(media_type=media_type, digest=sha256(data), size=len(data))})

    def put_referrer(self, *nodes: Node) -> None:
        """Add them to the list of the fallback tag: a layout has no other."""
        from cogpack.images.referrers import add_to_fallback

        for node in nodes:
            self.layout.add(node.data)
        add_to_fallback(self, nodes, pause=lambda attempt: self._cancellation.wait(backoff(attempt)))

    def filling(self) -> AbstractContextManager[None]:
        return self.layout.filling()
