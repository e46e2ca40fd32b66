"""What a machine lets us do is asked of its kernel, and told with what would help."""

import errno
import os
from pathlib import Path

import pytest
from support.disks import mounts_below

from cogpack.errors import InputError
from cogpack.sandbox.rungs.choice import Findings, Isolation, Machine, Refusal, Rung, choose, explained, probe
from cogpack.sandbox.system_calls.seccomp import Argument, Rule, fails

EPERM, EACCES = fails(errno.EPERM), fails(errno.EACCES)

DEFAULT_CONTAINER = (Rule(("unshare", "mount", "setns", "pivot_root"), EPERM),)
"""What Docker's filter and capabilities refuse to root (E4)."""
UNPRIVILEGED_CONTAINER = (*DEFAULT_CONTAINER, Rule(("chroot", "chown", "fchownat", "mknod", "mknodat"), EPERM))
"""The same to another user (E5)."""
APPARMOR = (Rule(("openat",), EACCES, (Argument(2, (os.O_WRONLY,), mask=os.O_ACCMODE),)),)
"""Ubuntu 24.04 (E3): the namespace is made, its maps can't be written."""
GVISOR = (
    Rule(("openat2", "landlock_create_ruleset"), fails(errno.ENOSYS)),
    Rule(("seccomp",), fails(errno.EINVAL), (Argument(1, (8,)),)),
)
"""Calls that gVisor's log names as not implemented, and a seccomp listener, which it is not known to have (E8)."""

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="root alone may chroot, and mount without a user namespace")


def refused(found: Findings) -> dict[str, str]:
    return {rung: str(refusal) for rung, refusal in found.refusals.items()}


def no_userns() -> str | None:
    refusal = probe(Path("/tmp")).refusals.get(Rung.USERNS)
    return None if refusal is None else f"no user namespaces on this machine ({refusal})"


@AS_ROOT
def test_root_of_a_default_container_has_chroot(tmp_path: Path) -> None:
    found = probe(tmp_path, under=DEFAULT_CONTAINER)
    assert refused(found) == {"root": "unshare: EPERM", "userns": "unshare: EPERM"}
    assert choose("auto", found, owners=True) is Rung.CHROOT


def test_another_user_of_a_container_has_proot(tmp_path: Path) -> None:
    found = probe(tmp_path, under=UNPRIVILEGED_CONTAINER)
    assert found.refusals.keys() == {"root", "userns", "chroot"}
    assert choose("auto", found, owners=True) is Rung.PROOT


@pytest.mark.slow
@AS_ROOT
def test_a_namespace_whose_maps_are_refused_is_none(tmp_path: Path) -> None:
    if reason := no_userns():
        pytest.skip(reason)
    assert refused(probe(tmp_path, under=APPARMOR))["userns"] == "setgroups: EACCES"


def test_where_nothing_can_be_traced_nothing_works(tmp_path: Path) -> None:
    found = probe(tmp_path, under=(*UNPRIVILEGED_CONTAINER, Rule(("ptrace",), EPERM)))
    assert refused(found)["proot"] == "ptrace: EPERM"
    with pytest.raises(InputError) as caught:
        choose("auto", found, owners=True)
    assert caught.value.exit_code == 2
    for told in ("userns (unshare: EPERM)", "chroot (", "proot (ptrace: EPERM)"):
        assert told in caught.value.message
    assert "any one of these helps" in caught.value.next_step


@AS_ROOT
def test_a_kernel_that_has_not_the_newest_calls_has_the_same_rungs_and_no_recorder(tmp_path: Path) -> None:
    found = probe(tmp_path, under=(*GVISOR, *DEFAULT_CONTAINER))
    assert str(found.listener) == "seccomp with a listener: EINVAL"
    assert choose("auto", found, owners=True) is Rung.CHROOT


def test_no_recorder_is_found_out(tmp_path: Path) -> None:
    found = probe(tmp_path, under=[Rule(("seccomp",), fails(errno.EBUSY), (Argument(1, (8,)),))])
    assert str(found.listener) == "seccomp with a listener: EBUSY"


def test_a_probe_leaves_nothing(tmp_path: Path) -> None:
    probe(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not mounts_below(tmp_path)


NO_USERNS = Refusal("unshare", "EPERM", "this")
NO_ROOT = Refusal("setuid", "EPERM", "that")


def test_the_first_rung_that_works_is_taken() -> None:
    assert choose("auto", Findings({}), owners=True) is Rung.ROOT
    assert choose("auto", Findings({Rung.ROOT: NO_ROOT}), owners=True) is Rung.USERNS


def test_without_a_recorder_owners_need_a_rung_that_has_them() -> None:
    found = Findings({Rung.ROOT: NO_ROOT}, Refusal("seccomp with a listener", "EBUSY", "root"))
    assert choose("auto", found, owners=False) is Rung.USERNS
    assert choose("auto", found, owners=True) is Rung.CHROOT
    with pytest.raises(InputError, match="seccomp with a listener: EBUSY"):
        choose("proot", found, owners=True)


@pytest.mark.parametrize("isolation", list(Rung))
def test_what_is_asked_for_is_taken_or_refused_with_another_that_works(isolation: Rung) -> None:
    wanted: Isolation = isolation.value
    assert choose(wanted, Findings({}), owners=True) is isolation
    with pytest.raises(InputError, match=f"isolation: {isolation} doesn't work here.*nosuchcall: EPERM") as caught:
        choose(wanted, Findings({isolation: Refusal("nosuchcall", "EPERM", "this")}), owners=True)
    other = Rung.USERNS if isolation is Rung.ROOT else Rung.ROOT
    assert caught.value.next_step == f"any one of these helps: this; --isolation {other}, which works"


USER = Machine(1000, filtered=False)
APPARMOR_SETTING = {"kernel/apparmor_restrict_unprivileged_userns": "1"}


@pytest.mark.parametrize(
    ("name", "call", "code", "machine", "told"),
    [
        ("userns", "uid_map", errno.EACCES, Machine(1000, False, APPARMOR_SETTING), "apparmor_restrict_unprivileged"),
        ("userns", "unshare", errno.EPERM, Machine(1000, False, {"kernel/unprivileged_userns_clone": "0"}), "sysctl"),
        ("userns", "unshare", errno.ENOSPC, USER, "user.max_user_namespaces"),
        ("userns", "unshare", errno.EPERM, Machine(1000, True), "seccomp=unconfined"),
        ("proot", "ptrace", errno.EPERM, Machine(1000, False, {"kernel/yama/ptrace_scope": "3"}), "yama"),
        ("root", "setuid", errno.EPERM, USER, "sudo"),
        ("chroot", "open of a device", errno.EACCES, Machine(0, False), "nodev"),
        ("proot", "execve", errno.EACCES, USER, "noexec"),
        ("root", "chown", errno.EPERM, Machine(0, False), "a disk of this machine"),
    ],
)
def test_each_refusal_says_what_helps(name: str, call: str, code: int, machine: Machine, told: str) -> None:
    refusal = explained(name, call, code, machine)
    assert told in refusal.help
    assert str(refusal) == f"{call}: {errno.errorcode[code]}"
