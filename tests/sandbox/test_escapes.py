"""What a guest tries and may not, rung by rung; what a rung doesn't hide is in docs/sandbox.md."""

import os
import socket
from pathlib import Path

import pytest
from support.guests import EVERY_RUNG, NAMESPACES, guest, perl, run, run_once

from cogpack.sandbox.guest import Command, Guest
from cogpack.sandbox.rungs import landlock
from cogpack.sandbox.rungs.choice import Rung
from cogpack.sandbox.rungs.proot import Proot
from cogpack.sandbox.system_calls.numbers import number

pytestmark = pytest.mark.slow

WITH_NETWORK = pytest.mark.parametrize("network", [True, False])


@EVERY_RUNG
@pytest.mark.parametrize(
    "script",
    [
        "mount -t tmpfs none /tmp",
        "mknod /disk b 8 0 && head -c 1 /disk",
        "mknod /memory c 1 1 && head -c 1 /memory",
        "unshare -m true",
        "touch /sys/power/state && echo mem > /sys/power/state",
        "head -c 1 /dev/mem",
    ],
)
def test_the_machine_is_not_to_be_had(tree: Path, rung: Rung, script: str) -> None:
    ran = run_once(tree, rung, f"({script}) 2>&1 && echo had")
    assert ran.status != 0
    assert "had" not in ran.output


@EVERY_RUNG
def test_the_kernels_other_doors_are_closed(tree: Path, rung: Rung) -> None:
    """What containers have been left by: they fail as they do under Docker's filter, with EPERM."""
    calls = ("keyctl", "add_key", "io_uring_setup", "bpf", "userfaultfd", "perf_event_open", "open_by_handle_at")
    script = "for (@ARGV) { my $done = syscall($_, 0, 0, 0, 0, 0); print $done, ' ', $! + 0, ' ' }"
    ran = run_once(tree, rung, perl(script, *(str(number(call)) for call in calls)))
    assert ran.output == "-1 1 " * len(calls)


@EVERY_RUNG
def test_files_of_the_machine_are_not_seen(tree: Path, rung: Rung) -> None:
    (tree.parent / "credentials").write_text("secret")
    above = "/".join([".."] * 30)
    paths = [f"{tree.parent}/credentials", f"{above}{tree.parent}/credentials", f"/proc/self/cwd/{above}{tree.parent}"]
    if rung is not Rung.PROOT or os.geteuid() != 0:
        paths.append(f"/proc/{os.getpid()}/root{tree.parent}/credentials")
    ran = run_once(tree, rung, f"cd /usr; for path in {' '.join(paths)}; do cat $path 2>/dev/null && echo had; done")
    assert ran.output == ""


@NAMESPACES
@pytest.mark.parametrize("kind", ["link", "script", "script of a script"])
def test_no_program_of_the_machine_is_run_by_way_of_our_own(tree: Path, rung: Rung, kind: str) -> None:
    """Who is run as /proc/self/exe is our interpreter, and could write to its file."""
    if kind == "link":
        (tree / "run-me").symlink_to("/proc/self/exe")
    else:
        (tree / "run-me").write_text(f"#!{'/proc/self/exe' if kind == 'script' else '/inner -x'}\n")
        (tree / "inner").write_text("#! /proc/self/exe -c\n")
        (tree / "run-me").chmod(0o755)
        (tree / "inner").chmod(0o755)
    ran = run_once(tree, rung, Command(("/run-me", "-c", "print('had')"), {}))
    assert (ran.status, ran.output) == (126, "/run-me: Permission denied\n")


@EVERY_RUNG
def test_shared_memory_is_gone_with_the_command(tree: Path, rung: Rung) -> None:
    with guest(tree, rung) as started:
        assert run(started, "echo left > /dev/shm/left; cat /dev/shm/left").output == "left\n"
        assert run(started, "ls -A /dev/shm").output == ""
    assert not (tree / "dev").exists()
    assert not Path("/dev/shm/left").exists()


@EVERY_RUNG
def test_the_kernels_settings_are_nobodys_to_change(tree: Path, rung: Rung) -> None:
    if rung is Rung.PROOT and os.geteuid() == 0:
        pytest.skip("proot hides nothing of what root may do")
    before = Path("/proc/sys/kernel/panic").read_text()
    ran = run_once(tree, rung, "echo s > /proc/sysrq-trigger; echo 123 > /proc/sys/kernel/panic")
    assert Path("/proc/sys/kernel/panic").read_text() == before
    if rung is Rung.CHROOT:  # writes into files of its own
        assert ran.output.count("Directory nonexistent") == 1
    else:
        assert ran.output.count("cannot create") == 2


@NAMESPACES
def test_the_first_process_can_not_be_looked_into(tree: Path, rung: Rung) -> None:
    script = "ls /proc/1/root/ && echo had; ls -l /proc/1/exe && echo had; cat /proc/1/environ && echo had"
    assert "had" not in run_once(tree, rung, script).output


@NAMESPACES
def test_processes_of_the_machine_are_not_seen(tree: Path, rung: Rung) -> None:
    ran = run_once(tree, rung, f"ls /proc; kill -0 {os.getpid()} || echo none")
    assert ran.output.endswith("none\n")
    assert max(int(name) for name in ran.output.split() if name.isdecimal()) < 10


@pytest.mark.parametrize("rung", [Rung.ROOT, Rung.USERNS, Rung.CHROOT])
def test_a_second_chroot_leads_nowhere(tree: Path, rung: Rung) -> None:
    marker = tree.parent / "machine"
    marker.touch()
    script = """
    mkdir "/jail"; chroot "/jail" or print "no ";
    chdir ".." for 1..64; chroot "."; print -e $ARGV[0] ? "out" : "in";
    """
    assert run_once(tree, rung, perl(script, str(marker))).output in ("in", "no in")


@NAMESPACES
def test_what_the_kernel_tells_of_the_machine_is_masked(tree: Path, rung: Rung) -> None:
    ran = run_once(tree, rung, "cat /proc/kcore /proc/keys /proc/interrupts /sys/firmware/* 2>/dev/null | wc -c")
    assert ran.output == "0\n"


@pytest.mark.parametrize("rung", [Rung.ROOT, Rung.CHROOT])
def test_root_in_a_guest_has_a_containers_capabilities(tree: Path, rung: Rung) -> None:
    """Those of `docker run`, and no devices; told by capget(2), since chroot has no /proc."""
    script = f"""
    my $h = pack "Ii", 0x20080522, 0; my $d = "\\0" x 24;
    syscall({125 if number("mount") == 165 else 90}, $h, $d); printf "%x", (unpack "I6", $d)[1];
    """
    assert run_once(tree, rung, perl(script)).output == ("a00425fb" if rung is Rung.ROOT else "a00025fb")


@EVERY_RUNG
@WITH_NETWORK
def test_the_network_is_the_machines_or_none(tree: Path, rung: Rung, network: bool) -> None:
    script = """
    my $at = pack("Sna4x8", 2, $ARGV[0], pack("C4", 127, 0, 0, 1));
    print +(socket(S, 2, 1, 6) && connect(S, $at)) ? "through" : "none";
    socket(U, 1, 1, 0) or print " and no sockets at all";
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        with guest(tree, rung, network=network) as started:
            ran = run(started, perl(script, str(server.getsockname()[1])))
    assert ran.output == ("through" if network else "none")


@pytest.mark.parametrize("rung", [Rung.ROOT, Rung.USERNS])
def test_without_a_network_a_guest_can_still_talk_to_itself(tree: Path, rung: Rung) -> None:
    script = """
    my $at = pack("Sna4x8", 2, 5000, pack("C4", 127, 0, 0, 1));
    socket(L, 2, 1, 6) and bind(L, $at) and listen(L, 1) and socket(S, 2, 1, 6) and connect(S, $at) and print "through";
    """
    assert run_once(tree, rung, perl(script), network=False).output == "through"


@EVERY_RUNG
def test_what_ran_cogpack_can_not_be_traced(tree: Path, rung: Rung) -> None:
    script = f"print syscall({number('ptrace')}, 16, $ARGV[0], 0, 0) == 0 ? 'had' : 'no'"
    if rung is Rung.PROOT and not landlock.version():
        pytest.skip("proot hides no process: a guest may trace what its user may")
    assert run_once(tree, rung, perl(script, str(os.getpid()))).output == "no"


@EVERY_RUNG
def test_no_abstract_socket_of_the_machine_is_reached(tree: Path, rung: Rung) -> None:
    """Docker's own helpers, desktops and their buses have such ones, and they belong to the network (unix(7))."""
    if landlock.version() < 6:
        pytest.skip("Linux 6.12 is the first to keep processes from them (landlock(7))")
    name = f"cogpack-{os.getpid()}"
    script = """
    socket(S, 1, 1, 0); print connect(S, pack("Sa*", 1, "\\0$ARGV[0]")) ? "through" : "$!";
    socket(L, 1, 1, 0); bind(L, pack("Sa*", 1, "\\0$ARGV[0]-own")) and listen(L, 1) or print "no own";
    socket(T, 1, 1, 0); print connect(T, pack("Sa*", 1, "\\0$ARGV[0]-own")) ? " and its own" : " $!";
    """
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        network = rung is not Rung.CHROOT  # where a filter, and so this, is only laid for who has none
        assert run_once(tree, rung, perl(script, name), network=network).output == "Operation not permitted and its own"


def test_a_proot_that_translates_nothing_has_no_files_and_no_processes(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a program under it could that traces itself."""
    if landlock.version() < 6:
        pytest.skip("Linux 6.12 is the first to do both (landlock(7))")
    secret, program, me = tmp_path / "secret", tmp_path / "proot", os.getpid()
    secret.write_text("the secret")
    program.write_text(
        f"#!/bin/sh\n# PROOT_TMP_DIR\n"
        f"cat {secret}; echo more >> {secret}; echo new > {tmp_path}/new; ls {tmp_path}; cat /proc/{me}/environ\n"
        f"kill -0 {me}; echo in > {tree}/in\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(Guest, "_check_translation", lambda *_: None)
    with Guest(tree, Rung.PROOT, owners=None, proot=Proot((str(program),))) as started:
        ran = run(started, "true")
    assert ran.output.count("ermission denied") == 5
    assert ran.output.count("peration not permitted") == 1
    assert (secret.read_text(), (tree / "in").read_text()) == ("the secret", "in\n")
