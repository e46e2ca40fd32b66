"""Push, pull, copy and resume at a real docker-registry of each kind: plain, TLS, with a password, with tokens."""

import hashlib
import json
import random
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.certificates import pem
from support.images import file_layer, fill
from support.registry import PASSWORD, USER, docker_registry
from support.token_server import token_server

from cogpack.commands.copy import copy
from cogpack.commands.pull import pull
from cogpack.notes import Note
from cogpack.oci import Image
from cogpack.progress import Cancellation, Cancelled
from cogpack.reference import Reference
from cogpack.registry.pull.tuning import TUNING
from cogpack.session import Session, Settings
from cogpack.sinks.registry import RegistrySink

pytestmark = pytest.mark.integration

MiB = 1024 * 1024
SIZE = 80 * MiB
HALF = SIZE // 2
FLIGHT = 4 * MiB
"""What may have come and not been written: a block of each connection."""


@dataclass(frozen=True)
class Registry:
    """`environment`: how its user reaches it."""

    address: str
    environment: dict[str, str]


@pytest.fixture(params=["plain", "TLS", "password", "tokens"])
def registry(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    kind: str = request.param
    environment = {"HOME": "/nonexistent"}
    with ExitStack() as stack:
        start = partial(docker_registry, tmp_path / "registry")
        if kind == "TLS":
            authority = pem(tmp_path / "tls", "test authority", "test authority", authority=True)
            pair = pem(tmp_path / "tls", "registry", "test authority", names=("registry.test",))
            environment["SSL_CERT_FILE"] = str(authority.certificate)
            resolve = socket.getaddrinfo

            def resolved(host: Any, *rest: Any, **more: Any) -> Any:
                return resolve("127.0.0.1" if host in ("registry.test", b"registry.test") else host, *rest, **more)

            monkeypatch.setattr(socket, "getaddrinfo", resolved)
            address = "registry.test:" + stack.enter_context(start(tls=pair)).rpartition(":")[2]
        elif kind == "tokens":
            address = stack.enter_context(start(token=stack.enter_context(token_server(tmp_path / "tokens"))))
        else:
            address = stack.enter_context(start(htpasswd=kind == "password"))
        if kind in ("password", "tokens"):
            environment["DOCKER_AUTH_CONFIG"] = json.dumps(
                {"auths": {address: {"username": USER, "password": PASSWORD}}}
            )
        yield Registry(address, environment)


class Counting:
    """Progress: bytes that came; from `limit` on, `end` is called."""

    def __init__(self, limit: int = 0, end: Callable[[], None] = lambda: None) -> None:
        self.limit = limit
        self.end = end
        self.came = 0

    def task(self, name: str, size: int | None, verb: str = "") -> "Counting":
        return self

    def note(self, note: Note) -> None:
        pass

    def summary(self, text: str) -> None:
        pass

    def advance(self, size: int) -> None:
        self.came += size
        if self.came >= self.limit:
            self.end()

    def doing(self, verb: str) -> None:
        pass

    def done(self, outcome: str) -> None:
        pass


Begin = Callable[..., Session]


@pytest.fixture
def begin(registry: Registry, tmp_path: Path) -> Begin:
    """A command of its own each time: nothing is known but what is on the disk."""
    settings = Settings(cache=tmp_path / "cache", environment=registry.environment)
    return lambda *progress: Session(settings, *progress)


def push(session: Session, target: str) -> Image:
    reference = Reference.parse(target)
    layer = file_layer("weights: w", {"w": random.Random(80).randbytes(SIZE)})
    sink = RegistrySink(session.images(reference, push=True), session.blob_origins)
    return fill(sink, [layer], ["v1"])[0]


def test_push_pull_copy_and_resume(registry: Registry, begin: Begin, tmp_path: Path) -> None:
    name = f"{registry.address}/me/model:v1"
    with begin() as session:
        image = push(session, name)
    layer = image.layers[0][1].descriptor
    assert layer.size > TUNING.ranged

    log = tmp_path / "registry" / "log"

    def has_all(output: str) -> bool:
        blob = tmp_path / output / "blobs" / "sha256" / layer.digest[7:]
        return hashlib.sha256(blob.read_bytes()).hexdigest() == layer.digest[7:]

    with begin() as session:
        pulled = pull(session, name, tmp_path / "out")
    assert (pulled.digest, pulled.reused) == (image.descriptor.digest, 0)
    assert has_all("out")
    ranges = len(re.findall(rf'"GET /v2/me/model/blobs/{layer.digest} [^"]*" 206 ', log.read_text()))
    assert ranges > 4, "one may not be in the log yet"

    with begin() as session:
        copied = copy(session, name, f"{registry.address}/other/model:v2")
    assert copied.digest == image.descriptor.digest
    assert copied.mounted >= layer.size

    cancellation = Cancellation()
    ended = Counting(HALF, cancellation.cancel)
    with begin(ended, cancellation) as session, pytest.raises(Cancelled):
        pull(session, f"{registry.address}/other/model:v2", tmp_path / "resumed")
    assert HALF <= ended.came < SIZE
    assert not (tmp_path / "resumed" / "index.json").exists()

    with begin() as session:
        resumed = pull(session, f"{registry.address}/other/model:v2", tmp_path / "resumed")
    (rest,) = (blob.fetched for blob in resumed.blobs if blob.digest == layer.digest)
    assert layer.size - ended.came <= rest <= layer.size - HALF + FLIGHT
    assert resumed.digest == image.descriptor.digest
    assert has_all("resumed")
