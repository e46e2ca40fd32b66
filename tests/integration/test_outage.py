"""A real registry that goes away in the middle of a pull, for longer than a few tries take, and comes back."""

import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest
from support.clock import Notes
from support.images import file_layer, fill
from support.registry import docker_registry
from support.validate import validate_layout

from cogpack.commands.copy import copy
from cogpack.commands.pull import pull
from cogpack.session import Session, Settings
from cogpack.sinks.layout import LayoutSink

pytestmark = pytest.mark.integration

MiB = 1024 * 1024
SIZES = (160, 48)
"""MiB of the layers: one comes in ranges, one in one answer."""
WAIT = 0.5
"""Seconds before it is asked again; by chance it would be from 1 to 30."""
AWAY = 20 * WAIT
"""A registry that breaks off while it answers has eight tries."""


class Halfway(Notes):
    """Progress that stands still from when `stop` bytes of a pull have come until `go_on` is set."""

    def __init__(self, stop: int) -> None:
        super().__init__()
        self.stopped = threading.Event()
        self.go_on = threading.Event()
        self._stop = stop

    def advance(self, size: int) -> None:
        super().advance(size)
        if self.moved >= self._stop:
            self.stopped.set()
            assert self.go_on.wait(60)


def test_a_pull_goes_on_when_its_registry_is_back(tmp_path: Path) -> None:
    layers = [file_layer(f"layer {size}", {"file": Random(size).randbytes(size * MiB)}) for size in SIZES]
    fill(LayoutSink(tmp_path / "source"), layers, ["v1"])
    settings = Settings(cache=tmp_path / "cache", environment=os.environ)
    progress = Halfway(sum(SIZES) * MiB // 3)
    with (
        ThreadPoolExecutor(1) as pool,
        ExitStack() as after,
        Session(settings, progress, backoff=lambda _: WAIT) as session,
    ):
        with docker_registry(tmp_path / "registry") as address:
            with Session(settings) as other:
                copy(other, f"{tmp_path}/source:v1", f"{address}/a/b:v1")
            pulling = pool.submit(pull, session, f"{address}/a/b:v1", tmp_path / "out")
            after.callback(session.cancellation.cancel)
            after.callback(progress.go_on.set)
            assert progress.stopped.wait(60)
        progress.go_on.set()
        time.sleep(AWAY)
        assert not pulling.done()
        came = progress.moved
        after.enter_context(docker_registry(tmp_path / "registry", port=int(address.rpartition(":")[2])))
        pulled = pulling.result(120)
    validate_layout(tmp_path / "out")
    assert [note.partition("; ")[2] for note in progress.notes] == ["asked again for up to 10 minutes"]
    total = sum(blob.size for blob in pulled.blobs)
    sent = sum(map(int, re.findall(r"http\.response\.written=(\d+)", (tmp_path / "registry" / "log").read_text())))
    print(f"{came} of {total} bytes had come; {sent} were sent after the outage")
    assert total // 4 < came < total
    assert total - came <= sent <= total - came + MiB
