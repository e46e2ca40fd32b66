"""One repository of a registry: ask, mount, send, fetch (distribution-spec v1.1).

A layer is the unit of retry: bodies can be read again from their start, and most servers can't resume inside one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote, urljoin, urlsplit

from cogpack.digest import Digest, Hasher, parse_digest, sha256
from cogpack.errors import CogpackError, InputError, MismatchError, UnavailableError
from cogpack.http import RETRIED, Http, Response, Stream, backoff, redacted, retry_after
from cogpack.oci import MANIFEST_LIMIT, MANIFEST_TYPES, Descriptor
from cogpack.reference import Reference
from cogpack.registry.answers import codes, refusal
from cogpack.registry.auth import Authorizer
from cogpack.registry.credentials import Credentials

_ACCEPT = ", ".join(MANIFEST_TYPES)
_HUB = "registry-1.docker.io"
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
        host = _HUB if reference.registry == "docker.io" else reference.registry
        scheme = "http" if http.trust.allows_plain(host) else "https"
        self._http = http
        self._name = reference.name
        self._repository = reference.repository
        self._doing = "push to" if "push" in actions else "pull from"
        self._base = f"{scheme}://{host}/v2/{reference.repository}"
        self._authority = urlsplit(self._base).netloc
        login = credentials.find(reference.registry, reference.repository)
        self._authorizer = Authorizer(http, host, login, (f"repository:{reference.repository}:{','.join(actions)}",))

    # Asking

    def manifest(self, ref: str) -> tuple[str, bytes, Digest] | None:
        """(media type, bytes, digest) of the manifest under a tag or digest; None where there is none."""
        answer = self._request("GET", f"{self._base}/manifests/{ref}", {"Accept": _ACCEPT}, limit=MANIFEST_LIMIT + 1)
        if answer.status == 404:
            return None
        self._expect(answer, "GET", 200)
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
        answer = self._request("HEAD", self._blob_url(descriptor.digest), {})
        if answer.status in (301, 302, 303, 307, 308):
            return True  # redirected to where it is stored
        if answer.status == 401:
            self._expect(answer, "HEAD", 200)
        length = answer.headers.get("content-length")
        return answer.status == 200 and length in (None, str(descriptor.size))

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        """The bytes of a blob; drained, they were verified."""
        url = self._blob_url(descriptor.digest)
        with self._get(url) as stream:
            if stream.status != 200:
                raise self._refusal("GET", url, stream.status, stream.body(65536), stream.headers)
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
                self._http.cancellation.wait(backoff(attempt))
        raise AssertionError("unreachable")

    # Sending

    def mount(self, digest: Digest, source: str) -> bool:
        """Make a blob of repository `source` of this registry one of ours; False where that is not to be had."""
        url = f"{self._base}/blobs/uploads/?mount={quote(digest)}&from={quote(source, safe='/')}"
        try:
            answer = self._request("POST", url, {}, scopes=(f"repository:{source}:pull",))
        except CogpackError:  # refused mounts come in every shape; an upload tells what is really wrong
            return False
        if answer.status == 202 and "location" in answer.headers:
            self._cancel(self._location(url, answer.headers["location"]))
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
                self._http.cancellation.wait(backoff(attempt))
            else:
                return

    def _upload_once(
        self, blocks: Iterable[bytes], descriptor: Descriptor | None, finished: Callable[[], Digest]
    ) -> None:
        # A body may only follow fresh credentials: this request without one finds out.
        start = f"{self._base}/blobs/uploads/"
        opened = self._request("POST", start, {}, retry=True)
        self._expect(opened, "POST", 202, 201, 200, 204)
        location = self._location(start, opened.headers.get("location", ""))
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
            self._cancel(location)
            raise

    def _send(self, method: str, url: str, blocks: Iterable[bytes], size: int | None, patience: float) -> str:
        """One request with a body; returns where the session is now."""
        headers = {"Content-Type": "application/octet-stream"} | self._authorization(url)
        with self._http.open(method, url, headers=headers, body=blocks, size=size, timeout=patience) as stream:
            status, answer_headers = stream.status, stream.headers
            body = b"" if status < 300 else stream.body(65536)
        if status in (200, 201, 202, 204):
            return self._location(url, answer_headers["location"]) if "location" in answer_headers else url
        if status == 401:
            # The token ended just before the body began: the next attempt has a new one.
            self._authorizer.challenged(answer_headers.get("www-authenticate", ""), headers.get("Authorization"))
            raise UnavailableError(f"{method} {redacted(url)}: the token had expired", next_step="run it again")
        if any(code == "DIGEST_INVALID" for code, _ in codes(body)):
            raise UnavailableError(
                f"{method} {redacted(url)}: the registry received other bytes than were sent", next_step="run it again"
            )
        if status in RETRIED or status == 404:  # 404: the session is gone; a new one is opened
            self._http.cancellation.wait(retry_after(answer_headers) or 0)
            raise UnavailableError(
                f"{method} {redacted(url)}: HTTP {status} after {_ATTEMPTS} attempts",
                next_step="run it again; finished layers are not resent",
            )
        raise self._refusal(method, url, status, body, answer_headers)

    def put_manifest(self, data: bytes, media_type: str, ref: str) -> None:
        """Store a manifest under a digest or tag. A tag that can't be moved but is at our digest already is fine."""
        url = f"{self._base}/manifests/{ref}"
        answer = self._request("PUT", url, {"Content-Type": media_type}, body=data)
        if answer.status not in (200, 201, 202):
            if not ref.startswith("sha256:"):
                present = self.manifest(ref)
                if present is not None and present[2] == sha256(data):
                    return
            raise self._refusal("PUT", url, answer.status, answer.body, answer.headers)
        stored = answer.headers.get("docker-content-digest", "")
        if stored.startswith("sha256:") and stored != sha256(data):
            raise MismatchError(
                f"{self._name}: sent the manifest {sha256(data)}, the registry stored {stored}",
                next_step="a proxy changes what passes through it; tell its operator",
            )

    # Below: one request, with credentials

    def _blob_url(self, digest: Digest) -> str:
        return f"{self._base}/blobs/{parse_digest(digest, where=self._name)}"

    def _authorization(self, url: str) -> dict[str, str]:
        """Our credentials, for the registry itself and nobody else."""
        header = self._authorizer.header() if urlsplit(url).netloc == self._authority else None
        return {"Authorization": header} if header else {}

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        body: bytes | None = None,
        limit: int = MANIFEST_LIMIT,
        retry: bool = True,
        scopes: tuple[str, ...] = (),
    ) -> Response:
        for _ in range(3):  # as it is; with a token; with a token of more scopes
            sent = dict(headers) | self._authorization(url)
            answer = self._http.request(method, url, headers=sent, body=body, limit=limit, retry=retry)
            if answer.status != 401 or "www-authenticate" not in answer.headers:
                return answer
            self._authorizer.challenged(
                answer.headers["www-authenticate"], sent.get("Authorization"), more_scopes=scopes
            )
        return answer

    @contextmanager
    def _get(self, url: str) -> Iterator[Stream]:
        for last in (False, False, True):
            headers = self._authorization(url)
            with self._http.follow(url, headers=headers) as stream:
                if stream.status == 401 and "www-authenticate" in stream.headers and not last:
                    challenge = stream.headers["www-authenticate"]
                else:
                    yield stream
                    return
            self._authorizer.challenged(challenge, headers.get("Authorization"))

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

    def _location(self, url: str, location: str) -> str:
        if not location:
            raise UnavailableError(
                f"{redacted(url)}: the registry opened an upload without saying where", next_step="tell its operator"
            )
        return self._http.redirect(url, urljoin(url, location))

    def _cancel(self, location: str) -> None:
        """Free the server's session; it would expire by itself, so nothing depends on this."""
        try:
            self._http.request("DELETE", location, headers=self._authorization(location), retry=False)
        except CogpackError:
            return

    def _expect(self, answer: Response, method: str, *statuses: int) -> None:
        if answer.status not in statuses:
            raise self._refusal(method, answer.url, answer.status, answer.body, answer.headers)

    def _refusal(self, method: str, url: str, status: int, body: bytes, headers: Mapping[str, str]) -> CogpackError:
        return refusal(method, url, status, body, repository=self._name, doing=self._doing, headers=headers)


def _with_digest(location: str, digest: Digest) -> str:
    """The query is the server's own, possibly signed: only ever appended to."""
    return f"{location}{'&' if '?' in location else '?'}digest={quote(digest)}"
