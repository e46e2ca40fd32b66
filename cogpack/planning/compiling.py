"""Bytecode is made by a Python of the very release that the lock names: one of this machine, else the image's own.

A lock may name any archive or package as an image's own, so that one is a guest: it sees what it is laid over, the
sources and no network, in the strongest rung that the machine has (`guest_python`).
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from cogpack.errors import InputError
from cogpack.layers.bytecode import Packs, minor_of
from cogpack.layers.spool import Once
from cogpack.planning.own_python import ENVIRONMENT, OPTIONS, PROGRAM, OwnPython, pythons_here
from cogpack.planning.steps.steps import Runner
from cogpack.session import Session
from cogpack.trace import TRACE

if TYPE_CHECKING:
    from cogpack.planning.private_guest import Way

_ASKED = (
    "import sys; print(sys.implementation.name + '-' + '.'.join(map(str, sys.version_info[:3])), "
    "sys.version_info[3], sys.abiflags or 'plain')"
)
"""Free-threaded Pythons and those for debugging compile to something else."""
_SECONDS = 20


class Compiler:
    """Runs `layers/bytecode/program.py` by a Python of `release`, such as cpython-3.13.5. `own`: of the image, which
    `runner` would run."""

    def __init__(self, session: Session, release: str, own: OwnPython, runner: Runner) -> None:
        self._session = session
        self._release = release
        self._own = own
        self._runner = runner
        self._here = Once(lambda: tuple(islice(_pythons(release, session.environment), 1)))

    def compile(self, place: Path, parts: int) -> None:
        """Compile what lies in `place`, in so many parts; `InputError` where there is no such Python."""
        if here := self._here():
            TRACE.decided(f"bytecode is made by {here[0]}")
            self._run(here[0], place, parts)
            return
        from cogpack.planning.guest_python import compile_in_guest

        way = self._way()
        TRACE.decided(f"bytecode is made by the image's own {self._release}, in the rung {way.rung}")
        own = self._own
        self._session.supply.wait((*own.below_inputs, *own.inputs))
        try:
            status, said = compile_in_guest(own, way, place, parts, self._release)
        except InputError as error:
            raise self._none(f"the image's own stops: {error.message}") from error
        if status:
            raise self._failed("the image's own", status, said)

    def check(self) -> None:
        """Raise the same `InputError` where it is sure beforehand that there is none, so that nothing moves first."""
        if not self._here():
            self._way()

    def _way(self) -> "Way":
        from cogpack.planning.private_guest import way_of

        try:
            return way_of(self._runner)
        except InputError as error:
            raise self._none(f"the image's own can't be run: {error.message}") from error

    def _run(self, python: str, place: Path, parts: int) -> None:
        from cogpack.sandbox.rungs.processes import end_session

        words = [python, *OPTIONS, str(PROGRAM), str(place), str(parts), self._release]
        with (place / "said").open("w+b") as said:
            try:
                started = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    env=ENVIRONMENT,
                    cwd=place,
                    start_new_session=True,
                )
            except OSError as error:
                raise self._none(f"{python} does not start here: {error.strerror}") from error
            try:
                while True:
                    with suppress(subprocess.TimeoutExpired):
                        status = started.wait(0.05)
                        break
                    self._session.cancellation.check()
            finally:
                end_session(started.pid)
                started.wait()
            if status:
                said.seek(0, os.SEEK_END)
                said.seek(max(0, said.tell() - 500))
                raise self._failed(python, status, said.read().decode(errors="replace"))

    def _failed(self, who: str, status: int, said: str) -> InputError:
        return self._none(f"{who} ends with {status}: {said.strip().rpartition(chr(10))[2]}")

    def _none(self, why: str) -> InputError:
        return InputError(
            f'the lock has bytecode = "{self._release}", and there is no such Python here to make it: {why}',
            next_step=f"any one of these helps: uv python install {self._release.partition('-')[2]}; a push from a "
            "machine that has it, whose layers are then found in the registry; "
            "cogpack: {bytecode: false}, and cogpack lock",
        )


def _pythons(release: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Give Pythons of this machine that are of that release."""
    return (name for name in _candidates(release, environment) if is_release(name, release))


def _candidates(release: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Give Pythons of this machine that may be of that release."""
    from cogpack.resolve.wheels.compile import uv_program

    yield from pythons_here(minor_of(release), environment)
    with suppress(OSError, subprocess.SubprocessError, InputError):
        words = [uv_program(), "--no-config", "python", "find", "--offline", "--no-python-downloads", "--no-project"]
        done = subprocess.run(
            [*words, "--managed-python", release.partition("-")[2]],
            capture_output=True,
            errors="surrogateescape",
            timeout=_SECONDS,
            check=True,
            env=dict(environment),
        )
        yield done.stdout.strip()


def is_release(program: str, release: str) -> bool:
    """Tell whether a Python is of just this release, and compiles as those do that images have."""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [program, "-I", "-S", "-c", _ASKED],
            capture_output=True,
            errors="replace",
            timeout=_SECONDS,
            check=True,
            env=ENVIRONMENT,
        )
        return done.stdout.split() == [release, "final", "plain"]
    return False


def packs_of(session: Session, compiler: Compiler) -> Packs:
    """Give what this machine keeps of bytecode, and has made by `compiler`."""
    return Packs(
        session.cache,
        compiler,
        seal=session.seal,
        used=session.kept.used,
        wanted=session.cancellation.check,
        jobs=os.cpu_count() or 1,
        trusting=not session.settings.paranoid,
    )
