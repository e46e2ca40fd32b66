"""Bytecode is made by a Python of the very release that the lock names: one of this machine, else the image's own.

The image's own is unpacked, and started by its own loader: it runs nothing but a program of ours, which runs no
source, so that this takes neither root nor any rung of the sandbox.
"""

import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from cogpack.artifacts import Input
from cogpack.disk import UNFINISHED
from cogpack.errors import InputError
from cogpack.layers.built import BuiltLayer
from cogpack.layers.bytecode import Packs, minor_of
from cogpack.lockfile import FILE
from cogpack.resolve.wheels.compile import uv_program
from cogpack.session import Session
from cogpack.trace import TRACE

_PROGRAM = Path(__file__).parents[1] / "layers" / "bytecode" / "program.py"
_OPTIONS = ("-I", "-S", "-B", "-X", "utf8", "-W", "ignore")
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": os.defpath}
_ASKED = (
    "import sys; print(sys.implementation.name + '-' + '.'.join(map(str, sys.version_info[:3])), "
    "sys.version_info[3], sys.abiflags or 'plain')"
)
"""Free-threaded Pythons and those for debugging compile to something else."""
_SECONDS = 20


class OwnPython(msgspec.Struct, frozen=True, kw_only=True):
    """Is the Python of an image: the `layer` that has it, made of `inputs`, and its absolute `path` there;
    `has_c_library`: so that it runs without this machine's."""

    layer: BuiltLayer
    inputs: tuple[Input, ...]
    path: str
    has_c_library: bool

    @property
    def prefix(self) -> str:
        """Give the directory that its `bin` and its `lib` lie in, relative to the root."""
        return self.path.strip("/").rpartition("/bin/")[0]


class Compiler:
    """Runs `layers/bytecode/program.py` by a Python of `release`, such as cpython-3.13.5. `own`: of the image, for
    programs of this `architecture`; `emulator`: makes one for arm64 in a new directory."""

    def __init__(
        self, session: Session, release: str, own: OwnPython, *, architecture: str, emulator: Callable[[Path], Path]
    ) -> None:
        self._session = session
        self._release = release
        self._own = own
        self._architecture = architecture
        self._emulator = emulator
        self._lock = threading.Lock()
        self._here: str | None = None
        self._looked = False

    def compile(self, place: Path, parts: int) -> None:
        """Compile what lies in `place`, in so many parts; `InputError` where there is no such Python."""
        if (here := self._python_here()) is not None:
            TRACE.decided(f"bytecode is made by {here}")
            self._run([here], place, parts, here)
            return
        with self._unpacked() as command:
            TRACE.decided(f"bytecode is made by the image's own {self._release}")
            self._run(command, place, parts, "the image's own")

    def check(self) -> None:
        """Raise the same `InputError` where it is sure beforehand that there is none, so that nothing moves first."""
        if self._python_here() is None and not self._is_runnable:
            raise self._none(f"the image's own is of {self._architecture}, and can't be run here")

    @property
    def _is_runnable(self) -> bool:
        """Tell whether this machine may run the image's own; the emulator wants the image's C library, too."""
        from cogpack.sandbox.rungs.emulation import is_native

        return is_native(self._architecture) or (self._architecture == "arm64" and self._own.has_c_library)

    def _python_here(self) -> str | None:
        with self._lock:
            if not self._looked:
                environment = self._session.environment
                found = (name for name in _candidates(self._release, environment) if is_release(name, self._release))
                self._here, self._looked = next(found, None), True
            return self._here

    @contextmanager
    def _unpacked(self) -> Iterator[Sequence[str]]:
        """Lay the image's Python, which is kept laid, and give the words that start it for a `with`."""
        from cogpack.sandbox.rungs.emulation import is_native
        from cogpack.sandbox.rungs.proot import through_loader
        from cogpack.sandbox.trees.directories import remove_tree
        from cogpack.sandbox.trees.lay import contents, lay
        from cogpack.sandbox.trees.store import Trees

        session, own = self._session, self._own
        self.check()
        session.supply.wait(own.inputs)
        jobs, cancellation = session.settings.jobs, session.cancellation
        root = (
            Trees(session.kept, session.seal)
            .get(
                [own.layer.contents],
                owned=False,
                lay=lambda new: lay(
                    new, [contents(own.layer)], owned=False, readable=True, jobs=jobs, cancellation=cancellation
                ),
            )
            .root
        )
        program = root / own.path.strip("/")
        command: Sequence[str] = (str(program),)
        with suppress(FileNotFoundError):  # an interpreter that is laid over any base takes this machine's C library
            command = through_loader(program, root, ()).command
        if is_native(self._architecture):
            yield command
            return
        place = session.cache / "trees" / f"{UNFINISHED}{secrets.token_hex(8)}"
        session.kept.used(place)
        try:
            yield (str(self._emulator(place)), *command)
        finally:
            remove_tree(place)

    def _run(self, command: Sequence[str], place: Path, parts: int, who: str) -> None:
        from cogpack.sandbox.rungs.processes import end_session

        words = [*command, *_OPTIONS, str(_PROGRAM), str(place), str(parts), self._release]
        with (place / "said").open("w+b") as said:
            try:
                started = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    env=_ENVIRONMENT,
                    cwd=place,
                    start_new_session=True,
                )
            except OSError as error:
                raise self._none(f"{who} does not start here: {error.strerror}") from error
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
                said.seek(0)
                last = said.read()[-500:].decode(errors="replace").strip().rpartition("\n")[2]
                raise self._none(f"{who} ends with {status}: {last}")

    def _none(self, why: str) -> InputError:
        return InputError(
            f'{FILE} has bytecode = "{self._release}", and there is no such Python here to make it: {why}',
            next_step=f"any one of these helps: uv python install {self._release.partition('-')[2]}; a push from a "
            "machine that has it, whose layers are then found in the registry; "
            "cogpack: {bytecode: false}, and cogpack lock",
        )


def _candidates(release: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Give Pythons of this machine that may be of that release."""
    path = environment.get("PATH", os.defpath)
    for name in (getattr(sys, "_base_executable", sys.executable), f"python{minor_of(release)}", "python3"):
        if name and (found := shutil.which(name, path=path)):
            yield found
    with suppress(OSError, subprocess.SubprocessError, InputError):
        words = [uv_program(), "--no-config", "python", "find", "--offline", "--no-python-downloads", "--no-project"]
        done = subprocess.run(
            [*words, "--managed-python", release.partition("-")[2]],
            capture_output=True,
            text=True,
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
            text=True,
            timeout=_SECONDS,
            check=True,
            env=_ENVIRONMENT,
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
