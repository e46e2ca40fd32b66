"""What layers hold is listed once, and only under the seal of who reads it."""

import gzip
import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.debs import shared_object

from cogpack.digest import sha256
from cogpack.errors import MismatchError
from cogpack.images.listings import Listed, Listings
from cogpack.layers.debs.effects.ldcache import SharedObject
from cogpack.oci import OCI_LAYER, Descriptor
from cogpack.seal import Seal

LIBC = shared_object("libc.so.6") + b"\0GNU C Library (Debian GLIBC 2.41-12) stable release version 2.41.\n"


def packed(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue())


class Blob:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.opened = 0
        self.descriptor = Descriptor(media_type=OCI_LAYER, digest=sha256(data), size=len(data))

    @contextmanager
    def open(self) -> Iterator[Iterator[bytes]]:
        self.opened += 1
        yield iter([self.data])

    def listed(self, listings: Listings) -> Mapping[str, Listed]:
        return {one.path: one for one in listings.read(self.descriptor, self.open, where="h.io/base: a layer")}


def test_settings_and_databases_are_kept_and_libraries_known_by_their_soname() -> None:
    blob = Blob(packed({"etc/hosts": b"me", "usr/bin/sh": b"elf", "usr/lib/libc.so.6": LIBC, "usr/lib/libx.so": b""}))
    found = blob.listed(Listings())
    assert {path: one.data for path, one in found.items()} == dict.fromkeys(found) | {"etc/hosts": b"me"}
    libc = found["usr/lib/libc.so.6"]
    assert (libc.shared_object, libc.glibc) == (SharedObject(62, "libc.so.6"), "2.41")
    assert found["usr/lib/libx.so"].shared_object is None


def test_a_layer_is_read_once_on_a_machine_and_by_others_anew(tmp_path: Path) -> None:
    blob, seal = Blob(packed({"etc/hosts": b"me"})), Seal()
    first = blob.listed(Listings(tmp_path, seal))
    assert blob.listed(Listings(tmp_path, seal)) == first
    assert blob.opened == 1
    assert blob.listed(Listings(tmp_path, Seal())) == first
    assert blob.opened == 2


def test_a_list_of_other_bytes_than_the_digest_says_is_not_kept(tmp_path: Path) -> None:
    blob = Blob(packed({"etc/hosts": b"me"}))
    blob.data = packed({"etc/hosts": b"you"})
    with pytest.raises(MismatchError, match="a layer: found sha256:"):
        blob.listed(Listings(tmp_path, Seal()))
    assert not list(tmp_path.iterdir())
