"""The same promises, kept by our server and by the real one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.registry import docker_registry

from cogpack.registry.server import Server


@pytest.fixture(params=["cogpack", pytest.param("docker-registry", marks=pytest.mark.integration)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """`HOST:PORT` of an empty registry."""
    if request.param == "cogpack":
        with Server(tmp_path / "registry") as server:
            yield server.address
    else:
        with docker_registry(tmp_path / "registry") as found:
            yield found
