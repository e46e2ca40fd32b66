"""A model's server runs in a container: the image's own command, with the port that it is told by `PORT`.

It listens on this machine's network. What it is asked goes over loopback, past proxies and maps.
"""

import errno
import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Self

import msgspec

from cogpack.errors import InputError, ModelError
from cogpack.progress import Cancellation, Cancelled
from cogpack.running.container import Container
from cogpack.running.engine import EngineContainer
from cogpack.running.options import Address
from cogpack.running.predictions import Answered, Kind, ask, plain_failure, predict
from cogpack.runtime import contract
from cogpack.sandbox.run import Streams
from cogpack.threads import wait_for
from cogpack.trace import TRACE

LOOPBACK = "127.0.0.1"
_ASK = 0.02
"""Seconds between two questions whether it is ready: what it takes longer is added to each run."""
_PATIENCE = 10
"""Seconds that it may take to say how it is."""
_TOLD = 40
"""Lines of the setup's logs that an error repeats."""
_CLASS = re.compile(r"([A-Za-z_]\w*)\.py:([A-Z]\w*)", re.ASCII)


class _Setup(msgspec.Struct, frozen=True):
    logs: str = ""


class _Health(msgspec.Struct, frozen=True):
    """What it says of itself (`GET /health-check`)."""

    status: str = ""
    setup: _Setup | None = None


class Server:
    """Serves a bundle's model for a `with`; at its end, all of its processes have ended.

    `streams`: of all that it says. `host`: the address that it listens on. `kind`: what it is there for.
    `options`: more words for coglet; not for an image whose command is another's.
    """

    def __init__(
        self,
        container: Container | EngineContainer,
        port: int,
        environment: Mapping[str, str],
        streams: Streams,
        host: str = LOOPBACK,
        kind: Kind = "prediction",
        options: Sequence[str] = (),
    ) -> None:
        self._container = container
        self._streams = streams
        self._inside = container.inside(Address(host, port))
        # tini, where the image has one, is not the first process in every rung, and would say so each time.
        settings = {"LOG_FORMAT": "console", "NO_COLOR": "1", "TINI_SUBREAPER": "1"}
        self._environment = settings | dict(environment) | {"PORT": str(self._inside.port)}
        self._host = host
        self._port = port
        self._address = Address(LOOPBACK if host == "0.0.0.0" else host, port)  # noqa: S104 - compared
        self._kind: Kind = kind
        self._options = options
        self._cancellation = Cancellation()
        self._ended = threading.Event()
        self._outcome: int | BaseException = 0
        self._thread = threading.Thread(target=self._run, name="server")

    @property
    def url(self) -> str:
        return f"http://{self._address.host}:{self._port}"

    def __enter__(self) -> Self:
        name, command = self._container.bundle.name, self._container.bundle.command
        if not command:
            raise InputError(f"{name}: the image has no command", next_step="start one by cogpack exec")
        if (self._kind == "training" or self._options) and contract.server_of(command) is None:
            alone = "train" if self._kind == "training" else f"take {self._options[0]}"
            raise InputError(
                f"{name}: the image's command is {' '.join(command):.200}, and not {' '.join(contract.COMMAND)}, which "
                f"alone can {alone}",
                next_step="take an image of cogpack or cog",
            )
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((self._host, self._port))
            except OSError as error:
                elsewhere = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
                raise InputError(
                    f"{self._host}:{self._port}: {error.strerror}",
                    next_step="name an address of this machine by --host" if elsewhere else "choose another port by -p",
                ) from error
        try:
            self._thread.start()
        except BaseException:  # a signal, while it waits for the thread to begin: nobody else would end it
            self._cancellation.cancel()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._cancellation.cancel()
        self._thread.join()

    def wait_until_ready(self, timeout: float) -> None:
        """Wait for the end of its setup: a `ModelError` where that fails or takes longer than `timeout` seconds."""
        end = time.monotonic() + timeout
        said = "nothing"
        while time.monotonic() < end:
            if self._ended.wait(_ASK):
                raise self._end()
            health = self._health()
            if health is None:
                continue
            said = health.status
            if said in ("READY", "BUSY"):
                return
            if said in ("SETUP_FAILED", "DEFUNCT"):
                logs = health.setup.logs if health.setup else ""
                lines = "".join(f"\n  {line}" for line in plain_failure(logs).splitlines()[-_TOLD:])
                raise ModelError(f"the model's setup failed{lines}", next_step=self._traced())
        raise ModelError(
            f"the model was not ready within {timeout:g} s, its server says {said}",
            next_step="give it more time by --setup-timeout",
        )

    def _traced(self) -> str:
        """Say how to see where the setup failed: of an exception, the server tells no traceback."""
        project = self._container.bundle.project
        if (
            self._kind == "prediction"
            and project is not None
            and (found := _CLASS.fullmatch(project.config.predict or ""))
        ):
            module, name = found.groups()
            return f"see where: cogpack exec python -c 'import {module}; {module}.{name}().setup()'"
        return "correct the model; cogpack exec runs parts of it"

    def wait(self) -> None:
        """Wait until it ends by itself, which it should not."""
        wait_for(self._ended)
        raise self._end()

    def predict(
        self,
        inputs: Mapping[str, Any],
        *,
        context: Mapping[str, str] = MappingProxyType({}),
        live: Callable[[Any], object] | None = None,
    ) -> Answered:
        """Ask for one prediction, or training; a `ModelError` where it fails. `context` and `live`: as of
        `predictions.predict`."""
        cancellation = self._container.cancellation
        try:
            return predict(self._address, self._kind, inputs, context=context, live=live, cancellation=cancellation)
        except (OSError, http.client.HTTPException) as error:
            if self._ended.wait(_PATIENCE):
                raise self._end() from None
            raise ModelError(
                f"the model's server hung up: {error}", next_step="see its logs above, and run it again"
            ) from error

    def _health(self) -> _Health | None:
        with suppress(OSError, http.client.HTTPException, msgspec.MsgspecError):
            status, data = ask(self._address, "GET", "/health-check", timeout=_PATIENCE)
            if status == http.HTTPStatus.OK:
                return msgspec.json.decode(data, type=_Health)
        return None

    def _run(self) -> None:
        try:
            self._outcome = self._container.run(
                self._command(),
                self._environment,
                self._streams,
                cancellation=self._cancellation,
                ports={Address(self._host, self._port): self._inside.port},
            )
        except Cancelled:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised to who waits
            self._outcome = error
        finally:
            self._ended.set()

    def _command(self) -> tuple[str, ...]:
        command = contract.server_of(self._container.bundle.command)
        if command is None:
            return self._container.bundle.command
        # Whoever runs a model's server here does not want it to be everybody's; it would listen on all addresses.
        trains = contract.TRAINS if self._kind == "training" else ()
        return (*command, "--host", self._inside.host, *trains, *self._options)

    def _end(self) -> BaseException:
        if isinstance(self._outcome, BaseException):
            return self._outcome
        TRACE.decided(f"the model's server ended with {self._outcome}")
        return ModelError(
            f"the model's server ended with {self._outcome}",
            next_step="see its logs above; cogpack exec runs parts of it",
        )


def free_port() -> int:
    """Find a port on loopback that nobody listens on."""
    with socket.socket() as trial:
        trial.bind((LOOPBACK, 0))
        port: int = trial.getsockname()[1]
        return port
