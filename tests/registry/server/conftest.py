"""Our server, and who speaks to it and to the real one."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support import plain

from cogpack.registry.server import Server
from cogpack.registry.server.patience import PATIENCE, Patience


@pytest.fixture
def patience() -> Patience:
    """Of our server, which a test may parametrize."""
    return PATIENCE


@pytest.fixture
def server(tmp_path: Path, patience: Patience) -> Iterator[Server]:
    with Server(tmp_path / "registry", patience=patience) as server:
        yield server


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    with plain.client(base_url=f"http://{address}/v2", timeout=20) as client:
        yield client


@pytest.fixture
def ours(server: Server) -> Iterator[httpx.Client]:
    with plain.client(base_url=f"http://{server.address}/v2", timeout=20) as client:
        yield client
