"""What is attached to an image may be refused, and its caller's work goes on."""

from pathlib import Path

import pytest

from cogpack.digest import sha256
from cogpack.errors import DeniedError
from cogpack.images.attached import SPDX_TYPE, Attachment, put_attachments
from cogpack.images.layout import LayoutImages
from cogpack.layout import Layout
from cogpack.oci import OCI_MANIFEST, Descriptor
from cogpack.progress import Cancellation


class Refusing(LayoutImages):
    """Takes no blob."""

    def put_blob(self, descriptor: Descriptor, data: bytes) -> None:
        raise DeniedError(f"{descriptor.digest}: {len(data)} bytes are refused", next_step="none")


def test_a_refused_blob_does_not_cancel_what_else_is_done(tmp_path: Path) -> None:
    """A push ended as interrupted, before its tag."""
    images, cancellation = Refusing(Layout.create(tmp_path / "out"), Cancellation()), Cancellation()
    subject = Descriptor(media_type=OCI_MANIFEST, digest=sha256(b"image"), size=5)
    one = Attachment(kind=SPDX_TYPE, title="a.spdx.json", data=b"{}\n")
    with pytest.raises(DeniedError):
        put_attachments(images, [one], subject, there=(), cancellation=cancellation)
    cancellation.check()
