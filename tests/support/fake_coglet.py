"""A stand-in for coglet's server: predictions with events, or as one answer, as the real one was seen to give them."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Model = Callable[[dict[str, Any], threading.Event], Iterator[tuple[str, Any]]]
"""Inputs and whether it is cancelled in; `("log", TEXT)`, `("output", PIECE)` and `("result", ALL)` out."""


class FakeCoglet:
    """Serves a model for a `with`. `streams`: its schema says that it may."""

    def __init__(self, model: Model, *, streams: bool = True, refuses: dict[str, str] | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self.cancelled: dict[str, threading.Event] = {}
        self.statuses: list[str] = []
        """Of all predictions that ended."""
        self.begun, self.ended = threading.Event(), threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def send(self, status: int, body: Any) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self) -> None:
                event = fake.cancelled.get(self.path.split("/")[2])
                if event:
                    event.set()
                self.send(200 if event else 404, {})

            def do_PUT(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                events = self.headers.get("Accept") == "text/event-stream"
                if events and not streams:
                    self.send(406, {"error": "This model does not support streaming responses."})
                    return
                fake.asked.append(request)
                if refuses:
                    detail = [{"loc": ["body", "input", name], "msg": why} for name, why in refuses.items()]
                    self.send(422, {"detail": detail})
                    return
                name = self.path.rpartition("/")[2]
                cancelled = fake.cancelled[name] = threading.Event()
                fake.begun.set()
                watch = threading.Thread(target=self._watch, args=[cancelled], daemon=True)
                watch.start()
                state: dict[str, Any] = {"id": name, "status": "processing", "logs": ""}
                if events:
                    self.send_response(200)
                    self.send_header("Content-Type", "text/event-stream")
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                try:
                    if events:
                        self._event("start", {"id": name, "status": "processing"})
                    for kind, what in model(request["input"], cancelled):
                        self._went_on(state, kind, what, events)
                    state["status"] = "canceled" if cancelled.is_set() else "succeeded"
                except ValueError as error:
                    state |= {"status": "failed", "error": str(error)}
                except OSError:  # who asked is gone
                    state["status"] = "canceled"
                fake.statuses.append(state["status"])
                fake.ended.set()
                if events:
                    self._event("completed", state)
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.send(200, state)
                self.close_connection = True

            def _watch(self, cancelled: threading.Event) -> None:
                try:
                    if not self.connection.recv(1, socket.MSG_PEEK):
                        cancelled.set()
                except OSError:
                    cancelled.set()

            def _went_on(self, state: dict[str, Any], kind: str, what: Any, events: bool) -> None:
                if kind == "log":
                    state["logs"] += what
                elif kind == "output":
                    state["output"] = [*state.get("output", []), what]
                else:
                    state["output"] = what
                if events and kind == "log":
                    self._event("log", {"source": "stdout", "data": what})
                elif events:
                    index = len(state["output"]) - 1 if kind == "output" else 0
                    self._event("output", {"chunk": what, "index": index})

            def _event(self, name: str, data: Any) -> None:
                block = f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Who asked is gone."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.01))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for event in self.cancelled.values():
            event.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
