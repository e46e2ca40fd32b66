"""`NestedTLS` is TLS inside TLS, for a tunnel through a proxy that is itself spoken to over TLS."""

import contextlib
import ssl
from typing import Protocol


class _Socket(Protocol):
    def fileno(self) -> int: ...
    def recv(self, size: int, /) -> bytes: ...
    def send(self, data: memoryview, /) -> int: ...
    def close(self) -> None: ...


class NestedTLS:
    """Behaves as a non-blocking `ssl.SSLSocket` does, which itself can't be wrapped again."""

    def __init__(self, context: ssl.SSLContext, inner: _Socket, name: str) -> None:
        self._inner = inner
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._pending = memoryview(b"")

    def fileno(self) -> int:
        return self._inner.fileno()

    def do_handshake(self) -> None:
        while True:
            self._flush()
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
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
        self._flush()
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                self._fill()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    def recv_into(self, view: memoryview) -> int:
        found = self.recv(len(view))
        view[: len(found)] = found
        return len(found)

    def close(self) -> None:
        self._inner.close()

    def _flush(self) -> None:
        while self._pending or self._outgoing.pending:
            if not self._pending:
                self._pending = memoryview(self._outgoing.read())
            self._pending = self._pending[self._inner.send(self._pending) :]

    def _fill(self) -> None:
        if found := self._inner.recv(64 * 1024):
            self._incoming.write(found)
        else:
            self._incoming.write_eof()
