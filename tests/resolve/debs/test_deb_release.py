import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

import pytest
from support.debian_archive import NOW, Signer, release_text

from cogpack.errors import MismatchError, UnavailableError
from cogpack.resolve.debs.archives.keyring import debian_keyring
from cogpack.resolve.debs.archives.release_file import IndexFile, Release, verify_release

Verify = Callable[..., Release]


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.fixture
def verify(signer: Signer) -> Verify:
    return partial(verify_release, url="http://m/InRelease", suite="trixie", keys=signer.keyring, now=NOW)


def test_a_signed_release_gives_its_files(verify: Verify, signer: Signer) -> None:
    release = verify(signer.sign(release_text("trixie", {"main/binary-amd64/Packages.xz": b"abc"})))
    assert release.files["main/binary-amd64/Packages.xz"] == IndexFile(
        3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    assert release.signer == signer.certificate.fingerprint
    assert release.by_hash


def test_one_changed_letter_is_refused(verify: Verify, signer: Signer) -> None:
    data = signer.sign(release_text("trixie", {"a": b"abc"}))
    with pytest.raises(MismatchError, match="not signed by Debian"):
        verify(data.replace(b"ba7816bf", b"ba7816be"))


def test_another_key_is_refused(verify: Verify) -> None:
    with pytest.raises(MismatchError, match="not signed by Debian"):
        verify(Signer().sign(release_text("trixie")))


def test_text_outside_the_signature_means_nothing(verify: Verify, signer: Signer) -> None:
    signed = signer.sign(release_text("trixie", {"a": b"abc"}))
    forged = b"SHA256:\n 00 1 main/binary-amd64/Packages.xz\n"
    for data in (forged + b"\n" + signed, signed + b"\n" + forged):
        try:
            found = verify(data)
        except MismatchError:
            continue
        assert set(found.files) == {"a"}


@pytest.mark.parametrize("data", [b"", b"hello", b"-----BEGIN PGP SIGNED MESSAGE-----\n", bytes(1000)])
def test_what_is_not_signed_at_all_is_refused(verify: Verify, data: bytes) -> None:
    with pytest.raises(MismatchError):
        verify(data)


def test_a_release_of_another_suite_is_refused(verify: Verify, signer: Signer) -> None:
    with pytest.raises(MismatchError, match="expected Codename trixie, found 'bookworm'"):
        verify(signer.sign(release_text("bookworm")))


@pytest.mark.parametrize("asked", ["noble", "noble-security"])
def test_a_release_of_another_pocket_is_refused_though_ubuntu_gives_all_one_codename(
    verify: Verify, signer: Signer, asked: str
) -> None:
    verify(signer.sign(release_text("noble", Suite=asked)), suite=asked)
    with pytest.raises(MismatchError, match=r"expected (Suite noble|Codename noble-security), found"):
        verify(signer.sign(release_text("noble", Suite="noble-updates")), suite=asked)


def test_the_security_archive_of_buster_and_older_calls_itself_by_the_codename_alone(
    verify: Verify, signer: Signer
) -> None:
    data = signer.sign(release_text("buster", Suite="oldoldstable"))
    verify(data, suite="buster/updates")
    with pytest.raises(MismatchError, match="expected Codename stretch, found 'buster'"):
        verify(data, suite="stretch/updates")


def test_an_expired_release_is_refused(verify: Verify, signer: Signer) -> None:
    old = format_datetime(NOW - timedelta(days=1), usegmt=True)
    with pytest.raises(UnavailableError, match="out of date"):
        verify(signer.sign(release_text("trixie", Valid_Until=old)))
    verify(signer.sign(release_text("trixie", Valid_Until=format_datetime(NOW + timedelta(days=1), usegmt=True))))


@pytest.mark.parametrize("zone", ["", " -0000", " UTC"])
def test_a_date_without_a_zone_is_utc_wherever_it_is_read(
    verify: Verify, signer: Signer, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        found = verify(signer.sign(release_text("trixie", Date=f"Sat, 14 Nov 2026 09:15:44{zone}")))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found.date == datetime(2026, 11, 14, 9, 15, 44, tzinfo=UTC)


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 99 Nov 2026 09:15:44 UTC"])
def test_a_date_that_is_none_is_refused(verify: Verify, signer: Signer, date: str) -> None:
    with pytest.raises(MismatchError, match="no date"):
        verify(signer.sign(release_text("trixie", Date=date)))


def test_a_field_given_twice_is_refused(verify: Verify, signer: Signer) -> None:
    with pytest.raises(MismatchError, match="there twice"):
        verify(signer.sign(release_text("trixie") + "Codename: trixie\n"))


@pytest.mark.parametrize(
    ("fields", "apart"),
    [
        ({}, False),
        ({"Architectures": "amd64 arm64"}, False),
        ({"Architectures": "all amd64"}, True),
        ({"Architectures": "all amd64", "No_Support_for_Architecture_all": "Packages"}, False),
    ],
)
def test_packages_for_all_have_an_index_of_their_own_where_apt_reads_it(
    verify: Verify, signer: Signer, fields: dict[str, str], apart: bool
) -> None:
    assert verify(signer.sign(release_text("trixie", **fields))).apart is apart


def test_the_keys_we_bring_are_debians() -> None:
    assert debian_keyring().fingerprints == (
        "b8b80b5b623eab6ad8775c45b7c5d7d6350947f8",  # archive, 12
        "05ab90340c0c5e797f44a8c8254cf3b5aec0a8f0",  # security, 12
        "04b54c3cdca79751b16bc6b5225629df75b188bd",  # archive, 13
        "5e04a1e3223a19a20706e20f9904613d4cce68c6",  # security, 13
    )


def test_the_first_stanza_counts_alone_as_with_apt(verify: Verify, signer: Signer) -> None:
    """Two blank lines were told as a field without a name that is there twice."""
    text = release_text("trixie", {"a": b"abc"})
    found = verify(signer.sign(f"\n\n{text}\n\nSHA256:\n {'0' * 64} 1 b\nDate: never\n"))
    assert set(found.files) == {"a"}
