"""A job is one try to build a source, in whatever environment: what it is told, and what it leaves."""

import json
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from cogpack.disk import writing
from cogpack.errors import InputError
from cogpack.images.assemble import DEFAULT_PATH
from cogpack.layers.wheels.source import WheelFile
from cogpack.locking.wheels.building import ANOTHER
from cogpack.oci import decode
from cogpack.planning.building.archive import EPOCH, BuildSystem
from cogpack.planning.building.memory import usable_memory
from cogpack.runtime import contract
from cogpack.sandbox.inroot import open_in_tree

ARCHIVE = "source"
"""The archive's name in an environment: its publisher's may be any."""
FRONT_END = Path(__file__).with_name("front_end.py")

_MOST = 1024 * 1024
"""Bytes of an answer."""
LARGEST = 2**32 - 1
"""Bytes of a wheel that is kept: what a zip archive may have without extensions."""

ENVIRONMENT = {
    "PATH": f"/{contract.VENV}/bin:{DEFAULT_PATH}",
    "HOME": "/nonexistent",  # but for hooks, which have an empty one
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "SOURCE_DATE_EPOCH": str(EPOCH),
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHONUNBUFFERED": "1",
    "PIP_NO_INDEX": "1",  # a backend that installs by itself is told at once that there is no network
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
"""All variables that a build has: none of this machine's."""

_OF_A_COMPILER = 4 * 1024**3
"""Bytes that nvcc takes for a source with many templates, as those of flash-attn."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Is a source with what it is built with.

    `place`: a directory that is the job's own, for trees, and for the wheel in the end; `wheels`: of the build
    requirements, `beside`: those of them that are the image's, as other jobs have them, `installed`: the names of all;
    `known`: the requirements that they fulfil, None where no others are to be asked for; `python`: the minor version;
    `python_headers`: the Debian package of its headers, "" where they are there; `variables`: more than all builds
    have; `exec_into_locals`: exec is as it was before Python 3.13; not `isolated`: the image's wheels are there;
    `toolkit_of_wheels`: CUDA's compiler is among the wheels; `at_once`: how many builds go on beside each other, this
    one among them.
    """

    title: str
    archive: Path
    subdirectory: str
    system: BuildSystem
    wheels: tuple[WheelFile, ...]
    beside: tuple[WheelFile, ...] = ()
    installed: tuple[str, ...]
    known: tuple[str, ...] | None
    python: str
    python_headers: str
    exec_into_locals: bool = False
    isolated: bool = True
    toolkit_of_wheels: bool = False
    at_once: int = 1
    variables: Mapping[str, str] = {}
    place: Path

    @property
    def compiles_for_cuda(self) -> bool:
        return "CUDA_HOME" in self.variables

    @property
    def environment(self) -> dict[str, str]:
        path = ENVIRONMENT["PATH"]
        return {**ENVIRONMENT, **self.variables} | (
            {"PATH": f"{path}:{self.variables['CUDA_HOME']}/bin", "MAX_JOBS": str(_jobs(self.at_once))}
            if self.compiles_for_cuda
            else {}
        )

    def request(self, archive: str, place: str, *, dies: bool) -> bytes:
        """Make what `front_end` reads. `archive` and `place`: as it sees them; `dies`: with who started it."""
        asked = {
            "archive": archive,
            "place": place,
            "subdirectory": self.subdirectory,
            "backend": self.system.backend,
            "backend_path": self.system.backend_path,
            "known": self.known,
            "installed": self.installed,
            "python": self.python,
            "exec_into_locals": self.exec_into_locals,
            "dies": dies,
        }
        return json.dumps(asked).encode()


def _jobs(at_once: int) -> int:
    """Tell how many compilers of CUDA there is memory for, of which each build has its part: torch starts two more than
    there are cores."""
    return max(1, min(os.cpu_count() or 1, usable_memory() // at_once // _OF_A_COMPILER))


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """Is what came of a job: a `wheel`, or what is required besides, or neither, and then `said` tells why.
    `status`: the exit status."""

    status: int
    said: Sequence[str]
    requires: tuple[str, ...] = ()
    wheel: Path | None = None


class Environment(Protocol):
    """Is where jobs are done, many at a time. `pure`: only wheels of any platform may be built there."""

    pure: bool

    def run(self, job: Job) -> Done:
        """Do a job; `LimitError` where it takes too much."""
        ...


class _Answer(msgspec.Struct, frozen=True):
    requires: tuple[str, ...] = ()
    wheel: str | None = None


def collected(job: Job, root: Path, place: str, status: int, said: Sequence[str], *, size: int | None = None) -> Done:
    """Read what `front_end` left in `place` of the tree `root`, where nothing runs any more; a wheel is copied out.

    `size`: bytes that the build might write, None for any: a sparse file says more, and has them once it is copied."""
    if status != 0:
        return Done(status=status, said=said)
    try:
        with _opened(root, f"{place}/answer.json", _MOST) as stream:
            answer = decode(stream.read(), _Answer, where=f"{job.title}: its build's answer")
        if answer.wheel is None:
            return Done(status=status, said=said, requires=answer.requires)
        name = answer.wheel
        if not name.endswith(".whl") or not name.isprintable() or "/" in name:
            raise InputError(f"{job.title}: its backend made no wheel, but {name!r:.200}", next_step=ANOTHER)
        kept = job.place / name
        with (
            _opened(root, f"{place}/wheel/{name}", min(LARGEST, size or LARGEST)) as stream,
            writing(kept),
            kept.open("xb") as copy,
        ):
            shutil.copyfileobj(stream, copy, _MOST)
        return Done(status=status, said=said, wheel=kept)
    except OSError as error:
        raise InputError(f"{job.title}: its build left nothing that can be read: {error}", next_step=ANOTHER) from error


def _opened(root: Path, path: str, most: int) -> Any:
    """Open a plain file of the tree; no link leads out, and nothing else is waited for."""
    file = os.fdopen(open_in_tree(root, path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode) or found.st_size > most:  # which a sparse file may say, and take no room
        file.close()
        raise OSError(f"{path} is no plain file, or too large")
    return file
