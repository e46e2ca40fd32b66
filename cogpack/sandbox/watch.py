"""A command is looked at while it runs: it may run for ever, say nothing, fill the disk, or start others without end.

The kernel holds some of this in some rungs (`enter`); what is here holds in all of them, a moment late.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from cogpack.errors import InputError
from cogpack.sandbox.rungs.processes import processes_below
from cogpack.text import size_text, time_text

_GLANCE = 0.2
"""Seconds between two looks at what costs nothing."""
_LOOK = 0.5
"""Seconds between two looks at all processes of the machine."""
_SILENT = 30.0
"""Seconds without output after which it is asked whether the command computes."""
_MEASURE = 30.0
"""Seconds between two measurements of a tree."""
_BLOCK = 512
"""Bytes that `st_blocks` counts in (stat(2))."""
_RESERVE = 512 * 1024 * 1024
"""Bytes of the disk that a command doesn't get: what it changed is still to be written as a layer."""


class Limits(msgspec.Struct, frozen=True):
    """What a command may take; None is as much as it likes.

    `seconds`: from its start; `idle`: seconds in which it neither writes anything nor computes; `size`: bytes that it
    may add to its tree, and then it leaves some of the disk, too; `processes`: at a time, threads counted; `file_size`:
    bytes of one file.
    """

    seconds: float | None = None
    idle: float | None = None
    size: int | None = None
    processes: int | None = None
    file_size: int | None = None


class LimitError(InputError):
    """Raised where a command took more than its limits allow. `limit`: the name of the one, as in `Limits`, or
    `disk`."""

    def __init__(self, message: str, *, limit: str, next_step: str) -> None:
        super().__init__(message, next_step=next_step)
        self.limit = limit


class Watch:
    """Holds a command, which `helper` has started over the tree `root`, to its limits."""

    def __init__(self, limits: Limits, root: Path, helper: int) -> None:
        self._limits = limits
        self._root = root
        self._helper = helper
        self._begun = self._alive = time.monotonic()
        self._since = time.time()
        self._glanced = self._looked = self._measured = 0.0
        self._ticks: int | None = None
        self._tasks = _tasks()
        self._free = _free(root)
        self._reserve = min(_RESERVE, self._free // 2)

    def hear(self) -> None:
        """Note that the command wrote something."""
        self._alive = time.monotonic()

    def check(self) -> None:
        """Raise a `LimitError` where the command has taken too much."""
        now, limits = time.monotonic(), self._limits
        if now - self._glanced < _GLANCE:
            return
        self._glanced = now
        if limits.seconds is not None and now - self._begun > limits.seconds:
            raise _exceeded("seconds", f"ran longer than {time_text(limits.seconds)}")
        if limits.size is not None:
            self._check_size(now, limits.size)
        many = limits.processes is not None and _tasks() - self._tasks > limits.processes // 2
        silent = limits.idle is not None and now - self._alive > min(limits.idle / 2, _SILENT)
        if (many or silent) and now - self._looked >= _LOOK:
            self._looked = now
            self._look(now)

    def _check_size(self, now: float, size: int) -> None:
        free = _free(self._root)
        if free < self._reserve:
            raise _exceeded("disk", f"left only {size_text(free)} of the disk")
        # The disk is others', too: who wrote that much is told by the tree, which takes a while to look at.
        if self._free - free > size and now - self._measured > _MEASURE:
            self._measured = now
            if _written(self._root, self._since) > size:
                raise _exceeded("size", f"wrote more than {size_text(size)}")

    def _look(self, now: float) -> None:
        limits, found = self._limits, list(processes_below(self._helper))
        if limits.processes is not None and sum(one.threads for one in found) > limits.processes:
            raise _exceeded("processes", f"had more than {limits.processes} processes at a time")
        ticks = sum(one.ticks for one in found)
        if ticks != self._ticks:
            self._ticks, self._alive = ticks, now
        elif limits.idle is not None and now - self._alive > limits.idle:
            raise _exceeded("idle", f"neither wrote anything nor computed for {time_text(limits.idle)}")


def _exceeded(limit: str, what: str) -> LimitError:
    return LimitError(f"the command {what}", limit=limit, next_step="give it more, or less to do")


def _tasks() -> int:
    """Count the machine's threads, all of them: a number that the kernel keeps (proc_loadavg(5))."""
    try:
        return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return 0


def _free(root: Path) -> int:
    found = os.statvfs(root)
    return found.f_bavail * found.f_frsize


def _written(root: Path, since: float) -> int:
    """Sum up what files of a tree take on the disk that were changed `since`."""
    total = 0
    directories = [str(root)]
    while directories:
        with suppress(OSError), os.scandir(directories.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        directories.append(entry.path)
                    elif (found := entry.stat(follow_symlinks=False)).st_ctime >= since:
                        total += found.st_blocks * _BLOCK
    return total
