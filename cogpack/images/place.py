"""Where images lie: a repository of a registry, a directory with an OCI layout: one face for both."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property
from typing import Protocol

from cogpack.digest import Digest, sha256
from cogpack.errors import InputError
from cogpack.http import Response, backoff
from cogpack.layout import Layout
from cogpack.oci import MANIFEST_LIMIT, MANIFEST_TYPES, Descriptor, read_manifest
from cogpack.progress import Cancellation
from cogpack.reference import Reference
from cogpack.registry.graph import Node
from cogpack.registry.pull.mirrors import MirrorError
from cogpack.registry.referrers import add_to_fallback, fallback_entries, list_referrers, put_referrer
from cogpack.registry.repository import Repository


class Source(Protocol):
    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes; drained, they were verified."""


class Place(Source, Protocol):
    name: str
    """For people: `HOST/NAME`, or the directory."""

    origin: str
    """The address of the registry, "" of a directory."""

    def manifest(self, ref: str) -> tuple[str, bytes, Digest] | None:
        """(media type, bytes, digest) under a name or digest; a layout may not know the media type: ""."""

    def has_name(self, name: str) -> bool:
        """No is certain; yes is for `manifest` to find out."""

    def referrers(self, subject: Digest) -> tuple[Descriptor, ...]: ...

    def has_whole(self, node: Node) -> bool:
        """The manifest is here, and all that it names but other manifests: nobody has to ask for it one by one."""

    def has_blob(self, descriptor: Descriptor) -> bool: ...

    def bring(self, descriptor: Descriptor, source: Source, on_bytes: Callable[[int], None]) -> bool:
        """Take a blob from `source`; `on_bytes` hears of each block that moves, and of what moves again as a negative
        number. True: mounted, and nothing moved."""

    def put_manifest(self, data: bytes, media_type: str, ref: str) -> None:
        """Under its digest or under a name; all that it names is here."""

    def put_referrer(self, node: Node, subject: Digest) -> None:
        """A manifest that refers to `subject`: stored by digest, and listed."""

    def filling(self) -> AbstractContextManager[None]:
        """While an image comes; a place that was made for one that is refused goes again."""


class RegistryPlace:
    def __init__(self, repository: Repository, reference: Reference) -> None:
        self.name = reference.name
        self.reference = reference
        self.origin = repository.requests.base
        self._repository = repository
        self.manifest = repository.manifest
        self.blob = repository.blob
        self.has_blob = repository.has_blob
        self.put_manifest = repository.put_manifest
        self.filling = nullcontext

    def has_name(self, name: str) -> bool:
        return self._head(name, ", ".join(MANIFEST_TYPES)).status != 404

    def referrers(self, subject: Digest) -> tuple[Descriptor, ...]:
        return list_referrers(self._repository, subject)

    def has_whole(self, node: Node) -> bool:
        """By the manifest alone: a registry keeps none without what it names."""
        answer = self._head(node.descriptor.digest, node.descriptor.media_type)
        if answer.status in (401, 403):
            self._repository.requests.expect(answer, "HEAD", 200)
        return answer.status == 200

    def _head(self, ref: str, accept: str) -> Response:
        requests = self._repository.requests
        return requests.request("HEAD", f"{requests.base}/manifests/{ref}", {"Accept": accept})

    def bring(self, descriptor: Descriptor, source: Source, on_bytes: Callable[[int], None]) -> bool:
        opened = None
        if isinstance(source, RegistryPlace) and source.reference.registry == self.reference.registry:
            other = source.reference.repository
            if other != self.reference.repository:
                opened = self._repository.mount_or_open(descriptor.digest, other)
                if opened is None:
                    return True
        self._repository.upload(
            _Reading(source, descriptor),
            descriptor=descriptor,
            finished=lambda: descriptor.digest,
            on_bytes=on_bytes,
            opened=opened,
        )
        return False

    def put_referrer(self, node: Node, subject: Digest) -> None:
        put_referrer(self._repository, node.data, node.entry, subject)


class LayoutPlace:
    def __init__(self, layout: Layout, cancellation: Cancellation) -> None:
        self.name = str(layout.root)
        self.origin = ""
        self.blob = layout.blob
        self.has_blob = layout.has
        self.filling = layout.filling
        self._layout = layout
        self._cancellation = cancellation

    def manifest(self, ref: str) -> tuple[str, bytes, Digest] | None:
        """By name or digest."""
        if ref.startswith("sha256:"):
            types = {entry.get("digest"): entry.get("mediaType") for entry in self._layout.entries()}
            media_type, digest, size = str(types.get(ref, "")), Digest(ref), self._layout.blob_size(Digest(ref))
            if size is None:
                return None
        else:
            found = self._layout.names().get(ref)
            if found is None:
                return None
            media_type, digest, size = found.media_type, found.digest, found.size
        if size > MANIFEST_LIMIT:
            raise InputError(
                f"{self.name}: {digest} has {size} bytes; a manifest has {MANIFEST_LIMIT} at most",
                next_step="check that the directory holds a container image",
            )
        data = self._layout.blob_bytes(Descriptor(media_type=media_type, digest=digest, size=size))
        return media_type, data, digest

    def has_name(self, name: str) -> bool:
        return name in self._layout.names()

    def referrers(self, subject: Digest) -> tuple[Descriptor, ...]:
        """Listed as in a registry without the API (by us, by regclient), or nameless in the index (by oras)."""
        found = (*fallback_entries(self, subject), *self._nameless.get(subject, ()))
        return tuple({entry.digest: entry for entry in found}.values())

    @cached_property
    def _nameless(self) -> dict[Digest, list[Descriptor]]:
        """By subject."""
        found: dict[Digest, list[Descriptor]] = {}
        for entry in self._layout.nameless():
            if entry.media_type in MANIFEST_TYPES and entry.size <= MANIFEST_LIMIT:
                data = self._layout.blob_bytes(entry)
                document = read_manifest(data, entry.media_type, where=f"{self.name}@{entry.digest}")
                if document.subject is not None:
                    found.setdefault(document.subject.digest, []).append(entry)
        return found

    def has_whole(self, node: Node) -> bool:
        return all(self.has_blob(blob) for blob in (node.descriptor, *node.blobs))

    def bring(self, descriptor: Descriptor, source: Source, on_bytes: Callable[[int], None]) -> bool:
        while True:
            came = 0
            with suppress(MirrorError), self._layout.incoming() as incoming, source.blob(descriptor) as blocks:
                for block in blocks:
                    incoming.write(block)
                    on_bytes(len(block))
                    came += len(block)
                incoming.keep(descriptor.digest)
                return False
            on_bytes(-came)

    def put_manifest(self, data: bytes, media_type: str, ref: str) -> None:
        self._layout.add(data)
        if not ref.startswith("sha256:"):
            self._layout.publish({ref: Descriptor(media_type=media_type, digest=sha256(data), size=len(data))})

    def put_referrer(self, node: Node, subject: Digest) -> None:
        self._layout.add(node.data)

        def pause(attempt: int) -> None:
            self._cancellation.wait(backoff(attempt))

        add_to_fallback(self, subject, node.entry, pause=pause, where=self.name)


class _Reading:
    """A blob of a source; each iteration reads it anew and ends without error only if all bytes were right."""

    def __init__(self, source: Source, blob: Descriptor) -> None:
        self._source = source
        self._blob = blob

    def __iter__(self) -> Iterator[bytes]:
        with self._source.blob(self._blob) as blocks:
            yield from blocks
