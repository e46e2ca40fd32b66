"""A body is what one request brings, in pieces: by Content-Length or in chunked transfer coding (RFC 9112, sections 6
and 7)."""

import re
import time
from collections.abc import Callable, Iterator
from email.message import Message
from io import BufferedIOBase

from cogpack.registry.server.connections import Place
from cogpack.registry.server.failure import Refusal

_PIECE = 1024 * 1024
_FIRST = 64 * 1024
"""Bytes of a piece, until a client is seen to fill one at once."""
_LINE = 4096
_TRAILERS = 32
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")


class Cut(ConnectionError):  # noqa: N818 - the client's doing
    """Raised where the client went away, or broke the framing, in the middle of its body."""


class Body:
    """Reads what a request brings. `length`: as declared, None when chunked. `received`: bytes so far. `drained`: the
    next request can follow."""

    def __init__(self, stream: BufferedIOBase, headers: Message, place: Place, proceed: Callable[[], None]) -> None:
        """`headers`: of a head that was read (`head.read_head`). `proceed` is called before the first byte is read."""
        self._stream = stream
        self._place = place
        self._proceed = proceed
        self.received = 0
        self.length = None if headers.get("Transfer-Encoding") else int(headers.get("Content-Length", 0))
        self.drained = self.length == 0
        self._pieces = self._read()

    def pieces(self) -> Iterator[memoryview]:
        """Yield what arrives, as it arrives; each piece is overwritten by the next. Called again, it goes on."""
        return self._pieces

    def _read(self) -> Iterator[memoryview]:
        if self.drained:
            return
        self._proceed()
        self._buffer = memoryview(bytearray(_FIRST))
        if self.length is not None:
            yield from self._exactly(self.length)
        else:
            while size := self._chunk_size():
                yield from self._exactly(size)
                if self._line() != b"\r\n":
                    raise Cut("a chunk does not end where it said")
            for _ in range(_TRAILERS):
                if self._line() == b"\r\n":
                    break
            else:
                raise Cut("too many trailers")
        self.drained = True

    def _exactly(self, size: int) -> Iterator[memoryview]:
        while size:
            with self._place.waiting():
                found = self._stream.readinto1(self._buffer[:size])
            self._place.moved(found)
            if not found:
                raise Cut(f"{size} bytes before the end of the body")
            size -= found
            self.received += found
            yield self._buffer[:found]
            if found == len(self._buffer) < _PIECE:
                self._buffer = memoryview(bytearray(_PIECE))

    def _chunk_size(self) -> int:
        line = self._line()
        found = _CHUNK.fullmatch(line)
        if not found:
            raise Cut(f"bad chunk header {line!r:.40}")
        return int(found[1], 16)

    def _line(self) -> bytes:
        with self._place.waiting():
            return self._stream.readline(_LINE)

    def read(self, limit: int) -> bytes:
        """Return the whole body; more than `limit` bytes are refused."""
        if self.length is not None and self.length > limit:
            raise _too_large(limit)
        joined = bytearray()
        for piece in self.pieces():
            joined += piece
            if len(joined) > limit:
                raise _too_large(limit)
        return bytes(joined)

    def drain(self, limit: int, seconds: float) -> bool:
        """Read the rest, if it is short and comes soon, so that the connection can be used again; else False."""
        if self.length is not None and self.length - self.received > limit:
            return False
        end, deadline = self.received + limit, time.monotonic() + seconds
        try:
            for _ in self.pieces():
                if self.received > end or time.monotonic() > deadline:
                    return False
        except (ConnectionError, TimeoutError):
            return False
        return self.drained


def _too_large(limit: int) -> Refusal:
    return Refusal(413, "SIZE_INVALID", f"the body has more than {limit} bytes")
