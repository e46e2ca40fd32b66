"""What packages are laid over is held to what the lock says of a base."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogpack.digest import DiffID, sha256
from cogpack.errors import MismatchError
from cogpack.layers.built import BaseLayer
from cogpack.oci import OCI_LAYER, Descriptor, LayerInfo
from cogpack.planning.describing import find_described
from cogpack.planning.supply import base_supply
from cogpack.reference import Reference
from cogpack.session import Session, Settings


def test_a_ground_of_other_layers_than_the_lock_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cog.yaml").write_text("predict: predict.py:Predictor\n")
    (tmp_path / "predict.py").write_text("")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("etc/passwd"))
    tar = out.getvalue()
    descriptor = Descriptor(media_type=OCI_LAYER, digest=sha256(tar), size=len(tar))

    def read(_: Descriptor) -> Iterator[bytes]:
        return iter((tar,))

    def base(diff_id: str) -> BaseLayer:
        return BaseLayer("base: evil 1", LayerInfo(descriptor, DiffID(diff_id)), read, ())

    reference = Reference.parse("h.io/evil:v1")
    with Session(Settings(directory=tmp_path, cache=tmp_path / "cache", environment={})) as session:
        ground = base_supply(session, find_described(session).config).ground
        assert "etc/passwd" in ground(reference, [base(sha256(tar))])
        with pytest.raises(MismatchError, match="base: evil 1: expected diff ID"):
            ground(reference, [base(sha256(b"another's"))])
