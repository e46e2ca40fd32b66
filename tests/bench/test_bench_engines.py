"""An engine and a disk are measured with bytes of ours, of which nothing is left."""

import time
from pathlib import Path

import pytest

from cogpack.bench.engines import ENGINES, measure_unpack, run
from cogpack.bench.machine import measure_reading, measure_writing
from cogpack.progress import Cancellation


def test_an_engine_unpacks_what_it_pulls_and_is_asked_to_remove_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A docker that says when a layer was there, and a moment later that it is unpacked; it knows no zstd."""
    program = tmp_path / "docker"
    program.write_text(
        f"#!/bin/sh\necho $1 >> {tmp_path}/asked\n[ $1 = pull ] || exit 0\n"
        f"n=$(grep -c pull {tmp_path}/asked); [ $n = 3 ] && exit 1\n"
        "echo 12: Download complete; sleep 0.2; echo 12: Pull complete\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("cogpack.bench.engines._SIZE", 4 * 2**20)
    rates = measure_unpack(ENGINES[0], Cancellation())
    assert rates.keys() == {"tar", "gzip"}
    assert rates["tar"] == pytest.approx(4 * 2**20 / 0.2, rel=0.3)
    assert (tmp_path / "asked").read_text().split() == ["pull", "rmi"] * 3


def test_an_engine_that_says_nothing_is_not_waited_for_longer_than_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a program of its own, which holds its output open."""
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho begun\nsleep 30\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    began = time.monotonic()
    ran = run(ENGINES[0], ("version",), seconds=0.5)
    assert time.monotonic() - began < 10
    assert (ran.status, [line for _, line in ran.said]) == (-1, ["begun"])


def test_the_disk_is_left_as_it_was(tmp_path: Path) -> None:
    assert measure_writing(tmp_path, size=2**20) > 0
    assert measure_reading(tmp_path, size=2**20) > 0
    assert not [*tmp_path.iterdir()]
