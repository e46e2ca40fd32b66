"""Shapes are the forms of an upload that one registry takes: its profile, corrected by what it answers."""

import threading
from collections.abc import Collection, Mapping

from cogpack.registry.profiles import Profile, Shape
from cogpack.sizes import MiB

_MOST = 1024 * MiB
_LEAST = MiB
_FLOOR = 64 * 1024
"""Bytes: below, a stated maximum is a mistake. A blob of some GB would be a request for every few packets."""
_COMMON_LIMIT = 95 * MiB
"""Bytes: below the 100 MB that proxies of the largest kind let through."""

_PIECES = 10_000
"""Chunks a blob may have: object stores count no further."""


class Shapes:
    """The shapes of one registry, shared by all uploads to it: what one learns spares the others. Thread-safe."""

    def __init__(self, profile: Profile) -> None:
        self._order = profile.shapes
        self._chunk = profile.chunk
        self._least = 0
        self._limit = _MOST
        self._lock = threading.Lock()

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take in what the answer to a POST that opened an upload says of chunks (OCI-Chunk-Min-Length)."""
        least, most = _length(headers, "oci-chunk-min-length"), _length(headers, "oci-chunk-max-length")
        with self._lock:
            if least is not None:
                self._least = min(least, _MOST)
            if most is not None:
                self._limit = min(self._limit, max(_FLOOR, most // MiB * MiB or most))
                self._chunk = min(self._limit, _COMMON_LIMIT)
                self._order = ("chunks", *(shape for shape in self._order if shape != "chunks"))

    def choose(self, *, known: bool, without: Collection[Shape] = ()) -> Shape | None:
        """Choose a shape for a blob; None where all have failed.

        `known`: whether digest and size are, which one PUT needs; `without`: shapes that failed for this blob.
        """
        with self._lock:
            open_ = [shape for shape in self._order if shape not in without]
        if not known and "stream" in open_ and open_[0] != "chunks":
            return "stream"
        return open_[0] if open_ else None

    def refused(self, shape: Shape, *, chunk: int = 0) -> bool:
        """Take in that the registry wants no such body. True: the same shape may do, with smaller chunks.

        `chunk`: the bytes of the one that was too large for it, 0 where its size is not what was refused. Many uploads
        may be refused the same size at once: that is one thing learned, not many.
        """
        with self._lock:
            if shape == "chunks" and chunk > max(self._least, _LEAST):
                # A limit, so that the next upload's headers, which promise more, do not undo it.
                self._limit = min(self._limit, max(chunk // 4, self._least, _LEAST))
                self._chunk = min(self._chunk, self._limit)
                return True
            # The last one stays: what it is refused for is the error to tell.
            left = tuple(other for other in self._order if other != shape)
            self._order = left or self._order
            return False

    def chunk(self, size: int) -> int:
        """Say how many bytes each chunk, but the last, of a blob of `size` has."""
        with self._lock:
            return min(max(self._chunk, self._least, -(-size // _PIECES)), max(self._limit, self._least))


def _length(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "").strip()
    return int(text) if text.isdecimal() and len(text) < 16 and int(text) > 0 else None
