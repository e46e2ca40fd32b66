"""The real registry of Debian's package docker-registry, one per `with`, on a port of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import servers
from support.certificates import Pair
from support.token_server import ISSUER, PASSWORD, SERVICE, USER, TokenServer

from cogpack.registry.server import Server

__all__ = ["PASSWORD", "USER", "address", "docker_registry"]

_HTPASSWD = "user:$2b$04$JhrqjTQdNERfMCIYkqogZu4n05Sad946jE7uah9paXxJnSOJXnOzS\n"
"""bcrypt of PASSWORD, at the lowest cost."""


@pytest.fixture(params=["cogpack", pytest.param("docker-registry", marks=pytest.mark.integration)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """`HOST:PORT` of an empty registry: ours, and the real one."""
    if request.param == "cogpack":
        with Server(tmp_path / "registry") as server:
            yield server.address
    else:
        with docker_registry(tmp_path / "registry") as found:
            yield found


@contextmanager
def docker_registry(
    directory: Path,
    htpasswd: bool = False,
    *,
    token: TokenServer | None = None,
    tls: Pair | None = None,
    mirror_of: str = "",
    port: int = 0,
) -> Iterator[str]:
    """Yields `127.0.0.1:PORT`. Its storage, configuration and log are in `directory`; a second one there is the same.

    `htpasswd`: Basic authentication; only USER with PASSWORD gets in. `token`: whose tokens it wants. `tls`: who it is.
    `mirror_of`: `HOST:PORT` of another one, which it fetches from and may not be pushed to.
    """
    more: dict[str, Any] = {}
    if htpasswd:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "htpasswd").write_text(_HTPASSWD)
        more["auth"] = {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}
    if token:
        more["auth"] = {
            "token": {"realm": token.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(token.roots)}
        }
    if mirror_of:
        more["proxy"] = {"remoteurl": f"http://{mirror_of}"}
    if tls:
        more["http"] = {"tls": {"certificate": str(tls.certificate), "key": str(tls.key)}}
    with ExitStack() as opened:
        try:
            found = opened.enter_context(servers.docker_registry(directory, port=port, configuration=more))
        except servers.Unavailable as reason:
            pytest.skip(str(reason))
        yield found
