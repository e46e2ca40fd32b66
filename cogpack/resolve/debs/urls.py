"""Where a locked package file may be fetched from."""

from cogpack.bases import DebianBase, LockedDeb
from cogpack.resolve.debs.mirror import Mirror

_SNAPSHOT = "https://snapshot.debian.org/archive"


def deb_urls(deb: LockedDeb, mirror: Mirror, decision: DebianBase) -> list[str]:
    """The mirror first; once its pool has dropped the file, Debian's snapshot service."""
    snapshots = sorted(release.snapshot for release in decision.releases if release.archive == deb.archive)
    return [
        mirror.url(deb.archive, deb.path),
        *(f"{_SNAPSHOT}/{deb.archive}/{snapshot}/{deb.path}" for snapshot in snapshots[-1:]),
    ]
