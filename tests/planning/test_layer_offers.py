"""What an offer of a shared layer says, who signed it, and what is no offer."""

import gzip
from collections.abc import Callable
from typing import Any

import msgspec
import pysequoia
import pytest

from cogpack.digest import DiffID, sha256
from cogpack.elf.linking import Elf
from cogpack.errors import InputError
from cogpack.layers.wheels.libraries import WheelLibrary
from cogpack.oci import OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor, FoundManifest, LayerInfo
from cogpack.planning.shared_layers.offer import (
    Contents,
    Offer,
    contents_descriptor,
    read_contents,
    read_offer,
    tag_of,
)
from cogpack.planning.shared_layers.signing import PASSWORD, Signer, signer_of
from cogpack.reference import TAG
from cogpack.resolve.debs.archives.keyring import Keyring

KEY = sha256(b"key")
CONTENTS = Contents(
    files=(("opt/venv/a.so", 5),),
    libraries={"1" * 64: (WheelLibrary("opt/venv/a.so", 5, Elf(machine=62, soname="a.so")),)},
)
INFO = LayerInfo(Descriptor(media_type=OCI_LAYER_GZIP, digest=sha256(b"blob"), size=4), DiffID(sha256(b"tar")))
OFFER = Offer(key=KEY, info=INFO, contents=contents_descriptor(CONTENTS.packed()))
SECRET = pysequoia.Tsk.generate("Team <team@example.org>")
OTHER = pysequoia.Tsk.generate("Other <other@example.org>")


def keys(*secrets: pysequoia.Tsk) -> Keyring:
    return Keyring(b"".join(bytes(one.extract_certificate()) for one in secrets), "a key")


def signed(offer: Offer = OFFER, secret: pysequoia.Tsk = SECRET) -> Offer:
    signature = Signer(str(secret).encode(), None, where="key.asc").sign(offer)
    return msgspec.structs.replace(offer, signature=signature)


def found(data: bytes) -> FoundManifest:
    return FoundManifest(OCI_MANIFEST, data, sha256(data))


def test_an_offer_is_read_as_it_was_written() -> None:
    assert read_offer(found(signed().manifest), KEY, where="r/l").info == INFO
    assert read_offer(found(OFFER.manifest), KEY, where="r/l") == OFFER
    assert read_contents([CONTENTS.packed()], where="r/l") == CONTENTS
    assert TAG.fullmatch(tag_of(KEY))


def test_a_signature_counts_of_a_key_that_is_named_and_over_all_that_is_said() -> None:
    fingerprint = SECRET.extract_certificate().fingerprint
    assert signer_of(signed(), keys(OTHER, SECRET)) == fingerprint
    assert signer_of(signed(secret=OTHER), keys(SECRET)) is None
    assert signer_of(OFFER, keys(SECRET)) is None
    assert signer_of(signed(), None) is None
    layer = INFO.descriptor
    for other in (
        {"key": sha256(b"another key")},
        {"info": LayerInfo(layer, DiffID(sha256(b"another tar")))},
        {"info": LayerInfo(msgspec.structs.replace(layer, size=5), INFO.diff_id)},
        {"info": LayerInfo(msgspec.structs.replace(layer, digest=sha256(b"evil")), INFO.diff_id)},
        {"contents": contents_descriptor(b"other")},
        {"signature": "no signature"},
    ):
        assert signer_of(msgspec.structs.replace(signed(), **other), keys(SECRET)) is None


def test_what_is_no_secret_key_signs_nothing() -> None:
    with pytest.raises(InputError, match=r"key\.asc: no secret key that can sign") as caught:
        Signer(bytes(SECRET.extract_certificate()), None, where="key.asc")
    assert PASSWORD in caught.value.next_step


def _layer(manifest: dict[str, Any], **fields: Any) -> None:
    manifest["layers"][0] |= fields


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda manifest: manifest.pop("artifactType"), "is no offer of a layer"),
        (lambda manifest: manifest["layers"].pop(), "is no offer of a layer"),
        (lambda manifest: manifest["layers"][0].pop("annotations"), "is an offer of the layer ''"),
        (lambda manifest: _layer(manifest, mediaType="application/zip"), "offers what no layer of cogpack's is"),
        (lambda manifest: manifest["layers"][1].update(size=2**40), "offers what no layer of cogpack's is"),
        (lambda manifest: _layer(manifest, digest="sha256:1"), "found 'sha256:1'"),
        (lambda manifest: _layer(manifest, size=-1), "size -1"),
        (lambda manifest: manifest["layers"][0]["annotations"].update({"dev.cogpack.layer.diff-id": "x"}), "diff ID"),
        (lambda manifest: manifest["layers"][0]["annotations"].update({"dev.cogpack.layer.key": "x"}), "layer 'x'"),
        (lambda manifest: manifest.update(annotations={"dev.cogpack.layer.signature": "x" * 20_000}), "a signature of"),
        (lambda manifest: manifest.update(mediaType="text/plain"), "expected"),
    ],
)
def test_what_is_no_offer_of_the_key_is_refused(change: Callable[[dict[str, Any]], object], said: str) -> None:
    manifest = msgspec.json.decode(OFFER.manifest)
    change(manifest)
    with pytest.raises(InputError) as caught:
        read_offer(found(msgspec.json.encode(manifest)), KEY, where="r/l")
    assert said in caught.value.message


def test_a_document_that_unfolds_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogpack.planning.shared_layers.offer._PLAIN_LIMIT", 100_000)
    with pytest.raises(InputError, match="more than 100000 bytes"):
        read_contents([gzip.compress(b" " * 100_001)], where="r/l")
    with pytest.raises(InputError):
        read_contents([gzip.compress(b'{"files": [["a", "b"]]}')], where="r/l")
