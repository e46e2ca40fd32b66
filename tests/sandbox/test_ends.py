"""Nothing outlives a run: no process, no mount; whoever ends first, and however."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.disks import mounts_below
from support.guests import EVERY_RUNG, guest, need, perl, proot, run, run_once

from cogpack.progress import Cancellation, Cancelled
from cogpack.sandbox.run import Run, Streams
from cogpack.sandbox.rungs.choice import Rung
from cogpack.sandbox.watch import LimitError, Limits

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parents[1] / "support" / "guest_program.py"

LEFT = "setsid sh -c 'exec 3>/alive; echo > /begun; sleep 1000' & (exec 3>/alive; trap '' TERM HUP INT; sleep 1000) & "
"""Two processes that mean to stay; each holds /alive, a pipe, open."""


@contextmanager
def alive(tree: Path) -> Iterator[int]:
    """Make the pipe; read of it, nothing comes as long as one of its writers lives, and then its end."""
    os.mkfifo(tree / "alive")
    os.mkfifo(tree / "begun")
    reading = os.open(tree / "alive", os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield reading
    finally:
        os.close(reading)


def ended(reading: int, seconds: float = 20) -> bool:
    """Whether all writers have ended, at once or within `seconds`."""
    poll = select.poll()
    poll.register(reading, 0)
    return bool(poll.poll(seconds * 1000))


@EVERY_RUNG
def test_what_a_command_leaves_running_is_killed_at_its_end(tree: Path, rung: Rung) -> None:
    with alive(tree) as reading:
        assert run_once(tree, rung, LEFT + "read x < /begun; exit 3").status == 3
        assert ended(reading, 0)


@EVERY_RUNG
def test_a_cancellation_ends_all_of_it(tree: Path, rung: Rung) -> None:
    cancellation = Cancellation()
    with alive(tree) as reading, guest(tree, rung) as started:
        with pytest.raises(Cancelled):
            run(
                started,
                LEFT + "read x < /begun; echo begun; wait",
                seen=lambda _: cancellation.cancel(),
                cancellation=cancellation,
            )
        assert ended(reading, 0)


@EVERY_RUNG
def test_a_listener_that_fails_ends_all_of_it(tree: Path, rung: Rung) -> None:
    class Full(Exception):
        pass

    def fail(_: bytes) -> None:
        raise Full

    with alive(tree) as reading, guest(tree, rung) as started:
        with pytest.raises(Full):
            run(started, LEFT + "read x < /begun; echo begun; wait", seen=fail)
        assert ended(reading, 0)
    assert [path.name for path in tree.parent.iterdir()] == ["tree"]


@EVERY_RUNG
def test_a_limit_of_time_ends_all_of_it(tree: Path, rung: Rung) -> None:
    with alive(tree) as reading, guest(tree, rung) as started:
        run(started, "true")
        with pytest.raises(LimitError, match=r"longer than 0\.5 s"):
            run(started, LEFT + "read x < /begun; wait", limits=Limits(seconds=0.5))
        assert ended(reading, 0)


@EVERY_RUNG
def test_the_end_of_cogpack_is_the_end_of_its_guest(tree: Path, rung: Rung) -> None:
    need(rung, tree.parent)
    for number in (signal.SIGKILL, signal.SIGTERM):
        with alive(tree) as reading:
            mine = begin(tree, rung)
            os.kill(mine.pid, number)
            mine.wait()
            assert ended(reading)
            assert not mounts_below(tree.parent)
            mine.stdout.close() if mine.stdout else None
        (tree / "alive").unlink()
        (tree / "begun").unlink()


WATCHER = """
import ctypes, os, random, signal, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: whoever is left falls to us
chance = random.Random(sys.argv[1])
for number in (signal.SIGKILL, signal.SIGTERM) * int(sys.argv[2]):
    process = subprocess.Popen(sys.argv[3:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(chance.uniform(0, 0.6))
    os.kill(process.pid, number)
    process.wait()
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass
"""


@EVERY_RUNG
def test_whenever_cogpack_is_killed_nobody_is_left(tree: Path, rung: Rung) -> None:
    """At moments by chance, most of them while something begins."""
    need(rung, tree.parent)
    command = [
        sys.executable,
        str(PROGRAM),
        specified(tree, rung, "while true; do setsid sleep 1000 & sleep 0.01; done"),
    ]
    watcher = [sys.executable, "-c", WATCHER, str(rung), "5", *command]
    subprocess.run(watcher, check=True, timeout=60)
    assert not mounts_below(tree.parent)


@EVERY_RUNG
def test_the_end_of_the_helper_is_the_end_of_its_command(tree: Path, rung: Rung) -> None:
    def kill(_: bytes) -> None:
        for child in Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split():
            if b"sandbox.rungs.enter" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)

    with alive(tree) as reading, guest(tree, rung) as started:
        run(started, "true")
        with pytest.raises(Exception, match="what ran the command was killed"):
            run(started, "exec 3>/alive; echo begun; while true; do sleep 0.01; done", seen=kill)
        assert ended(reading)


def begin(tree: Path, rung: Rung) -> "subprocess.Popen[bytes]":
    """Start a process that runs a guest, and wait until that has begun."""
    spec = specified(tree, rung, LEFT + "read x < /begun; echo begun; wait")
    process = subprocess.Popen([sys.executable, str(PROGRAM), spec], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    return process


def specified(tree: Path, rung: Rung, script: str) -> str:
    found = proot()
    spec = {"tree": str(tree), "rung": rung, "script": script, "uid": os.geteuid(), "container": False}
    return json.dumps(spec | {"proot": found.command if found else ()})


FORKS = """
open A, ">/alive"; my $n = 0;
while ($n < 10000) { my $p = fork; last unless defined $p; if (!$p) { sleep 1000 } $n++ }
print $n
"""


@EVERY_RUNG
def test_processes_are_limited(tree: Path, rung: Rung) -> None:
    """By the kernel, so that fork(2) fails, or by us, a moment later."""
    told = ""
    with alive(tree) as reading:
        try:
            told = run_once(tree, rung, perl(FORKS), limits=Limits(processes=400)).output
        except LimitError as error:
            told = error.limit
        assert ended(reading, 0)
    assert told == "processes" or 100 < int(told) <= 400


@EVERY_RUNG
def test_a_thousand_processes_end_with_their_command(tree: Path, rung: Rung) -> None:
    script = "exec 3>/alive; perl -e 'for (1..1000) { if (!fork) { sleep 1000 } }'"
    with alive(tree) as reading:
        begun = time.monotonic()
        assert run_once(tree, rung, script).status == 0
        assert ended(reading, 0)
        assert time.monotonic() - begun < 60


@pytest.mark.parametrize("rung", [Rung.ROOT, Rung.USERNS, Rung.PROOT])  # chroot has no such file to look at
def test_where_memory_is_out_a_guest_is_killed_before_the_machines_programs(tree: Path, rung: Rung) -> None:
    assert run_once(tree, rung, "cat /proc/self/oom_score_adj").output == "1000\n"


@EVERY_RUNG
def test_a_file_can_be_limited(tree: Path, rung: Rung) -> None:
    ran = run_once(tree, rung, "head -c 3000000 /dev/zero > /big", limits=Limits(file_size=1_000_000))
    assert ran.status != 0
    assert (tree / "big").stat().st_size == 1_000_000


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_a_helper_that_can_not_be_started_leaves_no_descriptor_open(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError

    monkeypatch.setattr("cogpack.sandbox.run.subprocess.Popen", refuse)
    before = descriptors()
    with pytest.raises(BlockingIOError):
        Run({}, tree, lambda _: None, Streams(print), Cancellation(), Limits()).status()  # type: ignore[arg-type,return-value]
    assert descriptors() == before
