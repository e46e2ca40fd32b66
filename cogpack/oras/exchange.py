"""This module asks our registry what oras-py asks of one repository: requests' requests in, requests' answers out."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import requests

from cogpack.digest import Hasher, parse_digest, sha256
from cogpack.errors import InputError, MismatchError
from cogpack.http import RETRIED
from cogpack.images.graph import Node
from cogpack.images.registry import RegistryImages
from cogpack.oci import MANIFEST_TYPES, Descriptor, read_manifest
from cogpack.oras.responses import Address, Body, answered, blob_blocks
from cogpack.registry.pull.connections import Fetcher
from cogpack.registry.pull.partial import Partial, growing
from cogpack.registry.repository import Repository
from cogpack.sizes import BLOCK

_IN_MEMORY = 256 * 1024 * 1024
"""Bytes of a blob that is read into memory."""
_CONNECTIONS = 16
_REFUSAL_LIMIT = 64 * 1024


def get_blob(repository: Repository, digest: str, request: requests.PreparedRequest) -> requests.Response:
    """Open an answer to read from. It is asked for once."""
    ours, expected = repository.requests, parse_digest(digest, where=repository.requests.name)
    with ExitStack() as stack:
        stream = stack.enter_context(ours.get(f"{ours.base}/blobs/{expected}", _headers(request)))
        if stream.status in (200, 206):  # a range can't be verified
            blocks = blob_blocks(stream, expected) if stream.status == 200 else stream.blocks()
            return answered(request, stream.status, stream.headers, Body(blocks, stack.pop_all().close).buffered())
        refusal = stream.body(_REFUSAL_LIMIT)
        if stream.status in (401, 403) or stream.status in RETRIED:
            raise ours.refusal("GET", stream.url, stream.status, refusal, stream.headers)
        return answered(request, stream.status, stream.headers, refusal)


def blob_in_memory(repository: Repository, digest: str, request: requests.PreparedRequest) -> requests.Response:
    with get_blob(repository, digest, request) as response:
        data = response.raw.read(_IN_MEMORY + 1)
    if len(data) > _IN_MEMORY:
        raise InputError(
            f"{repository.requests.name}: {digest} has more than {_IN_MEMORY} bytes",
            next_step="read it in blocks, with stream=True, or call download_blob",
        )
    return answered(request, response.status_code, response.headers, data)


def fetch_blob(repository: Repository, blob: Descriptor, path: Path) -> None:
    """Fetch a blob into `path`, over several connections; what a call that failed has left beside it is not fetched
    again."""
    cancellation = repository.requests.http.cancellation
    with (
        Partial.open(growing(path), {blob.digest: blob.size}, cancellation) as partial,
        Fetcher(repository, connections=_CONNECTIONS, cancellation=cancellation) as fetcher,
    ):
        try:
            fetcher.into(blob, partial.region(blob.digest), lambda _: None)
        except MismatchError:
            partial.discard()
            raise
        partial.keep(path, blob.size)


def get_manifest(repository: Repository, ref: str, request: requests.PreparedRequest) -> requests.Response:
    found = repository.manifest(ref, accept=_header(request, "Accept") or ", ".join(MANIFEST_TYPES))
    if found is None:
        return answered(request, 404, {}, b"")
    headers = {"Content-Type": found.media_type, "Docker-Content-Digest": found.digest}
    return answered(request, 200, headers, found.data)


def put_manifest(repository: Repository, ref: str, request: requests.PreparedRequest) -> requests.Response:
    """Put a manifest, and list it among the referrers of its subject where the registry does not see to that."""
    data, media_type = _body(request) or b"", _header(request, "Content-Type")
    descriptor = Descriptor(media_type=media_type, digest=sha256(data), size=len(data))
    if media_type in MANIFEST_TYPES:
        document = read_manifest(data, media_type, where=repository.requests.name)
        node = Node(descriptor=descriptor, data=data, document=document)
        if node.subject:
            RegistryImages(repository).put_referrer(node)
    repository.put_manifest(data, media_type, ref)
    return answered(request, 201, {"Docker-Content-Digest": descriptor.digest}, b"")


def ask(repository: Repository, address: Address, request: requests.PreparedRequest) -> requests.Response:
    """Send any other request."""
    ours, method = repository.requests, request.method or ""
    answer = ours.request(method, f"{ours.base}/{address.rest}", _headers(request), body=_body(request))
    if answer.status in (401, 403):
        raise ours.refusal(method, answer.url, answer.status, answer.body, answer.headers)
    elsewhere = method == "HEAD" and address.kind == "blobs" and 300 < answer.status < 400  # so it is there
    return answered(request, 200 if elsewhere else answer.status, answer.headers, answer.body)


class FileBlocks:
    """The bytes of a blob in a file. Each iteration reads it anew, and ends without error only if it still is that
    blob."""

    def __init__(self, path: Path, blob: Descriptor) -> None:
        self._path = path
        self._blob = blob

    def __iter__(self) -> Iterator[bytes]:
        hasher = Hasher()
        with self._path.open("rb") as file:
            while block := file.read(BLOCK):
                hasher.update(block)
                if hasher.size > self._blob.size:
                    break
                yield block
        if (hasher.digest, hasher.size) != (self._blob.digest, self._blob.size):
            raise MismatchError(
                f"{self._path}: expected {self._blob.digest} of {self._blob.size} bytes, "
                f"found {hasher.digest} of {hasher.size} or more",
                next_step="the file was changed since it was described; push it again",
            )


def _header(request: requests.PreparedRequest, name: str) -> str:
    value = request.headers.get(name, "")
    return value if isinstance(value, str) else value.decode("latin-1")


def _headers(request: requests.PreparedRequest) -> dict[str, str]:
    return {name: _header(request, name) for name in request.headers if name.lower() != "content-length"}


def _body(request: requests.PreparedRequest) -> bytes | None:
    body = request.body
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    raise InputError("a body is sent from memory", next_step="send a file with upload_blob")
