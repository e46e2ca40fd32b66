"""What layers hold is listed once, and only under the seal of who reads it."""

import errno
import gzip
import io
import random
import struct
import tarfile
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.debs import shared_object

from cogpack.digest import DiffID, sha256
from cogpack.errors import InputError, MismatchError
from cogpack.images.listings import Listed, Listings
from cogpack.layers.debs.effects.ldcache import SharedObject
from cogpack.oci import OCI_LAYER, Descriptor, LayerInfo
from cogpack.seal import Seal

LIBC = shared_object("libc.so.6") + b"\0GNU C Library (Debian GLIBC 2.41-12) stable release version 2.41.\n"


def packed(files: Mapping[str, bytes | str]) -> bytes:
    """Make a layer of `files`: contents, or the targets of links."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            if isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue())


class Blob:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.opened = 0
        descriptor = Descriptor(media_type=OCI_LAYER, digest=sha256(data), size=len(data))
        self.info = LayerInfo(descriptor, DiffID(sha256(gzip.decompress(data))))

    @contextmanager
    def open(self) -> Iterator[Iterator[bytes]]:
        self.opened += 1
        yield iter([self.data])

    def listed(self, listings: Listings) -> Mapping[str, Listed]:
        return {one.path: one for one in listings.read(self.info, self.open, where="h.io/base: a layer")}


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


def test_a_list_in_a_cache_that_is_only_read_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blob, seal = Blob(packed({"etc/hosts": b"me"})), Seal()
    first = blob.listed(Listings(tmp_path, seal))

    def refuse(path: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system", path)

    monkeypatch.setattr("os.utime", refuse)
    assert blob.listed(Listings(tmp_path, seal)) == first
    assert blob.opened == 1


def test_a_list_of_other_bytes_than_the_digest_says_is_not_kept(tmp_path: Path) -> None:
    blob = Blob(packed({"etc/hosts": b"me"}))
    blob.data = packed({"etc/hosts": b"you"})
    with pytest.raises(MismatchError, match="a layer: found sha256:"):
        blob.listed(Listings(tmp_path, Seal()))
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_utf_8_is_kept_as_it_is(tmp_path: Path) -> None:
    blob, listings = Blob(packed({"caf\udce9.txt": b"", "link": "caf\udce9.txt"})), Listings(tmp_path, Seal())
    first = blob.listed(listings)
    assert first["link"].link in first
    assert blob.listed(listings) == first
    assert blob.opened == 1


def test_a_layer_is_held_to_its_diff_id_whenever_it_is_asked_for(tmp_path: Path) -> None:
    blob, listings = Blob(packed({"etc/hosts": b"me"})), Listings(tmp_path, Seal())
    honest = blob.info
    blob.info = LayerInfo(honest.descriptor, DiffID(sha256(b"another's")))
    for _ in range(2):
        with pytest.raises(MismatchError, match=f"a layer: expected diff ID {blob.info.diff_id}.*{honest.diff_id}"):
            blob.listed(listings)
    assert blob.opened == 1
    blob.info = honest
    assert blob.listed(listings)["etc/hosts"].data == b"me"


def test_links_that_nobody_could_follow_are_refused() -> None:
    assert Blob(packed({"link": "x" * 4095})).listed(Listings())["link"].link == "x" * 4095
    with pytest.raises(InputError, match="/'link': a link of more than 4095 bytes"):
        Blob(packed({"link": "x" * 4096})).listed(Listings())


@pytest.mark.parametrize(
    "files", [{f"{number}": "x" * 400 for number in range(20)}, {f"{number}" + "x" * 400: b"" for number in range(20)}]
)
def test_a_list_is_refused_before_it_fills_the_memory(
    files: Mapping[str, bytes | str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Blob(packed(files)).listed(Listings())
    monkeypatch.setattr("cogpack.images.listings._LIMIT", 10_000)
    with pytest.raises(InputError, match="a layer: it has so many files that their list takes 10000 bytes"):
        Blob(packed(files)).listed(Listings())


def test_a_large_library_that_points_beyond_all_files_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogpack.images.listings._IN_MEMORY", 10)  # so that a file is asked, which minds
    whole = shared_object("libx.so.1")
    for place in (1 << 62, (1 << 63) - 200, 1 << 63, (1 << 64) - 1):
        lying = whole[:32] + struct.pack("<Q", place) + whole[40:]
        assert Blob(packed({"lib/libx.so.1": lying})).listed(Listings())["lib/libx.so.1"].shared_object is None


def test_a_large_library_is_never_whole_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogpack.images.listings._IN_MEMORY", 1 << 20)
    blob = Blob(packed({"lib/libx.so.1": shared_object("libx.so.1") + bytes(32 << 20)}))
    tracemalloc.start()
    try:
        found = blob.listed(Listings())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found["lib/libx.so.1"].shared_object == SharedObject(62, "libx.so.1")
    assert peak < 16 << 20


def test_a_large_library_without_room_for_it_is_told_with_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogpack.images.listings._IN_MEMORY", 10)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="gone: can't write"):
        Blob(packed({"lib/libx.so.1": shared_object("libx.so.1")})).listed(Listings())


def test_what_can_not_be_read_of_a_layer_is_not_told_of_the_temporary_directory() -> None:
    class Broken(Blob):
        @contextmanager
        def open(self) -> Iterator[Iterator[bytes]]:
            def blocks() -> Iterator[bytes]:
                yield self.data[: len(self.data) // 2]
                raise OSError(errno.EIO, "Input/output error")

            yield blocks()

    with pytest.raises(OSError, match="Input/output error"):
        Broken(packed({"lib/libx.so.1": random.Random(1).randbytes(1 << 20)})).listed(Listings())
