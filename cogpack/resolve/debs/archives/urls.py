"""A locked package file may be fetched from these addresses."""

from collections.abc import Iterable

from cogpack.lockfile.base_kinds import DebianRelease, LockedDeb
from cogpack.patterns import pattern
from cogpack.resolve.debs.archives.mirror import MAIN, SECURITY, DebianMirror

_DEBIANS = "https://snapshot.debian.org/archive"
_UBUNTUS = "https://snapshot.ubuntu.com/ubuntu"
"""Has all architectures, ports among them, of each time since March 2023 (snapshot.ubuntu.com, read 2026-11-29)."""
_UBUNTU = pattern(r"https?://(?:(?:[a-z]{2}\.)?archive|security|ports)\.ubuntu\.com/ubuntu(?:-ports)?")


def deb_urls(deb: LockedDeb, mirror: DebianMirror, releases: Iterable[DebianRelease]) -> list[str]:
    """Give the mirror's address first, then that of the snapshot service that keeps what the archive's pools have
    dropped, if there is one.

    `releases`: those that the package was chosen from.
    """
    snapshots = {release.snapshot for release in releases if release.archive == deb.archive and release.snapshot}
    return pool_urls(deb, mirror, *sorted(snapshots, reverse=True))


def pool_urls(deb: LockedDeb, mirror: DebianMirror, *snapshots: str) -> list[str]:
    """Give those of a package by the time stamps of archives that had it."""
    kept = (snapshot_url(deb.archive, snapshot, deb.path) for snapshot in snapshots)
    return [mirror.url(deb.archive, deb.path), *filter(None, kept)]


def snapshot_url(archive: str, snapshot: str, path: str = "") -> str | None:
    """Give the address of an archive as it was at a time, or of a file of it; None of one that no service keeps."""
    if archive in (MAIN, SECURITY):
        place = f"{_DEBIANS}/{archive}"
    elif _UBUNTU.fullmatch(archive):
        place = _UBUNTUS
    else:
        return None
    return f"{place}/{snapshot}" + (f"/{path}" if path else "")
