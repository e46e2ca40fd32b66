"""The local Docker is a sink (`cogpack load`): the archive, streamed into `docker load`. Nothing touches the disk.
podman takes it likewise.

`docker` finds its daemon itself: DOCKER_HOST, DOCKER_CONTEXT and its own configuration count.
"""

import os
import select
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Self

from cogpack.errors import UnavailableError
from cogpack.oci import Descriptor
from cogpack.progress import Cancellation, Progress, asking, shown
from cogpack.sinks.archive import ArchiveSink
from cogpack.temporary import temporary_file

_ANSWER_SECONDS = 30
_FILE = "write a file, with -o IMAGE.tar of cogpack build or cogpack pull"
_LOOK = 100
"""Milliseconds between looks at the cancellation."""


class DaemonSink(ArchiveSink):
    """It loads into Docker. `put` answers with the image ID; after `commit` the image is there under its tags."""

    def __init__(self, load: "Load", progress: Progress) -> None:
        super().__init__(load)
        self._load = load
        self._progress = progress

    @classmethod
    @contextmanager
    def open(cls, progress: Progress, cancellation: Cancellation, program: str = "docker") -> Iterator[Self]:
        """Ask Docker before anything is built; leaving the `with` before `commit` loads nothing."""
        ask(progress, program)
        with Load.running(cancellation, program) as load:
            yield cls(load, progress)

    def commit(self, root: Descriptor, tags: Sequence[str]) -> None:
        super().commit(root, tags)
        with shown(self._progress, " ".join(tags), "load"):  # Docker unpacks it now: seconds to minutes
            self._load.finish()


class Load:
    """It runs `docker load`, which reads what is written here; its words go to `output`. `program`: or podman's."""

    def __init__(self, output: IO[bytes], cancellation: Cancellation, program: str) -> None:
        self._output = output
        self._program = program
        self._process = subprocess.Popen(
            [program, "load", "--quiet"], stdin=subprocess.PIPE, stdout=output, stderr=output, bufsize=0
        )
        assert self._process.stdin is not None
        self._stdin = self._process.stdin
        os.set_blocking(self._stdin.fileno(), False)
        self._room = select.poll()
        self._room.register(self._stdin, select.POLLOUT)
        self._cancellation = cancellation

    @classmethod
    @contextmanager
    def running(cls, cancellation: Cancellation, program: str = "docker") -> Iterator[Self]:
        """Start it; nothing is loaded unless `finish` is called."""
        # Docker's words go to a file: a pipe that nobody reads could fill up and stop it.
        with temporary_file() as output:
            load = cls(output, cancellation, program)
            try:
                yield load
            finally:
                load.stop()

    def write(self, data: bytes, /) -> None:
        """Write, waiting while Docker does not read; a cancellation ends that, too."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._stdin.write(rest) or 0 :]
                while rest and not self._room.poll(_LOOK):
                    self._cancellation.check()
        except BrokenPipeError:
            self._process.wait()
            raise self._failed() from None

    def finish(self) -> None:
        with suppress(BrokenPipeError):  # its exit status says more
            self._stdin.close()
        if self._process.wait() != 0:
            raise self._failed()

    def stop(self) -> None:
        """Kill it before its input ends: a cut archive must not look like a whole one."""
        if self._process.poll() is None:
            self._process.kill()
        with suppress(BrokenPipeError):
            self._stdin.close()
        self._process.wait()

    def _failed(self) -> UnavailableError:
        self._output.seek(0)
        words = self._output.read(2000).decode(errors="replace").strip()
        return UnavailableError(
            f"{self._program} load ended with {self._process.returncode}: {words or 'no message'}",
            next_step=f"look at the daemon's log, or {_FILE}",
        )


def engine_platform(progress: Progress, program: str) -> str:
    """Ask for which platform the engine runs images, as `OS/ARCH`."""
    with asking(progress, program):
        if program == "docker":
            return _ask(program, "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
        return _ask(program, "info", "--format", "{{.Host.OS}}/{{.Host.Arch}}")


def ask(progress: Progress, program: str = "docker") -> None:
    """Ask whether there is a Docker that answers. If not, an `UnavailableError` says why."""
    with asking(progress, program):
        _ask(program, "version", *(("--format", "{{.Server.Version}}") if program == "docker" else ()))


def _ask(program: str, *words: str) -> str:
    """Ask it, and give its answer."""
    advice = f"start Docker (or set DOCKER_HOST), or {_FILE}"
    try:
        answer = subprocess.run(
            [program, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except OSError as error:
        raise UnavailableError(
            f"{program}: can't be started: {error.strerror}",
            next_step=f"install {program}, or {_FILE}",
        ) from None
    except subprocess.TimeoutExpired:
        raise UnavailableError(
            f"{program}: the daemon did not answer within {_ANSWER_SECONDS} seconds", next_step=advice
        ) from None
    if answer.returncode != 0:
        said = answer.stderr.decode(errors="replace").strip()
        raise UnavailableError(f"{program}: {said:.500}", next_step=advice)
    return answer.stdout.decode(errors="replace").strip()
