"""Resolving against a small archive of our own, over HTTP."""

import functools
import http.server
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import msgspec
import pytest
from support.debian_archive import NOW, Signer, release_text, write_suite
from support.debs import stanza
from support.serving import served

from cogpack.errors import InputError, MismatchError, UnavailableError
from cogpack.http import NO_MAP, Http, UrlMap
from cogpack.http.retries import ATTEMPTS
from cogpack.layers.debs.deb.unpacking import Unpacking
from cogpack.layers.debs.source import DebianSource
from cogpack.lockfile.base_kinds import DebianBase, DebianRelease, LeftOut, SystemPackages
from cogpack.locking.maintainer_scripts import deb_file
from cogpack.locking.recommended import recommended
from cogpack.notes import Code, Note
from cogpack.policy import Noted, Policy
from cogpack.progress import SILENT, Cancellation, Progress, Silent
from cogpack.resolve.debs.archives import keyring as keyring_module
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.snapshot import Snapshot
from cogpack.resolve.debs.archives.suites import SuiteReader
from cogpack.resolve.debs.bases import BASE_PACKAGES, SLIM_PACKAGES
from cogpack.resolve.debs.question import DebQuestion
from cogpack.resolve.debs.resolver import resolve_debs
from cogpack.resolve.debs.standing import KeptBase
from cogpack.seal import THIS_RUN

MAIN = (
    "".join(stanza(name) for name in BASE_PACKAGES if name != "python3")
    + stanza("python3", "3.13.5-1", Depends="libc6")
    + stanza("libc6", "2.41-12")
    + stanza("bash", Essential="yes", Depends="a-pager | b-pager")
    + stanza("a-pager", Conflicts="b-pager")
    + stanza("b-pager")
    + stanza("other", Depends="b-pager | a-pager")
    + stanza("tool", "1.0", Depends="libtool")
    + stanza("libtool", Provides="libltdl")
    + stanza("viewer", Depends="libtool", Recommends="tool, gone", Size="3000")
)


class Notes(Silent):
    """Progress that keeps the notes."""

    def __init__(self) -> None:
        self.all: list[Note] = []

    def note(self, note: Note) -> None:
        self.all.append(note)


class _Handler(http.server.SimpleHTTPRequestHandler):
    seen: list[str]
    away: list[bool]
    """For each request to come: is it answered by a front that finds nobody behind it?"""

    def do_GET(self) -> None:
        if self.away and self.away.pop(0):
            self.send_error(502)
        else:
            super().do_GET()

    def log_message(
        self,
        format: str,  # noqa: A002
        *args: object,
    ) -> None:
        self.seen.append(self.path)


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.fixture
def archive(tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(keyring_module, "debian_keyring", lambda: signer.keyring)
    root = tmp_path / "mirror"
    write_suite(root, "debian", "trixie", MAIN, signer)
    write_suite(root, "debian", "trixie-updates", stanza("tzdata", "2"), signer)
    write_suite(root, "debian-security", "trixie-security", stanza("tool", "1.0+deb13u1", Depends="libtool"), signer)
    return root


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture
def away() -> list[bool]:
    return []


@pytest.fixture
def mirror(archive: Path, seen: list[str], away: list[bool]) -> Iterator[DebianMirror]:
    handler = type("Handler", (_Handler,), {"seen": seen, "away": away})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=archive))
    with served(server):
        url = f"http://127.0.0.1:{server.server_port}"
        yield DebianMirror(main=f"{url}/debian", security=f"{url}/debian-security")


def resolve(
    mirror: DebianMirror,
    tmp_path: Path,
    *requests: str,
    arch: str = "amd64",
    recommends: bool = False,
    url_map: UrlMap = NO_MAP,
    snapshot: Snapshot | None = None,
    kept: KeptBase | None = None,
    progress: Progress = SILENT,
    slim: bool = False,
    seen: Sequence[DebianRelease] = (),
    **places: str,
) -> DebianBase:
    with Http(url_map=url_map, progress=progress) as client:
        question = DebQuestion(requests=requests, recommends=recommends, places=places)
        reader = SuiteReader(arch=arch, http=client, cache=tmp_path / "cache", seal=THIS_RUN, seen=seen)
        return resolve_debs(question, reader, "trixie", mirror, slim=slim, snapshot=snapshot, kept=kept)


def test_packages_that_cant_be_had_are_named_where_they_stand_all_at_once(mirror: DebianMirror, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        resolve(mirror, tmp_path, "toool", "tool", "libgone", toool="cog.yaml:4: x[0]", libgone="cog.yaml:6: x[2]")
    assert caught.value.message.splitlines() == [
        "2 things must change:",
        "  cog.yaml:4: x[0]: Debian has no package 'toool' (next: did you mean tool?)",
        "  cog.yaml:6: x[2]: Debian has no package 'libgone' (next: look it up on packages.debian.org)",
    ]
    with pytest.raises(InputError, match=r"^cog.yaml:4: x\[0\]: tool is asked for as 1.0\+deb13u1 and as 1.0$"):
        resolve(mirror, tmp_path, "tool", "tool=1.0", tool="cog.yaml:4: x[0]")


def test_the_decision_holds_the_base_the_essential_packages_and_what_was_asked_for(
    mirror: DebianMirror, tmp_path: Path
) -> None:
    decision = resolve(mirror, tmp_path, "tool")
    assert [deb.name for deb in decision.packages] == sorted([*BASE_PACKAGES, "a-pager", "bash", "libc6"])
    assert [deb.name for deb in decision.system_packages.packages] == ["libtool", "tool"]
    by_name = {deb.name: deb for deb in decision.installed}
    assert (by_name["tool"].version, by_name["tool"].archive) == ("1.0+deb13u1", "debian-security")
    assert by_name["tzdata"].version == "2"
    assert [deb.name for deb in decision.installed if deb.requested] == ["tool"]
    assert [deb.name for deb in decision.packages if deb.essential] == ["bash"]
    assert decision.system_packages.releases == decision.releases
    assert (decision.python, decision.glibc) == ("3.13", "2.41")
    assert [release.suite for release in decision.releases] == ["trixie", "trixie-updates", "trixie-security"]


def test_a_slim_base_has_no_shell_and_nothing_that_is_needed_by_scripts_alone(
    mirror: DebianMirror, tmp_path: Path, archive: Path, signer: Signer
) -> None:
    shutil.rmtree(archive / "debian/dists/trixie")
    more = [*{*SLIM_PACKAGES} - {*BASE_PACKAGES, "base-files"}, "debconf", "perl", "tar", "mawk"]
    index = MAIN.replace(stanza("tzdata"), stanza("tzdata", Depends="debconf"))
    index += "".join(map(stanza, more)) + stanza("base-files", **{"Pre-Depends": "mawk"})
    index += stanza("dpkg", Depends="tar", Essential="yes") + stanza("app", Depends="dpkg")
    write_suite(archive, "debian", "trixie", index, signer)
    slim = resolve(mirror, tmp_path, "app", slim=True)
    assert [deb.name for deb in slim.packages] == sorted([*SLIM_PACKAGES, "libc6"])
    assert [deb.name for deb in slim.system_packages.packages] == ["app", "dpkg", "tar"], "what asks for it, has it"
    assert (slim.slim, slim.python) == (True, "3.13")
    assert "dpkg" in {deb.name for deb in resolve(mirror, tmp_path).packages}


def test_what_is_only_recommended_is_marked_and_what_of_it_cant_be_had_is_told(
    mirror: DebianMirror, tmp_path: Path
) -> None:
    decision = resolve(mirror, tmp_path, "viewer", recommends=True)
    assert [deb.name for deb in decision.installed if deb.recommended] == ["tool"]
    assert decision.system_packages.left_out == (LeftOut("viewer", "gone", "no package of the suite is that"),)
    found = recommended(decision)
    assert found is not None
    assert found.lines() == [
        "only recommended: 1 Debian package (1 kB); `cogpack: {recommends: false}` leaves them out",
        "left out: gone, which viewer recommends: no package of the suite is that",
    ]
    without = resolve(mirror, tmp_path, "viewer")
    assert {deb.name for deb in decision.installed} - {deb.name for deb in without.installed} == {"tool"}
    assert recommended(without) is None


def test_the_provider_of_a_requested_name_counts_as_requested(mirror: DebianMirror, tmp_path: Path) -> None:
    assert [deb.name for deb in resolve(mirror, tmp_path, "libltdl").installed if deb.requested] == ["libtool"]


def test_the_base_is_the_same_whatever_is_asked_for(mirror: DebianMirror, tmp_path: Path) -> None:
    alone, with_tool = resolve(mirror, tmp_path), resolve(mirror, tmp_path, "tool", "other")
    assert alone.packages == with_tool.packages
    assert alone.system_packages == SystemPackages()
    assert [deb.name for deb in with_tool.installed if "pager" in deb.name] == ["a-pager"], (
        "not the other's first choice"
    )


def test_another_version_of_a_package_of_the_base_lies_over_it(mirror: DebianMirror, tmp_path: Path) -> None:
    pinned = resolve(mirror, tmp_path, "tzdata=1")
    assert pinned.packages == resolve(mirror, tmp_path).packages
    assert [(deb.name, deb.version) for deb in pinned.system_packages.packages] == [("tzdata", "1")]
    assert {deb.name: deb.version for deb in pinned.installed}["tzdata"] == "1"


def test_a_second_resolve_asks_only_for_the_releases(mirror: DebianMirror, tmp_path: Path, seen: list[str]) -> None:
    first = resolve(mirror, tmp_path, "tool")
    del seen[:]
    assert resolve(mirror, tmp_path, "tool") == first
    assert [path.rpartition("/")[2] for path in seen] == ["InRelease"] * 3


def test_a_mirror_that_goes_away_is_waited_for(mirror: DebianMirror, tmp_path: Path, away: list[bool]) -> None:
    away += [False, *[True] * 20]
    assert resolve(mirror, tmp_path, "tool").packages
    assert away == []


def test_a_mirror_that_never_was_there_is_not_waited_for(
    mirror: DebianMirror, tmp_path: Path, away: list[bool]
) -> None:
    away += [True] * 20
    with pytest.raises(UnavailableError, match="HTTP 502"):
        resolve(mirror, tmp_path, "tool")
    assert len(away) == 20 - ATTEMPTS


def test_an_index_that_a_mirror_has_dropped_is_had_by_its_name_or_from_the_snapshot(
    mirror: DebianMirror, tmp_path: Path, archive: Path, seen: list[str]
) -> None:
    """A mirror that is written while we read it may have gone on to the next one."""
    root = archive / "debian/dists/trixie/main/binary-amd64"
    (dropped,) = (root / "by-hash/SHA256").iterdir()
    place = f"{mirror.main.removesuffix('/debian')}/snapshot"
    rules = UrlMap.parse(f"https://snapshot.debian.org/archive={place}", where="a test")
    dropped.rename(root / "Packages.xz")
    first = resolve(mirror, tmp_path, "tool")
    (root / "Packages.xz").rename(tmp_path / "kept")
    with pytest.raises(UnavailableError, match=r"by-hash/SHA256/[0-9a-f]{64}: HTTP 404"):
        resolve(mirror, tmp_path / "other", "tool", url_map=rules)
    (root / "Packages.xz").write_bytes(b"of the next Release")
    stamp = next(release.snapshot for release in first.releases if release.suite == "trixie")
    kept = archive / "snapshot/debian" / stamp / "dists/trixie/main/binary-amd64"
    kept.mkdir(parents=True)
    (tmp_path / "kept").rename(kept / "Packages.xz")
    assert resolve(mirror, tmp_path / "third", "tool", url_map=rules) == first
    assert seen[-1].startswith("/debian-security/")


def test_an_index_that_is_not_the_signed_one_is_refused(mirror: DebianMirror, tmp_path: Path, archive: Path) -> None:
    for file in archive.glob("debian/dists/trixie/main/binary-amd64/by-hash/SHA256/*"):
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(MismatchError, match="expected sha256"):
        resolve(mirror, tmp_path, "tool")


def test_a_mirror_that_cuts_an_index_is_told_so(mirror: DebianMirror, tmp_path: Path, archive: Path) -> None:
    for file in archive.glob("debian/dists/trixie/main/binary-amd64/by-hash/SHA256/*"):
        file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(MismatchError, match="expected sha256"):
        resolve(mirror, tmp_path, "tool")


@pytest.mark.parametrize("hours", [-30, 20, 30])
def test_a_mirror_that_goes_back_further_than_mirrors_differ_is_told_unless_that_time_is_asked_for(
    mirror: DebianMirror, tmp_path: Path, archive: Path, hours: int
) -> None:
    found = resolve(mirror, tmp_path)
    seen = [
        msgspec.structs.replace(
            one, date=(datetime.fromisoformat(one.date) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
        )
        for one in found.releases
        if one.suite == "trixie-security"
    ]
    notes = Noted(SILENT, Policy())
    assert resolve(mirror, tmp_path, seen=seen, progress=notes) == found
    expected = [Code.RELEASE_OLDER] if hours == 30 else []
    assert [note.code for note in notes.all] == expected
    assert not expected or f"{mirror.security}/dists/trixie-security/InRelease is of" in notes.all[0].text
    then = Snapshot(NOW)
    service = UrlMap.parse(f"https://snapshot.debian.org={mirror.main.removesuffix('/debian')}", where="map")
    for name in ("debian", "debian-security"):
        (archive / "archive" / name).mkdir(parents=True)
        (archive / name).rename(archive / "archive" / name / then.stamp)
    notes = Noted(SILENT, Policy())
    resolve(mirror, tmp_path, seen=seen, progress=notes, snapshot=then, url_map=service)
    assert notes.all == []


@pytest.mark.parametrize("archive_name", ["debian", "debian-security"])
def test_a_mirror_with_packages_that_another_key_signs_is_refused(
    mirror: DebianMirror, tmp_path: Path, archive: Path, archive_name: str
) -> None:
    shutil.rmtree(archive / archive_name)
    for suite in ("trixie", "trixie-updates") if archive_name == "debian" else ("trixie-security",):
        write_suite(archive, archive_name, suite, MAIN, Signer())
    with pytest.raises(MismatchError, match="not signed by Debian's archive key"):
        resolve(mirror, tmp_path, "tool")


def test_a_mirror_that_stands_still_is_refused_once_its_release_has_expired(
    mirror: DebianMirror, tmp_path: Path, archive: Path, signer: Signer
) -> None:
    release = archive / "debian-security/dists/trixie-security/InRelease"
    until = format_datetime(NOW - timedelta(days=1), usegmt=True)
    release.write_bytes(signer.sign(release_text("trixie-security", Valid_Until=until)))
    with pytest.raises(UnavailableError, match=r"expired on .*, so the mirror is out of date"):
        resolve(mirror, tmp_path, "tool")


def test_the_release_of_another_suite_in_the_place_of_one_is_refused(
    mirror: DebianMirror, tmp_path: Path, archive: Path, signer: Signer
) -> None:
    (archive / "debian/dists/trixie/InRelease").write_bytes(signer.sign(release_text("bookworm")))
    with pytest.raises(MismatchError, match="expected Codename trixie, found 'bookworm'"):
        resolve(mirror, tmp_path, "tool")


def test_a_mirror_without_the_suite_is_named(mirror: DebianMirror, tmp_path: Path, archive: Path) -> None:
    (archive / "debian/dists/trixie/InRelease").unlink()
    with pytest.raises(UnavailableError, match=r"dists/trixie/InRelease: HTTP 404") as caught:
        resolve(mirror, tmp_path, "tool")
    assert "COGPACK_DEBIAN_MIRROR" in caught.value.next_step


def test_an_architecture_that_the_suite_lacks_is_an_error(mirror: DebianMirror, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no packages for riscv64"):
        resolve(mirror, tmp_path, arch="riscv64")


@pytest.mark.parametrize("request_text", ["Tool", "a b", "../x", "tool=", "-x", "tool:i386", ""])
def test_what_is_no_package_name_is_refused_before_anything_is_asked(
    mirror: DebianMirror, tmp_path: Path, seen: list[str], request_text: str
) -> None:
    with pytest.raises(InputError, match="not a package name"):
        resolve(mirror, tmp_path, request_text)
    assert seen == []


def test_projects_that_name_a_time_have_one_base_whenever_they_are_locked(
    archive: Path, mirror: DebianMirror, tmp_path: Path, signer: Signer, seen: list[str]
) -> None:
    then = Snapshot(NOW - timedelta(hours=1))
    service = UrlMap.parse(f"https://snapshot.debian.org={mirror.main.removesuffix('/debian')}", where="map")
    first = resolve(mirror, tmp_path, "tool")
    for name in ("debian", "debian-security"):
        (archive / "archive" / name).mkdir(parents=True)
        (archive / name).rename(archive / "archive" / name / then.stamp)
    for day in range(10):
        moved = MAIN.replace(stanza("libc6", "2.41-12"), stanza("libc6", f"2.41-13+{day}"))
        write_suite(archive / str(day), "debian", "trixie", moved, signer)
        write_suite(archive / str(day), "debian", "trixie-updates", "", signer)
        write_suite(archive / str(day), "debian-security", "trixie-security", "", signer)
    of_days = [
        DebianMirror(main=f"{root}/{day}/debian", security=f"{root}/{day}/debian-security")
        for root in (mirror.main.removesuffix("/debian"),)
        for day in range(10)
    ]
    assert len({layer_key(resolve(one, tmp_path, "tool")) for one in of_days}) == 10, "each has the base of its day"
    del seen[:]
    aligned = set()
    for number, one in enumerate(of_days):
        asked = (("tool",), ("other",), ())[number % 3]
        found = resolve(one, tmp_path / str(number), *asked, snapshot=then, url_map=service)
        aligned.add(layer_key(found))
        assert asked != ("tool",) or found == replaced(first, then.stamp)
    assert len(aligned) == 1, "by one line, whatever they ask for"
    assert {path.split("/")[1] for path in seen} == {"archive"}, "nobody else is asked"
    before = Snapshot(NOW - timedelta(hours=4))
    for name in ("debian", "debian-security"):
        (archive / "archive" / name / before.stamp).symlink_to(then.stamp)
    with pytest.raises(MismatchError, match="expected trixie as it was then, found that of"):
        resolve(mirror, tmp_path, "tool", snapshot=before, url_map=service)


def layer_key(base: DebianBase) -> str:
    """Name the layer of the base alone: one key, one digest."""
    debs = [deb_file(deb, lambda: None) for deb in base.packages]  # type: ignore[arg-type,return-value]
    unpacking = Unpacking(Path(), SILENT, Cancellation())
    return DebianSource(debs, suite=base.suite, arch=base.arch, unpacking=unpacking).key()


def replaced(base: DebianBase, stamp: str) -> DebianBase:
    """The same, of releases that the snapshot service has by `stamp`."""
    releases = tuple(msgspec.structs.replace(one, snapshot=stamp) for one in base.releases)
    over = msgspec.structs.replace(base.system_packages, releases=releases)
    return msgspec.structs.replace(base, releases=releases, system_packages=over)


def test_the_base_of_another_lock_is_taken_as_it_is_and_what_it_lacks_is_told(
    mirror: DebianMirror, archive: Path, tmp_path: Path, signer: Signer
) -> None:
    before = resolve(mirror, tmp_path, "bash")
    shutil.rmtree(archive / "debian-security")
    write_suite(archive, "debian-security", "trixie-security", stanza("openssl", "2"), signer)
    control = b"Package: x\nVersion: 1\nArchitecture: amd64\n"
    kept = KeptBase(base=before, name="../base.lock", read=lambda _: control)
    notes = Notes()
    found = resolve(mirror, tmp_path, "tool", kept=kept, progress=notes)
    assert [deb.sha256 for deb in found.packages] == [deb.sha256 for deb in before.packages]
    assert found.releases == before.releases != found.system_packages.releases
    assert [deb.name for deb in found.installed if deb.requested] == ["tool"]
    assert [note.code for note in notes.all] == [Code.BASE_OUTDATED]
    assert "newer versions of 1 package of its base, openssl among them" in notes.all[0].text
    own = resolve(mirror, tmp_path, "tool", kept=msgspec.structs.replace(kept, name=""))
    assert {deb.name: deb.version for deb in own.packages}["openssl"] == "2"
