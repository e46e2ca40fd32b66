"""A real Docker daemon of one's own, apart from the machine's: needs root and Debian's package docker.io."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import servers
from servers import Docker

__all__ = ["Docker", "dockerd"]


@contextmanager
def dockerd(directory: Path, *, bridge: bool = True) -> Iterator[Docker]:
    """As `servers.dockerd`; where there can be none, the test is skipped."""
    with ExitStack() as opened:
        try:
            docker = opened.enter_context(servers.dockerd(directory, bridge=bridge))
        except servers.Unavailable as reason:
            pytest.skip(str(reason))
        yield docker


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """One daemon for the whole run. Its images are shared: tag yours with a name of their own."""
    with dockerd(tmp_path_factory.mktemp("docker")) as found:
        yield found
