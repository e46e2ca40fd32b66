from pathlib import Path

import pytest

from cogpack.errors import InputError
from cogpack.lockfile.base_kinds import DebianRelease, LockedDeb
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.urls import deb_urls

OFFICIAL = DebianMirror(main="http://ftp.debian.org/debian", security="http://security.debian.org/debian-security")


def test_without_anything_else_debians_own_servers_are_used(tmp_path: Path) -> None:
    assert DebianMirror.choose(None, {}, tmp_path) == OFFICIAL


def test_the_setting_wins_over_the_environment(tmp_path: Path) -> None:
    environment = {"COGPACK_DEBIAN_MIRROR": "http://two/debian"}
    assert DebianMirror.choose("http://one/debian/", environment, tmp_path).main == "http://one/debian"
    assert DebianMirror.choose(None, environment, tmp_path).main == "http://two/debian"


def test_both_archives_can_be_set(tmp_path: Path) -> None:
    chosen = DebianMirror.choose("http://one/debian, http://one/sec", {}, tmp_path)
    assert chosen.url("debian-security", "pool/x.deb") == "http://one/sec/pool/x.deb"
    assert DebianMirror.choose("http://one/debian", {}, tmp_path).security == OFFICIAL.security


@pytest.mark.parametrize(
    "value", ["http://[::1", "ftp://x/debian", "debian", "http://user:secret@x/debian", "http://a/debian,"[:-1] + ",no"]
)
def test_what_is_no_web_address_is_refused(value: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a URL"):
        DebianMirror.choose(value, {}, tmp_path)


def test_the_hosts_one_line_sources_are_read(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "# deb http://commented/debian trixie main\n"
        "deb-src http://sources/debian trixie main\n"
        "deb [arch=amd64 signed-by=/k] http://near/debian trixie main contrib # nearest\n"
        "deb http://near/debian-security trixie-security main\n"
    )
    assert DebianMirror.choose(None, {}, tmp_path) == DebianMirror(
        main="http://near/debian", security="http://near/debian-security"
    )


def test_the_hosts_deb822_sources_are_read(tmp_path: Path) -> None:
    directory = tmp_path / "sources.list.d"
    directory.mkdir()
    (directory / "a.sources").write_text(
        "Types: deb\nURIs: http://off/debian\nSuites: trixie\nComponents: main\nEnabled: no\n\n"
        "Types: deb\n# a remark\nURIs:\n http://near/debian\nSuites: trixie trixie-updates\nComponents: main\n"
    )
    assert DebianMirror.choose(None, {}, tmp_path) == DebianMirror(
        main="http://near/debian", security=OFFICIAL.security
    )


def test_other_peoples_archives_are_left_alone(tmp_path: Path) -> None:
    directory = tmp_path / "sources.list.d"
    directory.mkdir()
    (directory / "x.list").write_text(
        "deb https://vendor.example/ubuntu jammy main\ndeb https://vendor.example/apt stable main\n"
        "deb http://backports/debian trixie contrib\ndeb file:///srv/debian trixie main\n"
    )
    assert DebianMirror.choose(None, {}, tmp_path) == OFFICIAL


def test_a_locked_package_is_looked_for_on_the_mirror_and_then_in_snapshots_of_its_archive() -> None:
    deb = LockedDeb(
        name="a", version="1", arch="amd64", archive="debian", path="pool/main/a.deb", size=1, sha256="0" * 64
    )
    releases = tuple(
        DebianRelease(archive=archive, suite="x", date="", sha256="", signed_by="", snapshot=snapshot)
        for archive, snapshot in (
            ("debian", "20260101T000000Z"),
            ("debian", "20260301T000000Z"),
            ("debian-security", "20260401T000000Z"),
        )
    )
    assert deb_urls(deb, OFFICIAL, releases) == [
        "http://ftp.debian.org/debian/pool/main/a.deb",
        "https://snapshot.debian.org/archive/debian/20260301T000000Z/pool/main/a.deb",
        "https://snapshot.debian.org/archive/debian/20260101T000000Z/pool/main/a.deb",
    ]


def test_apt_in_a_tree_gets_the_address_that_is_really_asked() -> None:
    mirror = DebianMirror(main="http://ftp.debian.org/debian", security="http://mine.test/debian-security")

    def asked(url: str) -> str:
        return url.replace("http://ftp.debian.org", "http://proxy.test/ftp")

    found = mirror.replacements(asked)
    assert (
        found["http://ftp.debian.org/debian"]
        == found["http://deb.debian.org/debian"]
        == ("http://proxy.test/ftp/debian")
    )
    assert found["http://deb.debian.org/debian-security"] == "http://mine.test/debian-security"
    assert "http://ftp.debian.org/debian" not in mirror.replacements(str)
