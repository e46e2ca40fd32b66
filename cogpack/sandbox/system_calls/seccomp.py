"""Filters of system calls (seccomp(2)): which are refused, or answered by us, in which rung.

A `Rule` says how calls are answered; `program` makes the kernel's byte code of many, for any machine. It is no wall of
its own; but mounts, namespaces and devices fail alike in every rung.
"""

import errno
import os
import struct
from collections.abc import Iterable, Sequence

import msgspec

from cogpack.sandbox.system_calls.numbers import MACHINES, number

ALLOW, NOTIFY, KILL = 0x7FFF0000, 0x7FC00000, 0x80000000
"""SECCOMP_RET_ALLOW; _USER_NOTIF, which `listener` has answered; _KILL_PROCESS."""

LAST = 462
"""The number of mseal(2), the last call that we have looked at. What is newer is not there (ENOSYS), and C libraries do
without; so is the x32 calls' number space."""


def fails(code: int) -> int:
    """Answer that a call fails with an errno; with 0 it says that it was done."""
    return 0x00050000 | code


class Argument(msgspec.Struct, frozen=True):
    """Holds where the low 32 bits of an argument, masked, are one of `values`; with `others`, where they are none."""

    index: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    others: bool = False


class Rule(msgspec.Struct, frozen=True):
    """Answers some calls, those whose arguments are all as `where` says; the first rule that holds counts. Calls that a
    machine does not have are left out."""

    calls: tuple[str, ...]
    answer: int
    where: tuple[Argument, ...] = ()


_NAMESPACES = 0x7E020000
"""The flags of clone(2) that make namespaces."""

_FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Others reach other virtual machines, read along, or have TCP inside."""
_INTERNET, _PING = (2, 10), (1, 58)
"""AF_INET and AF_INET6; IPPROTO_ICMP and IPPROTO_ICMPV6."""
_DATAGRAM, _RAW, _PACKET, _KIND = 2, 3, 10, 0xF
"""SOCK_DGRAM, SOCK_RAW, SOCK_PACKET; the bits of a type that are no flags."""

_TYPING = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: write what seems to be typed, into a terminal of the machine that stdin is."""

COMMON = (
    Rule(
        (
            *("acct", "add_key", "bpf", "clock_settime", "create_module", "delete_module", "fanotify_init"),
            *("finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms", "get_mempolicy"),
            *("init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp"),
            *("kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mbind", "migrate_pages", "mount"),
            *("mount_setattr", "move_mount", "move_pages", "name_to_handle_at", "nfsservctl", "open_by_handle_at"),
            *("open_tree", "perf_event_open", "pidfd_getfd", "pivot_root", "process_madvise", "query_module"),
            *("quotactl", "quotactl_fd", "reboot", "request_key", "set_mempolicy", "set_mempolicy_home_node"),
            *("setdomainname", "sethostname", "setns", "settimeofday", "swapoff", "swapon", "_sysctl", "sysfs"),
            *("syslog", "umount2", "unshare", "uselib", "userfaultfd", "ustat", "vhangup"),
        ),
        fails(errno.EPERM),
    ),
    Rule(("clone",), fails(errno.EPERM), (Argument(0, (0,), mask=_NAMESPACES, others=True),)),
    Rule(("clone3",), fails(errno.ENOSYS)),  # its flags lie in memory, where no filter looks; C libraries take clone
    Rule(("personality",), fails(errno.EPERM), (Argument(0, (0, 8, 0x20000, 0x20008, 0xFFFFFFFF), others=True),)),
    Rule(("socket",), fails(errno.EAFNOSUPPORT), (Argument(0, _FAMILIES, others=True),)),
    Rule(("socket",), fails(errno.EPERM), (Argument(1, (_PACKET,), mask=_KIND),)),
    Rule(
        ("socket",),
        fails(errno.EPERM),  # or root could read along with the machine's other programs
        (Argument(0, _INTERNET), Argument(1, (_RAW,), mask=_KIND), Argument(2, _PING, others=True)),
    ),
    Rule(("ioctl",), fails(errno.EPERM), (Argument(1, _TYPING),)),
    Rule(("mknod",), fails(errno.EPERM), (Argument(1, (0o020000, 0o060000), mask=0o170000),)),
    Rule(("mknodat",), fails(errno.EPERM), (Argument(2, (0o020000, 0o060000), mask=0o170000),)),
)
"""For every rung: what Docker's default profile refuses (moby, `profiles/seccomp/default.json`) to a container with the
default capabilities; character and block devices, which no rung but `root` could make; and sockets that show more of
the machine's network than a program's own connections."""

NO_TRACING = (Rule(("ptrace", "process_vm_readv", "process_vm_writev"), fails(errno.EPERM)),)
"""Where other processes of the machine can be seen, and need not be: `chroot`."""

NO_NETWORK = (Rule(("socket",), fails(errno.EAFNOSUPPORT), (Argument(0, (1,), others=True),)),)
"""Sockets of AF_UNIX alone, where there is no network namespace: as on a kernel without the others, for which programs
know what to do (useradd ends at any other error of the audit's)."""

_FAST_OPEN = 0x20000000
"""MSG_FASTOPEN: send and connect in one call, whose address nobody looks at."""

NO_METADATA = (
    Rule(("socket",), NOTIFY, (Argument(0, _INTERNET), Argument(1, (_DATAGRAM, _RAW), mask=_KIND, others=True))),
    Rule(("connect",), NOTIFY),
    Rule(("sendmsg",), fails(errno.EOPNOTSUPP), (Argument(2, (_FAST_OPEN,), mask=_FAST_OPEN),)),
    Rule(("sendto", "sendmmsg"), fails(errno.EOPNOTSUPP), (Argument(3, (_FAST_OPEN,), mask=_FAST_OPEN),)),
)
"""Connections that `metadata` looks at, and the sockets for them; no other call makes one of TCP."""

_CHOWN = ("chown", "fchown", "lchown", "fchownat")

RECORDED_OWNERS = (Rule((*_CHOWN, "rename", "renameat", "renameat2"), NOTIFY),)
FORGOTTEN_OWNERS = (Rule(_CHOWN, fails(0)),)
"""Where files can't be given away, and nobody wants to know whose they were to be."""

ONE_USER = (
    Rule(
        (
            *("setuid", "setgid", "setreuid", "setregid", "setgroups", "setresuid", "setresgid", "setfsuid"),
            *("setfsgid", "capset"),
        ),
        fails(0),
    ),
)
"""Where there is one user, who must be all: to become another is done by staying who one is."""

UNKNOWN_TO_PROOT = (
    Rule(
        (
            *("statx", "renameat2", "execveat", "clone3", "openat2", "faccessat2", "fchmodat2", "futex_waitv"),
            *("open_tree", "move_mount", "fspick", "name_to_handle_at"),
        ),
        fails(errno.ENOSYS),
    ),
)
"""Calls whose paths proot leaves as they are, so that they would show the host; C libraries then take older ones."""

_LOAD, _AND, _JUMP, _EQUAL, _GREATER, _RETURN = 0x20, 0x54, 0x05, 0x15, 0x25, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_Step = tuple[int, int, int, int]
"""A struct sock_filter: code, jump if true, jump if false, operand."""


def program(rules: Iterable[Rule], machine: str = os.uname().machine) -> bytes:
    """Return a filter as the kernel wants it: an array of struct sock_filter.

    Calls of another architecture (32-bit programs) would slip past the numbers: such a program is killed by SIGSYS.
    """
    steps: list[_Step] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, MACHINES[machine]),
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_GREATER, 0, 1, LAST),
        (_RETURN, 0, 0, fails(errno.ENOSYS)),
    ]
    for rule in rules:
        body = _body(rule)
        for call in rule.calls:
            if (numbered := number(call, machine)) is not None:
                steps += [(_EQUAL, 0, len(body), numbered), *body]
    steps.append((_RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _body(rule: Rule) -> Sequence[_Step]:
    """Answer, or load the number again for the rules that follow."""
    answer: _Step = (_RETURN, 0, 0, rule.answer)
    if not rule.where:
        return [answer]
    body: list[_Step] = [answer, (_LOAD, 0, 0, _NUMBER)]
    for argument in reversed(rule.where):
        values, again = argument.values, len(body) - 1
        if argument.others:
            tests: list[_Step] = [(_EQUAL, len(values) - 1 - at + again, 0, value) for at, value in enumerate(values)]
        else:
            tests = [(_EQUAL, len(values) - at, 0, value) for at, value in enumerate(values)]
            tests.append((_JUMP, 0, 0, again))
        body = [(_LOAD, 0, 0, _ARGUMENTS + 8 * argument.index), (_AND, 0, 0, argument.mask), *tests, *body]
    return body
