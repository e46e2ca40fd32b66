"""An upload sends one blob into a registry, whatever breaks on the way. Here are the decisions, without a socket.

The stages of one try, in the words of the distribution-spec ("Pushing Blobs"):

1. open: POST `blobs/uploads/`; the answer's Location is where the upload goes on. A refused mount opens one, too.
2. choose a shape for the body: what the registry's profile says, corrected by what it answered (`shapes`).
3. send the body. `put`: one PUT with the digest, which commits as well. `stream`: one PATCH with all bytes. `chunks`:
   PATCHes with Content-Range. Each answer's Location is where the next request goes.
4. commit: an empty PUT with the digest, after `stream` and `chunks`.
5. where the outcome is unknown (the line broke, a 5xx), look: HEAD of the blob. Is it there, all is well.

Nobody can go on in the middle of a broken PUT, and hardly anybody in a broken PATCH: where a GET of the upload tells
what has arrived, the rest is sent; else the upload is cancelled and all stages begin anew. A try that brought nothing
new counts against its shape, and a shape with too many of them is given up for the next one.
"""

import re

from cogpack.errors import CogpackError, MismatchError, UnavailableError
from cogpack.http import RETRIED
from cogpack.registry.profiles import Shape
from cogpack.registry.push.protocol import Answer, Blob, BrokenError, UploadRequests
from cogpack.registry.push.shapes import Shapes
from cogpack.sizes import MiB
from cogpack.trace import TRACE

TRIES = 3
"""Failures in a row without progress."""

_LOOKS = 3
"""Times a blob is looked for whose commit may still be going on."""

_GOOD = (200, 201, 202, 204)
_TOO_LARGE = re.compile(rb"too large|SIZE_INVALID|CONTENT_LENGTH|UNSUPPORTED", re.IGNORECASE)
_AGE = 60.0
"""Seconds: uploads that break at one age, when older than this, meet a limit of time."""


class _AgainError(Exception):
    """This try failed and another may not. `reached`: bytes of the blob that got through at most."""

    def __init__(self, reached: int, error: CogpackError) -> None:
        super().__init__(str(error))
        self.reached = reached
        self.error = error
        self.age = error.age if isinstance(error, BrokenError) else 0.0


class _ShapeError(Exception):
    """The registry takes no body of this shape; `answer` says so. `size`: of the body, where that is why."""

    def __init__(self, answer: Answer, size: int) -> None:
        super().__init__(str(answer.status))
        self.answer = answer
        self.size = size


def upload(
    requests: UploadRequests, shapes: Shapes, known: Blob | None, *, name: str, opened: Answer | None = None
) -> None:
    """Send one blob; afterwards it is there. `opened`: one that is open already, as a refused mount leaves it.

    Raises what ends it: `UnavailableError` after `TRIES` failures without progress in every shape, a refusal, or what
    making the bytes raised. `name`: of the blob, for errors.
    """
    _Upload(requests, shapes, known, name).run(opened)


class _Upload:
    def __init__(self, requests: UploadRequests, shapes: Shapes, known: Blob | None, name: str) -> None:
        self._requests = requests
        self._shapes = shapes
        self._blob = known
        self._name = name
        self._failures = 0
        self._reached = 0
        self._ages: list[float] = []
        self._limit = 0.0
        self._denied = False
        self._digest_refused = False
        self._without: list[Shape] = []
        self._last: CogpackError | None = None

    def run(self, opened: Answer | None) -> None:
        while True:
            if opened is None or not opened.location:
                opened = self._requests.open()
            if opened.status not in _GOOD:
                raise self._requests.refusal(opened)
            self._shapes.learn(opened.headers)
            shape = self._shapes.choose(known=self._blob is not None, without=self._without)
            url = opened.location
            if TRACE.level:
                TRACE.decided(f"{self._name}: upload as {shape}, at {url}")
            if shape is None:  # another upload learned meanwhile that the last one is not taken
                self._requests.cancel(url)
                raise self._exhausted()
            opened = None
            try:
                self._try_shape(shape, url)
            except _AgainError as failure:
                self._requests.cancel(url)
                if self._blob is not None and self._there(whole=failure.reached >= self._blob.size):
                    return
                self._failed(shape, failure)
            except _ShapeError as failure:
                self._requests.cancel(url)
                if not self._shapes.refused(shape, chunk=failure.size):
                    self._without.append(shape)
                    if self._shapes.choose(known=self._blob is not None, without=self._without) is None:
                        raise self._requests.refusal(failure.answer) from failure
            except BaseException:
                self._requests.cancel(url)
                raise
            else:
                return

    def _there(self, *, whole: bool) -> bool:
        """Look for the blob after an unknown outcome; more than once where its commit may still go on."""
        assert self._blob is not None
        for look in range(_LOOKS if whole else 1):
            if look:
                self._requests.pause(look + 1)
            if self._requests.has(self._blob):
                return True
        return False

    def _failed(self, shape: Shape, failure: _AgainError) -> None:
        """Count a failure; after too many without progress the shape is given up for this blob."""
        # From zero again, only getting much further is progress: a restart pays for all the bytes before.
        step = max(MiB, (self._blob.size if self._blob else 0) // 8)
        self._failures = 1 if failure.reached >= self._reached + step else self._failures + 1
        self._reached = max(self._reached, failure.reached)
        if shape != "chunks" and any(age > _AGE and abs(age - failure.age) < age / 20 for age in self._ages):
            self._limit = failure.age
        self._ages.append(failure.age)
        if self._failures > TRIES or self._limit:
            self._failures = 0
            # A limit of time ends any request for the whole blob; chunks are short ones.
            self._without += ("put", "stream") if self._limit else (shape,)
            self._last = failure.error
            if self._shapes.choose(known=self._blob is not None, without=self._without) is None:
                raise self._exhausted()
        self._requests.pause(self._failures)

    def _exhausted(self) -> CogpackError:
        if self._limit:
            return UnavailableError(
                f"{self._name}: uploads end after {self._limit:.0f} s, twice now: a limit of time on the way",
                next_step="push from where the line is faster, or make layers smaller (cogpack.weights.layer_size)",
            )
        tried = ", ".join(self._without)
        why = f" ({self._last.message})" if self._last else ""
        return UnavailableError(
            f"{self._name}: gave up at {self._reached} bytes after {TRIES + 1} tries in each shape ({tried}){why}",
            next_step="run it again; finished layers are not resent. A proxy on the way may bound bodies",
        )

    # The three shapes

    def _try_shape(self, shape: Shape, url: str) -> None:
        if shape == "stream":
            self._stream(url)
            return
        if self._blob is None:
            self._blob = self._requests.measure()
            if self._requests.has(self._blob):
                self._requests.cancel(url)
                return
        if shape == "chunks" and self._blob.size:
            self._chunks(url, self._blob)
        else:
            where = self._requests.address(url, self._blob.digest)
            self._committed(self._request("PUT", where, 0, self._blob.size, ranged=False), self._blob)

    def _stream(self, url: str) -> None:
        at = 0
        while True:
            length = self._blob.size - at if self._blob else None
            try:
                answer = self._request("PATCH", url, at, length, ranged=False)
            except _AgainError as failure:
                url, at = self._resumed(url, at, failure)
            else:
                break
        self._commit(answer.location or url, self._blob or self._requests.streamed(), answer)

    def _chunks(self, url: str, blob: Blob) -> None:
        chunk = self._shapes.chunk(blob.size)
        at = 0
        answer = Answer(202)
        while at < blob.size:
            length = min(at // chunk * chunk + chunk, blob.size) - at
            try:
                answer = self._request("PATCH", url, at, length, ranged=True)
            except _AgainError as failure:
                url, at = self._resumed(url, at, failure)
            else:
                url, at = answer.location or url, at + length
        self._commit(url, blob, answer)

    def _resumed(self, url: str, acked: int, failure: _AgainError) -> tuple[str, int]:
        """Ask where to go on after a broken PATCH: (url, offset).

        Raises `failure` where only a new upload will do, or where several tries in a row got no further.
        """
        try:
            answer = self._requests.status(url)
        except UnavailableError:
            raise failure from None
        at = next_offset(answer.headers.get("range")) if answer.status in _GOOD else None
        if at is None or not acked <= at <= failure.reached:
            raise failure
        self._failures = self._failures + 1 if failure.reached < self._reached + MiB else 0
        self._reached = max(self._reached, failure.reached)
        if self._failures > TRIES:
            raise failure
        self._requests.pause(self._failures)
        return answer.location or url, at

    def _request(self, method: str, url: str, start: int, length: int | None, *, ranged: bool) -> Answer:
        """Make one request with bytes of the blob. Returns a good answer, or raises what to do about a bad one."""
        try:
            answer = self._requests.send_body(method, url, start=start, length=length, ranged=ranged)
        except BrokenError as error:
            raise _AgainError(start + error.sent, error) from error
        return self._judged(answer, start, length)

    def _judged(self, answer: Answer, reached: int, size: int | None = None) -> Answer:
        """Return a good answer, raise what to do about a bad one.

        `reached`: bytes of the blob that are surely there; `size`: of the body.
        """
        if answer.status in _GOOD:
            self._denied = False
            return answer
        if answer.status == 401 and not self._denied:
            # The token ended just before the body began; there is a new one now.
            self._denied = True
            raise _AgainError(reached, self._requests.refusal(answer))
        if b"DIGEST_INVALID" in answer.body:
            if self._digest_refused:
                raise MismatchError(
                    f"{self._name}: the registry received other bytes than were sent, twice",
                    next_step="something on the way changes what passes through it; tell the registry's operator",
                )
            # Sent again from the start: what makes the bytes raises when they are no longer the same.
            self._digest_refused = True
            raise _AgainError(reached, self._requests.refusal(answer))
        if answer.status in (405, 411, 413) or (answer.status in (400, 416) and _TOO_LARGE.search(answer.body)):
            raise _ShapeError(answer, size if size and answer.status == 413 else 0)
        if answer.status in RETRIED or answer.status in (404, 416):  # 404: the upload is gone
            raise _AgainError(reached, self._requests.refusal(answer))
        raise self._requests.refusal(answer)

    def _commit(self, url: str, blob: Blob, last: Answer) -> None:
        """End an upload whose bytes are all there."""
        if last.status == 201 and self._requests.has(blob):  # Amazon's is there with its last PATCH
            return
        self._blob = blob  # from here on it can be looked for
        try:
            answer = self._requests.commit(self._requests.address(url, blob.digest))
        except BrokenError as error:
            raise _AgainError(blob.size, error) from error
        self._committed(self._judged(answer, blob.size), blob)

    def _committed(self, answer: Answer, blob: Blob) -> None:
        stored = answer.headers.get("docker-content-digest", "")
        if stored.startswith("sha256:") and stored != blob.digest:
            raise MismatchError(
                f"{self._name}: sent {blob.digest}, the registry stored {stored}",
                next_step="something on the way changes what passes through it; tell the registry's operator",
            )
        if answer.status != 201 and not self._there(whole=True):
            error = UnavailableError(
                f"{self._name}: HTTP {answer.status} to the last request, and the blob is not there",
                next_step="run it again; finished layers are not resent",
            )
            raise _AgainError(blob.size, error)


def next_offset(header: str | None) -> int | None:
    """Read from the Range of a status which byte an upload wants next; None where that can't be told.

    The end is inclusive (distribution-spec, "Pushing a blob in chunks"), but not Quay's, which alone says "bytes=".
    "0-0" is what an empty upload says: nothing of ours ends behind one byte.
    """
    found = re.match(r"\s*(bytes=)?0-(-?\d{1,18})(?!\d)", header or "")
    if found is None:
        return None
    end = int(found[2])
    if end <= 0:
        return 0
    return end if found[1] else end + 1
