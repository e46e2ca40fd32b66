"""The end of processes that no namespace ends. Standard library only, as `enter`."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")


class Process(NamedTuple):
    """What /proc tells of one (proc_pid_stat(5)). `ticks`: of the processor, for itself and for those of its children
    that it has waited for."""

    number: int
    state: bytes
    parent: int
    session: int
    threads: int
    ticks: int


def end_descendants() -> None:
    """Kill all that come of this process, which orphans fall to, and wait for them; those too that they start
    meanwhile: who is stopped starts nobody."""
    while found := [one.number for one in processes_below(os.getpid())]:
        _kill(found)
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def end_orphans(tracer: int) -> None:
    """Kill what a traced command has left running, which proot would wait for.

    The command is the tracer's own child, and all others come of it: without that child, but with others, it has ended.
    """
    found = list(processes_below(os.getpid()))
    if not any(one.parent == tracer for one in found):
        _kill([one.number for one in found if one.number != tracer])


def end_session(session: int) -> None:
    """Kill what is left of a session (setsid(2)) whose helper was killed, but who has begun another one; without /proc
    (macOS), its first group."""
    if not _PROC.exists():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(session, signal.SIGKILL)
        return
    while found := [one.number for one in _processes() if one.session == session and one.state != b"Z"]:
        _kill(found)


def _kill(found: Sequence[int]) -> None:
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, number)


def processes_below(ancestor: int) -> Iterator[Process]:
    """Give all that come of a process, as far as those between live."""
    children: dict[int, list[Process]] = {}
    for process in _processes():
        children.setdefault(process.parent, []).append(process)
    found = [*children.get(ancestor, ())]
    for process in found:
        found += children.get(process.number, ())
    yield from found


def _processes() -> Iterator[Process]:
    """Give all that /proc shows."""
    for place in _PROC.iterdir():
        if place.name.isdecimal():
            with suppress(OSError):
                fields = (place / "stat").read_bytes().rpartition(b")")[2].split()
                ticks = sum(map(int, fields[11:15]))
                number = int(place.name)
                yield Process(number, fields[0], int(fields[1]), int(fields[3]), int(fields[17]), ticks)
