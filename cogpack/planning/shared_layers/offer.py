"""An offer says in a repository what a layer's key came out as: an artifact under a tag that follows from the key.

Its manifest names the layer's blob, so that a registry keeps that as long as the offer, and a document of what is in
the layer. The key names recipe, compression and, by the digests of what it is made of, the platform; so nothing else is
in the tag.
"""

import gzip
from collections.abc import Iterable, Mapping

import msgspec

from cogpack.decompress import decompressed
from cogpack.digest import DiffID, parse_digest, sha256
from cogpack.errors import InputError
from cogpack.images.referrers import EMPTY_CONFIG
from cogpack.layers.wheels.libraries import WheelLibrary
from cogpack.oci import (
    LAYER_KEY,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    Descriptor,
    FoundManifest,
    LayerInfo,
    Manifest,
    decode,
    encode,
    encode_manifest,
    read_manifest,
)
from cogpack.sizes import MiB

ARTIFACT = "application/vnd.cogpack.layer.v1"
CONTENTS = "application/vnd.cogpack.layer.contents.v1+json+gzip"
_DIFF_ID = "dev.cogpack.layer.diff-id"
_SIGNATURE = "dev.cogpack.layer.signature"
_LAYERS = (OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD)
CONTENTS_LIMIT = 16 * MiB
_PLAIN_LIMIT = 64 * MiB
_SIGNATURE_LIMIT = 16 * 1024
DAMAGED = "whoever may write there can delete that tag; the next push with --publish-layers writes it anew"


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """Is what an offer tells of what is in the layer. `files`: paths and sizes; `libraries`: by the sha256 of each
    wheel that it is made of."""

    files: tuple[tuple[str, int], ...]
    libraries: Mapping[str, tuple[WheelLibrary, ...]] = {}

    def packed(self) -> bytes:
        return gzip.compress(encode(self), mtime=0)


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """Says what a key came out as. `contents`: its document; `signature`: OpenPGP's, armored, "" for none."""

    key: str
    info: LayerInfo
    contents: Descriptor
    signature: str = ""

    @property
    def statement(self) -> bytes:
        """What is signed: all that the offer says."""
        layer = self.info.descriptor
        said = [ARTIFACT, self.key, layer.media_type, layer.digest, layer.size, self.info.diff_id]
        return encode([*said, self.contents.digest, self.contents.size])

    @property
    def manifest(self) -> bytes:
        layer = self.info.descriptor
        annotations = {LAYER_KEY: self.key, _DIFF_ID: str(self.info.diff_id)}
        named = Descriptor(media_type=layer.media_type, digest=layer.digest, size=layer.size, annotations=annotations)
        manifest = Manifest(
            schema_version=2,
            media_type=OCI_MANIFEST,
            artifact_type=ARTIFACT,
            config=EMPTY_CONFIG.descriptor,
            layers=[named, self.contents],
            annotations={_SIGNATURE: self.signature} if self.signature else None,
        )
        return encode_manifest(manifest, next_step="sign it by one key")


def tag_of(key: str) -> str:
    """Name the tag under which the layer of `key` is offered."""
    return f"layer-v1-{key.removeprefix('sha256:')}"


def contents_descriptor(data: bytes) -> Descriptor:
    return Descriptor(media_type=CONTENTS, digest=sha256(data), size=len(data))


def read_offer(found: FoundManifest, key: str, *, where: str) -> Offer:
    """Read what stands under the tag of `key`; an `InputError` of anything that is no offer of it."""
    manifest = read_manifest(found.data, found.media_type, where=where)
    if not isinstance(manifest, Manifest) or manifest.artifact_type != ARTIFACT or len(manifest.layers) != 2:
        raise InputError(f"{where}: is no offer of a layer", next_step=DAMAGED)
    layer, contents = manifest.layers
    said = layer.annotations or {}
    if said.get(LAYER_KEY) != key:
        raise InputError(f"{where}: is an offer of the layer {said.get(LAYER_KEY, '')!r:.80}", next_step=DAMAGED)
    if layer.media_type not in _LAYERS or contents.media_type != CONTENTS or contents.size > CONTENTS_LIMIT:
        raise InputError(f"{where}: offers what no layer of cogpack's is", next_step=DAMAGED)
    descriptor = Descriptor(media_type=layer.media_type, digest=layer.digest, size=layer.size)
    signature = (manifest.annotations or {}).get(_SIGNATURE, "")
    if len(signature) > _SIGNATURE_LIMIT:
        raise InputError(f"{where}: has a signature of {len(signature)} characters", next_step=DAMAGED)
    return Offer(
        key=key,
        info=LayerInfo(descriptor, DiffID(parse_digest(said.get(_DIFF_ID, ""), where=f"{where}: diff ID"))),
        contents=Descriptor(media_type=CONTENTS, digest=contents.digest, size=contents.size),
        signature=signature,
    )


def read_contents(blocks: Iterable[bytes], *, where: str) -> Contents:
    """Read the document of an offer, as far as it may be long."""
    data = bytearray()
    for block in decompressed(blocks):
        data += block
        if len(data) > _PLAIN_LIMIT:
            raise InputError(f"{where}: what is in the layer takes more than {_PLAIN_LIMIT} bytes", next_step=DAMAGED)
    return decode(bytes(data), Contents, where=where)
