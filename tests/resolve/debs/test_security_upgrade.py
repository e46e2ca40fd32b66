"""`lock --upgrade-system` takes from the security archive what is newer there, and leaves everything else as it is."""

import functools
import http.server
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from support.debian_archive import Signer, write_suite
from support.debs import stanza
from support.serving import served

from cogpack.errors import InputError
from cogpack.http import Http
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.resolve.debs.archives import keyring as keyring_module
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.suites import SuiteReader
from cogpack.resolve.debs.bases import BASE_PACKAGES
from cogpack.resolve.debs.question import BroughtDeb, DebQuestion
from cogpack.resolve.debs.resolver import resolve_debs
from cogpack.resolve.debs.security import upgrade_security
from cogpack.seal import THIS_RUN

BASE = "".join(stanza(name) for name in BASE_PACKAGES if name not in ("python3", "openssl")) + stanza(
    "python3", "3.13.5-1", Depends="libc6"
)
MAIN = (
    BASE
    + stanza("libc6", "2.41-12")
    + stanza("openssl", "1", Depends="libssl (= 1)")
    + stanza("libssl", "1")
    + stanza("tool", "1.0", Depends="libtool (>= 1), virtual", Recommends="doc")
    + stanza("libtool", "1.0")
    + stanza("real", "1.0", Provides="virtual")
    + stanza("another", "1.0", Provides="virtual")
    + stanza("doc", "1.0")
    + stanza("helper", "1.0")
)
LATER = (
    BASE
    + stanza("libc6", "2.41-13")
    + stanza("openssl", "2", Depends="libssl (= 2)")
    + stanza("libssl", "2")
    + stanza("tool", "2.0", Depends="libtool (>= 1), virtual")
    + stanza("libtool", "2.0")
    + stanza("real", "2.0", Provides="virtual")
    + stanza("another", "2.0", Provides="virtual")
    + stanza("helper", "2.0")
)
"""The next point release."""


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Archive:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.signer = Signer()
        self.mirror = DebianMirror(main="", security="")

    def say(self, main: str, security: str) -> None:
        """Have these packages from now on."""
        shutil.rmtree(self.root, ignore_errors=True)
        write_suite(self.root, "debian", "trixie", main, self.signer)
        write_suite(self.root, "debian", "trixie-updates", "", self.signer)
        write_suite(self.root, "debian-security", "trixie-security", security, self.signer)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    made = Archive(tmp_path / "mirror")
    monkeypatch.setattr(keyring_module, "debian_keyring", lambda: made.signer.keyring)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=made.root))
    with served(server):
        url = f"http://127.0.0.1:{server.server_port}"
        made.mirror = DebianMirror(main=f"{url}/debian", security=f"{url}/debian-security")
        yield made


def reader(client: Http, tmp_path: Path) -> SuiteReader:
    return SuiteReader(arch="amd64", http=client, cache=tmp_path / "cache", seal=THIS_RUN)


@pytest.fixture
def lock(archive: Archive, tmp_path: Path) -> Callable[..., DebianBase]:
    """Resolves the requests over what there is."""

    def make(*requests: str) -> DebianBase:
        archive.say(MAIN, "")
        with Http() as client:
            question = DebQuestion(requests=requests)
            return resolve_debs(question, reader(client, tmp_path), "trixie", archive.mirror)

    return make


def upgrade(
    archive: Archive, tmp_path: Path, kept: DebianBase, *requests: str, dpkg: Sequence[str] = ()
) -> tuple[DebianBase, list[BroughtDeb]]:
    looked: list[BroughtDeb] = []
    with Http() as client:
        question = DebQuestion(requests=requests, examine=lambda found, _: looked.extend(found) or dpkg)
        made = upgrade_security(question, reader(client, tmp_path), kept, archive.mirror)
    return made, looked


def moved(before: DebianBase, after: DebianBase) -> dict[str, str]:
    was = {deb.name: deb.version for deb in before.installed}
    return {deb.name: deb.version for deb in after.installed if was.get(deb.name) != deb.version}


def test_only_what_the_security_archive_has_newer_moves(
    archive: Archive, lock: Callable[..., DebianBase], tmp_path: Path
) -> None:
    kept = lock("tool")
    archive.say(
        LATER,
        stanza("openssl", "1+deb13u1", Depends="libssl (= 1+deb13u1)")
        + stanza("libssl", "1+deb13u1")
        + stanza("libtool", "1.0+deb13u1", Depends="helper")
        + stanza("tool", "0.9"),
    )
    made, looked = upgrade(archive, tmp_path, kept, "tool")
    assert moved(kept, made) == {
        "openssl": "1+deb13u1",
        "libssl": "1+deb13u1",
        "libtool": "1.0+deb13u1",
        "helper": "2.0",
    }
    assert [deb.name for deb in made.packages] == [deb.name for deb in kept.packages]
    names = [deb.name for deb in kept.system_packages.packages]
    assert [deb.name for deb in made.system_packages.packages] == sorted([*names, "helper"])
    assert [deb.name for deb in made.installed if deb.requested] == ["tool"]
    assert sorted(one.deb.name for one in looked) == ["helper", "libtool"], "of these the scripts are new"
    # What stays is of the old Release, which the archive has gone on from; what moved is of the new one.
    suites = [release.suite for release in made.releases]
    assert suites == ["trixie", "trixie-updates", "trixie-security"]
    assert made.releases[:2] == kept.releases[:2]
    assert made.releases[2] != kept.releases[2]


def test_where_nothing_is_newer_the_lock_stays_as_it_is(
    archive: Archive, lock: Callable[..., DebianBase], tmp_path: Path
) -> None:
    kept = lock("tool")
    archive.say(LATER, "")
    assert upgrade(archive, tmp_path, kept, "tool") == (kept, [])


def test_a_package_that_is_asked_for_in_a_version_stays(
    archive: Archive, lock: Callable[..., DebianBase], tmp_path: Path
) -> None:
    kept = lock("tool=1.0")
    archive.say(MAIN, stanza("tool", "1.0+deb13u1", Depends="libtool, virtual"))
    assert moved(kept, upgrade(archive, tmp_path, kept, "tool=1.0")[0]) == {}
    assert moved(kept, upgrade(archive, tmp_path, kept, "tool")[0]) == {"tool": "1.0+deb13u1"}


def test_what_needs_a_package_that_dpkg_installs_is_installed_by_it_too(
    archive: Archive, lock: Callable[..., DebianBase], tmp_path: Path
) -> None:
    kept = lock("tool")
    archive.say(MAIN, stanza("libtool", "1.0+deb13u1"))
    made, _ = upgrade(archive, tmp_path, kept, "tool", dpkg=("libtool",))
    assert made.system_packages.dpkg == ("libtool", "tool")


def test_what_does_not_go_with_the_rest_is_an_error_that_names_the_way_out(
    archive: Archive, lock: Callable[..., DebianBase], tmp_path: Path
) -> None:
    kept = lock("tool")
    archive.say(LATER, stanza("libtool", "1.0+deb13u1", Depends="libc6 (>= 2.41-13)"))
    with pytest.raises(InputError, match=r"does not go with what is locked: .*libtool 1\.0\+deb13u1 needs") as failed:
        upgrade(archive, tmp_path, kept, "tool")
    assert "cogpack lock --upgrade" in failed.value.next_step
