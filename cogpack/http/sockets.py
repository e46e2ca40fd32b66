"""A `Connection` never waits longer than `Deadlines` allow.

Its socket is watched for the answer while a body is being sent: a server that says 401 or 413 at the first byte is
heard at once, whether it then goes on reading, stops, or closes.
"""

import contextlib
import os
import select
import socket
import ssl
import time
from typing import Self, TypeAlias

import httpx

from cogpack.http.deadlines import READ, WRITE, Deadlines
from cogpack.http.tls import TLS, wake_at
from cogpack.patterns import pattern

Socket: TypeAlias = socket.socket | TLS

_PIECE = 256 * 1024
"""Bytes handed to a socket at a time, between looks at what they say;"""
_PIECE_OF_TLS = 64 * 1024
"""to TLS, which tells nothing of a piece before all of it is gone."""
_MOMENT = 0.05
"""Seconds."""
_EARLY = 64 * 1024
"""Bytes of an early answer that are looked at."""
_END_OF_HEAD = pattern(rb"\n\r?\n")
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class RefusedCertificateError(httpx.ConnectError):
    """Is raised where theirs is not to be trusted, or they won't have ours. Trying again changes nothing.

    `by_proxy`: whether that is between the proxy and us, and not the host behind it.
    """

    by_proxy = False


class Connection:
    """Reads and writes one connection, whose socket never blocks. All that fails is one of `httpx.TransportError`."""

    def __init__(self, connected: Socket) -> None:
        self._socket = connected
        self._early = bytearray()
        self._ended = False
        self._broken: OSError | None = None
        self._was_aborted = False
        self._flows = False
        """Whether the last block was filled: then so is the next, in a moment that need not count."""
        self.was_used = False
        """Whether there was a request before: then the other side may end it at any time (RFC 9112 9.5)."""

    @classmethod
    def to(cls, address: str, port: int, deadlines: Deadlines) -> Self:
        """Connect to a numeric address."""
        try:
            return cls(_connect(address, port, deadlines))
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"{address}: {error}") from error
        except OSError as error:
            raise httpx.ConnectError(f"{address}: {error.strerror or error}") from error

    def read(self, size: int, deadlines: Deadlines) -> bytes:
        """Read what is there of `size` bytes, at least one; none at the end."""
        deadlines.receiving()
        if self._early or self._ended:
            found = bytes(self._early[:size])
            del self._early[:size]
            return found
        while True:
            try:
                if self._broken:
                    raise self._broken
                found = self._socket.recv(size)
            except _NOT_YET as error:
                self._wait(deadlines, error, READ, httpx.ReadTimeout)
            except OSError as error:
                raise _refused_us(error) or httpx.ReadError(_said(error)) from error
            else:
                _count(deadlines, len(found))
                return found

    def read_into(self, view: memoryview, deadlines: Deadlines, filled: int = 0) -> int:
        """Read into `view` what is there and what comes in the next moment, one byte at least; none at the end.

        `filled`: bytes that are in it already, and count.

        Few long blocks cost those who pass them on less than many short ones: a line of 40 MB/s has ten times as much
        for us a moment later, and the system wakes us when all of it is there (SO_RCVLOWAT, tcp(7)). Where the last
        block was filled, this one is not asked for before; but TLS is, which may have it already.
        """
        if self._early or self._ended:
            found = self.read(len(view) - filled, deadlines)
            view[filled : filled + len(found)] = found
            return filled + len(found)
        until = time.monotonic() + _MOMENT if filled or self._flows else 0.0
        plain = not isinstance(self._socket, TLS)
        dry = plain
        while filled < len(view):
            if until and dry:
                if (left := until - time.monotonic()) > 0:
                    self._gather(len(view) - filled, left, deadlines)
                elif filled:
                    break
                else:
                    until = 0.0
            try:
                if self._broken:
                    raise self._broken
                size = self._socket.recv_into(view[filled:])
            except _NOT_YET as error:
                if not until:
                    self._wait(deadlines, error, READ, httpx.ReadTimeout)
                dry = True
                continue
            except OSError as error:
                if filled:  # told by the next read
                    self._broken = error
                    break
                raise _refused_us(error) or httpx.ReadError(_said(error)) from error
            if not size:
                break
            filled += size
            dry = plain  # a read that is short took all that there was
            until = until or time.monotonic() + _MOMENT
            _count(deadlines, size)
        self._flows = filled == len(view)
        return filled

    def _gather(self, size: int, seconds: float, deadlines: Deadlines) -> None:
        """Wait so long, at most, until `size` bytes are there, or as many as the system keeps; or the end."""
        with contextlib.suppress(OSError):  # a socket that is closed; a system that has no such option
            wake_at(self._socket, size)
        began = time.monotonic()
        _readable(self._socket, seconds)
        with contextlib.suppress(OSError):
            wake_at(self._socket, 1)
        try:
            deadlines.gathered(time.monotonic() - began)
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error)) from error

    def write(self, buffer: bytes, deadlines: Deadlines) -> None:
        """Send all of `buffer`; `WriteError` also where an answer or the end comes first, which can then be read."""
        deadlines.sending()
        view, most = memoryview(buffer), _PIECE_OF_TLS if isinstance(self._socket, TLS) else _PIECE
        while view:
            self._listen()
            try:
                sent = self._socket.send(view[:most])
            except _NOT_YET as error:
                self._wait(deadlines, error, WRITE | READ, httpx.WriteTimeout)
            except OSError as error:  # an `Exchange` goes on to read: what they said before is there
                raise httpx.WriteError(_said(error)) from error
            else:
                deadlines.moved(sent)
                view = view[sent:]

    def _listen(self) -> None:
        """Stop sending (`WriteError`) if an answer or the end came already; an `Exchange` goes on to read it.

        Behind an earlier answer, what is none belongs to that one: they ended this connection's use, and it counts as
        its end. To wait for the answer would be in vain, since they did not get all of the request.
        """
        if not self._ended and not self._has_come():
            return
        while not self._ended and len(self._early) < _EARLY:
            try:
                found = self._socket.recv(_EARLY)
            except _NOT_YET:  # with TLS, a session ticket makes a socket readable, too
                break
            except OSError as error:
                self._broken = error
                raise httpx.WriteError(_said(error)) from error
            self._early += found
            self._ended = not found
        if self.was_used and not b"HTTP/".startswith(self._early[:5]):
            self._early.clear()
            self._ended = True
        if self._ended or _is_answer(bytes(self._early)) or len(self._early) >= _EARLY:
            raise httpx.WriteError("answered before the end of the request")

    def _wait(self, deadlines: Deadlines, why: Exception, events: int, late: type[httpx.TimeoutException]) -> None:
        if isinstance(why, ssl.SSLWantReadError):
            events = READ
        elif isinstance(why, ssl.SSLWantWriteError):
            events |= WRITE
        try:
            deadlines.wait(self._socket, events)
        except TimeoutError as error:
            raise late(str(error)) from error

    def start_tls(self, context: ssl.SSLContext, name: str, deadlines: Deadlines) -> "Connection":
        """Give the connection that goes on inside TLS with the host `name`. This one is closed where that fails."""
        deadlines.connecting()
        try:
            secured = TLS(context, self._socket, name)
            self._socket = secured
            while True:
                try:
                    secured.do_handshake()
                except _NOT_YET as error:
                    deadlines.wait(secured, WRITE if isinstance(error, ssl.SSLWantWriteError) else READ)
                else:
                    return Connection(secured)
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise RefusedCertificateError(error.verify_message or str(error)) from error
        except TimeoutError as error:
            self.close()
            raise httpx.ConnectTimeout(f"TLS: {error}") from error
        except OSError as error:
            self.close()
            raise _refused_us(error) or httpx.ConnectError(_said(error)) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def abort(self) -> None:
        """End it from another thread: whoever waits for it finds it ended. Closing it stays its owner's."""
        self._was_aborted = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    @property
    def is_cut(self) -> bool:
        """Whether its end is not how they end it, and tells nothing of the end of a body."""
        return self._was_aborted or (isinstance(self._socket, TLS) and self._socket.is_cut)

    @property
    def is_over(self) -> bool:
        """Whether an idle connection has ended: one that is readable has, or what comes of it is no answer to us.

        But with TLS it may be session tickets, which come behind the handshake: they are taken, and then their end may
        be next."""
        if not self._has_come():
            return False
        if isinstance(self._socket, TLS):
            with contextlib.suppress(OSError):
                try:
                    self._socket.recv(1)
                except _NOT_YET:
                    return self._has_come()
        return True

    def _has_come(self) -> bool:
        """Whether something may have come that was not read, or the end."""
        return (isinstance(self._socket, TLS) and self._socket.has_more) or _readable(self._socket)


def _connect(address: str, port: int, deadlines: Deadlines) -> socket.socket:
    connected = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connected.settimeout(0)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BlockingIOError):
            connected.connect((address, port))
        deadlines.wait(connected, WRITE)
        if code := connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
    except BaseException:
        connected.close()
        raise
    return connected


def _readable(connected: Socket, seconds: float = 0) -> bool:
    poll = select.poll()
    try:
        poll.register(connected, READ)
    except ValueError:  # closed by another thread, as reading it says
        return True
    return bool(poll.poll(seconds * 1000))


def _count(deadlines: Deadlines, size: int) -> None:
    try:
        deadlines.moved(size)
    except TimeoutError as error:
        raise httpx.ReadTimeout(str(error)) from error


def _is_answer(early: bytes) -> bool:
    """Say whether there is a final answer; 100 Continue and its like (RFC 9110 15.2) are none."""
    while early[:5] == b"HTTP/" and early[8:10] == b" 1":
        if not (end := _END_OF_HEAD.search(early)):
            return False
        early = early[end.end() :]
    return len(early) >= 10


def _refused_us(error: OSError) -> RefusedCertificateError | None:
    """Return what their alert says of certificates, if anything. TLS 1.3 says it only after the handshake.

    TLS 1.2 has no alert for a client certificate that is missing: "handshake failure" (RFC 5246 7.2.2), which is final
    as well, since the next try would offer the same.
    """
    reason = getattr(error, "reason", None) or ""
    if reason.endswith("ALERT_HANDSHAKE_FAILURE"):
        return RefusedCertificateError(
            "handshake failure, as where a client certificate is missing or no cipher is common"
        )
    return (
        RefusedCertificateError(reason.replace("_", " ").lower())
        if "ALERT" in reason and "CERTIFICATE" in reason
        else None
    )


def _said(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
