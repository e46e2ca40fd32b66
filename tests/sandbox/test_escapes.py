"""What a guest tries and may not, rung by rung; what a rung doesn't hide is in docs/sandbox.md."""

import os
import socket
from pathlib import Path

import pytest
from support.guests import EVERY_RUNG, NAMESPACES, guest, perl, run, run_once

from cogpack.sandbox.calls import number
from cogpack.sandbox.probe import Rung

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
    script = f"print syscall({101 if number('mount') == 165 else 117}, 16, $ARGV[0], 0, 0) == 0 ? 'had' : 'no'"
    if rung is Rung.PROOT:
        pytest.skip("proot hides no process: a guest may trace what its user may")
    assert run_once(tree, rung, perl(script, str(os.getpid()))).output == "no"
