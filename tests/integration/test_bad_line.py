"""Pushes over a line that cuts, delays and refuses, to the real registry.

`COGPACK_BAD_LINE_MIB=2048 COGPACK_BAD_LINE_RUNS=5 pytest -s tests/integration/test_bad_line.py` for an image of 2 GiB.
"""

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from support.bad_line import bad_line
from support.images import image_of
from support.registry import docker_registry

from cogpack.http import Http
from cogpack.images.registry import RegistryImages
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Uncompressed
from cogpack.layers.files import FilesSource, Placed
from cogpack.layers.fingerprints import Fingerprinted
from cogpack.layers.known import Outgoing
from cogpack.reference import Reference
from cogpack.registry.credentials import Credentials
from cogpack.registry.push.blob_origins import BlobOrigins
from cogpack.registry.repository import Repository
from cogpack.sinks.registry import RegistrySink

pytestmark = pytest.mark.slow

MiB = 1024 * 1024
LAYERS = 24
SIZE = int(os.environ.get("COGPACK_BAD_LINE_MIB", "96")) * MiB // LAYERS


class Stream:
    """`size` bytes that repeat after a mebibyte, different for each `seed`, never in memory at once."""

    def __init__(self, seed: int, size: int) -> None:
        self.size = size
        self._block = hashlib.shake_128(str(seed).encode()).digest(MiB)

    def open(self) -> BinaryIO:
        return cast("BinaryIO", _Reader(self._block, self.size))


class _Reader(io.RawIOBase):
    def __init__(self, block: bytes, size: int) -> None:
        self._block = block
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._block[: min(self._left, size if size >= 0 else self._left, MiB)]
        self._left -= len(piece)
        return piece


def layers() -> list[BuiltLayer]:
    found = []
    for number in range(LAYERS):
        content = Fingerprinted(Stream(number, SIZE), f"{number:064x}")
        found.append(BuiltLayer(FilesSource(f"weights: {number}", [Placed(f"w{number}", content)]), Uncompressed()))
    return found


@pytest.mark.integration
@pytest.mark.parametrize("seed", range(int(os.environ.get("COGPACK_BAD_LINE_RUNS", "2"))))
def test_an_image_arrives_whole_for_half_its_bytes_more_at_most(tmp_path: Path, seed: int) -> None:
    total = LAYERS * SIZE
    with (
        docker_registry(tmp_path / "registry") as registry,
        bad_line(registry, seed=seed, least=total // 100, most=total // 4) as line,
        Http() as http,
    ):
        reference = Reference.parse(f"{line.address}/me/model")
        repository = Repository(http, reference, Credentials([]), actions=("pull", "push"))
        sink = RegistrySink(RegistryImages(repository), BlobOrigins(tmp_path / "homes"))
        made = layers()
        with ThreadPoolExecutor(4) as pool:
            infos = list(pool.map(lambda layer: sink.add_layer(Outgoing(layer), lambda _: None), made))
        image = image_of(made, infos)
        root = sink.put(image)
        sink.commit(root, ["v1"])
        print(f"sent {line.carried / total:.2f} of {total} bytes, {line.cuts} cuts, {line.refusals} refusals")
        assert line.cuts + line.refusals > 0
        assert line.carried <= 1.5 * total
        straight = Reference.parse(f"{registry}/me/model")
        there = Repository(http, straight, Credentials([]))
        found = there.manifest("v1")
        assert found is not None
        assert (found.data, found.digest) == (image.manifest, root.digest)
        for _, info in image.layers:
            with there.blob(info.descriptor) as blocks:
                assert sum(map(len, blocks)) == info.descriptor.size
