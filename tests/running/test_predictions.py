"""One prediction is asked of a server; what it yields is seen while it comes, and costs the result nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from cogpack.errors import ModelError
from cogpack.progress import Cancellation, Cancelled
from cogpack.running.options import Address
from cogpack.running.predictions import plain_failure, predict


class Model:
    """Yields `pieces`; tells the last event as it is told to."""

    def __init__(self, pieces: list[str], *, streams: bool = True, last: str = "completed", ends: bool = True) -> None:
        self.pieces = pieces
        self.streams = streams
        self.last = last
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.seen = threading.Event()
        self.canceled = threading.Event()
        self.path = ""
        if ends:
            self.may_end.set()

    def answer(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        if path.endswith("/cancel"):
            self.canceled.set()
            self.may_end.set()
            return 200, {}
        self.path = path
        self.begun.set()
        self.may_end.wait(10)
        if self.canceled.is_set():
            return 200, {"status": "canceled"}
        return 200, {"status": "succeeded", "output": self.pieces, "metrics": {"given": body["input"]["n"]}}

    def stream(self, body: Any) -> tuple[int, bytes]:
        if not self.streams:
            return 406, b"{}"
        if not self.begun.is_set():
            return 422, b"{}"
        assert body == {"input": 0}
        events = [("start", {})]
        events += [("output", {"chunk": piece, "index": number}) for number, piece in enumerate(self.pieces)]
        events.append((self.last, {}))
        return 200, b"".join(b"event: %s\ndata: %s\n\n" % (n.encode(), msgspec.json.encode(d)) for n, d in events)


@contextmanager
def served(model: Model) -> Iterator[Address]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.do_PUT()

        def do_PUT(self) -> None:
            body = msgspec.json.decode(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
            if self.headers.get("Accept") == "text/event-stream":
                status, data = model.stream(body)
            else:
                status, found = model.answer(self.path, body)
                data = msgspec.json.encode(found)
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            if status == 200 and data.startswith(b"event"):
                model.seen.set()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield Address("127.0.0.1", server.server_address[1])
        server.shutdown()


def test_what_a_model_yields_is_seen_before_its_end() -> None:
    model, seen = Model(["a", "b"], ends=False), list[str]()

    def live(piece: str) -> None:
        seen.append(piece)
        if seen == ["a", "b"]:
            model.may_end.set()

    with served(model) as address:
        found = predict(address, "prediction", {"n": 1}, live=live, cancellation=Cancellation())
    assert (found.output, found.metrics, seen) == (["a", "b"], {"given": 1}, ["a", "b"])
    assert model.path.startswith("/predictions/cogpack-")


@pytest.mark.parametrize(("streams", "last"), [(False, "completed"), (True, "error")])
def test_the_result_is_whole_where_nothing_or_too_little_was_seen(*, streams: bool, last: str) -> None:
    with served(Model(["a", "b"], streams=streams, last=last)) as address:
        found = predict(address, "training", {"n": 1}, live=lambda _: None, cancellation=Cancellation())
    assert found.output == ["a", "b"]


@pytest.mark.slow
def test_who_stops_waiting_cancels_it() -> None:
    model, cancellation = Model([], ends=False), Cancellation()
    with served(model) as address:
        threading.Thread(target=lambda: (model.begun.wait(10), cancellation.cancel())).start()
        with pytest.raises(Cancelled):
            predict(address, "prediction", {"n": 1}, live=None, cancellation=cancellation)
    assert model.canceled.is_set()


def test_a_prediction_that_others_cancel_is_a_model_that_failed() -> None:
    model = Model([])
    model.canceled.set()
    with served(model) as address, pytest.raises(ModelError, match="the prediction was canceled"):
        predict(address, "prediction", {"n": 1}, live=None, cancellation=Cancellation())


def test_a_failure_is_told_in_the_models_own_words() -> None:
    """As coglet 0.23 was seen to wrap them."""
    slot = "(slot 467e055c-f1e6-4325-a564-f5ee28061626)"
    setup = f"loading\nworker setup failed: worker setup failed {slot}: Setup failed: setup failed: OSError: no x.bin"
    assert plain_failure(setup) == "loading\nOSError: no x.bin"
    assert plain_failure("Prediction failed: Prediction failed: ValueError: bad") == "ValueError: bad"
    assert plain_failure("ValueError: Prediction failed: bad") == "ValueError: Prediction failed: bad"
