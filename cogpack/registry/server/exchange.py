"""An exchange answers the requests of one connection, and reports each once. What they mean is `api.py`'s business."""

from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from io import BufferedReader
from pathlib import Path
from socketserver import BaseServer
from typing import TypeAlias

from cogpack.errors import CogpackError
from cogpack.registry.server.body import Body
from cogpack.registry.server.connections import Connections
from cogpack.registry.server.failure import Refusal
from cogpack.registry.server.head import BadHead, Head, read_head

OnRequest: TypeAlias = Callable[[str, str, int, int], None]
"""Method, path with query, bytes of body received, bytes of body sent."""

_LEFTOVER = 8 * 1024 * 1024
"""Bytes of a refused body that are read so that the connection lives on."""

_SLICE = 256 * 1024
"""Bytes of a file that are sent at a time, between which the client's pace is taken."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})

_TLS_HANDSHAKE = b"\x16"


class Exchange(BaseHTTPRequestHandler):
    """The base of what answers the requests of a connection: all of them, before its `__init__` returns.

    `on_request` hears of an answer in memory before it is sent, of a file after.
    """

    protocol_version = "HTTP/1.1"
    server_version = "cogpack"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = 300  # seconds of silence: a client may be busy making the next piece
    rfile: BufferedReader
    body: Body
    query: Mapping[str, Sequence[str]]

    def __init__(
        self,
        request: object,
        client_address: object,
        server: BaseServer,
        *,
        connections: Connections,
        on_request: OnRequest,
    ) -> None:
        self.connections = connections
        self.on_request = on_request
        self._answered = self._waits = False
        super().__init__(request, client_address, server)  # type: ignore[arg-type]  # the stub knows TCP's types only

    def respond(self) -> None:
        """Answer the request, or raise `Refusal`."""
        raise NotImplementedError

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # the client is gone; what it has uploaded stays for a while

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing is printed here; see `on_request`."""

    def handle_one_request(self) -> None:
        try:
            # Clients that try TLS first wait for a line end here, and a ClientHello may hold none.
            if self.rfile.peek(1)[:1] == _TLS_HANDSHAKE:
                raise BadHead(400, "this is TLS, and plain HTTP is spoken here")
            head = read_head(self.rfile)
        except BadHead as bad:
            self.requestline = self.request_version = self.command = ""
            self.send_error(bad.status, explain=bad.why)
            return
        if head is None:
            self.close_connection = True
            return
        self.command, self.path, self.request_version = head.method, head.target, head.version
        self.requestline = f"{head.method} {head.target} {head.version}"
        self.headers = head.headers
        self.close_connection = not head.keeps
        self._exchange(head)

    def authorise(self) -> None:
        """Raise `Refusal` where the client may not use the server: before it costs anybody a place."""
        raise NotImplementedError

    def _exchange(self, head: Head) -> None:
        self._answered = False
        place = self.connections.place(self.connection)
        self._waits = head.expects
        self.body = Body(self.rfile, head.headers, place, self._proceed)
        try:
            self._check_origin()
            self.authorise()
            with self.connections.at_work(self.connection):
                self._answer()
        except Refusal as refusal:
            self._refuse(refusal)

    def _answer(self) -> None:
        try:
            if self.command not in _METHODS:
                raise Refusal(501, "UNSUPPORTED", f"{self.command:.40}: no such method")
            self.respond()
        except (ConnectionError, TimeoutError):
            if not self._answered:
                self.on_request(self.command, self.path, self.body.received, 0)
            raise
        except Refusal as refusal:
            self._refuse(refusal)
        except CogpackError as error:  # the disk is full, or somebody else wrote into the directory
            self._refuse(Refusal(500, "UNKNOWN", error.message))

    def _proceed(self) -> None:
        if self._waits:
            self._waits = False
            self.send_response_only(100)
            self.end_headers()

    def _check_origin(self) -> None:
        """Refuse what a page of the web sends: a browser on this machine lets it, and says whose page it is."""
        host = self.headers.get("Host", "").lower()
        origin = self.headers.get("Origin")
        if origin is not None and origin.partition("://")[2].lower() != host:
            raise Refusal(403, "DENIED", f"pages of {origin!r:.100} may not use this registry")

    def _refuse(self, refusal: Refusal) -> None:
        if self._answered:
            self.close_connection = True
            return
        headers = {"Content-Type": "application/json", **refusal.headers}
        self.answer(refusal.status, refusal.body, headers)

    def asked(self, name: str) -> str:
        """Return a parameter of the query, the last one of that name; empty where there is none."""
        return self.query.get(name, [""])[-1]

    def _head(self, status: int, size: int | None, headers: Mapping[str, str]) -> None:
        self._answered = True
        self.send_response(status)
        self.send_header("Docker-Distribution-API-Version", "registry/2.0")
        for name, value in headers.items():
            self.send_header(name, value)
        if size is not None:
            self.send_header("Content-Length", str(size))
        if self.close_connection:
            self.send_header("Connection", "close")

    def answer(self, status: int, data: bytes = b"", headers: Mapping[str, str] = {}) -> None:
        """Send an answer in memory. A HEAD gets its headers only."""
        self._drain()
        self._head(status, None if status == 204 else len(data), headers)
        sent = b"" if self.command == "HEAD" else data
        self.on_request(self.command, self.path, self.body.received, len(sent))
        self._flush_with(sent)

    def answer_file(self, status: int, path: Path, start: int, end: int, headers: Mapping[str, str]) -> None:
        """Send bytes `start` to `end` (exclusive) of a file, by the kernel's own copying."""
        self._drain()
        self._head(status, end - start, headers)
        if self.command != "GET":
            self.on_request(self.command, self.path, self.body.received, 0)
            self._flush_with(b"")
            return
        place = self.connections.place(self.connection)
        with path.open("rb") as stream:
            sent = 0
            try:
                self._flush_with(b"")
                while sent < end - start:
                    with place.waiting():
                        size = self.connection.sendfile(stream, start + sent, min(_SLICE, end - start - sent))
                    if not size:
                        break
                    place.moved(size)
                    sent += size
            finally:
                self.on_request(self.command, self.path, self.body.received, sent)
            if sent != end - start:
                self.close_connection = True  # the file is shorter than it was

    def _drain(self) -> None:
        if self._waits:  # whether the body comes now, nobody can tell
            self.close_connection = self.close_connection or not self.body.drained
        elif not self.close_connection and not self.body.drained:
            linger = self.connections.patience.linger
            self.connection.settimeout(linger)
            self.close_connection = not self.body.drain(_LEFTOVER, linger)
            self.connection.settimeout(self.timeout)

    def _flush_with(self, data: bytes) -> None:
        self.end_headers()
        if data:
            self.wfile.write(data)
