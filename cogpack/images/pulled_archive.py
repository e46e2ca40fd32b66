"""An archive of a found image has the form of `docker save` since 25, its layers as they are stored.

It is an OCI image layout and a Docker archive in one tar: `index.json` for those who keep manifests (containerd, Docker
on it, `oci-archive:` of skopeo and podman), `manifest.json` for all others. Sizes are known beforehand, so every byte
has its place before any has come.
"""

from collections.abc import Sequence

import msgspec

from cogpack.digest import Digest
from cogpack.images.graph import Node
from cogpack.layers import tar
from cogpack.layout import REF_NAME
from cogpack.oci import OCI_INDEX, Descriptor, Manifest, encode

_CONTAINERD_NAME = "io.containerd.image.name"


class Piece(msgspec.Struct, frozen=True):
    """A piece lies at `offset`: bytes, or those of a blob."""

    offset: int
    content: bytes | Descriptor

    @property
    def end(self) -> int:
        return self.offset + (len(self.content) if isinstance(self.content, bytes) else self.content.size)


def pieces(image: Node, manifest: Manifest, name: str) -> list[Piece]:
    """Lay out the archive of `image`, which is `manifest`, one piece after another. `name`: HOST/NAME:TAG."""
    descriptor = image.descriptor
    tag = name.rpartition(":")[2]
    entry = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
        "annotations": {_CONTAINERD_NAME: name, REF_NAME: tag},
    }
    docker = {
        "Config": _path(manifest.config.digest),
        "RepoTags": [name],
        "Layers": [_path(layer.digest) for layer in manifest.layers],
    }
    files: list[tuple[str, bytes | Descriptor]] = [
        ("oci-layout", encode({"imageLayoutVersion": "1.0.0"})),
        ("index.json", encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})),
        ("manifest.json", encode([docker])),
        (_path(descriptor.digest), image.data),
    ]
    blobs = {blob.digest: blob for blob in (manifest.config, *manifest.layers)}
    files += [(_path(digest), blob) for digest, blob in blobs.items()]
    return _placed(files)


def _path(digest: Digest) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _placed(files: Sequence[tuple[str, bytes | Descriptor]]) -> list[Piece]:
    placed: list[Piece] = []
    offset = 0

    def place(content: bytes | Descriptor) -> None:
        nonlocal offset
        piece = Piece(offset, content)
        offset = piece.end
        placed.append(piece)

    for path, content in files:
        size = len(content) if isinstance(content, bytes) else content.size
        place(tar.header(path, b"0", mode=0o644, size=size))
        place(content)
        place(bytes(-size % tar.RECORD))
    place(bytes(2 * tar.RECORD))
    return placed
