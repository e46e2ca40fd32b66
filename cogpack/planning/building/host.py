"""Wheels are built by this machine's own Python, in an environment of their own, where a user asks for that: nothing
keeps a source from this user's files there, nor from the network, and only wheels of any platform come of it."""

import os
import secrets
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from cogpack.disk import writing
from cogpack.errors import InputError
from cogpack.layers.wheels.source import WheelsSource
from cogpack.layers.wheels.venv import VenvSource
from cogpack.planning.building.guest import limits_of, tell
from cogpack.planning.building.job import ARCHIVE, FRONT_END, Done, Job, collected
from cogpack.planning.own_python import pythons_here
from cogpack.planning.steps.said import Said
from cogpack.planning.steps.steps import Runner
from cogpack.runtime import contract
from cogpack.sandbox.rungs.processes import end_session
from cogpack.sandbox.trees.directories import remove_tree
from cogpack.sandbox.trees.lay import Recipe, lay
from cogpack.sandbox.watch import Watch

_ASK = 50
"""Milliseconds after which it is looked whether we are to stop."""
_BLOCK = 64 * 1024
_PROBE = "import sys; print(sys.version_info[0], sys.version_info[1], sep='.')"


class Host:
    """Does jobs by the interpreter `python`, of the minor version of the image's."""

    pure = True

    def __init__(self, runner: Runner, python: Path, minor: str) -> None:
        self._runner = runner
        self._python = python
        self._minor = minor

    def run(self, job: Job) -> Done:
        place = job.place / secrets.token_hex(4)
        try:
            return self._done(job, place)
        finally:
            remove_tree(place)

    def _done(self, job: Job, place: Path) -> Done:
        runner = self._runner
        venv = Recipe(VenvSource(python=self._minor, interpreter=str(self._python)))
        recipes = [venv, *([Recipe(WheelsSource(job.wheels))] if job.wheels else [])]
        root = lay(place, recipes, owned=False, jobs=runner.jobs, cancellation=runner.cancellation).root
        work = place / "work"
        with writing(work):
            work.mkdir()
            archive = shutil.copyfile(job.archive, work / ARCHIVE)
            (work / "request.json").write_bytes(job.request(str(archive), str(work / "build"), dies=True))
            program = shutil.copyfile(FRONT_END, work / FRONT_END.name)
        bin_directory = root / contract.VENV / "bin"
        environment = {**job.environment, "PATH": f"{bin_directory}:{job.environment['PATH'].partition(':')[2]}"}
        told = Said(partial(tell, job.title), of_a_source=True)
        command = [str(bin_directory / "python3"), str(program), str(work / "request.json")]
        status = self._run(command, environment, work, told)
        told.end()
        return collected(job, work, "build", status, told.last, size=runner.limits.size)

    def _run(self, command: list[str], environment: Mapping[str, str], work: Path, told: Said) -> int:
        started = subprocess.Popen(
            command,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert started.stdout is not None
        watch = Watch(limits_of(self._runner), work, started.pid)
        poll = select.poll()
        poll.register(started.stdout, select.POLLIN)
        ended: int | None = None
        try:
            os.set_blocking(started.stdout.fileno(), False)
            while ended is None:
                ended = started.poll()  # before the last look: what it left running may hold the pipe
                if ended is None:
                    poll.poll(_ASK)
                heard = list(_waiting(started.stdout.fileno()))
                for block in heard:
                    watch.hear()
                    told.hear(block)
                if ended is None and not heard:
                    time.sleep(_ASK / 1000)  # it may have closed its output, and go on
                self._runner.cancellation.check()
                watch.check()
        finally:
            end_session(started.pid)
            started.wait()
            started.stdout.close()
        return ended if ended >= 0 else 128 - ended


def _waiting(reading: int) -> Iterator[bytes]:
    """Give what is there to be read, and no more than a few blocks of it at a time."""
    with suppress(BlockingIOError):
        for _ in range(16):
            if not (block := os.read(reading, _BLOCK)):
                return
            yield block


def find_python(minor: str, environment: Mapping[str, str]) -> Path:
    """Find this machine's own Python of that version; `InputError` where there is none."""
    for found in pythons_here(minor, environment):
        if _version(found) == minor:
            return Path(found).resolve()
    raise InputError(
        f"cogpack.build_wheels: host: there is no Python {minor} on this machine",
        next_step=f"install one (uv python install {minor}), or build where commands can be run over the image's tree",
    )


def _version(python: str) -> str | None:
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [python, "-I", "-c", _PROBE], capture_output=True, errors="replace", timeout=30, check=True
        )
        return done.stdout.strip()
    return None
