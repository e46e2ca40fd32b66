"""A locked package file may be fetched from these addresses."""

from collections.abc import Iterable

from cogpack.lockfile.base_kinds import DebianRelease, LockedDeb
from cogpack.resolve.debs.archives.mirror import MAIN, SECURITY, DebianMirror

_SNAPSHOT = "https://snapshot.debian.org/archive"


def deb_urls(deb: LockedDeb, mirror: DebianMirror, releases: Iterable[DebianRelease]) -> list[str]:
    """Give the mirror's address first, then that of Debian's snapshot service, which keeps what pools have dropped, if
    it is one of Debian's.

    `releases`: those that the package was chosen from.
    """
    snapshots = {release.snapshot for release in releases if release.archive == deb.archive}
    return pool_urls(deb, mirror, *sorted(snapshots, reverse=True))


def pool_urls(deb: LockedDeb, mirror: DebianMirror, *snapshots: str) -> list[str]:
    """Give those of a package by the time stamps of archives that had it."""
    known = deb.archive in (MAIN, SECURITY)
    kept = [snapshot_url(deb.archive, snapshot, deb.path) for snapshot in snapshots if known]
    return [mirror.url(deb.archive, deb.path), *kept]


def snapshot_url(archive: str, snapshot: str, path: str = "") -> str:
    """Give the address of an archive as it was at a time, or of a file of it."""
    return f"{_SNAPSHOT}/{archive}/{snapshot}" + (f"/{path}" if path else "")
