"""`TLS` over a socket that never blocks, or over TLS: a tunnel through a proxy that is itself spoken to so."""

import contextlib
import socket
import ssl
from typing import Any

_FILL = 256 * 1024
"""Bytes taken from the socket at a time."""
_RECORD = 16 * 1024
"""Bytes of data that one record has at most (RFC 8446 5.1)."""


class TLS:
    """Behaves as a non-blocking `ssl.SSLSocket` does, and takes many records from its socket at once.

    That one asks the system twice for each record of 16 KiB, gives one at a time, and can't be wrapped again.
    """

    def __init__(self, context: ssl.SSLContext, inner: "socket.socket | TLS", name: str) -> None:
        self._inner = inner
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._pending = memoryview(b"")
        self._broken: ssl.SSLError | None = None
        self.is_cut = False
        """Whether it ended without their close_notify, so that what came may be half of it (RFC 9112 9.8)."""

    def fileno(self) -> int:
        return self._inner.fileno()

    @property
    def has_more(self) -> bool:
        """Whether something has come that was not read."""
        below = isinstance(self._inner, TLS) and self._inner.has_more
        return below or self._incoming.pending > 0 or self._tls.pending() > 0

    def wake_at(self, size: int) -> None:
        """Have whoever waits woken when there may be `size` bytes: records are longer than their data, and OpenSSL may
        have taken a part of one already."""
        wake_at(self._inner, max(1, size - self._incoming.pending - self._tls.pending() - _RECORD))

    def do_handshake(self) -> None:
        came = 0
        while True:
            self._flush()
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                if self._is_drained(came):
                    raise
                came = self._fill()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush()  # they are told why
                raise
            else:
                break
        self._flush()

    def send(self, data: memoryview) -> int:
        self._flush()
        sent = self._tls.write(data)
        with contextlib.suppress(ssl.SSLWantWriteError, ssl.SSLWantReadError):  # it is taken: the next call goes on
            self._flush()
        return sent

    def recv(self, size: int) -> bytes:
        view = memoryview(bytearray(size))
        return view[: self.recv_into(view)].tobytes()

    def recv_into(self, view: memoryview) -> int:
        """Read what is there into `view`; answers how many bytes, 0 at the end."""
        if self._broken:
            raise self._broken
        filled = came = 0
        while filled < len(view):
            try:
                if not (size := self._read(view[filled:])):  # their close_notify
                    break
                filled += size
            except ssl.SSLWantReadError as want:
                if filled:
                    break
                unsent = self._unsent()
                if self._is_drained(came):
                    raise unsent or want from None
                try:
                    came = self._fill()
                except (BlockingIOError, ssl.SSLWantReadError) as error:
                    raise unsent or error from None
            except ssl.SSLEOFError:
                self.is_cut = True
                break
            except ssl.SSLError as error:
                if not filled:
                    raise
                self._broken = error  # told by the next call: what came before it may be the answer
                break
        return filled

    def _read(self, view: memoryview) -> int:
        read: Any = self._tls.read  # answers a number where it is given a buffer, as that of SSLSocket
        size: int = read(len(view), view)
        return size

    def shutdown(self, how: int) -> None:
        self._inner.shutdown(how)

    def close(self) -> None:
        self._inner.close()

    def _flush(self) -> None:
        """Send what is to be sent; `SSLWantWriteError` where the socket does not take all of it."""
        try:
            while self._pending or self._outgoing.pending:
                if not self._pending:
                    self._pending = memoryview(self._outgoing.read())
                self._pending = self._pending[self._inner.send(self._pending) :]
        except BlockingIOError as error:
            raise ssl.SSLWantWriteError from error

    def _unsent(self) -> OSError | None:
        """Send what is to be sent before they are waited for, who may wait for it: they may renegotiate.

        The error says why not all of it goes: they may have answered all the same, and ended or stopped reading.
        """
        try:
            self._flush()
        except OSError as error:
            return error
        return None

    def _fill(self) -> int:
        """Take what is there from the socket; answers how many bytes."""
        if found := self._inner.recv(_FILL):
            self._incoming.write(found)
        else:
            self._incoming.write_eof()
        return len(found)

    def _is_drained(self, came: int) -> bool:
        """Whether to wait after `came` bytes, which were not enough: records without data may come without end.

        The socket then says whether there is more, but nothing says it of TLS that had more than was taken.
        """
        return came > 0 and not (isinstance(self._inner, TLS) and came == _FILL)


def wake_at(connected: socket.socket | TLS, size: int) -> None:
    """Have whoever waits for `connected` woken at `size` bytes, as many as the system keeps, or its end (tcp(7))."""
    if isinstance(connected, TLS):
        connected.wake_at(size)
    else:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
