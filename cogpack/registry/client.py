"""One repository of a registry: ask, mount, send, fetch (distribution-spec v1.1).

A layer is the unit of retry: bodies can be read again from their start, and most servers can't resume inside one.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

from cogpack.digest import Digest, Hasher, parse_digest, sha256
from cogpack.errors import CogpackError, InputError, MismatchError, UnavailableError
from cogpack.http import RETRIED, Http, Stream, backoff, redacted, retry_after
from cogpack.oci import MANIFEST_LIMIT, MANIFEST_TYPES, Descriptor
from cogpack.reference import Reference
from cogpack.registry.answers import codes
from cogpack.registry.credentials import Credentials
from cogpack.registry.door import Door

_ACCEPT = ", ".join(MANIFEST_TYPES)
_BYTES = "application/octet-stream"
_ATTEMPTS = 4
_COMMIT_SECONDS_PER_BYTE = 1 / (16 * 1024 * 1024)
"""Registries on object stores copy or hash a blob again before they answer its commit."""


class Repository:
    """Thread-safe. `actions`: what the token is asked to allow."""

    def __init__(
        self,
        http: Http,
        reference: Reference,
        credentials: Credentials,
        *,
        actions: tuple[str, ...] = ("pull",),
    ) -> None:
        self._door = Door(http, reference, credentials, actions)
        self._name = reference.name

    # Asking

    def manifest(self, ref: str) -> tuple[str, bytes, Digest] | None:
        """(media type, bytes, digest) of the manifest under a tag or digest; None where there is none."""
        answer = self._door.request(
            "GET", f"{self._door.base}/manifests/{ref}", {"Accept": _ACCEPT}, limit=MANIFEST_LIMIT + 1
        )
        if answer.status == 404:
            return None
        self._door.expect(answer, "GET", 200)
        digest = sha256(answer.body)
        expected = ref if ref.startswith("sha256:") else answer.headers.get("docker-content-digest", "")
        if expected.startswith("sha256:") and expected != digest:
            raise MismatchError(
                f"{self._name}: the manifest {ref} should be {expected}, but its bytes are {digest}",
                next_step="the registry or a proxy before it is damaged; tell its operator",
            )
        return answer.headers.get("content-type", "").partition(";")[0].strip(), answer.body, digest

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Is it there, in the right size? A registry that won't say counts as no."""
        answer = self._door.request("HEAD", self._blob_url(descriptor.digest), {})
        if answer.status in (301, 302, 303, 307, 308):
            return True  # redirected to where it is stored
        if answer.status == 401:
            self._door.expect(answer, "HEAD", 200)
        length = answer.headers.get("content-length")
        return answer.status == 200 and length in (None, str(descriptor.size))

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        """The bytes of a blob; drained, they were verified."""
        url = self._blob_url(descriptor.digest)
        with self._door.get(url) as stream:
            if stream.status != 200:
                raise self._door.refusal("GET", url, stream.status, stream.body(65536), stream.headers)
            yield self._verified(descriptor, stream)

    def blob_bytes(self, descriptor: Descriptor, *, limit: int) -> bytes:
        """A small blob in memory; one larger than `limit` is an `InputError`."""
        if descriptor.size > limit:
            raise InputError(
                f"{self._name}: {descriptor.digest} has {descriptor.size} bytes, more than {limit}",
                next_step="check that the reference names a container image",
            )
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self.blob(descriptor) as blocks:
                    return b"".join(blocks)
            except UnavailableError:
                if attempt == _ATTEMPTS:
                    raise
                self._door.http.cancellation.wait(backoff(attempt))
        raise AssertionError("unreachable")

    # Sending

    def mount(self, digest: Digest, source: str) -> bool:
        """Make a blob of repository `source` of this registry one of ours; False where that is not to be had."""
        url = f"{self._door.base}/blobs/uploads/?mount={quote(digest)}&from={quote(source, safe='/')}"
        try:
            answer = self._door.request("POST", url, {}, scopes=(f"repository:{source}:pull",))
        except CogpackError:  # refused mounts come in every shape; an upload tells what is really wrong
            return False
        if answer.status == 202 and "location" in answer.headers:
            self._door.cancel(self._door.location(url, answer.headers["location"]))
        return answer.status == 201

    def upload(
        self,
        blocks: Iterable[bytes],
        *,
        descriptor: Descriptor | None,
        finished: Callable[[], Digest],
    ) -> None:
        """Send one blob. Each iteration of `blocks` is a whole pass; `finished` names the digest of the last one.

        With `descriptor` it goes in one PUT; without, in one PATCH of unknown length and a PUT that names the digest.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._upload_once(blocks, descriptor, finished)
            except UnavailableError:
                # The commit may have been done though its answer was lost.
                if descriptor is not None and self.has_blob(descriptor):
                    return
                if attempt == _ATTEMPTS:
                    raise
                self._door.http.cancellation.wait(backoff(attempt))
            else:
                return

    def _upload_once(
        self, blocks: Iterable[bytes], descriptor: Descriptor | None, finished: Callable[[], Digest]
    ) -> None:
        # A body may only follow fresh credentials: this request without one finds out.
        start = f"{self._door.base}/blobs/uploads/"
        opened = self._door.request("POST", start, {}, retry=True)
        self._door.expect(opened, "POST", 202, 201, 200, 204)
        location = self._door.location(start, opened.headers.get("location", ""))
        try:
            if descriptor is None:
                location = self._send("PATCH", location, blocks, None, 300.0)
                digest, body, size = finished(), b"", 0
                self._send("PUT", _with_digest(location, digest), [body], size, 3600.0)
            else:
                patience = min(3600.0, 300 + descriptor.size * _COMMIT_SECONDS_PER_BYTE)
                url = _with_digest(location, descriptor.digest)
                self._send("PUT", url, blocks, descriptor.size, patience)
        except BaseException:
            self._door.cancel(location)
            raise

    def _send(self, method: str, url: str, blocks: Iterable[bytes], size: int | None, patience: float) -> str:
        """One request with a body; returns where the session is now."""
        with self._door.send(method, url, {"Content-Type": _BYTES}, blocks, size, patience) as stream:
            status, answer_headers = stream.status, stream.headers
            body = b"" if status < 300 else stream.body(65536)
        if status in (200, 201, 202, 204):
            return self._door.location(url, answer_headers["location"]) if "location" in answer_headers else url
        if status == 401:
            # The token ended just before the body began: the next attempt has a new one.
            raise UnavailableError(f"{method} {redacted(url)}: the token had expired", next_step="run it again")
        if any(code == "DIGEST_INVALID" for code, _ in codes(body)):
            raise UnavailableError(
                f"{method} {redacted(url)}: the registry received other bytes than were sent", next_step="run it again"
            )
        if status in RETRIED or status == 404:  # 404: the session is gone; a new one is opened
            self._door.http.cancellation.wait(retry_after(answer_headers) or 0)
            raise UnavailableError(
                f"{method} {redacted(url)}: HTTP {status} after {_ATTEMPTS} attempts",
                next_step="run it again; finished layers are not resent",
            )
        raise self._door.refusal(method, url, status, body, answer_headers)

    def put_manifest(self, data: bytes, media_type: str, ref: str) -> None:
        """Store a manifest under a digest or tag. A tag that can't be moved but is at our digest already is fine."""
        url = f"{self._door.base}/manifests/{ref}"
        answer = self._door.request("PUT", url, {"Content-Type": media_type}, body=data)
        if answer.status not in (200, 201, 202):
            if not ref.startswith("sha256:"):
                present = self.manifest(ref)
                if present is not None and present[2] == sha256(data):
                    return
            raise self._door.refusal("PUT", url, answer.status, answer.body, answer.headers)
        stored = answer.headers.get("docker-content-digest", "")
        if stored.startswith("sha256:") and stored != sha256(data):
            raise MismatchError(
                f"{self._name}: sent the manifest {sha256(data)}, the registry stored {stored}",
                next_step="a proxy changes what passes through it; tell its operator",
            )

    def _blob_url(self, digest: Digest) -> str:
        return f"{self._door.base}/blobs/{parse_digest(digest, where=self._name)}"

    def _verified(self, descriptor: Descriptor, stream: Stream) -> Iterator[bytes]:
        hasher = Hasher()
        for block in stream.blocks():
            hasher.update(block)
            if hasher.size > descriptor.size:
                break
            yield block
        if hasher.size < descriptor.size:
            raise UnavailableError(
                f"{redacted(stream.url)}: {hasher.size} of {descriptor.size} bytes came", next_step="run it again"
            )
        if hasher.digest != descriptor.digest:
            raise MismatchError(
                f"{redacted(stream.url)}: expected {descriptor.digest} of {descriptor.size} bytes, "
                f"found {hasher.digest} of {hasher.size} or more",
                next_step="the registry or a proxy before it is damaged; tell its operator",
            )


def _with_digest(location: str, digest: Digest) -> str:
    """The query is the server's own, possibly signed: only ever appended to."""
    return f"{location}{'&' if '?' in location else '?'}digest={quote(digest)}"
