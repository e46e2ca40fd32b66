"""One prediction, or training, is asked of a model's server: its result by one request, and what it gives meanwhile by
another, which may miss something and costs the result nothing.

Both name it by an id of ours (`PUT /predictions/ID`), so that it can be cancelled. The second one's own input is
refused by every model: it never begins a prediction where the first is over.
"""

import http.client
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import IO, Any, Literal, TypeAlias

import msgspec

from cogpack.errors import ModelError
from cogpack.progress import Cancellation
from cogpack.running.options import Address

Kind: TypeAlias = Literal["prediction", "training"]

_ASK = 0.1
"""Seconds between two tries."""
_AGAIN = 50
"""Times that it is tried where all slots are taken: the one of setup's end is given back a little late."""
_GRACE = 10
"""Seconds that a model may take to end what was cancelled."""
_FLOORS = re.compile(
    r"^(?:(?:prediction|(?:worker )?setup) failed(?: \(slot [0-9a-f-]+\))?: )+", re.IGNORECASE | re.MULTILINE
)
_NO_INPUT = b'{"input": 0}'


class Answered(msgspec.Struct, frozen=True):
    """What it answers to a prediction that came to an end."""

    status: str = ""
    output: Any = None
    error: str | None = None
    logs: str = ""
    metrics: dict[str, Any] = {}


class _Output(msgspec.Struct, frozen=True):
    chunk: Any = None
    index: int = 0


def ask(
    address: Address, method: str, path: str, body: bytes | None = None, timeout: float | None = None
) -> tuple[int, bytes]:
    """Ask for a small answer; give its status and body."""
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def predict(
    address: Address,
    kind: Kind,
    inputs: Mapping[str, Any],
    *,
    context: Mapping[str, str] = MappingProxyType({}),
    live: Callable[[Any], object] | None,
    cancellation: Cancellation,
) -> Answered:
    """Ask for one, and wait for its end; a `ModelError` where it fails. What ends the wait, Ctrl-C say, cancels it.

    `context`: what the model finds in `current_scope().context`.

    `live` is given what it yields as that comes, in order and from a thread; maybe not all of it.
    """
    body = msgspec.json.encode({"input": inputs} | ({"context": context} if context else {}))
    asked = _Asked(address, f"/{kind}s/cogpack-{secrets.token_hex(8)}", body)
    threads = [threading.Thread(target=asked.result, name=kind, daemon=True)]
    if live is not None:
        threads.append(threading.Thread(target=asked.watch, args=[live], name="output", daemon=True))
    for thread in threads:
        thread.start()
    try:
        while not asked.over.wait(2 * _ASK):
            cancellation.check()
    except BaseException:
        asked.cancel()
        raise
    for thread in threads:
        thread.join(_GRACE)
    return asked.answered(kind)


class _Asked:
    """Is a prediction on its way. `over`: it has come to its end, whatever that is."""

    def __init__(self, address: Address, path: str, body: bytes) -> None:
        self.over = threading.Event()
        self._address = address
        self._path = path
        self._body = body
        self._outcome: tuple[int, bytes] | Exception = (0, b"")

    def result(self) -> None:
        try:
            for _ in range(_AGAIN):
                self._outcome = ask(self._address, "PUT", self._path, self._body)
                if self._outcome[0] != http.HTTPStatus.CONFLICT or self.over.wait(_ASK):
                    break
        except (OSError, http.client.HTTPException) as error:
            self._outcome = error
        finally:
            self.over.set()

    def watch(self, live: Callable[[Any], object]) -> None:
        """Hand on what it yields, until there is no more or some was missed."""
        with suppress(OSError, http.client.HTTPException, msgspec.MsgspecError, RecursionError):
            while not self.over.is_set():
                connection = http.client.HTTPConnection(*self._address)
                headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
                try:
                    connection.request("PUT", self._path, _NO_INPUT, headers)
                    answer = connection.getresponse()
                    if answer.status == http.HTTPStatus.OK:
                        return _hand_on(answer, live)
                    if answer.status == http.HTTPStatus.NOT_ACCEPTABLE:
                        return None
                finally:
                    connection.close()
                self.over.wait(_ASK / 10)  # it has not begun
        return None

    def cancel(self) -> None:
        """Cancel it, and wait a while for its end."""
        with suppress(OSError, http.client.HTTPException):
            ask(self._address, "POST", f"{self._path}/cancel", timeout=_GRACE)
            self.over.wait(_GRACE)

    def answered(self, kind: Kind) -> Answered:
        """Read the answer; what was no answer is raised as it was."""
        if isinstance(self._outcome, Exception):
            raise self._outcome
        status, data = self._outcome
        if status >= http.HTTPStatus.BAD_REQUEST:
            raise ModelError(
                f"the model's server answers {status}: {data[:2000].decode(errors='replace')}",
                next_step="correct the inputs; cogpack schema has what they are",
            )
        try:
            found = msgspec.json.decode(data, type=Answered)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ModelError(
                f"the model's server answers what is no {kind}: {error}", next_step="see its logs"
            ) from error
        if found.status != "succeeded":
            ended = "was canceled" if found.status == "canceled" else "failed"
            why = plain_failure(found.error or "the model says no more")
            raise ModelError(f"the {kind} {ended}: {why}", next_step="see the logs above")
        return found


def plain_failure(text: str) -> str:
    """Leave out of a failure what coglet says before the model's own words, once on each of its floors."""
    return _FLOORS.sub("", text)


def _hand_on(stream: IO[bytes], live: Callable[[Any], object]) -> None:
    expected = 0
    for name, data in _events(stream):
        if name == "output":
            output = msgspec.json.decode(data, type=_Output)
            if output.index != expected:
                return
            expected += 1
            live(output.chunk)
        elif name != "start" and name != "log" and name != "metric":  # completed, or an error: some was missed
            return


def _events(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Read server-sent events (HTML Standard, 9.2.6): their names and data."""
    name, data = "", b""
    for line in stream:
        field, _, value = line.rstrip(b"\r\n").partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            name = value.decode(errors="replace")
        elif field == b"data":
            data += value
        elif not field and not value:
            yield name, data
            name, data = "", b""
