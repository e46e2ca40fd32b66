"""A container is run by an engine of this machine, docker or podman, in place of our own: with the same files, mounts,
variables and ports, by the words of its command line."""

import os
import secrets
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from cogpack.progress import Cancellation
from cogpack.redaction import names_secret
from cogpack.running.bundle import Bundle
from cogpack.running.options import Address, Runtime
from cogpack.sandbox.guest import Bind
from cogpack.sandbox.run import Streams

_BLOCK = 64 * 1024
_ASK = 0.2
"""Seconds after which it is looked whether we are to stop."""
_PATIENCE = 30
"""Seconds that an engine may take to remove a container."""
_AGAIN = 1
"""Seconds after which it is asked again."""


class EngineContainer:
    """Runs commands over the image `image` that the engine has; one at a time."""

    def __init__(
        self,
        runtime: Runtime,
        image: str,
        bundle: Bundle,
        cancellation: Cancellation,
        *,
        binds: Sequence[Bind],
        shm_size: int,
        gpus: str | None,
    ) -> None:
        self.bundle = bundle
        self.cancellation = cancellation
        self._runtime = runtime
        self._image = image
        self._binds = binds
        self._shm_size = shm_size
        self._gpus = gpus

    def inside(self, address: Address) -> Address:  # noqa: ARG002 - it is published there
        """Say where a server listens that is to be asked at `address` of this machine."""
        return Address("0.0.0.0", 5000)  # noqa: S104 - of the container's own network

    def run(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        streams: Streams,
        *,
        cancellation: Cancellation | None = None,
        ports: Mapping[Address, int] = {},
    ) -> int:
        """Run a command, and remove the container at its end; return its exit status: 125 where the engine fails.
        `ports`: of this machine, and which of the container each leads to."""
        name = f"cogpack-{secrets.token_hex(8)}"
        words, variables = self._words(name, argv, environment, ports, reads=streams.input is not None)
        process = subprocess.Popen(
            words,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL if streams.input is None else streams.input,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if streams.errors is None else subprocess.PIPE,
            start_new_session=True,
        )
        with process:
            try:
                _hand_on(process, streams, cancellation or self.cancellation)
                return process.wait()
            except BaseException:
                self._remove(name, process)
                raise

    def _words(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        ports: Mapping[Address, int],
        *,
        reads: bool,
    ) -> tuple[list[str], dict[str, str]]:
        """Give the engine's command line, and the variables that it takes from its own environment."""
        given = dict(environment)
        if self.bundle.source is not None:
            given = {"PYTHONDONTWRITEBYTECODE": "1"} | given
        # A word of its command line is in each process list; what the engine reads itself can't be changed for it.
        inherited = {
            name: value for name, value in given.items() if os.environ.get(name) in (None, value) or names_secret(name)
        }
        words = [self._runtime, "run", "--rm", "--name", name, "--shm-size", str(self._shm_size)]
        words += ["--interactive"] if reads else []
        for key, value in given.items():
            words += ["--env", key if key in inherited else f"{key}={value}"]
        for bind in self._binds:
            words += ["--mount", _mount(bind)]
        for address, inside in ports.items():
            words += ["--publish", f"{address.host}:{address.port}:{inside}"]
        words += self._gpu_words()
        words += ["--workdir", self.bundle.directory, "--entrypoint", argv[0], self._image, *argv[1:]]
        return words, inherited

    def _gpu_words(self) -> Iterator[str]:
        if self._gpus is None:
            return
        if self._runtime == "docker":
            yield from ("--gpus", self._gpus)
            return
        named = self._gpus.strip("\"'").removeprefix("device=").split(",")
        counted = [str(number) for number in range(int(self._gpus))] if self._gpus.isdecimal() else named
        for name in counted:
            yield from ("--device", f"nvidia.com/gpu={name}")

    def _remove(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """End a container that may not be there yet, or is already being removed: `run` ends when it is gone."""
        last = time.monotonic() + _PATIENCE
        while process.returncode is None and time.monotonic() < last:
            with suppress(OSError, subprocess.TimeoutExpired):
                removal = [self._runtime, "rm", "--force", name]
                subprocess.run(removal, capture_output=True, timeout=_PATIENCE, check=False)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=_AGAIN)
        process.kill()
        process.wait()


def _mount(bind: Bind) -> str:
    """Write it as CSV, as engines read it: a path may have a comma in it, and a colon, which `--volume` cuts at."""
    fields = ["type=bind", f"source={bind.source}", f"target={bind.target}", *([] if bind.writable else ["readonly"])]
    return ",".join('"{}"'.format(field.replace('"', '""')) if set(field) & set(',"') else field for field in fields)


def _hand_on(process: "subprocess.Popen[bytes]", streams: Streams, cancellation: Cancellation) -> None:
    """Give what a process writes to who wants it, until it has ended."""
    outputs: list[tuple[int, Callable[[bytes], None]]] = []
    if process.stdout is not None:
        outputs.append((process.stdout.fileno(), streams.output))
    if process.stderr is not None and streams.errors is not None:
        outputs.append((process.stderr.fileno(), streams.errors))
    with selectors.DefaultSelector() as selector:
        for descriptor, output in outputs:
            selector.register(descriptor, selectors.EVENT_READ, output)
        while selector.get_map():
            for key, _ in selector.select(_ASK):
                if block := os.read(key.fd, _BLOCK):
                    key.data(block)
                else:
                    selector.unregister(key.fd)
            cancellation.check()
