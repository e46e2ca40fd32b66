"""What is attached to an image as its SPDX document may be anybody's: it is read before it is printed."""

import json
from pathlib import Path

import pytest
from locking.test_attached_lock import lock
from support.images import attach

from cogpack.commands.sbom import attached_spdx, read_spdx
from cogpack.digest import sha256
from cogpack.errors import InputError
from cogpack.images.attached import MAKER, SPDX_TYPE, Attachment, put_attachments
from cogpack.images.layout import LayoutImages
from cogpack.images.referrers import EMPTY_CONFIG, ArtifactFile
from cogpack.layout import Layout
from cogpack.oci import OCI_MANIFEST, Descriptor
from cogpack.progress import Cancellation
from cogpack.sbom import spdx_document

SUBJECT = Descriptor(media_type=OCI_MANIFEST, digest=sha256(b"image"), size=5)
OTHERS = [
    b"x",
    b'{"a": "\xff\xfe"}',
    b'{"a": 1}',
    b'["spdxVersion"]',
    b'{"spdxVersion": 2}',
    b'{"spdxVersion": "SPDX-2.3"}\x1b[31mRED',
    b'{"spdxVersion": "SPDX-2.3", "spdxVersion": "SPDX-2.3"}',
    b'{"spdxVersion": "SPDX-2.3", "a": 1e999}',
    b'{"spdxVersion": "SPDX-2.3", "a": NaN}',
    b'{"spdxVersion": "SPDX-2.3", "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
]


@pytest.fixture
def images(tmp_path: Path) -> LayoutImages:
    found = LayoutImages(Layout.create(tmp_path / "out"), Cancellation())
    found.put_blob(EMPTY_CONFIG.descriptor, EMPTY_CONFIG.data)
    return found


def attach_text(images: LayoutImages, data: bytes) -> str:
    file = ArtifactFile(media_type=SPDX_TYPE, data=data)
    return attach(images, SUBJECT, SPDX_TYPE, [file], {MAKER: "ours, it says"}).digest


@pytest.mark.parametrize("data", OTHERS, ids=range(len(OTHERS)))
def test_what_is_no_spdx_document_is_named_and_not_printed(images: LayoutImages, data: bytes) -> None:
    digest = attach_text(images, data)
    with pytest.raises(InputError, match="expected a JSON object with spdxVersion") as refused:
        attached_spdx(images, SUBJECT.digest)
    assert digest in refused.value.message


def test_one_of_ours_is_found_behind_what_is_none_and_is_the_same_to_the_byte(images: LayoutImages) -> None:
    ours = spdx_document("möd€l", lock())
    for data in OTHERS[:5]:
        attach_text(images, data)
    one = Attachment(kind=SPDX_TYPE, title="a.spdx.json", data=ours)
    put_attachments(images, [one], SUBJECT, there=(), cancellation=Cancellation())
    assert attached_spdx(images, SUBJECT.digest) == ours


def test_signs_that_command_a_terminal_are_escaped_as_json_has_it() -> None:
    document = {"spdxVersion": "SPDX-2.3", "name": "a\x1b[31m\x9b31m\u202eb", "ü": "\ud800"}
    text = read_spdx(json.dumps(document).encode())
    assert text is not None
    assert json.loads(text) == document
    assert all(sign.isprintable() for sign in text.decode().replace("\n", ""))
