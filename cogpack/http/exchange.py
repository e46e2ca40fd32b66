"""An `Exchange` is one request and its answer over a connection: HTTP/1.1 (RFC 9112).

h11 writes and reads heads, and bodies whose end only they themselves tell. A body of known length passes it by: from
the socket it goes to who wants it, and is copied once.
"""

import math
from collections.abc import Iterable, Iterator

import h11
import httpx

from cogpack.http.deadlines import Deadlines
from cogpack.http.sockets import Connection

_HEAD = 16 * 1024
"""Bytes that are read at a time while the head is on its way: what comes with it of the body is copied again."""
_HEAD_LIMIT = 100 * 1024
_BLOCK = 256 * 1024
_BODILESS = frozenset({204, 304})

Headers = list[tuple[bytes, bytes]]


class UnansweredError(httpx.RemoteProtocolError):
    """Is raised where the connection ended before any of the answer."""


class Exchange:
    """One request over `connection` and its answer, which is read as far as its head: then `status` and `headers`.

    `target` (RFC 9112 3.2) and `headers`: as they are to be sent, with Content-Length or Transfer-Encoding where there
    is a `body`. An answer that comes before all of that is sent ends the sending. What fails is one of
    `httpx.TransportError`; `connection` is the caller's to close, then and where it can't be used `again`.
    """

    def __init__(
        self,
        connection: Connection,
        deadlines: Deadlines,
        method: str,
        target: bytes,
        headers: Headers,
        body: Iterable[bytes] = (),
    ) -> None:
        self._connection = connection
        self._deadlines = deadlines
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
        self._early = b""
        """What of the body has come and was not wanted yet."""
        try:
            self._send(h11.Request(method=method, target=target, headers=headers), body)
            answer = self._head()
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from error
        self.status = answer.status_code
        self.reason = answer.reason.decode("ascii", "replace")
        self.headers: Headers = answer.headers.raw_items()
        self._lives = answer.http_version == b"1.1" and not _closes(headers) and not _closes(self.headers)
        self._length = self._left = _length(method, answer)
        self._surplus = False
        """Whether they have said more than they announced."""
        if self._left is not None:
            came = self._h11.trailing_data[0]
            self._early, self._surplus = came[: self._left], len(came) > self._left
            self._left -= len(self._early)

    @property
    def announced(self) -> float:
        """Give the length of the body, infinite where only its end will tell."""
        return math.inf if self._length is None else self._length

    @property
    def again(self) -> bool:
        """Whether the connection can take another request: all was sent, all has come, and neither side ends it."""
        if self._left is None:
            came, over = self._h11.trailing_data
            ended = self._h11.their_state is h11.DONE and not came and not over
        else:
            ended = self._left == 0 and not self._surplus
        return ended and self._lives and self._h11.our_state is h11.DONE

    # What is sent

    def _send(self, request: h11.Request, body: Iterable[bytes]) -> None:
        try:
            self._write(request)
            for block in body:
                self._write(h11.Data(data=block))
            self._write(h11.EndOfMessage())
        except httpx.WriteError:
            pass  # what they have said before is still there, and may be why

    def _write(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        if data := self._h11.send(event):
            self._connection.write(data, self._deadlines)

    # What comes

    def _head(self) -> h11.Response:
        failure: type[httpx.TransportError] = UnansweredError
        while not isinstance(event := self._h11.next_event(), h11.Response):
            if event is h11.NEED_DATA:
                try:
                    found = self._connection.read(_HEAD, self._deadlines)
                except httpx.ReadError as error:
                    raise failure(str(error)) from error
                if not found:
                    raise failure("Server disconnected without sending a response.")
                self._h11.receive_data(found)
                failure = httpx.RemoteProtocolError
        return event

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as it was sent, in blocks as they come."""
        while block := self._early or self._next():
            self._early = b""
            yield block

    def fill(self, view: memoryview) -> int:
        """Put what comes next of the body into `view`; answers how many bytes, 0 at its end."""
        block = self._early or (self._next() if self._left is None else b"")
        size = min(len(view), len(block))
        view[:size], self._early = block[:size], block[size:]
        if not self._left or self._early or size == len(view):
            return size
        came = self._connection.read_into(view[: size + self._left], self._deadlines, size) - size
        if came or not size:  # else it is at its end, as the next call says
            self._took(came)
        return size + came

    def _next(self) -> bytes:
        if self._left is None:
            return self._chunk()
        found = self._connection.read(min(self._left, _BLOCK), self._deadlines) if self._left else b""
        self._took(len(found))
        return found

    def _took(self, size: int) -> None:
        assert self._left is not None
        assert self._length is not None
        if self._left and not size:
            raise httpx.RemoteProtocolError(
                f"peer closed connection without sending complete message body (received {self._length - self._left} "
                f"bytes, expected {self._length})"
            )
        self._left -= size

    def _chunk(self) -> bytes:
        try:
            while self._h11.their_state is h11.SEND_BODY:
                event = self._h11.next_event()
                if event is h11.NEED_DATA:
                    found = self._connection.read(_BLOCK, self._deadlines)
                    if not found and self._connection.is_cut:
                        raise httpx.RemoteProtocolError("the connection was cut off before the end of the body")
                    self._h11.receive_data(found)
                elif isinstance(event, h11.Data) and event.data:
                    return bytes(event.data)
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from error
        return b""


def _length(method: str, answer: h11.Response) -> int | None:
    """Read the length of the body (RFC 9112 6.3), None where only its end will tell.

    h11 has refused lengths that differ, and codings other than chunks.
    """
    if method == "HEAD" or answer.status_code in _BODILESS:
        return 0
    found = dict(answer.headers)
    return None if b"transfer-encoding" in found or b"content-length" not in found else int(found[b"content-length"])


def _closes(headers: Headers) -> bool:
    """Say whether Connection has the option `close` (RFC 9112 9.6)."""
    said = b",".join(value.lower() for name, value in headers if name.lower() == b"connection")
    return b"close" in (option.strip() for option in said.split(b","))
