"""Uploads that never become a blob: bytes go to a registry as a push sends them, and the upload is cancelled.

The last request of an upload is looked at without a blob, too: it names a digest that the bytes do not have. So the
registry does what it does to know that, and refuses.
"""

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Self

from blake3 import blake3

from cogpack.digest import Digest, sha256
from cogpack.errors import CogpackError
from cogpack.progress import Cancelled
from cogpack.registry.profiles import Shape
from cogpack.registry.push.protocol import Answer, BrokenError
from cogpack.registry.push.requests import HttpUploadRequests
from cogpack.registry.push.shapes import Shapes
from cogpack.registry.refusals import codes
from cogpack.registry.requests import Requests
from cogpack.sizes import MiB

GOOD = (200, 201, 202, 204)
_NOT_THIS_SHAPE = (400, 404, 405, 411, 413, 415, 416, 501)
_MISMATCH = (400, 409, 422)
"""What registries say of bytes that do not have the digest."""
_RANDOM = 4 * MiB
_BLOCK = 128 * 1024
_LEAST = 4096
_BLOCKS = 16
"""There are so many at least, that a rate can be told."""
_SHIFT = 4099


class ShapeRefusedError(Exception):
    """The registry takes no body of this shape; the text is what it said."""


class RandomBlocks:
    """`size` bytes that nobody has, for as long as it `goes_on`; `watch` sees each block.

    They are made of 4 MiB of randomness, which after each round begin a little later: no block comes twice.
    """

    def __init__(
        self,
        size: int,
        goes_on: Callable[[], bool] = lambda: True,
        watch: Callable[[bytes], object] = lambda _: None,
    ) -> None:
        self._size = size
        self._goes_on = goes_on
        self._watch = watch

    def __iter__(self) -> Iterator[bytes]:
        size = min(_BLOCK, max(_LEAST, self._size // _BLOCKS))
        base = blake3(os.urandom(32)).digest(length=min(_RANDOM, self._size + size))
        rounds = len(base)
        base += base
        left, at = self._size, 0
        while left > 0 and self._goes_on():
            start = (at + at // rounds * _SHIFT) % rounds
            block = base[start : start + min(size, left)]
            self._watch(block)
            yield block
            left -= len(block)
            at += len(block)


class Place:
    """A repository that uploads are tried in. Thread-safe.

    `openings`: the seconds that each POST took; `urls`: where bytes went; `uncancelled`: uploads that the
    registry did not cancel; `left`: blobs that are there although they should not be.
    """

    def __init__(self, requests: Requests, shapes: Shapes) -> None:
        self.requests = requests
        self.shapes = shapes
        self.openings: list[float] = []
        self.urls: set[str] = set()
        self.uncancelled = 0
        self.left: list[str] = []
        self._refuses = False
        self._scope = f"repository:{requests.name.partition('/')[2]}:delete"
        self._open: set[Trial] = set()
        self._lock = threading.Lock()

    def opened(self, trial: "Trial", seconds: float) -> None:
        with self._lock:
            self.openings.append(seconds)
            self._open.add(trial)

    def went(self, answer: Answer) -> None:
        with self._lock:
            self.urls.add(answer.url)

    def end(self, trial: "Trial", *, hurry: bool) -> None:
        """Cancel an upload. Who may not, or whose registry has no way to, leaves it to expire.

        In a `hurry`, as after Ctrl-C, no answer is waited for.
        """
        ended = False
        try:
            if hurry:
                self.requests.cancel(trial.url, self._scope)
            elif not self._refuses:
                answer = self.requests.request("DELETE", trial.url, tries="once", scopes=(self._scope,))
                ended = answer.status in GOOD or (trial.asked and answer.status == 404)
        except CogpackError:
            pass
        except Cancelled:
            self.requests.cancel(trial.url, self._scope)
            raise
        finally:
            with self._lock:
                self._open.discard(trial)
                self.uncancelled += not ended
                self._refuses = self._refuses or (not ended and not trial.asked)
        if not ended and not hurry:
            self.requests.cancel(trial.url)

    def can_delete(self) -> bool:
        """Tell whether a blob could be deleted: the registry is asked to delete one that nobody has."""
        return self._delete(sha256(secrets.token_bytes(32)))

    def remove(self, digest: Digest) -> None:
        """Delete a blob of ours, if it is there."""
        url = self.requests.url("blobs", digest)
        try:
            if not self._delete(digest) and self.requests.request("HEAD", url, tries="few").status != 404:
                self.left.append(digest)
        except Cancelled:
            self.requests.cancel(url, self._scope)
            raise

    def _delete(self, digest: Digest) -> bool:
        try:
            answer = self.requests.request(
                "DELETE", self.requests.url("blobs", digest), tries="few", scopes=(self._scope,)
            )
        except CogpackError:
            return False
        return answer.status in (200, 202, 204, 404)

    def close(self) -> None:
        """Cancel what a thread did not come to end."""
        with self._lock:
            left = [*self._open]
        for trial in left:
            with suppress(Exception):
                self.requests.cancel(trial.url, self._scope)


class Trial:
    """One upload of `blocks`, for a `with`, whose end cancels it.

    `on_bytes`: told of each block as it goes out; `measured`: the digest of `blocks` once they were read to the end.
    `asked`: whether the registry was asked for a blob, with which it may have ended the upload itself.
    """

    def __init__(
        self,
        place: Place,
        blocks: Iterable[bytes],
        *,
        on_bytes: Callable[[int], object],
        measured: Callable[[], Digest] | None = None,
    ) -> None:
        self._place = place
        self._requests = HttpUploadRequests(
            place.requests,
            lambda _: False,
            blocks,
            size=None,
            finished=measured or _never,
            on_bytes=self._moved,
        )
        self._on_bytes = on_bytes
        self.url = ""
        self.asked = False

    def __enter__(self) -> Self:
        began = time.monotonic()
        answer = self._requests.open()
        if answer.status not in GOOD:
            raise self._requests.refusal(answer)
        self.url = answer.location
        self._place.opened(self, time.monotonic() - began)
        self._place.shapes.learn(answer.headers)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._place.end(self, hurry=kind is not None and not issubclass(kind, Exception))

    def send(self, shape: Shape, size: int | None = None, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Send all blocks; in chunks, for as long as it `goes_on`. `size`: of them, which only a stream can do without:
        else they are read once before, to know it.

        Raises `ShapeRefusedError` where the registry takes no such body.
        """
        if shape == "stream":
            self._sent(self._requests.send_body("PATCH", self.url, start=0, length=None, ranged=False))
            return
        if size is None:
            size = self._requests.measure().size
        if shape == "put":
            self._put(size)
            return
        chunk, at = self._place.shapes.chunk(size), 0
        while at < size and (not at or goes_on()):
            length = min(chunk, size - at)
            self._sent(self._requests.send_body("PATCH", self.url, start=at, length=length, ranged=True))
            at += length

    def _moved(self, size: int) -> None:
        if size > 0:  # else the body begins anew
            self._on_bytes(size)

    def refuse(self) -> float:
        """Have the registry refuse what it has: the seconds that this takes."""
        began = time.monotonic()
        self._put(0)
        return time.monotonic() - began

    def commit(self, digest: Digest) -> float:
        """Have the registry make a blob of what it has: the seconds that this takes."""
        self.asked = True
        began = time.monotonic()
        answer = self._requests.commit(self._requests.address(self.url, digest))
        if answer.status not in GOOD:
            raise self._requests.refusal(answer)
        return time.monotonic() - began

    def _put(self, length: int) -> None:
        """End the upload by a digest that nothing has. A registry that takes it checks none: then that is deleted."""
        wrong = sha256(secrets.token_bytes(32))
        url = self._requests.address(self.url, wrong)
        self.asked = True
        try:
            answer = (
                self._requests.send_body("PUT", url, start=0, length=length, ranged=False)
                if length
                else self._requests.commit(url)
            )
        except BrokenError:  # who knows
            self._place.remove(wrong)
            raise
        self._place.went(answer)
        if answer.status in GOOD:
            self._place.remove(wrong)
            return
        named = [code for code, _ in codes(answer.body)]
        if answer.status in _MISMATCH and ("DIGEST_INVALID" in named or not _speaks_of_size(named)):
            return
        if length and answer.status in _NOT_THIS_SHAPE:
            raise ShapeRefusedError(_said(answer, named))
        raise self._requests.refusal(answer)

    def _sent(self, answer: Answer) -> None:
        self._place.went(answer)
        if answer.status not in GOOD:
            if answer.status in _NOT_THIS_SHAPE:
                raise ShapeRefusedError(_said(answer, [code for code, _ in codes(answer.body)]))
            raise self._requests.refusal(answer)
        self.url = answer.location or self.url


def _speaks_of_size(named: Sequence[str]) -> bool:
    return any(code in ("SIZE_INVALID", "UNSUPPORTED", "BLOB_UPLOAD_INVALID") for code in named)


def _said(answer: Answer, named: Sequence[str]) -> str:
    return " ".join([f"HTTP {answer.status}", *named[:1]])


def _never() -> Digest:
    raise AssertionError("these bytes are known before they are sent")
