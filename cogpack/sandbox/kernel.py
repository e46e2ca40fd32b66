"""Calls of Linux that Python has no name for, by ctypes, on amd64 and arm64.

Standard library only: `enter` and `questions` are programs of their own, which see no installed package.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Sequence
from pathlib import Path

from cogpack.sandbox.system_calls.numbers import number

_libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
MNT_DETACH = 2
RESOLVE_NO_MAGICLINKS, RESOLVE_IN_ROOT = 0x02, 0x10

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 36, 38
PTRACE_TRACEME, PTRACE_SETOPTIONS, PTRACE_O_TRACESYSGOOD = 0, 0x4200, 1

CAP_MKNOD, CAP_SYS_CHROOT, CAP_SYS_ADMIN = 27, 18, 21
CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, CAP_SYS_CHROOT, 29, 31})
"""Those that Docker leaves to a container (moby, `oci/caps/defaults.go`) but CAP_MKNOD, whose devices no layer may
have: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT,
AUDIT_WRITE, SETFCAP."""

_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_NEW_LISTENER = 1, 8


def _syscall(call: str, *arguments: int | bytes | None) -> int:
    numbered = number(call)
    assert numbered is not None
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return _checked(_libc.syscall(ctypes.c_long(numbered), *words), call)


def _checked(result: int, call: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), call)
    return int(result)


def unshare(flags: int) -> None:
    _syscall("unshare", flags)


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    _checked(_libc.mount(*texts[:3], ctypes.c_ulong(flags), texts[3]), f"mount {target}")


def unmount(target: str) -> None:
    """Take a mount out of the tree; it lasts as long as somebody has it open."""
    _checked(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount2 {target}")


def make_readonly(target: str) -> None:
    """Make a mount read-only, and all below it (mount_setattr(2), Linux 5.12)."""
    attributes = struct.pack("QQQQ", 1, 0, 0, 0)
    _syscall("mount_setattr", -100, os.fsencode(target), 0x8000, attributes, len(attributes))


def pivot_root(new_root: str) -> None:
    """Make a mount the root of this mount namespace; nothing of the old one can be reached any more (pivot_root(2))."""
    os.chdir(new_root)
    _syscall("pivot_root", b".", b".")
    _checked(_libc.umount2(b".", MNT_DETACH), "umount2")
    os.chdir("/")


def openat2(directory: int, path: bytes, flags: int, resolve: int) -> int:
    """Open `path` with its links resolved as `resolve` says; `ENOSYS` before Linux 5.6 and in gVisor."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, resolve)
    return _syscall("openat2", directory, path, how, len(how))


def prctl(option: int, value: int) -> None:
    _checked(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def ptrace(request: int, process: int, data: int = 0) -> None:
    _libc.ptrace.restype = ctypes.c_long
    _checked(_libc.ptrace(ctypes.c_long(request), process, None, ctypes.c_long(data)), "ptrace")


def seccomp(program: bytes, *, listen: bool) -> int:
    """Lay a filter on this thread and all that it starts; with `listen`, return what its notifications are read from.

    Whoever has not CAP_SYS_ADMIN must give up new privileges first (seccomp(2)): those who have it need not, and sudo
    works.
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    flags = _SECCOMP_FILTER_FLAG_NEW_LISTENER if listen else 0
    try:
        return _syscall("seccomp", _SECCOMP_SET_MODE_FILTER, flags, header)
    except PermissionError:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        return _syscall("seccomp", _SECCOMP_SET_MODE_FILTER, flags, header)


def landlock_create_ruleset(attributes: bytes | None, size: int, flags: int) -> int:
    return _syscall("landlock_create_ruleset", attributes, size, flags)


def landlock_add_rule(ruleset: int, kind: int, attributes: bytes) -> None:
    _syscall("landlock_add_rule", ruleset, kind, attributes, 0)


def landlock_restrict_self(ruleset: int) -> None:
    _syscall("landlock_restrict_self", ruleset, 0)


def keep_capabilities(kept: Sequence[int]) -> None:
    """Drop all others from the bounding set: with the next execve(2), root has `kept` and nothing else."""
    for capability in range(64):
        if capability not in kept:
            try:
                prctl(PR_CAPBSET_DROP, capability)
            except OSError as error:
                if error.errno == errno.EINVAL:  # beyond the last one
                    return
                raise


def give_up_capabilities() -> None:
    """Drop all of this thread's, now."""
    version_3 = struct.pack("Ii", 0x20080522, 0)
    _syscall("capset", version_3, bytes(24))


def capabilities() -> int:
    """Return this thread's effective ones, a bit each; root's may be few in a container."""
    for line in Path("/proc/thread-self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def enter_user_namespace(uid: int, gid: int, others: int) -> None:
    """Be `uid` in a user namespace of one user and one group, and in the `others` (unshare(2)) that belong to it."""
    outer = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | others)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {outer[0]} 1"), ("gid_map", f"{gid} {outer[1]} 1")):
        try:
            Path(f"/proc/self/{name}").write_text(text)
        except OSError as error:
            error.filename = name
            raise


def mount_proc(target: str) -> None:
    """Mount what this PID namespace has of processes; where a container masks its own /proc, that instead."""
    try:
        mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except PermissionError:
        mount("/proc", target, None, MS_BIND | MS_REC)
