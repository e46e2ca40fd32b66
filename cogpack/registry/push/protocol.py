"""The protocol of an upload is what it does to a registry and hears from it."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from cogpack.digest import Digest
from cogpack.errors import CogpackError, UnavailableError


class Blob(msgspec.Struct, frozen=True):
    """A blob whose bytes are known."""

    digest: Digest
    size: int


class Answer(msgspec.Struct, frozen=True):
    """An answer as an upload looks at it.

    `location`: where the upload goes on, resolved; "" where the answer has none. `body`: of a refusal.
    `method`, `url`: of the request."""

    status: int
    location: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""
    method: str = ""
    url: str = ""


class BrokenError(UnavailableError):
    """A connection ended in a request.

    `sent`: bytes of its body that may have arrived; `age`: the seconds after which the other side ended it, 0 where we
    did, tired of waiting.
    """

    def __init__(self, error: CogpackError, *, sent: int, age: float) -> None:
        super().__init__(error.message, next_step=error.next_step)
        self.sent = sent
        self.age = age


class UploadRequests(Protocol):
    """What an upload asks of the world. Each but `refusal` may raise any `CogpackError`, which ends the upload."""

    def open(self) -> Answer:
        """Open an upload (POST), failures that may pass already tried again. A good answer has a `location`."""

    def send_body(self, method: str, url: str, *, start: int, length: int | None, ranged: bool) -> Answer:
        """Send `length` bytes of the blob from `start`, or all the rest; `ranged`: with Content-Range.

        May raise `BrokenError`, also where a good answer came before the body had ended. A 401 was answered with fresh
        credentials for the next.
        """

    def commit(self, url: str) -> Answer:
        """End the upload by an empty PUT. May raise `BrokenError`."""

    def status(self, url: str) -> Answer:
        """Ask what has arrived of it (GET)."""

    def has(self, blob: Blob) -> bool: ...

    def measure(self) -> Blob:
        """Make all bytes once, for their digest and size."""

    def streamed(self) -> Blob:
        """Say what the bytes that were just sent to the end came out as."""

    def address(self, url: str, digest: Digest) -> str:
        """Give `url` with the digest as its last parameter."""

    def pause(self, failures: int) -> None:
        """Wait after so many failures in a row. What a registry asked for is kept to by every request."""

    def cancel(self, url: str) -> None: ...

    def refusal(self, answer: Answer) -> CogpackError: ...
