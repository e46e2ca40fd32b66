"""apt's sources in a tree name this machine's mirror while commands run, and nothing tells of it afterwards."""

import errno
import os
from pathlib import Path

import pytest

from cogpack.errors import InputError
from cogpack.planning.steps import apt_mirror
from cogpack.planning.steps.apt_mirror import mirrored
from cogpack.resolve.debs.archives.mirror import DebianMirror

DEBIAN = b"URIs: http://ftp.debian.org/debian\n\nURIs: http://security.debian.org/debian-security\n"
MIRRORS = DebianMirror(
    main="http://deb.debian.org/debian", security="http://deb.debian.org/debian-security"
).replacements(str)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    file = tmp_path / "etc/apt/sources.list.d/debian.sources"
    file.parent.mkdir(parents=True)
    file.write_bytes(DEBIAN)
    return file


def test_a_mirror_whose_address_begins_another_s_leaves_the_sources_as_they_were(sources: Path, tmp_path: Path) -> None:
    with mirrored(tmp_path, MIRRORS):
        assert sources.read_bytes() == (
            b"URIs: http://deb.debian.org/debian\n\nURIs: http://deb.debian.org/debian-security\n"
        )
    assert sources.read_bytes() == DEBIAN


def test_what_commands_add_to_the_sources_stays_and_names_no_mirror(sources: Path, tmp_path: Path) -> None:
    with mirrored(tmp_path, MIRRORS):
        sources.write_bytes(sources.read_bytes() + b"\nEnabled: yes\n")
    assert sources.read_bytes() == DEBIAN + b"\nEnabled: yes\n"


@pytest.mark.parametrize(
    "mirror", ["http://ftp.debian.org/debian", "http://m/debian", "http://m/ftp.debian.org/debian"]
)
def test_an_address_is_replaced_once(sources: Path, tmp_path: Path, mirror: str) -> None:
    both = b"URIs: http://ftp.debian.org/debian/ http://deb.debian.org/debian\n"
    sources.write_bytes(both)
    with mirrored(tmp_path, DebianMirror(main=mirror, security="http://m/s").replacements(str)):
        assert sources.read_bytes() == f"URIs: {mirror}/ {mirror}\n".encode()
    assert sources.read_bytes() == both


def test_a_fifo_that_commands_put_there_is_left(sources: Path, tmp_path: Path) -> None:
    with mirrored(tmp_path, MIRRORS):
        sources.unlink()
        os.mkfifo(sources)
    assert sources.is_fifo()


def test_a_file_larger_than_any_sources_is_not_read(sources: Path, tmp_path: Path) -> None:
    with mirrored(tmp_path, MIRRORS):
        os.truncate(sources, 1 << 40)
    assert sources.stat().st_size == 1 << 40


def test_archives_beside_debians_are_asked_for_where_this_machine_does_too(sources: Path, tmp_path: Path) -> None:
    other = sources.with_name("h_x.sources")
    other.write_bytes(b"URIs: https://h/x\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(DEBIAN)
    sources.with_name("led-astray.sources").symlink_to("/elsewhere")
    with mirrored(tmp_path, dict(MIRRORS) | {"https://h/x": "http://m/h"}):
        assert other.read_bytes() == b"URIs: http://m/h\n"
        assert sources.read_bytes() != DEBIAN
        assert elsewhere.read_bytes() == DEBIAN, "links are left"
    assert other.read_bytes() == b"URIs: https://h/x\n"
    assert sources.read_bytes() == DEBIAN


def test_a_tree_without_apt_is_left(tmp_path: Path) -> None:
    with mirrored(tmp_path, MIRRORS):
        pass
    assert not list(tmp_path.iterdir())


def test_sources_that_nobody_may_write_are_left_and_only_commands_are_blamed_for_them(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write all: as the system answers others."""

    def refused(_: Path, path: str | bytes, flags: int) -> int:
        if flags & os.O_DIRECTORY:
            return os.open(sources.parent, flags)
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    with monkeypatch.context() as of_the_base:
        of_the_base.setattr(apt_mirror, "open_in_tree", refused)
        with mirrored(tmp_path, MIRRORS):
            assert sources.read_bytes() == DEBIAN
    with (
        pytest.raises(InputError, match=r"a command of build\.run took the right"),
        mirrored(tmp_path, MIRRORS),
    ):
        monkeypatch.setattr(apt_mirror, "open_in_tree", refused)
