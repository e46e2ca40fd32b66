"""A page is served on loopback beside the server of a model, which answers no page of another origin: the page asks
here, and its predictions are handed on.

What comes of them is given as coglet's events, or, of a server that gives none, as the last one of them. Where the
browser hangs up, the prediction is cancelled.

Nobody else's page may ask: names of others that lead here (DNS rebinding) are refused, and so are other origins.
"""

import http.client
import json
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cogpack.running.options import Address

LOOPBACK = "127.0.0.1"
_NAMES = frozenset({LOOPBACK, "localhost", "[::1]"})
_PREDICTION = re.compile(r"/predictions/[\w-]{1,64}")
_CANCEL = re.compile(r"/predictions/[\w-]{1,64}/cancel")
_EVENTS = "text/event-stream"
_BLOCK = 64 * 1024
_BODY = 100 * 1024 * 1024
"""Bytes that coglet takes."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Connection": "close",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageServer(ThreadingHTTPServer):
    """Serves `page`, which is set before its threads run. Predictions go to `model`."""

    daemon_threads = True
    block_on_close = False  # a thread may wait for a model that is about to be ended
    page: bytes = b""

    def __init__(self, model: Address, port: int) -> None:
        self.model = model
        super().__init__((LOOPBACK, port), _Exchange)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}"

    def end(self, thread: threading.Thread) -> None:
        """Stop listening. `thread` is the one that serves."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes it, which else looks twice a second
        self.shutdown()
        thread.join()
        self.server_close()

    def server_bind(self) -> None:
        # The base class's own would ask DNS for this machine's name.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell nobody: who asked is gone."""


class _RefusedError(Exception):
    """Raised of what is answered with `status`, and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class _Exchange(BaseHTTPRequestHandler):
    """Answers one request."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    server_version = "cogpack"
    sys_version = ""
    _asked: socket.socket | None = None
    _gone = False

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Print nothing."""

    def do_GET(self) -> None:
        self._answer(self._page)

    def do_PUT(self) -> None:
        self._answer(self._predict)

    def do_POST(self) -> None:
        self._answer(self._cancel)

    def _answer(self, act: Callable[[], None]) -> None:
        self.close_connection = True
        try:
            self._check()
            act()
        except _RefusedError as refused:
            self._send_error(refused.status, str(refused))
        except (OSError, http.client.HTTPException) as error:
            with suppress(OSError):
                self._send_error(HTTPStatus.BAD_GATEWAY, f"the model's server does not answer: {error}")

    def _check(self) -> None:
        host = self.headers.get("Host", "").lower()
        if re.sub(r":\d+$", "", host) not in _NAMES:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "this page is at 127.0.0.1, and at no name of others")
        if self.headers.get("Origin", f"http://{host}").lower() != f"http://{host}":
            raise _RefusedError(HTTPStatus.FORBIDDEN, "pages of others may not ask here")

    def _page(self) -> None:
        if self.path != "/":
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is one page, at /")
        self._send(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")

    def _predict(self) -> None:
        if not _PREDICTION.fullmatch(self.path):
            raise _RefusedError(HTTPStatus.NOT_FOUND, "predictions are put to /predictions/ID")
        body = self._body()
        watch = threading.Thread(target=self._hang_up, daemon=True)
        watch.start()
        try:
            if not self._ask(body, _EVENTS):  # it gives none, and has not begun
                self._ask(body, "application/json")
        finally:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RD)
            watch.join()

    def _ask(self, body: bytes, accept: str) -> bool:
        """Ask for a prediction, and give what comes of it; False where it can't be given as `accept` says."""
        connection = http.client.HTTPConnection(*self.server.model)
        try:
            connection.connect()
            self._asked = connection.sock
            if self._gone:
                return True
            connection.request("PUT", self.path, body, {"Content-Type": "application/json", "Accept": accept})
            answer = connection.getresponse()
            if answer.status == HTTPStatus.NOT_ACCEPTABLE:
                return False
            if answer.status != HTTPStatus.OK:
                self._send(answer.status, answer.read())
                return True
            self._head(HTTPStatus.OK, {"Content-Type": _EVENTS})
            if answer.headers.get_content_type() == _EVENTS:
                while block := answer.read1(_BLOCK):
                    self.wfile.write(block)
            else:
                self.wfile.write(b"event: completed\ndata: %b\n\n" % b" ".join(answer.read().splitlines()))
            return True
        finally:
            connection.close()

    def _hang_up(self) -> None:
        """Hang up on the model's server when the browser does."""
        with suppress(OSError):
            self.connection.recv(1, socket.MSG_PEEK)
        self._gone = True
        if self._asked:
            with suppress(OSError):
                self._asked.shutdown(socket.SHUT_RDWR)

    def _cancel(self) -> None:
        if not _CANCEL.fullmatch(self.path):
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is nothing to post to but /predictions/ID/cancel")
        connection = http.client.HTTPConnection(*self.server.model)
        try:
            connection.request("POST", self.path)
            answer = connection.getresponse()
            self._send(answer.status, answer.read())
        finally:
            connection.close()

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,12}", length):
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "a length is needed")
        if int(length) > _BODY:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the model's server takes {_BODY} bytes at most")
        return self.rfile.read(int(length))

    def _send(self, status: int, data: bytes, media_type: str = "application/json") -> None:
        self._head(status, {"Content-Type": media_type, "Content-Length": str(len(data))})
        self.wfile.write(data)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (_HEADERS | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def _send_error(self, status: int, why: str) -> None:
        self._send(status, json.dumps({"error": why}).encode())
