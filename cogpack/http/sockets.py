"""Sockets under httpcore are connected to checked addresses only, and never wait longer than `Deadlines` allow.

A socket is watched for the answer while a body is being sent: a server that says 401 or 413 at the first byte is heard
at once, whether it then goes on reading, stops, or closes. httpcore hands each call the "timeout" of its request,
which with us is the `Deadlines`.
"""

import contextlib
import os
import select
import socket
import ssl
from collections.abc import Iterable
from typing import Any, TypeAlias

import httpcore

from cogpack.http.deadlines import READ, WRITE, Deadlines
from cogpack.http.guard import Guard
from cogpack.http.nested import NestedTLS

Socket: TypeAlias = socket.socket | ssl.SSLSocket | NestedTLS

_PIECE = 64 * 1024
"""Bytes handed to a socket at a time: TLS tells nothing of a piece before all of it is gone."""
_READ = 250_000
"""Bytes taken from a socket at a time, where httpcore asks for 64 KiB: each block costs those who pass it on.

No multiple of a page: h11 copies each block three times, and between buffers whose addresses differ by whole pages and
a few bytes a copy takes a processor three times as long (1.2 s for a GiB with 256 KiB, 0.6 s with this).
"""
_EARLY = 64 * 1024
"""Bytes of an early answer that are looked at."""
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class CertificateError(httpcore.ConnectError):
    """Is raised where theirs is not to be trusted, or they won't have ours. Trying again changes nothing."""


class Backend(httpcore.NetworkBackend):
    """Connects to what a user named (`origin` is None), or to what the host `origin` named."""

    def __init__(self, guard: Guard, origin: str | None) -> None:
        self._guard = guard
        self._origin = origin

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: Any = None,
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        deadlines = _deadlines(timeout)
        name = host.strip("[]").rstrip(".")
        try:
            addresses = self._guard.addresses(name, port)
        except OSError as error:
            raise httpcore.ConnectError(f"{name} has no address: {error.strerror or error}") from error
        if self._origin is not None:
            self._guard.check(name, addresses, origin=self._origin)
        failure: Exception = httpcore.ConnectError(f"{name} has no address")
        for address in addresses:
            deadlines.connecting(len(addresses))
            try:
                connected = _connect(address, port, deadlines)
            except TimeoutError as error:
                self._guard.missed(address)
                failure = httpcore.ConnectTimeout(f"{address}: {error}")
            except OSError as error:
                failure = httpcore.ConnectError(f"{address}: {error.strerror or error}")
            else:
                self._guard.met(name, address)
                return Connection(connected)
        raise failure


class Connection(httpcore.NetworkStream):
    """Reads and writes one connection, whose socket never blocks."""

    def __init__(self, connected: Socket) -> None:
        self._socket = connected
        self._early = bytearray()
        self._ended = False
        self._broken: OSError | None = None
        self.was_read = False
        """Whether anything was asked of it since the last write: an answer that is there before that is no answer."""

    def read(self, max_bytes: int, timeout: Any = None) -> bytes:
        self.was_read = True
        deadlines = _deadlines(timeout)
        deadlines.receiving()
        if self._early or self._ended:
            found = bytes(self._early[:max_bytes])
            del self._early[:max_bytes]
            return found
        while True:
            try:
                if self._broken:
                    raise self._broken
                found = self._socket.recv(max(max_bytes, _READ))
            except _NOT_YET as error:
                self._wait(deadlines, error, READ, httpcore.ReadTimeout)
            except OSError as error:
                raise _refused_us(error) or httpcore.ReadError(_said(error)) from error
            else:
                if isinstance(self._socket, ssl.SSLSocket):
                    found = self._more(found, max(max_bytes, _READ))
                try:
                    deadlines.moved(len(found))
                except TimeoutError as error:
                    raise httpcore.ReadTimeout(str(error)) from error
                return found

    def _more(self, found: bytes, max_bytes: int) -> bytes:
        """Join what is there: TLS gives a record of 16 KiB at a time, and each block costs those who pass it on."""
        parts, size = [found], len(found)
        try:
            while found and size < max_bytes:
                found = self._socket.recv(max_bytes - size)
                parts.append(found)
                size += len(found)
        except _NOT_YET:
            pass
        except OSError as error:  # told by the next read: what came before it may be the answer
            self._broken = error
        return b"".join(parts)

    def write(self, buffer: bytes, timeout: Any = None) -> None:
        self.was_read = False
        deadlines = _deadlines(timeout)
        deadlines.sending()
        view = memoryview(buffer)
        while view:
            self._listen()
            try:
                sent = self._socket.send(view[:_PIECE])
            except _NOT_YET as error:
                self._wait(deadlines, error, WRITE | READ, httpcore.WriteTimeout)
            except OSError as error:  # httpcore goes on to read: what they said before is still there
                raise httpcore.WriteError(_said(error)) from error
            else:
                deadlines.moved(sent)
                view = view[sent:]

    def _listen(self) -> None:
        """Stop sending (`WriteError`) if an answer or the end came already; httpcore goes on to read it."""
        if not self._ended and not _readable(self._socket):
            return
        while not self._ended and len(self._early) < _EARLY:
            try:
                found = self._socket.recv(_EARLY)
            except _NOT_YET:  # with TLS, a session ticket makes a socket readable, too
                break
            except OSError as error:
                self._broken = error
                raise httpcore.WriteError(_said(error)) from error
            self._early += found
            self._ended = not found
        if self._ended or _is_answer(bytes(self._early)) or len(self._early) >= _EARLY:
            raise httpcore.WriteError("answered before the end of the request")

    def _wait(self, deadlines: Deadlines, why: Exception, events: int, late: type[httpcore.TimeoutException]) -> None:
        if isinstance(why, ssl.SSLWantReadError):
            events = READ
        elif isinstance(why, ssl.SSLWantWriteError):
            events |= WRITE
        try:
            deadlines.wait(self._socket, events)
        except TimeoutError as error:
            raise late(str(error)) from error

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: Any = None
    ) -> httpcore.NetworkStream:
        deadlines = _deadlines(timeout)
        deadlines.connecting()
        name = (server_hostname or "").strip("[]").rstrip(".")
        try:
            if isinstance(self._socket, socket.socket) and not isinstance(self._socket, ssl.SSLSocket):
                secured: ssl.SSLSocket | NestedTLS = ssl_context.wrap_socket(
                    self._socket, server_hostname=name, do_handshake_on_connect=False
                )
            else:
                secured = NestedTLS(ssl_context, self._socket, name)
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
            raise CertificateError(error.verify_message or str(error)) from error
        except TimeoutError as error:
            self.close()
            raise httpcore.ConnectTimeout(f"TLS: {error}") from error
        except OSError as error:
            self.close()
            raise _refused_us(error) or httpcore.ConnectError(_said(error)) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def abort(self) -> None:
        """End it from another thread: whoever waits for it finds it ended. Closing it stays its owner's."""
        with contextlib.suppress(OSError, ValueError), socket.socket(fileno=os.dup(self._socket.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # asked of idle connections: one that is readable has ended
            return self._socket.fileno() < 0 or _readable(self._socket)
        return None


def _deadlines(timeout: object) -> Deadlines:
    assert isinstance(timeout, Deadlines)
    return timeout


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


def _readable(connected: Socket) -> bool:
    poll = select.poll()
    poll.register(connected, READ)
    return bool(poll.poll(0))


def _is_answer(early: bytes) -> bool:
    """Say whether there is a final answer; 100 Continue and its like (RFC 9110 15.2) are none."""
    while early[:5] == b"HTTP/" and early[8:10] == b" 1":
        _, end, early = early.partition(b"\r\n\r\n")
        if not end:
            return False
    return len(early) >= 10


def _refused_us(error: OSError) -> CertificateError | None:
    """Return what their alert says of certificates, if anything. TLS 1.3 says it only after the handshake.

    TLS 1.2 has no alert for a client certificate that is missing: "handshake failure" (RFC 5246 7.2.2), which is final
    as well, since the next try would offer the same.
    """
    reason = getattr(error, "reason", None) or ""
    if reason.endswith("ALERT_HANDSHAKE_FAILURE"):
        return CertificateError("handshake failure, as where a client certificate is missing or no cipher is common")
    return CertificateError(reason.replace("_", " ").lower()) if "ALERT" in reason and "CERTIFICATE" in reason else None


def _said(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
