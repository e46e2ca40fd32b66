"""A command is held to its limits by looking at it: here, at processes of our own."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cogpack.sandbox import watch
from cogpack.sandbox.watch import LimitError, Limits, Watch

Watching = Callable[..., Watch]


@pytest.fixture
def watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watching]:
    """Watches what a shell runs, which is looked at each time that it is asked."""
    for name in ("_GLANCE", "_LOOK", "_MEASURE"):
        monkeypatch.setattr(watch, name, 0)
    started = []

    def begin(script: str, **limits: Any) -> Watch:
        shell = subprocess.Popen(["/bin/sh", "-c", f"{script} & wait"], start_new_session=True)
        started.append(shell)
        return Watch(Limits(**limits), tmp_path, shell.pid)

    yield begin
    for shell in started:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()


def stopped(watched: Watch, within: float = 10) -> LimitError:
    ends = time.monotonic() + within
    while time.monotonic() < ends:
        try:
            watched.check()
        except LimitError as error:
            return error
        time.sleep(0.01)
    raise AssertionError("it goes on")


@pytest.mark.slow
def test_who_neither_writes_nor_computes_is_stopped(watching: Watching) -> None:
    found = stopped(watching("sleep 100", idle=0.2))
    assert (found.limit, found.message) == ("idle", "the command neither wrote anything nor computed for 0.2 s")


@pytest.mark.slow
def test_who_computes_in_silence_is_not_idle(watching: Watching) -> None:
    watched = watching("while true; do :; done", idle=0.2)
    ends = time.monotonic() + 0.6
    while time.monotonic() < ends:
        watched.check()
        time.sleep(0.05)


@pytest.mark.slow
def test_who_writes_is_not_idle(watching: Watching) -> None:
    watched = watching("sleep 100", idle=0.2)
    for _ in range(4):
        time.sleep(0.1)
        watched.hear()
        watched.check()


def test_who_runs_too_long_is_stopped(watching: Watching) -> None:
    assert stopped(watching("while true; do :; done", seconds=0.1)).message == "the command ran longer than 0.1 s"


def test_who_writes_too_much_is_stopped_and_not_who_others_do(
    watching: Watching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [10_000_000_000]
    monkeypatch.setattr(watch, "_free", lambda _: free[0])
    watched = watching("true", size=1_000_000)
    free[0] -= 2_000_000  # somebody's
    watched.check()
    (tmp_path / "big").write_bytes(b"x" * 1_500_000)
    assert stopped(watched).message == "the command wrote more than 1.0 MB"


def test_the_last_of_the_disk_is_nobodys(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [10_000_000_000]
    monkeypatch.setattr(watch, "_free", lambda _: free[0])
    watched = watching("true", size=100_000_000_000)
    watched.check()
    free[0] = 400_000_000
    assert (stopped(watched).limit, stopped(watched).message) == ("disk", "the command left only 400.0 MB of the disk")


def test_a_disk_that_is_almost_full_already_stops_nobody(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_free", lambda _: 100_000_000)
    watching("true", size=1_000_000).check()


def test_who_starts_too_many_is_stopped(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = iter((100, *[200] * 1000))
    monkeypatch.setattr(watch, "_tasks", lambda: next(tasks))
    script = "sleep 100 & " * 5 + "sleep 100"
    assert stopped(watching(script, processes=5)).message == "the command had more than 5 processes at a time"
