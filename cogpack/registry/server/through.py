"""This is a registry on loopback with one image, whose blobs come from elsewhere while they are read.

An engine pulls from it as from any registry, layer by layer in order; where the bytes come from, over how many
connections, and with whose credentials, is not the engine's concern.
"""

import os
import re
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeAlias
from urllib.parse import unquote

import msgspec

from cogpack.digest import Digest
from cogpack.oci import Descriptor
from cogpack.registry.server.exchange import Exchange
from cogpack.registry.server.failure import Refusal
from cogpack.registry.server.ranges import Unsatisfiable, requested_range
from cogpack.registry.server.server import Listener

Blocks: TypeAlias = Callable[[Descriptor, int], Generator[bytes]]
"""The bytes of a blob from this one on. The last of a whole blob come only if all were right."""

Address: TypeAlias = tuple[str, int]

TAG = "image"
_SOCKETS = Path("/proc/net/tcp")
_READINGS = 5
_NOBODY = -1
"""The user of a socket that the table does not have."""
_ROUTE = re.compile(r"/v2/([0-9a-f]+)/(manifests|blobs)/([^/]+)")


class Served(msgspec.Struct, frozen=True):
    """The one image: its manifest, and its blobs by digest."""

    manifest: Descriptor
    data: bytes
    blobs: Mapping[Digest, Descriptor]
    blocks: Blocks


class _Through(Exchange):
    def __init__(self, *connection: Any, name: str, served: Served, **more: Any) -> None:
        self.name = name
        self.served = served
        super().__init__(*connection, **more)

    def authorise(self) -> None:
        # Engines are told the name as an argument of theirs, which all users of this machine can see.
        if owner(self.client_address, self.connection.getsockname()) not in (None, 0, os.geteuid()):
            raise Refusal(404, "NAME_UNKNOWN", "no such repository")

    def respond(self) -> None:
        if self.command not in ("GET", "HEAD"):
            raise Refusal(405, "UNSUPPORTED", "this registry is read only")
        path = unquote(self.path.partition("?")[0])
        if path.rstrip("/") == "/v2":
            self.answer(200, b"{}", {"Content-Type": "application/json"})
            return
        found = _ROUTE.fullmatch(path)
        if found is None or not secrets.compare_digest(found[1], self.name):
            raise Refusal(404, "NAME_UNKNOWN", "no such repository")
        kind, name = found[2], found[3]
        manifest = self.served.manifest
        if kind == "manifests" and name in (TAG, manifest.digest):
            self._manifest({"Docker-Content-Digest": manifest.digest, "Content-Type": manifest.media_type})
        elif kind == "blobs" and (blob := self.served.blobs.get(Digest(name))):
            self._blob(blob, {"Docker-Content-Digest": name, "Content-Type": "application/octet-stream"})
        else:
            raise Refusal(404, "MANIFEST_UNKNOWN" if kind == "manifests" else "BLOB_UNKNOWN", f"no {name:.100}")

    def _manifest(self, headers: Mapping[str, str]) -> None:
        self._head(200, len(self.served.data), headers)
        self._flush_with(b"" if self.command == "HEAD" else self.served.data)
        self.on_request(self.command, self.path, 0, len(self.served.data))

    def _blob(self, blob: Descriptor, headers: Mapping[str, str]) -> None:
        """Send a blob. An engine that goes on after a cut asks for the rest, and checks the digest of it all itself."""
        try:
            part = requested_range(self.headers.get("Range"), blob.size)
        except Unsatisfiable:
            raise Refusal(416, "SIZE_INVALID", f"{blob.digest} has {blob.size} bytes") from None
        if part is None or part[1] != blob.size:
            self._head(200, blob.size, headers)
            part = (0, blob.size)
        else:
            self._head(
                206, part[1] - part[0], {**headers, "Content-Range": f"bytes {part[0]}-{part[1] - 1}/{blob.size}"}
            )
        self._flush_with(b"")
        if self.command == "GET":
            with closing(self.served.blocks(blob, part[0])) as blocks:
                for block in blocks:
                    self.wfile.write(block)
        self.on_request(self.command, self.path, 0, part[1] - part[0])


class PullThrough:
    """Serves from `__enter__` to `__exit__`, to root's and our own processes that know the name."""

    def __init__(self, served: Served) -> None:
        self._name = secrets.token_hex(16)
        self._asked = threading.Event()
        answer = partial(_Through, name=self._name, served=served, on_request=self._hear)
        self._listener = Listener((socket.AF_INET, ("127.0.0.1", 0)), answer)
        self._thread = threading.Thread(target=self._listener.serve_forever, name="through", daemon=True)

    def _hear(self, method: str, path: str, received: int, sent: int) -> None:  # noqa: ARG002
        self._asked.set()

    @property
    def reference(self) -> str:
        """What the engine is to pull."""
        return f"{self._listener.name}/{self._name}:{TAG}"

    @property
    def asked(self) -> bool:
        """Whether an engine has asked for anything."""
        return self._asked.is_set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.end(self._thread)


def owner(client: Address, server: Address) -> int | None:
    """Return the user of the socket at `client` that is connected to `server`; None where no table tells (proc(5),
    net/tcp).

    The kernel hands the table out in pieces, and a reader can miss a row while others come and go. Whoever is in none
    of some readings is nobody.
    """
    for _ in range(_READINGS):
        try:
            rows = _SOCKETS.read_text().splitlines()
        except OSError:
            return None
        if (found := row_owner(rows, client, server)) is not None:
            return found
    return _NOBODY


def row_owner(rows: Sequence[str], client: Address, server: Address) -> int | None:
    """Find the row of both ends: an earlier connection from the same port to elsewhere is there for a minute after its
    end, as root's."""
    ends = [_as_listed(client), _as_listed(server)]
    return next((int(fields[7]) for fields in map(str.split, rows) if fields[1:3] == ends), None)


def _as_listed(address: Address) -> str:
    host, port = address
    return f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"
