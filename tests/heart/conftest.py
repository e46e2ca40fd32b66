"""Whole commands in this process."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.world import World, open_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with open_world(tmp_path, monkeypatch, capsys) as made:
        yield made
    for number, handler in before.items():
        signal.signal(number, handler)
