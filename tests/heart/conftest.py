"""Whole commands in this process."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.world import Template, World


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return Template.made(tmp_path_factory.mktemp("template"))


@pytest.fixture
def world(
    template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[World]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with template.world(tmp_path, monkeypatch, capsys) as made:
        yield made
    for number, handler in before.items():
        signal.signal(number, handler)
