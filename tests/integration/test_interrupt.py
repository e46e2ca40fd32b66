"""A push that ends in the middle: a stopped one soon, the sessions freed, what to do said; and it goes on later."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from integration.conftest import Project
from support.fake_registry import FakeRegistry
from support.faults import Fault, Seen, reset
from support.personalities import DIST28

from cogpack.cli import run

pytestmark = pytest.mark.slow

ENDED = 5.0
"""Seconds from the signal to the end of the process, by F36; 0.04 to 0.32 were measured."""


@contextmanager
def running(project: Project, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A command, which is killed in the end if it did not end by itself."""
    command = [sys.executable, "-m", "cogpack", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=project.root, env=project.environment, stdout=pipe, stderr=pipe, text=True
    ) as push:
        try:
            yield push
        finally:
            push.kill()


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_f36_a_stopped_push_ends_its_sessions_and_moves_no_tag(hello: Project, how: signal.Signals, code: int) -> None:
    with FakeRegistry(DIST28, keep=False).running() as registry:
        registry.on("PUT session", Fault("stall", after=1, times=99))  # nobody reads what is being sent
        registry.on("PATCH session", Fault("stall", after=1, times=99))
        with running(hello, "push", f"{registry.address}/me/hello") as push:
            deadline = time.monotonic() + 60
            calm = 0  # a session that is just being opened has no address yet by which it could be ended
            while calm < 20:
                assert time.monotonic() < deadline, "the push sent nothing"
                assert push.poll() is None
                time.sleep(0.05)
                bodies = len(registry.kinds("PUT session", "PATCH session"))
                calm = calm + 1 if 0 < bodies == len(registry.sessions) else 0
            push.send_signal(how)
            out, err = push.communicate(timeout=ENDED)
        assert push.returncode == code, err
        assert out == ""
        assert "next: run it again; what is finished is not done again" in err
        assert registry.kinds("DELETE session")
        assert not registry.sessions
        assert not registry.tags.get("me/hello")


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_bench_cancels_its_uploads(hello: Project, how: signal.Signals, code: int) -> None:
    with FakeRegistry(keep=False).running() as registry:
        registry.on("PATCH session", Fault("slow", rate=1000, times=99))
        with running(hello, "bench", "push", f"{registry.address}/me/hello") as bench:
            deadline = time.monotonic() + 60
            while not registry.kinds("PATCH session"):
                assert time.monotonic() < deadline, "nothing was sent"
                assert bench.poll() is None
                time.sleep(0.05)
            bench.send_signal(how)
            _, err = bench.communicate(timeout=ENDED)
        assert bench.returncode == code, err
        assert not registry.sessions
        assert not registry.blobs
        assert len(registry.kinds("DELETE session")) == len(registry.kinds("POST session"))


def large(seen: Seen) -> bool:
    """Is it a body of a layer of more than a mebibyte?"""
    return int(seen.headers.get("content-length", "0")) > 1024 * 1024


def test_f2_a_push_with_a_layer_that_always_breaks_is_no_success(
    hello: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cogpack.http.retries.random", SimpleNamespace(uniform=lambda *_: 0.0))
    monkeypatch.chdir(hello.root)
    for name, value in hello.environment.items():
        monkeypatch.setenv(name, value)
    with FakeRegistry(DIST28).running() as registry:
        registry.on("PUT session", reset(after=1000, times=99), when=large)
        registry.on("PATCH session", reset(after=1000, times=99))
        assert run(["push", f"{registry.address}/me/hello:v1"]) == 5
        assert not registry.tags.get("me/hello")
        assert registry.kinds("PUT manifest") == []
    assert "after 4 tries in each shape (put, stream, chunks)" in capsys.readouterr().err


@pytest.mark.integration
def test_f37_after_a_kill_what_is_there_is_not_sent_again(small: Project) -> None:
    with FakeRegistry(DIST28, keep=False).running() as registry:
        registry.on("PUT manifest", Fault("stall", after=1))
        with running(small, "push", f"{registry.address}/me/hello") as push:
            deadline = time.monotonic() + 120
            while "PUT manifest" not in registry.kinds():
                assert time.monotonic() < deadline, "the push came to no manifest"
                time.sleep(0.05)
            push.kill()
        before = registry.received("me/hello")
        small.cogpack("push", "--no-attach", f"{registry.address}/me/hello")
        assert registry.received("me/hello") == before
        assert registry.tags["me/hello"]
