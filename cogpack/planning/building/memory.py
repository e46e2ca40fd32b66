"""How much memory a build may take: what the machine has, or less, where a control group has a limit."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath


def usable_memory(root: Path = Path("/")) -> int:
    """Give it in bytes. `root`: where /proc and /sys are."""
    return min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *_limits(root)])


def _limits(root: Path) -> Iterator[int]:
    """Give the limits of our group and of all above it (cgroups(7), proc_pid_cgroup(5)), of both versions."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            top = root / ("sys/fs/cgroup/memory" if controllers else "sys/fs/cgroup")
            name = "memory.limit_in_bytes" if controllers else "memory.max"
            own = PurePosixPath(path.lstrip("/"))
            for group in (own, *own.parents):
                with suppress(OSError, ValueError):  # the root has none; "max"; a path of who started the container
                    yield int((top / group / name).read_text())
