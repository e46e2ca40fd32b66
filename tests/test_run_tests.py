"""`make test` is two runs beside each other, and as good as one."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "run_tests.py"
SUITE = """\
import os, pathlib, time
import pytest

def end(name):
    pathlib.Path(name).touch()
    while not pathlib.Path({awaited}).exists():
        time.sleep(0.01)

@pytest.mark.integration
def test_real():
    end("real")
    assert "real" not in os.environ["FAILING"]

def test_quick():
    end("quick")
    assert "quick" not in os.environ["FAILING"]

@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.integration)])
def test_skipped(real):
    pytest.skip(f"no {{'registry' if real else 'root'}} here")
"""


def started(suite: Path, failing: str = "", *, awaited: str = "'quick' if name == 'real' else 'real'"):
    (suite / "pytest.ini").write_text("[pytest]\naddopts = -ra\nmarkers = integration: real\n")
    (suite / "test_it.py").write_text(SUITE.format(awaited=awaited))
    return subprocess.Popen(
        [sys.executable, SCRIPT, "-p", "no:cacheprovider", "-p", "no:randomly"],
        cwd=suite,
        env=os.environ | {"FAILING": failing},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("failing", ["quick", "real"])
def test_both_run_beside_each_other_what_each_says_is_told_whole_and_either_can_fail(
    tmp_path: Path, failing: str
) -> None:
    """Each waits for the other one's test."""
    process = started(tmp_path, failing)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    parts = re.split("^== ", told, flags=re.MULTILINE)
    for part, reason, what in zip(parts[1:3], ("no root here", "no registry here"), ("quick", "real"), strict=True):
        assert f"{reason}\n" in part
        assert ("FAILED" in part) == (what == failing)
        assert f"1 {'failed' if what == failing else 'passed'}, 1 skipped, 2 deselected" in part
    assert [line.rpartition(": ")[2] for line in parts[3:]] == [
        f"{'exit 1' if what == failing else 'passed'}\n" for what in ("quick", "real")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_both_as_ctrl_c_ends_pytest(tmp_path: Path, number: signal.Signals) -> None:
    process = started(tmp_path, awaited="'never'")
    while not ((tmp_path / "quick").exists() and (tmp_path / "real").exists()):
        assert process.poll() is None
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told.count("KeyboardInterrupt") >= 2
    assert told.count("exit 2\n") == 2
