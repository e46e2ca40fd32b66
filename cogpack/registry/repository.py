"""A repository of a registry is asked, and blobs mounted, sent and fetched (distribution-spec v1.1).

A layer is the unit of retry: bodies can be read again from their start, and most servers can't resume inside one.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cogpack.digest import Digest, parse_digest, sha256
from cogpack.errors import CogpackError, InputError, MismatchError, UnavailableError
from cogpack.http import Http, Response, Retries, Stream, redacted
from cogpack.oci import MANIFEST_LIMIT, MANIFEST_TYPES, Descriptor, FoundManifest
from cogpack.reference import Reference
from cogpack.registry.auth.authorizer import Tokens
from cogpack.registry.credentials import Credentials
from cogpack.registry.profiles import profile
from cogpack.registry.push.shapes import Shapes
from cogpack.registry.refusals import ExpiredError
from cogpack.registry.requests import Requests
from cogpack.trace import TRACE

if TYPE_CHECKING:
    from cogpack.registry.pull.mirrors import Mirror
    from cogpack.registry.push.protocol import Answer

_ACCEPT = ", ".join(MANIFEST_TYPES)
_FEW = 2
"""Failures in a row, without progress, after which who can do without a blob does."""


class Repository:
    """One repository of a registry. Thread-safe.

    `actions`: what the token is asked to allow. `tokens`: shared by the repositories of a session.

    `mirrors`: asked first for what has a digest. `patient`: whether failures and outages are waited for, as far as its
    manifests and blobs are concerned; who can do without them does not wait.
    """

    def __init__(
        self,
        http: Http,
        reference: Reference,
        credentials: Credentials,
        *,
        actions: tuple[str, ...] = ("pull",),
        tokens: Tokens | None = None,
        mirrors: "Sequence[Mirror]" = (),
        patient: bool = True,
    ) -> None:
        self.reference = reference
        self._requests = Requests(http, reference, credentials, actions, tokens)
        self._mirrors = mirrors
        self._sites: dict[str, Requests] = {}
        self._shapes = Shapes(profile(self._requests.host))
        self._name = reference.name
        self._patient = patient

    @property
    def requests(self) -> Requests:
        """Give the requests to endpoints that have modules of their own."""
        return self._requests

    # Asking

    def manifest(self, ref: str, *, accept: str = _ACCEPT) -> FoundManifest | None:
        """Look up the manifest under a tag or digest; None where there is none.

        Some registries (registry.k8s.io) are addresses of others and send us there for manifests, too.
        """
        for mirror in self._mirrors_of(ref) if ref.startswith("sha256:") else ():
            try:
                if found := self._manifest(mirror.requests, ref, accept):
                    return found
            except CogpackError as error:
                mirror.failed(Digest(ref), error)
        try:
            return self._manifest(self._requests, ref, accept)
        except UnavailableError as error:
            if self._mirrors and not ref.startswith("sha256:"):
                error.next_step += "; or name the image by its digest: no mirror is asked what a tag means"
            raise

    def _manifest(self, requests: Requests, ref: str, accept: str) -> FoundManifest | None:
        answer = requests.request(
            "GET",
            requests.url("manifests", ref),
            {"Accept": accept},
            limit=MANIFEST_LIMIT + 1,
            tries="wait out" if self._patient else "once",
            follow=True,
        )
        if answer.status == 404:
            return None
        requests.expect(answer, "GET", 200)
        digest = sha256(answer.body)
        expected = ref if ref.startswith("sha256:") else answer.headers.get("docker-content-digest", "")
        if expected.startswith("sha256:") and expected != digest:
            raise MismatchError(
                f"{requests.name}: the manifest {ref} should be {expected}, but its bytes are {digest}",
                next_step="the registry or a proxy before it is damaged; tell its operator",
            )
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
        return FoundManifest(media_type, answer.body, digest)

    def tag_digest(self, tag: str) -> Digest | None:
        """Ask what the tag names now (HEAD); None where the registry does not say."""
        answer = self._requests.request("HEAD", f"{self._requests.base}/manifests/{tag}", {"Accept": _ACCEPT})
        said = answer.headers.get("docker-content-digest", "")
        return parse_digest(said, where=self._name) if answer.status == 200 and said.startswith("sha256:") else None

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Ask whether it is there, in the right size. A registry that won't say counts as no."""
        url = self._blob_url(descriptor.digest, self._requests)
        answer = self._requests.request("HEAD", url, {}, tries="wait out" if self._patient else "once")
        if answer.status in (301, 302, 303, 307, 308):
            return self._is_stored(answer, descriptor)
        if answer.status == 401:
            self._requests.expect(answer, "HEAD", 200)
        length = answer.headers.get("content-length")
        return answer.status == 200 and length in (None, str(descriptor.size))

    def _is_stored(self, answer: Response, descriptor: Descriptor) -> bool:
        """Ask the storage that a HEAD is sent on to whether it has the blob.

        Where it can't be asked, as its address may be signed for GET alone, the registry's word counts: it would not
        send us there for nothing.
        """
        try:
            target = self._requests.http.redirect(answer.url, answer.headers.get("location", ""))
            with self._requests.http.follow(target, origin=answer.url, method="HEAD") as stream:
                length = stream.headers.get("content-length")
                wrong = stream.status == 200 and length not in (None, str(descriptor.size))
                return not wrong and stream.status != 404
        except CogpackError:
            return True

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        """Open a blob; drained, its bytes were verified. After a `MirrorError` another place is asked."""
        from cogpack.registry.pull.connections import reading

        return reading(self, descriptor, self._requests.http.cancellation)

    @contextmanager
    def open_blob(
        self, descriptor: Descriptor, headers: Mapping[str, str] = {}, *, at: str | None = None
    ) -> Iterator[Stream]:
        """Open the answer (200, 206 or 416) to a GET of a blob, its bytes unverified; any other is an error.

        `headers`: its Range; `at`: the address of an earlier answer, where the registry had sent us.
        """
        for mirror in self._mirrors_of(descriptor.digest):
            with ExitStack() as opened:
                try:
                    stream = opened.enter_context(self._opened(mirror.requests, descriptor, headers, at))
                except CogpackError as error:
                    if at is not None and isinstance(error, ExpiredError):
                        raise  # asked without `at`, the mirror may know better
                    mirror.failed(descriptor.digest, error)
                    continue
                mirror.believed = True
                if TRACE.level:
                    TRACE.decided(f"{descriptor.digest} comes from the mirror {mirror.requests.host}")
                try:
                    yield stream
                except UnavailableError:
                    mirror.broke(descriptor.digest)
                    raise
                return
        with self._opened(self._requests, descriptor, headers, at) as stream:
            yield stream

    @contextmanager
    def _opened(
        self, requests: Requests, descriptor: Descriptor, headers: Mapping[str, str], at: str | None
    ) -> Iterator[Stream]:
        if at is not None and self._sites.get(urlsplit(at).netloc) is not requests:
            at = None
        with requests.get(at or self._blob_url(descriptor.digest, requests), headers) as stream:
            if stream.status not in (200, 206, 416):
                raise requests.failure("GET", stream)
            check_coding(stream)
            self._sites[urlsplit(stream.url).netloc] = requests
            yield stream

    def blame_mirror(self, why: CogpackError) -> bool:
        """Hear that the bytes of a blob were wrong. True if a mirror gave them, perhaps: it is not asked any more."""
        from cogpack.registry.pull.mirrors import MirrorError

        if isinstance(why, MirrorError):
            return True
        wrong = [mirror for mirror in self._mirrors if mirror.sent_wrong_bytes(why)]
        return bool(wrong)

    def retries(self) -> Retries:
        """Count the failures of a blob whose requests are the caller's."""
        return self._requests.http.retries(math.inf if self._patient else _FEW, wait_out=self._patient)

    def _mirrors_of(self, digest: str) -> "Iterator[Mirror]":
        return (mirror for mirror in self._mirrors if mirror.may_have(Digest(digest)))

    def blob_bytes(self, descriptor: Descriptor, *, limit: int) -> bytes:
        """Read a small blob into memory; one larger than `limit` is an `InputError`."""
        from cogpack.registry.pull.mirrors import MirrorError

        if descriptor.size > limit:
            raise InputError(
                f"{self._name}: {descriptor.digest} has {descriptor.size} bytes, more than {limit}",
                next_step="check that the reference names a container image",
            )
        while True:
            try:
                with self.blob(descriptor) as blocks:
                    return b"".join(blocks)
            except MirrorError:
                pass  # that mirror is not asked any more, so the next try is another

    # Sending

    def mount_or_open(self, digest: Digest, *sources: str, name: str = "") -> "Answer | None":
        """Mount a blob from a repository of `sources` of this registry; None: mounted. Else see `upload`'s `opened`."""
        from cogpack.registry.push.mount_or_upload import mount_or_open

        return mount_or_open(self._requests, digest, sources, name=name or f"{self._name}: {digest}")

    def cancel(self, opened: "Answer") -> None:
        """End an upload that nobody will use."""
        if opened.location:
            self._requests.cancel(opened.location)

    def upload(
        self,
        blocks: Iterable[bytes],
        *,
        descriptor: Descriptor | None,
        finished: Callable[[], Digest],
        on_bytes: Callable[[int], None] = lambda _: None,
        name: str = "",
        opened: "Answer | None" = None,
    ) -> None:
        """Send one blob. Each iteration of `blocks` is a whole pass over its bytes.

        Without `descriptor`, `finished` names the digest of the pass that was drained last. `on_bytes` is told of each
        block that goes out, and before it goes out again, of the same as a negative number. `opened`: from
        `mount_or_open`. `name`: for errors.
        """
        from cogpack.registry.push.protocol import Blob
        from cogpack.registry.push.requests import HttpUploadRequests
        from cogpack.registry.push.upload import upload

        known = Blob(descriptor.digest, descriptor.size) if descriptor else None
        requests = HttpUploadRequests(
            self._requests,
            self.has_blob,
            blocks,
            size=known.size if known else None,
            finished=finished,
            on_bytes=on_bytes,
        )
        where = f"{self._name}: {name or (known.digest if known else 'a layer')}"
        upload(requests, self._shapes, known, name=where, opened=opened if opened and opened.location else None)

    def put_manifest(self, data: bytes, media_type: str, ref: str) -> None:
        """Store a manifest under a digest or tag. A tag that can't be moved but is at our digest already is fine."""
        url = f"{self._requests.base}/manifests/{ref}"
        answer = self._requests.put(url, {"Content-Type": media_type}, data)
        if answer.status not in (200, 201, 202):
            if not ref.startswith("sha256:"):
                present = self.manifest(ref)
                if present is not None and present.digest == sha256(data):
                    return
                if present is not None and answer.status in (400, 403, 409, 412):
                    raise self._immovable(ref, present.digest, sha256(data), answer)
            raise self._requests.refusal("PUT", answer.url, answer.status, answer.body, answer.headers)
        stored = answer.headers.get("docker-content-digest", "")
        if stored.startswith("sha256:") and stored != sha256(data):
            raise MismatchError(
                f"{self._name}: sent the manifest {sha256(data)}, the registry stored {stored}",
                next_step="a proxy changes what passes through it; tell its operator",
            )

    def _immovable(self, tag: str, now: Digest, wanted: Digest, answer: Response) -> CogpackError:
        cause = self._requests.refusal("PUT", answer.url, answer.status, answer.body, answer.headers)
        return type(cause)(
            f"{cause.message}: {self._name}:{tag} stays {now}",
            next_step=f"choose another tag; the image is there as {self._name}@{wanted}",
        )

    def _blob_url(self, digest: Digest, requests: Requests) -> str:
        return requests.url("blobs", parse_digest(digest, where=self._name))


def check_coding(stream: Stream) -> None:
    """Refuse, by a `MismatchError`, an answer whose body is not the blob's bytes."""
    coding = stream.headers.get("content-encoding", "identity")
    if coding != "identity":
        raise MismatchError(
            f"{redacted(stream.url)}: sent with Content-Encoding {coding:.60}, so it is not the blob",
            next_step="a proxy before the registry changes what passes through it; tell its operator",
        )
