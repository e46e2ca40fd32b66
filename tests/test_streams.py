"""Closed and full streams, and the end of the terminal: of the program as a process."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.fake_http import Answer, Request, serving

from cogpack.disk import DiskError
from cogpack.resolve.wheels.failures import failure
from cogpack.resolve.wheels.target import TargetPython

pytestmark = pytest.mark.slow

COGPACK = f"{sys.executable} -m cogpack"
PROJECT = {
    "cog.yaml": 'build:\n  python_version: "3.13"\npredict: "predict.py:Predictor"\n',
    "predict.py": "from cog import BasePredictor\n\n\nclass Predictor(BasePredictor):\n"
    "    def predict(self, s: str) -> str:\n        return s\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def shell(project: Path, line: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "HOME": str(project), "COGPACK_CACHE_DIR": str(project / "cache")}
    return subprocess.run(
        ["/bin/sh", "-c", line], cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.slow
@pytest.mark.parametrize("end", ["2>&-", "2>/dev/full", "<&-", "<&- 2>&-"])
def test_a_result_comes_whatever_became_of_the_other_streams(project: Path, end: str) -> None:
    done = shell(project, f"{COGPACK} schema {end}")
    assert done.returncode == 0
    assert done.stdout.startswith('{"components"')
    assert done.stdout == shell(project, f"{COGPACK} schema").stdout


@pytest.mark.slow
@pytest.mark.parametrize("end", ["2>&-", "2>/dev/full"])
def test_an_error_that_nobody_hears_has_its_exit_code(project: Path, end: str) -> None:
    (project / "predict.py").write_text("def predict(:\n")
    assert shell(project, f"{COGPACK} schema {end}").returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("words", ["schema", "--version", "help", "help push", "completion bash", "version"])
@pytest.mark.parametrize(("end", "why"), [(">&-", "it was closed"), (">/dev/full", os.strerror(errno.ENOSPC))])
def test_a_result_that_can_not_be_printed_is_an_error(project: Path, words: str, end: str, why: str) -> None:
    done = shell(project, f"{COGPACK} {words} {end}")
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines() == [f"error: standard output: {why}", "next: give it a place with room"]


def test_nothing_that_we_open_gets_the_number_of_a_closed_stream(project: Path) -> None:
    """With its three streams closed, a new file would be 0, and a message written to 2 would be in the third one."""
    script = (
        "import os, sys\n"
        "from cogpack.cli.standard_streams import hold_streams\n"
        "hold_streams()\n"
        f"first = os.open({str(project / 'file')!r}, os.O_CREAT | os.O_RDWR)\n"
        "print('lost', file=sys.stderr, flush=True)\n"
        "os.write(first, str(first).encode())\n"
    )
    (project / "script.py").write_text(script)
    assert shell(project, f"{sys.executable} script.py <&- >&- 2>&-").returncode == 0
    assert (project / "file").read_text() == "3"


def test_a_login_without_standard_input_is_told(project: Path) -> None:
    done = shell(project, f"{COGPACK} login 127.0.0.1:9 -u me --password-stdin <&-")
    assert done.returncode in (2, 4, 5)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")


def started(words: str, project: Path, before: str = "") -> "subprocess.Popen[str]":
    environment = {"PATH": os.environ["PATH"], "HOME": str(project)}
    return subprocess.Popen(
        ["/bin/sh", "-c", f"{before} exec {COGPACK} {words}"],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "before", "code"),
    [(signal.SIGHUP, "", 129), (signal.SIGTERM, "", 143), (signal.SIGHUP, "trap '' HUP;", None)],
)
def test_the_end_of_a_terminal_ends_a_command_well_unless_it_is_ignored(
    project: Path, number: signal.Signals, before: str, code: int | None
) -> None:
    def slow(request: Request) -> Answer:
        time.sleep(3)
        return 404, {}, b""

    with serving(slow) as fake, started(f"inspect {fake.address}/a/b", project, before) as process:
        deadline = time.monotonic() + 30
        while not fake.seen and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    if code is None:
        assert process.returncode == 2  # there is no such image
    else:
        assert process.returncode == code
        assert err.splitlines() == ["interrupted", "next: run it again"]


def test_a_server_ends_well_with_its_terminal(project: Path) -> None:
    with started("registry serve registry --port 0", project) as process:
        assert process.stdout is not None
        assert "serving" in process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    "why",
    ["No space left on device (os error 28)", "Permission denied (os error 13)", "Disk quota exceeded (os error 122)"],
)
def test_a_disk_that_uv_finds_full_is_told_as_that(why: str) -> None:
    target = TargetPython(python="3.13", glibc="2.41", arch="amd64")
    text = (
        f"error: Failed to fetch: `https://h/x`\n  Caused by: Failed to write to the client cache\n  Caused by: {why}\n"
    )
    error = failure(text, target)
    assert isinstance(error, DiskError)
    assert error.exit_code == 2
    assert error.message.startswith(f"uv can't write: {why.partition(' (')[0]}: ")
    assert "TMPDIR" in error.next_step
