from datetime import UTC, datetime

import pytest

from cogpack.errors import InputError
from cogpack.resolve.debs.archives.snapshot import Snapshot

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def chosen(setting: str | None, **environment: str) -> Snapshot | None:
    return Snapshot.choose(setting, environment, now=NOW)


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("2026-11-01", "20261101T000000Z"),
        ("2026-11-01T12:30:00Z", "20261101T123000Z"),
        ("2026-11-01T01:30:00+02:00", "20261031T233000Z"),
    ],
)
def test_a_time_is_written_as_the_snapshot_service_does(text: str, stamp: str) -> None:
    found = chosen(text)
    assert found is not None
    assert found.stamp == stamp
    assert found.url("debian", "dists/x") == f"https://snapshot.debian.org/archive/debian/{stamp}/dists/x"
    security = f"https://snapshot.debian.org/archive/debian-security/{stamp}/dists/x"
    assert found.url("debian-security", "dists/x") == security


@pytest.mark.parametrize(
    "archive",
    [
        "http://archive.ubuntu.com/ubuntu",
        "https://de.archive.ubuntu.com/ubuntu",
        "http://security.ubuntu.com/ubuntu",
        "http://ports.ubuntu.com/ubuntu-ports",
    ],
)
def test_ubuntus_archives_are_one_at_its_snapshot_service(archive: str) -> None:
    found = chosen("2026-11-01")
    assert found is not None
    assert found.url(archive) == "https://snapshot.ubuntu.com/ubuntu/20261101T000000Z"
    assert found.url(archive, "pool/a.deb") == "https://snapshot.ubuntu.com/ubuntu/20261101T000000Z/pool/a.deb"


@pytest.mark.parametrize(
    "archive", ["https://download.docker.com/linux/ubuntu", "http://x.test/archive.ubuntu.com/ubuntu"]
)
def test_an_archive_that_no_service_keeps_is_asked_as_it_is(archive: str) -> None:
    found = chosen("2026-11-01")
    assert found is not None
    assert (found.url(archive), found.url(archive, "x")) == (archive, f"{archive}/x")


def test_cog_yaml_goes_before_the_environment_and_nobody_need_say_one() -> None:
    one, other = (
        chosen("2026-11-01", COGPACK_DEBIAN_SNAPSHOT="2026-10-01"),
        chosen(None, COGPACK_DEBIAN_SNAPSHOT="2026-10-01"),
    )
    assert (one and one.stamp, other and other.stamp) == ("20261101T000000Z", "20261001T000000Z")
    assert chosen(None) is chosen(None, COGPACK_DEBIAN_SNAPSHOT="") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yesterday", "COGPACK_DEBIAN_SNAPSHOT: expected a date or a time"),
        ("0001-01-01T00:00:00+23:59", "COGPACK_DEBIAN_SNAPSHOT: expected a date or a time"),
        ("2026-12-01", "2026-12-01 is to come"),
    ],
)
def test_what_is_no_time_that_was_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        chosen(None, COGPACK_DEBIAN_SNAPSHOT=text)
