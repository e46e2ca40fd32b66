"""What Debian's archives have now of a suite is read: its signed Release file, and the index that this names."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from cogpack.errors import CogpackError, InputError, MismatchError, UnavailableError
from cogpack.http import Http
from cogpack.lockfile.base_kinds import DebianRelease
from cogpack.progress import Task
from cogpack.resolve.debs.archives.index import DebianIndex, open_index, parse_index
from cogpack.resolve.debs.archives.mirror import MAIN, SECURITY, Archive, DebianMirror
from cogpack.resolve.debs.archives.release_file import IndexFile, Release, verify_release
from cogpack.resolve.debs.archives.snapshot import Snapshot
from cogpack.resolve.debs.archives.urls import snapshot_url
from cogpack.seal import Seal

_INRELEASE_LIMIT = 4 * 1024 * 1024
_INDEX_LIMIT = 64 * 1024 * 1024
_TEXT_LIMIT = 1024 * 1024 * 1024
# The snapshot service takes a copy every six hours; a time before the copy was taken leads to the copy before.
_SNAPSHOT_DELAY = timedelta(hours=12)
_OTHER = "use another Debian mirror: set COGPACK_DEBIAN_MIRROR"


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """Is a suite with what it has. `stamp`: the time by which the snapshot service has it."""

    archive: Archive
    name: str
    release: Release
    index: DebianIndex
    stamp: str

    @property
    def locked(self) -> DebianRelease:
        return DebianRelease(
            archive=self.archive,
            suite=self.name,
            date=self.release.date.strftime("%Y-%m-%dT%H:%M:%SZ"),
            sha256=self.release.sha256,
            signed_by=self.release.signer,
            snapshot=self.stamp,
        )


def read_suites(
    suite: str,
    arch: str,
    *,
    http: Http,
    mirror: DebianMirror,
    cache: Path,
    seal: Seal,
    task: Task,
    snapshot: Snapshot | None = None,
    now: datetime | None = None,
) -> list[Suite]:
    """Read `suite`, its updates, and its security archive: as they are, or were at the time of `snapshot`. `now` dates
    the check of the Releases' age."""
    moment = snapshot.moment if snapshot else now or datetime.now(UTC)
    mirror = snapshot.mirror if snapshot else mirror
    sources: tuple[tuple[Archive, str], ...] = (
        (MAIN, suite),
        (MAIN, f"{suite}-updates"),
        (SECURITY, f"{suite}-security"),
    )
    releases = [_release(archive, name, http, mirror, moment) for archive, name in sources]
    if snapshot and (later := [one for one in releases if one.date > snapshot.moment]):
        raise MismatchError(
            f"{mirror.main}: expected {later[0].codename} as it was then, found that of {later[0].date:%Y-%m-%d %H:%M}",
            next_step="find out who answers for snapshot.debian.org (COGPACK_URL_MAP)",
        )
    return [
        Suite(
            archive=archive,
            name=name,
            release=release,
            index=_index(archive, name, release, arch, http, mirror, cache / "debs", seal, task),
            stamp=snapshot.stamp if snapshot else _snapshot(release),
        )
        for (archive, name), release in zip(sources, releases, strict=True)
    ]


def _snapshot(release: Release) -> str:
    """Give the time stamp by which the snapshot service has the archive of a Release."""
    return (release.date + _SNAPSHOT_DELAY).strftime("%Y%m%dT%H%M%SZ")


def _release(archive: Archive, suite: str, http: Http, mirror: DebianMirror, now: datetime) -> Release:
    url = mirror.url(archive, f"dists/{suite}/InRelease")
    return verify_release(_get(http, url, _INRELEASE_LIMIT), url=url, codename=suite, now=now)


def _index(
    archive: Archive,
    suite: str,
    release: Release,
    arch: str,
    http: Http,
    mirror: DebianMirror,
    cache: Path,
    seal: Seal,
    task: Task,
) -> DebianIndex:
    plain = f"main/binary-{arch}/Packages"
    text = release.files.get(plain)
    for name in (f"{plain}.xz", f"{plain}.gz"):
        packed = release.files.get(name)
        if packed is not None and text is not None:
            break
    else:
        raise InputError(
            f"Debian {suite} has no packages for {arch}",
            next_step="choose another platform: linux/amd64 or linux/arm64",
        )
    if packed.size > _INDEX_LIMIT or text.size > _TEXT_LIMIT:
        raise MismatchError(f"Debian {suite}: {name} is larger than any index should be", next_step=_OTHER)
    index = open_index(cache, packed.sha256, seal)
    if index is not None:
        return index
    by_hash = f"main/binary-{arch}/by-hash/SHA256/{packed.sha256}"
    names = [by_hash, name] if release.by_hash else [name]
    urls = [mirror.url(archive, f"dists/{suite}/{path}") for path in names]
    url, data = _first(http, [*urls, snapshot_url(archive, _snapshot(release), f"dists/{suite}/{name}")], packed)
    task.advance(len(data))
    return parse_index(data, url=url, size=text.size, directory=cache, sha256=packed.sha256, seal=seal)


def _first(http: Http, urls: Sequence[str], file: IndexFile) -> tuple[str, bytes]:
    """Get a file from the first address that has it: a mirror may have gone on to the next Release since it gave this
    one. What has another file by then is passed over, but for a name that says which it is."""
    refused: CogpackError | None = None
    for url in urls:
        try:
            data = _get(http, url, file.size)
        except (_AbsentError, InputError) as error:  # or it is larger than it should be
            refused = refused or error
            continue
        found = hashlib.sha256(data).hexdigest()
        if found == file.sha256:
            return url, data
        wrong = MismatchError(f"{http.shown(url)}: expected sha256 {file.sha256}, found {found}", next_step=_OTHER)
        if "/by-hash/" in url:
            raise wrong
        refused = refused or wrong
    assert refused is not None
    raise refused


class _AbsentError(UnavailableError):
    """Raised where a server says that it has no such file."""


def _get(http: Http, url: str, limit: int) -> bytes:
    answer = http.request("GET", url, origin=url, limit=limit, follow=True)
    if answer.status != 200:
        kind = _AbsentError if answer.status in (404, 410) else UnavailableError
        raise kind(f"{http.shown(url)}: HTTP {answer.status}", next_step=_OTHER)
    return answer.body
