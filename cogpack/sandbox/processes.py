"""The end of processes that no namespace ends. Standard library only, as `enter`."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path


def end_descendants() -> None:
    """Kill all that come of this process, which orphans fall to, and wait for them; those too that they start
    meanwhile: who is stopped starts nobody."""
    while found := _descendants(_children()):
        _kill(found)
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def end_orphans(tracer: int) -> None:
    """Kill what a traced command has left running, which proot would wait for.

    The command is the tracer's own child, and all others come of it: without that child, but with others, it has ended.
    """
    children = _children()
    if not children.get(tracer):
        _kill(set(_descendants(children)) - {tracer})


def end_session(session: int) -> None:
    """Kill what is left of a session (setsid(2)) whose helper was killed, but who has begun another one."""
    while found := [process for process, (state, _, its) in _processes() if its == session and state != b"Z"]:
        _kill(found)


def _kill(found: Iterable[int]) -> None:
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, number)


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for process, (_, parent, _) in _processes():
        found.setdefault(parent, []).append(process)
    return found


def _processes() -> Iterator[tuple[int, tuple[bytes, int, int]]]:
    """Give all that /proc shows, and of each its state, its parent and its session (proc_pid_stat(5))."""
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            with suppress(OSError):
                state, parent, _, session, *_ = (place / "stat").read_bytes().rpartition(b")")[2].split()
                yield int(place.name), (state, int(parent), int(session))


def _descendants(children: dict[int, list[int]]) -> list[int]:
    found = list(children.get(os.getpid(), ()))
    for process in found:
        found += children.get(process, ())
    return found
