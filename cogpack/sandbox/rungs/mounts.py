"""Mounts of the rungs that have a mount namespace, which ends with its last process, and the mounts with it.

What can be read of the kernel is masked as Docker does (moby, `oci/defaults.go`). Standard library only, as `enter`.
"""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cogpack.sandbox import kernel
from cogpack.sandbox.inroot import find_in
from cogpack.sandbox.rungs import emulation

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

MASKED = (
    *("proc/acpi", "proc/asound", "proc/interrupts", "proc/kcore", "proc/keys", "proc/latency_stats", "proc/scsi"),
    *("proc/sched_debug", "proc/timer_list", "proc/timer_stats", "sys/devices/virtual/powercap", "sys/firmware"),
)
READONLY = ("proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger")

OVERLAY = {"root": "redirect_dir=on", "userns": "userxattr"}
"""Options of overlayfs by rung. Without redirect_dir, which a user may not ask for, a directory of the lower tree can't
be renamed: EXDEV, and programs copy it (the kernel's overlayfs.rst)."""

_PROCESSES = "proc/sys/kernel/pid_max"


def mount_all(
    root: str,
    overlay: tuple[Sequence[str], str, str, str] | None,
    binds: Sequence[tuple[str, str, bool]],
    processes: int | None,
    shm_size: int | None,
    emulator: str | None,
) -> None:
    """Make `root` a mount of its own, with /dev, /proc, /sys and `binds` (source, target, writable) in it.

    `overlay`: what of `mount_overlay` is mounted there. `processes`: how many there may be at a time, where the kernel
    keeps this by namespace (Linux 6.14). `shm_size`: bytes of /dev/shm, None for half of the memory. `emulator`: runs
    programs of another architecture.
    """
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    if overlay:
        mount_overlay(root, *overlay)
    else:
        _bind(root, root, kernel.MS_NODEV)
    if emulator is not None:
        emulation.register(f"{root}/proc", emulator)  # as long as we live
    kernel.mount_proc(f"{root}/proc")
    if processes is not None and _counts_by_namespace(os.uname().release):
        with suppress(OSError):
            Path(root, _PROCESSES).write_text(str(max(processes, 301)))  # what the kernel keeps for itself, and one
    _mount_sys(f"{root}/sys")
    _mount_dev(f"{root}/dev", shm_size)
    for path in READONLY:
        _readonly(f"{root}/{path}")
    for path in MASKED:
        _mask(f"{root}/{path}", f"{root}/dev/null")
    for source, target, writable in binds:
        if target.startswith("/dev/"):
            place = Path(root, target.lstrip("/"))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        _bind_in(root, source, target, 0 if writable else kernel.MS_RDONLY)


def _counts_by_namespace(release: str) -> bool:
    """Tell whether pid_max is a PID namespace's own. Before Linux 6.14 it is the machine's, and not ours to write."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return found is not None and (int(found[1]), int(found[2])) >= (6, 14)


def mount_overlay(target: str, lower: Sequence[str], upper: str, work: str, options: str) -> None:
    """Mount the trees `lower`, the highest first, with what is written to them in `upper`; `work`: beside `upper`, for
    the kernel alone."""
    places = []
    for name, paths in (("lowerdir", lower), ("upperdir", [upper]), ("workdir", [work])):
        # By descriptors, since a colon or a comma in a path would be the kernel's.
        files = [os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in paths]
        places.append(f"{name}={':'.join(f'/proc/self/fd/{file}' for file in files)}")
    kernel.mount("overlay", target, "overlay", kernel.MS_NODEV, ",".join([*places, options]))


def _mount_sys(target: str) -> None:
    try:
        kernel.mount("sysfs", target, "sysfs", kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    except PermissionError:  # a user namespace with the host's network
        kernel.mount("/sys", target, None, kernel.MS_BIND | kernel.MS_REC)
        with suppress(OSError):  # before Linux 5.12; what it shows is another user's in any case
            kernel.make_readonly(target)


def _mount_dev(target: str, shm_size: int | None) -> None:
    kernel.mount("tmpfs", target, "tmpfs", kernel.MS_NOSUID, "mode=755,size=64k")
    for name in DEVICES:
        Path(target, name).touch()
        kernel.mount(f"/dev/{name}", f"{target}/{name}", None, kernel.MS_BIND)
    for name, link in LINKS.items():
        Path(target, name).symlink_to(link)
    Path(target, "pts").mkdir()
    with suppress(OSError):
        options = "newinstance,ptmxmode=0666,mode=620"
        kernel.mount("devpts", f"{target}/pts", "devpts", kernel.MS_NOSUID | kernel.MS_NOEXEC, options)
    Path(target, "shm").mkdir()
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    size = "" if shm_size is None else f",size={shm_size}"
    kernel.mount("tmpfs", f"{target}/shm", "tmpfs", flags, f"mode=1777{size}")


LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}


def _bind(source: str, target: str, flags: int) -> None:
    """Bind, then add `flags` to those that the mount has already, and that a user namespace may not take off."""
    kernel.mount(source, target, None, kernel.MS_BIND | kernel.MS_REC)
    kept = os.statvfs(target).f_flag & (kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    if flags & ~kept:
        kernel.mount(None, target, None, kernel.MS_REMOUNT | kernel.MS_BIND | kept | flags)


def _bind_in(root: str, source: str, target: str, flags: int) -> None:
    """Bind at `target` as a process in `root` would find it: the image may have laid a link there."""
    place = str(find_in(Path(root), target))
    devices = 0 if Path(source).is_char_device() else kernel.MS_NODEV  # one that is asked for by name, a GPU say
    _bind(source, place, flags | kernel.MS_NOSUID | devices)
    if flags & kernel.MS_RDONLY:
        with suppress(OSError):  # before Linux 5.12, what is mounted below stays as it is
            kernel.make_readonly(place)


def _readonly(path: str) -> None:
    if os.path.lexists(path):
        _bind(path, path, kernel.MS_RDONLY)


def _mask(path: str, nothing: str) -> None:
    if Path(path).is_dir():
        kernel.mount("tmpfs", path, "tmpfs", kernel.MS_RDONLY, "size=0k")
    elif os.path.lexists(path):
        kernel.mount(nothing, path, None, kernel.MS_BIND)
