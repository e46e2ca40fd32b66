"""What a benchmark measures of a command: seconds, peak memory and processor time of all its processes."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

MiB, GiB = 1 << 20, 1 << 30
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
COGPACK = (sys.executable, "-P", "-m", "cogpack")
"""cogpack as it is installed: not as it lies in the directory that it is run in."""
_CHILD = (
    "import os, resource, subprocess, sys, time\n"
    "started = time.perf_counter()\n"
    "code = subprocess.run(sys.argv[2:], stdout=2).returncode\n"
    "if sys.argv[1]: os.sync()\n"
    "seconds = time.perf_counter() - started\n"
    "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
    "print(seconds, used.ru_maxrss, used.ru_utime + used.ru_stime, used.ru_inblock, used.ru_oublock)\n"
    "sys.exit(code)\n"
)


class Figures(NamedTuple):
    """One run: seconds on the clock, MiB of its largest process, seconds of processors, GB of the disk read and
    written; none of these but the first where it was not measured."""

    seconds: float
    peak: float | None = None
    cpu: float | None = None
    read: float | None = None
    written: float | None = None


def measure(
    command: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    synced: bool = False,
) -> Figures:
    """Run a command, which has to end with 0. `synced`: until the disk has what it wrote."""
    asked = [sys.executable, "-c", _CHILD, "synced" if synced else "", *command]
    done = subprocess.run(asked, cwd=cwd, env=environment, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr.decode()[-2000:]}")
    seconds, peak, cpu, read, written = map(float, done.stdout.split())
    return Figures(seconds, peak / 1024, cpu, read * 512 / 1e9, written * 512 / 1e9)


def clocked(work: Callable[[], object]) -> Figures:
    """Time what has no process of its own: of a daemon only the clock is told."""
    started = time.perf_counter()
    work()
    return Figures(time.perf_counter() - started)


def in_child(module: str, call: str, *arguments: object) -> Figures:
    """Run a function of a benchmark in a process of its own."""
    script = f"import sys; sys.path.insert(0, {str(HERE)!r}); from pathlib import Path, PosixPath\n"
    return measure([sys.executable, "-c", f"{script}import {module}; {module}.{call}(*{arguments!r})"])


def drop_caches() -> None:
    """Have bytes come from the disk that come from a file, as root; else the kernel keeps what it has."""
    os.sync()
    if os.geteuid() == 0:
        Path("/proc/sys/vm/drop_caches").write_text("3")


@contextmanager
def scratch_directory(chosen: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=chosen, ignore_cleanup_errors=True) as name:
        yield Path(name).resolve()
