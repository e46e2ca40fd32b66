"""A docker-registry that is a pull-through cache of another one, as companies have them for Docker Hub."""

import os
import random
from pathlib import Path

import pytest
from support.images import file_layer, fill
from support.registry import docker_registry

from cogpack.commands.copy import copy
from cogpack.commands.pull import pull
from cogpack.session import Session, Settings
from cogpack.sinks.layout import LayoutSink

pytestmark = pytest.mark.integration

MiB = 1024 * 1024


def _blobs(registry: Path) -> list[str]:
    """Paths of the GETs of blobs by us in its access log."""
    lines = [line for line in (registry / "log").read_text().splitlines() if line.endswith('"cogpack"')]
    paths = [line.split('"GET ')[1].split()[0] for line in lines if '"GET ' in line]
    return [path for path in paths if "/blobs/" in path]


def test_a_pull_through_cache_gives_what_has_a_digest(tmp_path: Path) -> None:
    layers = [file_layer("big", {"big": random.Random(5).randbytes(70 * MiB)}), file_layer("small", {"small": b"x"})]
    fill(LayoutSink(tmp_path / "layout"), layers, ["v1"])
    with (
        docker_registry(tmp_path / "origin") as origin,
        docker_registry(tmp_path / "mirror", mirror_of=origin) as mirror,
    ):
        settings = Settings(
            cache=tmp_path / "cache", environment=os.environ, jobs=8, registry_mirrors=(f"{origin}={mirror}",)
        )
        with Session(settings) as session:
            pushed = copy(session, f"{tmp_path / 'layout'}:v1", f"{origin}/a/b:v1")
            for number in range(2):
                pulled = pull(session, f"{origin}/a/b:v1", tmp_path / f"out{number}")
                assert pulled.digest == pushed.digest
            asked = _blobs(tmp_path / "mirror")
            assert {path.partition("?")[2] for path in asked} == {f"ns={origin.replace(':', '%3A')}"}
            assert len(set(asked)) == 3
            assert _blobs(tmp_path / "origin") == []
