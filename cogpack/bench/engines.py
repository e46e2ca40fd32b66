"""What an engine of this machine needs to unpack layers, found by letting it pull small images of ours from loopback.

What is in them is like weights in bfloat16; nobody has such layers yet, and they are removed afterwards.
"""

import os
import shutil
import subprocess
import tarfile
import threading
import time
import zlib
from collections.abc import Generator, Iterator

import msgspec

from cogpack import zstd
from cogpack.bench.machine import weight_like
from cogpack.bench.model import Form
from cogpack.digest import sha256
from cogpack.errors import UnavailableError
from cogpack.oci import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    Descriptor,
)
from cogpack.progress import Cancellation
from cogpack.registry.server.through import PullThrough, Served
from cogpack.sizes import MiB

_SIZE = 64 * MiB
"""Of a layer that an engine is given."""
_SECONDS = 300.0
_ASKED = 30
_LAST_WORDS = 1.0
"""Seconds in which is read what a program said that has ended; one that it started may hold its output open."""
_MEDIA_TYPES: dict[Form, str] = {"tar": OCI_LAYER, "gzip": OCI_LAYER_GZIP, "zstd": OCI_LAYER_ZSTD}


class Engine(msgspec.Struct, frozen=True):
    """A program, and how it pulls and removes `{image}`. `model`: which of the known clients it is; `asks`: fails where
    nobody would pull."""

    name: str
    asks: tuple[str, ...]
    pulls: tuple[str, ...]
    removes: tuple[str, ...]
    has: tuple[str, ...]


ENGINES = (
    Engine("docker", ("version",), ("pull", "{image}"), ("rmi", "{image}"), ("image", "inspect", "{image}")),
    Engine(
        "podman",
        ("info",),
        ("pull", "--tls-verify=false", "{image}"),
        ("rmi", "{image}"),
        ("image", "exists", "{image}"),
    ),
    Engine(
        "ctr",
        ("--connect-timeout=2s", "version"),
        ("images", "pull", "--plain-http", "{image}"),
        ("images", "rm", "--sync", "{image}"),
        ("images", "check", "--quiet", "name=={image}"),
    ),
)


def find_engine(wanted: str | None) -> Engine | None:
    """Give the first engine that answers, or the `wanted` one; None where there is none."""
    for engine in ENGINES:
        if wanted not in (None, engine.name) or shutil.which(engine.name) is None:
            continue
        if run(engine, engine.asks, seconds=_ASKED).status == 0:
            return engine
    if wanted:
        raise UnavailableError(
            f"{wanted}: does not answer, or is not installed", next_step="start it, or leave out --engine"
        )
    return None


class Ran(msgspec.Struct, frozen=True):
    """How a command of an engine ended, and what it said when: seconds from its start."""

    status: int
    seconds: float
    said: tuple[tuple[float, str], ...]

    @property
    def error(self) -> str:
        return "; ".join(line for _, line in self.said[-3:])


def run(engine: Engine, arguments: tuple[str, ...], image: str = "", *, seconds: float = _SECONDS) -> Ran:
    """Run it to its end, or for so many seconds."""
    command = [engine.name, *(argument.replace("{image}", image) for argument in arguments)]
    began = time.monotonic()
    said: list[tuple[float, str]] = []
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )

    def hear() -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            said.extend((time.monotonic() - began, line.strip()) for line in lines)

    hearing = threading.Thread(target=hear, daemon=True)  # by itself: who says nothing is not waited for either
    hearing.start()
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        status = -1
    finally:
        process.kill()
        process.wait()
    ended = time.monotonic() - began
    hearing.join(_LAST_WORDS)
    return Ran(status, ended, tuple(said))


def measure_unpack(engine: Engine, cancellation: Cancellation) -> dict[Form, float]:
    """Tell by form how many bytes of a tar the engine unpacks in a second; forms that it does not know are missing."""
    tar = b"".join(_tar())
    found: dict[Form, float] = {}
    for form, layer in _stored(tar):
        cancellation.check()
        if (seconds := _unpacked(engine, form, layer, sha256(tar))) is not None:
            found[form] = len(tar) / seconds
    return found


def _unpacked(engine: Engine, form: Form, layer: bytes, diff_id: str) -> float | None:
    """Give the seconds from when the layer was there until it was unpacked; of who does not tell, all of them."""
    config = msgspec.json.encode(
        {"architecture": _ARCHITECTURE, "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    )
    blobs = [
        Descriptor(media_type=OCI_CONFIG, digest=sha256(config), size=len(config)),
        Descriptor(media_type=_MEDIA_TYPES[form], digest=sha256(layer), size=len(layer)),
    ]
    manifest = msgspec.json.encode(
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": blobs[0], "layers": blobs[1:]}
    )
    data = {blobs[0].digest: config, blobs[1].digest: layer}

    def blocks(blob: Descriptor, start: int) -> Generator[bytes]:
        whole = memoryview(data[blob.digest])
        for at in range(start, len(whole), MiB):
            yield bytes(whole[at : at + MiB])

    root = Descriptor(media_type=OCI_MANIFEST, digest=sha256(manifest), size=len(manifest))
    with PullThrough(Served(root, manifest, {blob.digest: blob for blob in blobs}, blocks)) as through:
        try:
            ran = run(engine, engine.pulls, through.reference)
        finally:
            run(engine, engine.removes, through.reference, seconds=_ASKED)
    if ran.status != 0:
        return None
    came = [when for when, line in ran.said if line.endswith("Download complete")]
    done = [when for when, line in ran.said if line.endswith("Pull complete")]
    seconds = done[-1] - came[-1] if came and done else ran.seconds
    return max(seconds, 1e-3)


def _stored(tar: bytes) -> Iterator[tuple[Form, bytes]]:
    yield "tar", tar
    packer = zlib.compressobj(1, wbits=31)
    yield "gzip", packer.compress(tar) + packer.flush()
    yield "zstd", zstd.compress(tar, 1)


def _tar() -> Iterator[bytes]:
    """Write one file of numbers that are as weights are, no two times the same: an engine keeps what it has seen."""
    entry = tarfile.TarInfo("weights")
    entry.size = _SIZE
    yield entry.tobuf(tarfile.USTAR_FORMAT)
    made = 0
    while made < _SIZE:
        block = weight_like()
        made += len(block)
        yield block
    yield bytes(2 * tarfile.BLOCKSIZE)


_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "amd64")
