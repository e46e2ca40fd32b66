"""Filters, run by a machine of ours: what they answer for whom, on both architectures."""

import errno
import struct
from pathlib import Path

import pytest

from cogpack.sandbox.system_calls import seccomp
from cogpack.sandbox.system_calls.numbers import MACHINES, NUMBERS, number

BOTH = pytest.mark.parametrize("machine", sorted(MACHINES))


def answered(program: bytes, machine: str, call: str | int, *arguments: int, architecture: int | None = None) -> int:
    """Run a filter as the kernel does (classic BPF, linux/filter.h); return what it says."""
    numbered = number(call, machine) if isinstance(call, str) else call
    assert numbered is not None
    words = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack(
        "<IIQ6Q", numbered, MACHINES[machine] if architecture is None else architecture, 0, *(w % 2**64 for w in words)
    )
    steps = list(struct.iter_unpack("=HBBI", program))
    at, value = 0, 0
    while True:
        code, true, false, operand = steps[at]
        at += 1
        match code:
            case 0x20:  # BPF_LD | BPF_W | BPF_ABS
                (value,) = struct.unpack_from("<I", data, operand)
            case 0x54:  # BPF_ALU | BPF_AND | BPF_K
                value &= operand
            case 0x05:  # BPF_JMP | BPF_JA
                at += operand
            case 0x15:  # BPF_JMP | BPF_JEQ | BPF_K
                at += true if value == operand else false
            case 0x25:  # BPF_JMP | BPF_JGT | BPF_K
                at += true if value > operand else false
            case 0x06:  # BPF_RET | BPF_K
                return operand
            case _:
                raise AssertionError(f"no instruction of a filter: {code:#x}")


def fails(name: str) -> int:
    return seccomp.fails(getattr(errno, name))


@BOTH
def test_a_program_has_what_it_needs_and_no_mounts_or_namespaces(machine: str) -> None:
    program = seccomp.program(seccomp.COMMON, machine)
    for call in ("openat2", "fchownat", "statx", "execveat", "ptrace", "close_range", "setresuid"):
        assert answered(program, machine, call) == seccomp.ALLOW, call
    for call in (
        "mount",
        "umount2",
        "pivot_root",
        "unshare",
        "setns",
        "bpf",
        "kexec_load",
        "reboot",
        "open_by_handle_at",
    ):
        assert answered(program, machine, call) == fails("EPERM"), call


@BOTH
def test_clone_starts_processes_and_threads_and_no_namespace(machine: str) -> None:
    program = seccomp.program(seccomp.COMMON, machine)
    assert answered(program, machine, "clone", 17) == seccomp.ALLOW  # SIGCHLD: fork
    assert answered(program, machine, "clone", 0x3D0F00) == seccomp.ALLOW  # a thread of glibc
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert answered(program, machine, "clone", 17 | flag) == fails("EPERM"), hex(flag)
    assert answered(program, machine, "clone3") == fails("ENOSYS")


@BOTH
def test_devices_are_refused_and_pipes_and_files_made(machine: str) -> None:
    program = seccomp.program(seccomp.COMMON, machine)
    for mode, answer in ((0o020666, fails("EPERM")), (0o060600, fails("EPERM")), (0o010644, seccomp.ALLOW)):
        assert answered(program, machine, "mknodat", -100, 1, mode) == answer
        if machine == "x86_64":
            assert answered(program, machine, "mknod", 1, mode) == answer
    assert answered(program, machine, "mknodat", -100, 1, 0o644) == seccomp.ALLOW


@BOTH
def test_calls_that_nobody_has_looked_at_are_not_there(machine: str) -> None:
    program = seccomp.program((), machine)
    assert answered(program, machine, seccomp.LAST) == seccomp.ALLOW
    assert answered(program, machine, seccomp.LAST + 1) == fails("ENOSYS")
    assert answered(program, machine, 0x40000000) == fails("ENOSYS")  # read(2) of x32


@BOTH
def test_a_program_of_another_architecture_is_killed(machine: str) -> None:
    program = seccomp.program((), machine)
    assert answered(program, machine, 1, architecture=0x40000003) == seccomp.KILL  # i386


@BOTH
def test_without_a_network_there_are_sockets_of_this_machine_only(machine: str) -> None:
    program = seccomp.program((*seccomp.NO_NETWORK, *seccomp.COMMON), machine)
    assert answered(program, machine, "socket", 1) == seccomp.ALLOW
    for family in (2, 10, 16, 17):  # IPv4, IPv6, netlink, packets
        assert answered(program, machine, "socket", family) == fails("EAFNOSUPPORT")
    assert answered(seccomp.program(seccomp.COMMON, machine), machine, "socket", 2) == seccomp.ALLOW


@BOTH
def test_sockets_are_for_connections_of_ones_own(machine: str) -> None:
    program = seccomp.program(seccomp.COMMON, machine)
    for family in (1, 2, 10, 16):  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
        assert answered(program, machine, "socket", family, 0x80001) == seccomp.ALLOW
    for family in (17, 38, 40, 43):  # packets, the kernel's ciphers, other virtual machines, TCP in RDMA's clothes
        assert answered(program, machine, "socket", family, 1) == fails("EAFNOSUPPORT")
    for protocol, answer in ((1, seccomp.ALLOW), (6, fails("EPERM")), (255, fails("EPERM"))):
        assert answered(program, machine, "socket", 2, 3 | 0x80000, protocol) == answer
    assert answered(program, machine, "socket", 2, 10, 1) == fails("EPERM")  # SOCK_PACKET


@BOTH
def test_nothing_is_typed_into_a_terminal(machine: str) -> None:
    program = seccomp.program(seccomp.COMMON, machine)
    assert answered(program, machine, "ioctl", 0, 0x5412) == fails("EPERM")  # TIOCSTI
    assert answered(program, machine, "ioctl", 0, 0x5413) == seccomp.ALLOW  # TIOCGWINSZ


@BOTH
def test_sockets_that_may_be_of_tcp_are_asked_about(machine: str) -> None:
    program = seccomp.program((*seccomp.COMMON, *seccomp.NO_METADATA), machine)
    for kind, answer in ((1, seccomp.NOTIFY), (0x80801, seccomp.NOTIFY), (5, seccomp.NOTIFY), (2, seccomp.ALLOW)):
        assert answered(program, machine, "socket", 10, kind) == answer
    assert answered(program, machine, "socket", 1, 1) == seccomp.ALLOW
    assert answered(program, machine, "connect", 3) == seccomp.NOTIFY


@BOTH
def test_no_message_opens_a_connection(machine: str) -> None:
    program = seccomp.program((*seccomp.COMMON, *seccomp.NO_METADATA), machine)
    for call, before in (("sendmsg", (3, 0)), ("sendto", (3, 0, 9)), ("sendmmsg", (3, 0, 1))):
        assert answered(program, machine, call, *before, 0x20004000) == fails("EOPNOTSUPP")  # MSG_FASTOPEN
        assert answered(program, machine, call, *before, 0x4000) == seccomp.ALLOW  # MSG_NOSIGNAL


@BOTH
def test_the_first_rule_that_holds_answers(machine: str) -> None:
    rules = (*seccomp.UNKNOWN_TO_PROOT, *seccomp.RECORDED_OWNERS, *seccomp.FORGOTTEN_OWNERS, *seccomp.COMMON)
    program = seccomp.program(rules, machine)
    assert answered(program, machine, "open_tree") == fails("ENOSYS")
    assert answered(program, machine, "fchownat") == seccomp.NOTIFY


@BOTH
def test_who_is_all_users_becomes_another_by_staying(machine: str) -> None:
    program = seccomp.program((*seccomp.ONE_USER, *seccomp.COMMON), machine)
    for call in ("setuid", "setresgid", "setgroups", "setfsuid"):
        assert answered(program, machine, call, 33) == seccomp.fails(0), call


@BOTH
def test_no_filter_is_longer_than_the_kernel_takes(machine: str) -> None:
    rules = (*seccomp.UNKNOWN_TO_PROOT, *seccomp.RECORDED_OWNERS, *seccomp.NO_NETWORK, *seccomp.COMMON)
    assert len(seccomp.program(rules, machine)) // 8 < 4096  # BPF_MAXINSNS


def test_numbers_are_those_of_the_kernels_headers() -> None:
    headers = (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm-generic/unistd.h"))
    for at, header in enumerate(headers):
        if not header.exists():
            pytest.skip(f"{header}: no headers of Linux here (linux-libc-dev)")
        told = {
            words[1].removeprefix("__NR_").removeprefix("__NR3264_"): words[2]
            for line in header.read_text().splitlines()
            if len(words := line.split()) == 3 and words[0] == "#define" and words[1].startswith("__NR")
        }
        for call, numbers in NUMBERS.items():
            if (found := told.get(call)) is not None and found.isdecimal():
                assert numbers[at] == int(found), (header, call)
