"""An upload grows in order and becomes a blob at its end (distribution-spec, "Pushing blobs")."""

import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from cogpack.digest import Digest, Hasher
from cogpack.errors import CogpackError
from cogpack.layout import Layout
from cogpack.registry.server.failure import Refusal
from cogpack.registry.server.patience import PATIENCE, Patience


class Upload:
    """One upload. What has arrived stays when a request is cut off; the hash follows along."""

    def __init__(self, layout: Layout, repository: str, patience: Patience) -> None:
        self.id = str(uuid.uuid4())
        self.repository = repository
        self.touched = time.monotonic()
        self._blob = layout.incoming()
        self._hasher = Hasher()
        self._busy = threading.Lock()
        self._ended = False
        self._patience = patience

    @contextmanager
    def alone(self) -> Iterator[None]:
        if not self._busy.acquire(timeout=self._patience.turn):
            raise Refusal(429, "TOOMANYREQUESTS", "another request of this upload is running")
        try:
            if self._ended:
                raise unknown(self.repository, self.id)
            yield
        finally:
            self.touched = time.monotonic()
            self._busy.release()

    def idle(self, seconds: float) -> bool:
        return not self._busy.locked() and (self._ended or time.monotonic() - self.touched > seconds)

    @property
    def size(self) -> int:
        return self._hasher.size

    def append(self, pieces: Iterable[memoryview]) -> None:
        for piece in pieces:
            try:
                self._blob.write(piece)
            except CogpackError:
                self.discard()  # part of the piece may be in the file: nothing may be added to it
                raise
            self._hasher.update(piece)

    def commit(self, digest: Digest) -> None:
        if self._hasher.digest != digest:
            raise Refusal(400, "DIGEST_INVALID", f"{self.size} bytes with {self._hasher.digest}, not {digest}")
        self._blob.keep(digest)

    def discard(self) -> None:
        self._ended = True
        self._blob.discard()


class Uploads:
    """Keeps the uploads that have begun. They end with the server: clients start such uploads anew."""

    def __init__(self, layout: Layout, patience: Patience = PATIENCE) -> None:
        self._layout = layout
        self._patience = patience
        self._open: dict[str, Upload] = {}
        self._lock = threading.Lock()

    def begin(self, repository: str) -> Upload:
        with self._lock:
            for old in [upload for upload in self._open.values() if upload.idle(self._patience.forgotten)]:
                self._open.pop(old.id).discard()
            if len(self._open) >= self._patience.uploads:
                idle = self._patience.idle
                oldest = min(self._open.values(), key=lambda upload: (not upload.idle(idle), upload.touched))
                if not oldest.idle(idle):
                    why = f"{len(self._open)} uploads are open"
                    raise Refusal(429, "TOOMANYREQUESTS", why, headers={"Retry-After": "10"})
                self._open.pop(oldest.id).discard()
            upload = Upload(self._layout, repository, self._patience)
            self._open[upload.id] = upload
            return upload

    def find(self, repository: str, identity: str) -> Upload:
        with self._lock:
            upload = self._open.get(identity)
        if upload is None or upload.repository != repository:
            raise unknown(repository, identity)
        return upload

    def end(self, upload: Upload) -> None:
        """Forget the upload; what was not committed is removed."""
        with self._lock:
            self._open.pop(upload.id, None)
        upload.discard()

    def close(self) -> None:
        with self._lock:
            for upload in self._open.values():
                upload.discard()
            self._open.clear()


def unknown(repository: str, identity: str) -> Refusal:
    return Refusal(404, "BLOB_UPLOAD_UNKNOWN", f"{repository} has no upload {identity!r:.100}")
