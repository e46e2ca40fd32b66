"""Which files are read to show that an archive has signed for packages: no more than it takes."""

import hashlib
import lzma
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime

import pytest
from support.debian_archive import NOW, Signer, release_text
from support.debs import stanza

from cogpack.errors import MismatchError
from cogpack.lockfile.base_kinds import DebianRelease, LockedDeb
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.signed import SignedFile, check_signed

SIGNER = Signer()
MIRROR = DebianMirror(main="http://mirror.test/debian", security="http://mirror.test/debian-security")


class Suite:
    """Is one whose Release lists `indexes`, by their paths. `read`: what was asked for of it."""

    def __init__(self, indexes: dict[str, str], **fields: str) -> None:
        packed = {f"{path}.xz": lzma.compress(text.encode()) for path, text in indexes.items()}
        files = {**{path: text.encode() for path, text in indexes.items()}, **packed}
        self.signed = SIGNER.sign(release_text("trixie-security", files, **fields))
        self._files = [self.signed, *packed.values()]
        self.read: list[SignedFile] = []

    @property
    def release(self) -> DebianRelease:
        return DebianRelease(
            archive="debian-security",
            suite="trixie-security",
            date=(NOW - timedelta(hours=3)).isoformat(),
            sha256=hashlib.sha256(self.signed).hexdigest(),
            signed_by=SIGNER.certificate.fingerprint,
            snapshot="20261129T000000Z",
        )

    def check(self, *debs: LockedDeb) -> list[str]:
        keys = {self.release: SIGNER.keyring}
        check_signed([self.release], debs, arch="amd64", keys=keys, mirror=MIRROR, read=self._read)
        return [file.what.partition(" of ")[0] for file in self.read]

    def _read(self, file: SignedFile, takes: Callable[[bytes], bool]) -> bytes:
        self.read.append(file)
        return next(data for data in self._files if takes(data))


def locked(name: str, arch: str = "amd64", path: str = "pool/updates/main/x") -> tuple[LockedDeb, str]:
    """Give a package, and its stanza."""
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    text = stanza(name, Filename=f"{path}/{name}.deb", SHA256=sha256, Architecture=arch)
    deb = LockedDeb(
        name=name,
        version="1",
        arch=arch,
        archive="debian-security",
        path=f"{path}/{name}.deb",
        size=1000,
        sha256=sha256,
    )
    return deb, text


def test_the_component_that_paths_speak_of_is_read_and_others_only_for_what_it_has_not() -> None:
    (one, first), (two, second) = locked("one"), locked("two")
    indexes = {
        "contrib/binary-amd64/Packages": second,
        "contrib/debian-installer/binary-amd64/Packages": "",
        "main/binary-amd64/Packages": first,
        "main/binary-arm64/Packages": first,
        "main/binary-all/Packages": second,
    }
    assert Suite(indexes).check(one) == ["Release", "main/binary-amd64/Packages.xz"]
    assert Suite(indexes).check(one, two)[1:] == ["main/binary-amd64/Packages.xz", "contrib/binary-amd64/Packages.xz"]


def test_packages_of_all_architectures_are_looked_for_where_they_have_an_index_of_their_own() -> None:
    one, text = locked("one", "all")
    indexes = {"main/binary-amd64/Packages": "", "main/binary-all/Packages": text}
    assert Suite(indexes, Architectures="all amd64").check(one)[1:] == [
        "main/binary-amd64/Packages.xz",
        "main/binary-all/Packages.xz",
    ]
    with pytest.raises(MismatchError, match="one 1: in no index that debian-security has signed"):
        Suite(indexes, Architectures="all amd64", No_Support_for_Architecture_all="Packages").check(one)


@pytest.mark.parametrize("field", ["Version: 2", "Filename: pool/x.deb", "Size: 9", "Architecture: all"])
def test_a_package_is_the_one_that_was_signed_for_in_all_that_the_lock_says(field: str) -> None:
    one, text = locked("one")
    name = field.partition(":")[0]
    changed = "".join(f"{field}\n" if line.startswith(f"{name}:") else f"{line}\n" for line in text.splitlines())
    with pytest.raises(MismatchError, match="in no index"):
        Suite({"main/binary-amd64/Packages": f"{changed}\n"}).check(one)


def test_old_files_are_asked_of_the_mirror_by_their_hash_then_by_name_then_of_the_snapshot_service() -> None:
    one, text = locked("one")
    suite = Suite({"main/binary-amd64/Packages": text}, Valid_Until=format_datetime(NOW - timedelta(hours=1)))
    suite.check(one)
    release, index = suite.read
    snapshot = "https://snapshot.debian.org/archive/debian-security/20261129T000000Z"
    place = "dists/trixie-security"
    assert release.urls[:2] == (f"{MIRROR.security}/{place}/InRelease", f"{snapshot}/{place}/InRelease")
    by_hash = f"{place}/main/binary-amd64/by-hash/SHA256/{index.pin}"
    named = f"{place}/main/binary-amd64/Packages.xz"
    assert index.urls == tuple(f"{base}/{path}" for path in (by_hash, named) for base in (MIRROR.security, snapshot))
