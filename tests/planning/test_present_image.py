"""What a tag says of layers: asked with its config, or without one where this machine knows the same of them."""

from pathlib import Path
from typing import Any, cast

import pytest

from cogpack.digest import DiffID, sha256
from cogpack.images.interface import Images
from cogpack.layers.facts import Facts
from cogpack.oci import LAYER_KEY, OCI_LAYER, OCI_MANIFEST, Descriptor, FoundManifest, LayerInfo, encode
from cogpack.planning.known import present_image
from cogpack.reference import Reference

TAG = Reference.parse("registry.example.com/a/b:x")
KEY = sha256(b"key")
BLOB = Descriptor(media_type=OCI_LAYER, digest=sha256(b"blob"), size=4)
THERE = LayerInfo(BLOB, DiffID(sha256(b"tar")))


class Registry:
    """Has one image, whose layer has the key `key`, and counts who reads its config."""

    def __init__(self, key: str) -> None:
        self.configs = 0
        self._config = encode({"rootfs": {"type": "layers", "diff_ids": [THERE.diff_id]}})
        self._layer: dict[str, Any] = {"mediaType": OCI_LAYER, "digest": BLOB.digest, "size": BLOB.size}
        self._layer["annotations"] = {LAYER_KEY: key}

    def manifest(self, _: str) -> FoundManifest:
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(self._config), "size": 9}
        data = encode({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [self._layer]})
        return FoundManifest(OCI_MANIFEST, data, sha256(data))

    def blob_bytes(self, _: Descriptor) -> bytes:
        self.configs += 1
        return self._config


@pytest.mark.parametrize(
    ("known", "configs"),
    [
        (THERE, 0),
        (None, 1),
        (LayerInfo(Descriptor(media_type=OCI_LAYER, digest=sha256(b"other"), size=4), THERE.diff_id), 1),
    ],
    ids=["same", "unknown", "another"],
)
def test_the_config_is_asked_for_unless_this_machine_knows_the_same(
    tmp_path: Path, known: LayerInfo | None, configs: int
) -> None:
    facts, registry = Facts(tmp_path), Registry(KEY)
    if known is not None:
        facts.record(KEY, known)
    found = present_image(cast("Images", registry), TAG, facts)
    assert (found.layers, found.blobs, registry.configs) == ({KEY: THERE}, {BLOB.digest}, configs)


def test_a_key_of_theirs_that_is_no_digest_becomes_no_path(tmp_path: Path) -> None:
    used: list[Path] = []
    registry = Registry("../../other")
    found = present_image(cast("Images", registry), TAG, Facts(tmp_path, used=used.append))
    assert (found.layers, registry.configs, used) == ({"../../other": THERE}, 1, [])
