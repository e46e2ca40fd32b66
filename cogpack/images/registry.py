"""The images of one repository of a registry are read and written here (distribution-spec v1.1)."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING
from urllib.parse import quote

from cogpack.digest import Digest
from cogpack.errors import CogpackError
from cogpack.http import Response
from cogpack.images.graph import Node
from cogpack.images.image import FoundImage, title
from cogpack.images.interface import Blobs
from cogpack.oci import CONFIG_LIMIT, MANIFEST_TYPES, OCI_INDEX, Descriptor, FoundManifest, Index, decode
from cogpack.patterns import pattern
from cogpack.reference import DEFAULT_TAG, Reference
from cogpack.registry.repository import Repository

if TYPE_CHECKING:
    from cogpack.registry.pull.connections import Fetcher

_TELLING = (401, 403, 408, 429)
"""Of the refusals these say something; any other, of an endpoint that many servers have never heard of, says no."""
_NEXT = pattern(r'<([^<>]{1,8192})>\s*;[^,<]*\brel="?next\b"?', re.IGNORECASE)


class RegistryImages:
    """`WritableImages` of a repository; to write, it must have been opened for a push.

    With `fetcher`, a blob comes over many connections; without, over one.
    """

    def __init__(self, repository: Repository, fetcher: "Fetcher | None" = None) -> None:
        self.repository = repository
        self.name = repository.reference.name
        self.origin = repository.requests.base
        self._fetcher = fetcher

    def manifest(self, ref: str) -> FoundManifest | None:
        return self.repository.manifest(ref)

    def has_name(self, name: str) -> bool:
        return self._head(name, ", ".join(MANIFEST_TYPES)).status != 404

    def referrers(self, subject: Digest, *, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """Read the registry's own list (distribution-spec, "Listing Referrers"), else the fallback tag's."""
        from cogpack.images.referrers import check_count, fallback_entries, of_type

        requests = self.repository.requests
        url = f"{requests.base}/referrers/{subject}"
        if artifact_type:
            url += f"?artifactType={quote(artifact_type, safe='')}"
        found: dict[Digest, Descriptor] = {}
        seen: set[str] = set()
        while url and url not in seen:
            seen.add(url)
            answer = requests.request("GET", url, {"Accept": OCI_INDEX}, follow=True)
            media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
            unknown = 400 <= answer.status < 500 and answer.status not in _TELLING
            if unknown or (answer.status == 200 and media_type != OCI_INDEX):
                return of_type(fallback_entries(self, subject), artifact_type)
            requests.expect(answer, "GET", 200)
            page = decode(answer.body, Index, where=f"{requests.name}: referrers of {subject}")
            found |= {entry.digest: entry for entry in page.manifests}
            check_count(max(len(found), len(seen)), f"{requests.name}@{subject}")
            following = _NEXT.search(answer.headers.get("link", ""))
            url = requests.http.redirect(answer.url, following[1]) if following else ""
        return of_type(found.values(), artifact_type)

    def has_whole(self, node: Node) -> bool:
        """Ask by the manifest alone: a registry keeps none without what it names."""
        answer = self._head(node.descriptor.digest, node.descriptor.media_type)
        if answer.status in (401, 403):
            self.repository.requests.expect(answer, "HEAD", 200)
        return answer.status == 200

    def _head(self, ref: str, accept: str) -> Response:
        requests = self.repository.requests
        return requests.request("HEAD", f"{requests.base}/manifests/{ref}", {"Accept": accept})

    def has_blob(self, descriptor: Descriptor) -> bool:
        return self.repository.has_blob(descriptor)

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        if self._fetcher is None:
            return self.repository.blob(descriptor)
        return closing(self._fetcher.stream(descriptor, lambda _: None))

    def blob_bytes(self, descriptor: Descriptor, *, limit: int = CONFIG_LIMIT) -> bytes:
        return self.repository.blob_bytes(descriptor, limit=limit)

    def blame_mirror(self, why: CogpackError) -> bool:
        return self.repository.blame_mirror(why)

    def bring(self, descriptor: Descriptor, source: Blobs, on_bytes: Callable[[int], None]) -> bool:
        """Mount the blob where `source` is another repository of this registry, else upload it."""
        opened = None
        if isinstance(source, RegistryImages):
            here, there = self.repository.reference, source.repository.reference
            if there.registry == here.registry and there.repository != here.repository:
                opened = self.repository.mount_or_open(descriptor.digest, there.repository)
                if opened is None:
                    return True
        self.repository.upload(
            _Reading(source, descriptor),
            descriptor=descriptor,
            finished=lambda: descriptor.digest,
            on_bytes=on_bytes,
            opened=opened,
        )
        return False

    def put_blob(self, descriptor: Descriptor, data: bytes) -> None:
        if not self.has_blob(descriptor):
            self.repository.upload(
                [data], descriptor=descriptor, finished=lambda: descriptor.digest, name=title(descriptor)
            )

    def put_manifest(self, data: bytes, media_type: str, ref: str) -> None:
        self.repository.put_manifest(data, media_type, ref)

    def put_referrer(self, *nodes: Node) -> None:
        """Store them, beside one another; what no `OCI-Subject` says that the registry lists, the fallback tag gets."""
        from cogpack.images.referrers import add_to_fallback
        from cogpack.threads import each

        requests = self.repository.requests

        def is_listed(node: Node) -> bool:
            own = node.descriptor
            url = f"{requests.base}/manifests/{own.digest}"
            answer = requests.request("PUT", url, {"Content-Type": own.media_type}, body=node.data)
            requests.expect(answer, "PUT", 201, 200, 202)
            return node.subject is not None and answer.headers.get("oci-subject") == node.subject.digest

        cancellation = requests.http.cancellation
        told = each(is_listed, nodes, jobs=len(nodes), name="referrer", cancellation=cancellation, caught=True)
        if unlisted := [node for node, listed in zip(nodes, told, strict=True) if not listed]:
            add_to_fallback(self, unlisted, pause=requests.http.pause)

    def filling(self) -> AbstractContextManager[None]:
        return nullcontext()


class RegistryImage(FoundImage, frozen=True, kw_only=True):
    """An image, or an index of several, that was found in a registry by its `reference`."""

    images: RegistryImages
    reference: Reference

    @property
    def by_digest(self) -> str:
        return str(self.reference.with_digest(self.digest))

    @property
    def with_tag(self) -> str:
        """Name it HOST/NAME:TAG; a digest is no tag, but engines and archives want one."""
        tag = self.reference.tag or (DEFAULT_TAG if self.reference.digest is None else self.digest[7:19])
        return str(self.reference.with_tag(tag))


class _Reading:
    """A blob of a source; each iteration reads it anew and ends without error only if all bytes were right."""

    def __init__(self, source: Blobs, blob: Descriptor) -> None:
        self._source = source
        self._blob = blob

    def __iter__(self) -> Iterator[bytes]:
        with self._source.blob(self._blob) as blocks:
            yield from blocks
