"""Packages of a base are kept unpacked, and count only whole, and as this user wrote them."""

import random
from pathlib import Path

import pytest
from support.debs import deb, deb_file, member

from cogpack.layers.debs.deb import package
from cogpack.layers.debs.deb.kept import KeptPackages
from cogpack.layers.debs.deb.package import DebFile, UnpackedPackage, read_package
from cogpack.layers.spool import Spool
from cogpack.notes import Note
from cogpack.seal import Seal

SEAL = Seal(b"k" * 32)
NOISE = random.Random(1).randbytes(9_000_000)  # three pieces


@pytest.fixture
def often(tmp_path: Path) -> DebFile:
    files = [member("./usr/"), member("./usr/a", NOISE), member("./usr/l", link="a"), member("./usr/b", "b")]
    return deb_file(tmp_path, "often", deb("often", *files, control={"postinst": "#!/bin/sh\n"}))


def kept(tmp_path: Path, often: DebFile, seal: Seal = SEAL, notes: list[Note] | None = None) -> KeptPackages:
    told = [] if notes is None else notes
    return KeptPackages(tmp_path / "kept", seal, {often.sha256}, used=lambda _: None, note=told.append)


def read(tmp_path: Path, often: DebFile, by: KeptPackages) -> list[object]:
    found = read_package(often, Spool(tmp_path / "spool"), by)
    return [found.control, found.fields, contents(found)]


def contents(found: UnpackedPackage) -> list[object]:
    return [(one, content and content.open().read()) for one, content in found.data]


def test_what_is_kept_is_what_was_unpacked(tmp_path: Path, often: DebFile, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(tmp_path, often, kept(tmp_path, often))
    monkeypatch.setattr(package, "read_deb", lambda *_, **__: pytest.fail("it was unpacked"))
    assert read(tmp_path, often, kept(tmp_path, often)) == first


@pytest.mark.parametrize("change", ["seal", "cut", "byte", "swapped", "gone"])
def test_what_is_not_whole_or_anothers_is_unpacked_again(tmp_path: Path, often: DebFile, change: str) -> None:
    first = read(tmp_path, often, kept(tmp_path, often))
    (path,) = (tmp_path / "kept").iterdir()
    data = path.read_bytes()
    match change:
        case "seal":
            path.write_bytes(data[:8] + bytes(32) + data[40:])
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "byte":
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "swapped":
            other = deb_file(tmp_path, "other", deb("other", member("./x", "x")))
            read_package(other, Spool(tmp_path / "spool"), kept(tmp_path, other))
            (theirs,) = (tmp_path / "kept").glob(f"{other.sha256}*")
            path.write_bytes(theirs.read_bytes())
        case "gone":
            path.unlink()
    assert read(tmp_path, often, kept(tmp_path, often)) == first
    assert path.read_bytes() == data, "and is kept again"
    assert kept(tmp_path, often, Seal(b"o" * 32)).find(often.sha256) is None, "another user's counts for nobody"


def test_others_are_not_kept_nor_is_what_a_disk_refuses(tmp_path: Path, often: DebFile) -> None:
    once = deb_file(tmp_path, "once", deb("once", member("./x", "x")))
    read_package(once, Spool(tmp_path / "spool"), kept(tmp_path, often))
    assert not (tmp_path / "kept").exists()
    (tmp_path / "kept").write_text("a file, where the directory would be")
    notes: list[Note] = []
    packages = kept(tmp_path, often, notes=notes)
    for _ in range(2):
        read(tmp_path, often, packages)
    assert len(notes) == 1, "the first is told"
