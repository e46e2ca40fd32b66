"""An upload's requests go over HTTP, with a body that can be read from any byte."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

from cogpack.digest import Digest
from cogpack.errors import CogpackError, UnavailableError
from cogpack.http import Limits, Response, TiredError, redacted
from cogpack.notes import Code, Note
from cogpack.oci import Descriptor
from cogpack.registry.push.protocol import Answer, Blob, BrokenError
from cogpack.registry.requests import REDIRECTED, REDIRECTS, Requests

_REFUSAL_LIMIT = 64 * 1024
_COMMIT_SECONDS_PER_BYTE = 1 / (16 * 1024 * 1024)
"""Registries on object stores copy or hash a blob again before they answer its commit."""
_LONGEST_COMMIT = 3600.0

Has = Callable[[Descriptor], bool]


class RepeatableBody:
    """A body that can be read from any byte; each iteration of `blocks` is a whole pass over the same bytes.

    Reading on where the last read ended costs nothing; reading from elsewhere makes a new pass and skips.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks
        self._pass: Iterator[bytes] = iter(())
        self._rest = b""
        self.at = -1

    def read(self, start: int, length: int | None) -> Iterator[bytes]:
        """Read `length` bytes from `start`, or all there are: then the pass is drained."""
        if start != self.at:
            self._pass, self._rest, self.at = iter(self._blocks), b"", 0
        try:
            for _ in self._take(start - self.at):
                pass
            yield from self._take(length)
        except CogpackError:  # where the bytes come from another server, its line may break too
            self.at = -1
            raise

    def drain(self) -> None:
        """Read to the end: what makes the bytes only counts a pass that was."""
        for _ in self._pass:
            pass
        self.at = -1

    def _take(self, size: int | None) -> Iterator[bytes]:
        while size is None or size > 0:
            block = self._rest or next(self._pass, None)
            if block is None:
                return
            if size is not None:
                block, self._rest = block[:size], block[size:]
                size -= len(block)
            else:
                self._rest = b""
            self.at += len(block)
            yield block


class _PartBody:
    """The body of one request, a part of the whole.

    `size`: bytes of it that may have arrived, those on their way among them; `ended`: there are no more.
    """

    def __init__(
        self, whole: RepeatableBody, start: int, length: int | None, *, last: bool, on_bytes: Callable[[int], None]
    ) -> None:
        self._whole = whole
        self._start = start
        self._length = length
        self._last = last
        self._on_bytes = on_bytes
        self.size = 0
        self.ended = False

    def __iter__(self) -> Iterator[bytes]:
        for block in self._whole.read(self._start, self._length):
            self.size += len(block)
            yield block
            self._on_bytes(len(block))
        if self._last:
            self._whole.drain()
        self.ended = True


class HttpUploadRequests:
    """`UploadRequests` over a repository's requests.

    `finished`: the digest of the pass that was drained last; `on_bytes`: told each block's size as it goes out, and
    what goes out again as a negative number before, so that their sum is where in the blob we are.
    """

    def __init__(
        self,
        requests: Requests,
        has: Has,
        blocks: Iterable[bytes],
        *,
        size: int | None,
        finished: Callable[[], Digest],
        on_bytes: Callable[[int], None],
    ) -> None:
        self._requests = requests
        self._has = has
        self._whole = RepeatableBody(blocks)
        self._size = size
        self._finished = finished
        self._on_bytes = on_bytes
        self._at = 0

    def open(self) -> Answer:
        # A body may only follow fresh credentials: this request without one finds out.
        return _redirected(
            lambda url: as_answer(self._requests, "POST", self._requests.request("POST", url), opened=True),
            f"{self._requests.base}/blobs/uploads/",
        )

    def send_body(self, method: str, url: str, *, start: int, length: int | None, ranged: bool) -> Answer:
        return _redirected(lambda url: self._send_part(method, url, start, length, ranged=ranged), url)

    def _send_part(self, method: str, url: str, start: int, length: int | None, *, ranged: bool) -> Answer:
        headers = {"Content-Type": "application/octet-stream"}
        if ranged and length is not None:
            headers["Content-Range"] = f"{start}-{start + length - 1}"
        last = length is None or (self._size is not None and start + length == self._size)
        if start != self._at:
            self._moved(start - self._at)
        body = _PartBody(self._whole, start, length, last=last, on_bytes=self._moved)
        timeout = self._commit_timeout(self._size if length is None else length)
        answer = self._request(method, url, headers, body, length, timeout)
        if body.ended:
            self._size = start + body.size if length is None else self._size
        elif answer.status < 300:
            # Perhaps because the blob is there already; whoever asks for it will see.
            early = UnavailableError(
                f"{redacted(url)}: HTTP {answer.status} before all was sent",
                next_step="tell the registry's operator, or whoever runs a proxy before it",
            )
            raise BrokenError(early, sent=body.size, age=0.0)
        return answer

    def _moved(self, size: int) -> None:
        self._at += size
        self._on_bytes(size)

    def commit(self, url: str) -> Answer:
        return _redirected(lambda url: self._request("PUT", url, {}, (), 0, self._commit_timeout(self._size)), url)

    def _commit_timeout(self, size: int | None) -> float:
        return commit_timeout(size, self._requests.http.limits)

    def status(self, url: str) -> Answer:
        return as_answer(self._requests, "GET", self._requests.request("GET", url))

    def has(self, blob: Blob) -> bool:
        return self._has(Descriptor(media_type="application/octet-stream", digest=blob.digest, size=blob.size))

    def measure(self) -> Blob:
        self._size = sum(len(block) for block in self._whole.read(0, None))
        self._whole.drain()
        return self.streamed()

    def streamed(self) -> Blob:
        assert self._size is not None
        return Blob(self._finished(), self._size)

    def address(self, url: str, digest: Digest) -> str:
        # The query is the server's own, possibly signed: only ever appended to.
        return f"{url}{'&' if '?' in url else '?'}digest={quote(digest)}"

    def pause(self, failures: int) -> None:
        self._requests.http.pause(failures)

    def cancel(self, url: str) -> None:
        self._requests.cancel(url)

    def refusal(self, answer: Answer) -> CogpackError:
        return self._requests.refusal(answer.method, answer.url, answer.status, answer.body, answer.headers)

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Iterable[bytes],
        length: int | None,
        timeout: float,
    ) -> Answer:
        begun = self._requests.http.clock()
        try:
            with (
                self._slow_end(method, url, body) as blocks,
                self._requests.send(method, url, headers, blocks, length, timeout) as stream,
            ):
                refusal = b"" if stream.status < 300 else stream.body(_REFUSAL_LIMIT)
        except UnavailableError as error:
            age = 0.0 if isinstance(error, TiredError) else self._requests.http.clock() - begun
            raise BrokenError(error, sent=body.size if isinstance(body, _PartBody) else 0, age=age) from error
        return as_answer(self._requests, method, Response(stream.status, stream.headers, refusal, url))

    @contextmanager
    def _slow_end(self, method: str, url: str, body: Iterable[bytes]) -> Iterator[Iterable[bytes]]:
        """Give `body`; where the answer does not come for long after its end, the user is told what is going on."""
        where = redacted(url).rpartition("/blobs/")[0]
        told = Note(Code.REGISTRY_FINISHING, f"{where}: all is sent; the registry is finishing, which may take minutes")
        timer = threading.Timer(self._requests.http.limits.told, self._requests.http.progress.note, (told,))
        timer.daemon = True

        def ending() -> Iterator[bytes]:
            yield from body
            timer.start()

        try:
            yield ending() if method == "PUT" else body
        finally:
            timer.cancel()


def _redirected(ask: Callable[[str], Answer], url: str) -> Answer:
    """Make the same request again, its body from its first byte, where a registry sends us on."""
    for _ in range(REDIRECTS):
        answer = ask(url)
        if answer.status not in REDIRECTED or not answer.location:
            break
        url = answer.location
    return answer


def commit_timeout(size: int | None, limits: Limits) -> float:
    """Say how many seconds to wait for the answer to a commit of `size` bytes."""
    return min(_LONGEST_COMMIT, limits.commit + (size or 0) * _COMMIT_SECONDS_PER_BYTE)


def as_answer(requests: Requests, method: str, response: Response, *, opened: bool = False) -> Answer:
    """Look at `response` as uploads do; a Location that must not be followed is an `InputError`.

    `opened`: it is to name the upload's location, and without one it is an `UnavailableError`.
    """
    location = response.headers.get("location", "")
    good = response.status < 300
    goes_on = (opened or location) if good else (location and response.status in REDIRECTED)
    return Answer(
        status=response.status,
        location=requests.location(response.url, location) if goes_on else "",
        headers=response.headers,
        body=b"" if good else response.body[:_REFUSAL_LIMIT],
        method=method,
        url=response.url,
    )
