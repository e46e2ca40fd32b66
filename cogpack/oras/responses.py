"""This module takes addresses of the distribution-spec apart, and gives our answers as requests gives its own."""

import io
import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Self

import msgspec
import requests

from cogpack.digest import Digest, Hasher, parse_digest, verified
from cogpack.errors import InputError, MismatchError
from cogpack.http import Stream, redacted
from cogpack.layers.content import Blocks
from cogpack.reference import HUB_NAMES, Reference

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_ADDRESS = re.compile(
    r"https?://([^/?#@]+)/v2/([^?#]+?)/"
    r"((manifests|blobs|referrers|tags|blobs/uploads)/((?<=uploads/)[^?#]*|[A-Za-z0-9_][A-Za-z0-9._:-]{0,127})(?:\?[^#]*)?)"
)


class Address(msgspec.Struct, frozen=True):
    """The parts of `https://HOST/v2/NAME/KIND/REF`; `rest` begins with the kind, as sent. `kind`: "blobs/uploads" is
    one."""

    repository: Reference
    rest: str
    kind: str
    ref: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read an address. What is no endpoint of a repository is an `InputError`: no credentials are for it, so
        nothing is sent."""
        found = _ADDRESS.fullmatch(url)
        host = found[1].lower() if found else ""
        host = "docker.io" if host in HUB_NAMES else host
        reference = Reference.parse(f"{host}/{found[2]}", where="oras") if found else None
        if found is None or reference is None or reference.registry != host:
            raise InputError(
                f"{redacted(url)}: not an endpoint of a registry",
                next_step="send requests to other places with requests itself",
            )
        if found[4] in ("blobs", "referrers") or ":" in found[5]:
            parse_digest(found[5], where=reference.name)
        return cls(reference, found[3], found[4], found[5])


def answered(
    request: requests.PreparedRequest, status: int, headers: Mapping[str, str], body: bytes | IO[bytes]
) -> requests.Response:
    """Return an answer as requests gives it; a `body` that is a stream is read by whoever wants it."""
    response = requests.Response()
    response.status_code = status
    response.reason = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    response.headers.update(headers)
    response.url = request.url or ""
    response.request = request
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.raw = io.BytesIO(body) if isinstance(body, bytes) else body
    if isinstance(body, bytes):
        assert response.content == body  # read now: a closed response keeps it
    return response


class Body(Blocks):
    """A blob's bytes for requests to read. `close`: gives the connection back."""

    def __init__(self, blocks: Iterator[bytes], close: Callable[[], None]) -> None:
        super().__init__(blocks)
        self._close = close

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if not (size := super().readinto(buffer)):
            self._close()
        return size

    def close(self) -> None:
        super().close()
        self._close()


def blob_blocks(stream: Stream, digest: Digest) -> Iterator[bytes]:
    """The bytes of a whole blob; the last of them only if all were right."""

    def check(found: Hasher) -> None:
        if found.digest != digest:
            raise MismatchError(
                f"{redacted(stream.url)}: expected {digest}, found {found.digest} of {found.size} bytes",
                next_step="the registry or a proxy before it is damaged; tell its operator",
            )

    return verified(stream.blocks(), check)
