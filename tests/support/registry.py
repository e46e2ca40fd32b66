"""The real registry of Debian's package docker-registry, one per `with`, on a port of its own."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.certificates import Pair
from support.processes import running
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
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    directory.mkdir(parents=True, exist_ok=True)
    configuration: dict[str, Any] = {
        "version": "0.1",
        "log": {"accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "storage")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "the same on every start"},
    }
    if htpasswd:
        (directory / "htpasswd").write_text(_HTPASSWD)
        configuration["auth"] = {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}
    if token:
        configuration["auth"] = {
            "token": {"realm": token.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(token.roots)}
        }
    if mirror_of:
        configuration["proxy"] = {"remoteurl": f"http://{mirror_of}"}
    if tls:
        files = {"certificate": str(tls.certificate), "key": str(tls.key)}
        configuration["http"] |= {"tls": files}
    (directory / "config.yml").write_text(json.dumps(configuration))  # JSON is YAML

    def address(log: str) -> str | None:
        found = re.search(r"listening on (127\.0\.0\.1:\d+)", log)
        return found and found[1]

    # It takes REGISTRY_AUTH_FILE, which is podman's, for a part of its configuration.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
    command = [program, "serve", str(directory / "config.yml")]
    with running(command, address, log=directory / "log", environment=environment) as found:
        yield found
