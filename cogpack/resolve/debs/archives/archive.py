"""An archive of Debian packages, by the words of sources.list(5): Debian's own, or anybody's."""

import base64
import posixpath
from collections.abc import Sequence

import msgspec

from cogpack.lockfile.base_kinds import LockedArchive
from cogpack.resolve.debs.archives import keyring
from cogpack.resolve.debs.archives.keyring import Keyring
from cogpack.resolve.debs.archives.mirror import MAIN, SECURITY, DebianMirror
from cogpack.resolve.debs.archives.snapshot import Snapshot
from cogpack.resolve.debs.archives.urls import snapshot_url


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """Says where packages are, and who must have signed for them.

    `name`: what locks call it, "debian", "debian-security" or its URI; `uri`: where it is asked for. `suites`: each a
    name below `dists/`, or, with a slash at its end, a directory below the URI that has an index of all that is there,
    without components (a flat repository). `where`: begins what is said of it, "" of Debian's own; `snapshot`: it is
    asked for as it was then.
    """

    name: str
    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...] = ()
    keys: Keyring
    where: str = ""
    snapshot: Snapshot | None = None

    @property
    def is_debians(self) -> bool:
        return self.name in (MAIN, SECURITY)

    def stamp(self, time: str) -> str:
        """Give the time stamp by which a snapshot service has it that belongs to a `time`, "" where none has."""
        return (self.snapshot.stamp if self.snapshot else time) if snapshot_url(self.name, time) else ""

    def url(self, path: str) -> str:
        return f"{self.uri}/{path}"


def locked_archive(archive: Archive) -> LockedArchive:
    """Write down one that is not Debian's own, with its keys."""
    return LockedArchive(
        uri=archive.name,
        suites=archive.suites,
        components=archive.components,
        key=base64.b64encode(archive.keys.data).decode(),
        fingerprints=archive.keys.fingerprints,
    )


def archive_of(locked: LockedArchive) -> Archive:
    """Give one as a lock has it."""
    return Archive(
        name=locked.uri,
        uri=locked.uri,
        suites=locked.suites,
        components=locked.components,
        keys=Keyring(base64.b64decode(locked.key), "the key that is locked"),
        where=locked.uri,
    )


def is_flat(suite: str) -> bool:
    return suite.endswith("/")


def directory(suite: str) -> str:
    """Give the directory of a suite's Release below the URI: "" or a path with a slash at its end."""
    if is_flat(suite):
        found = posixpath.normpath(suite.lstrip("/") or ".")
        return "" if found == "." else f"{found}/"
    return f"dists/{suite}/"


def debian_archives(suite: str, mirror: DebianMirror, snapshot: Snapshot | None = None) -> Sequence[Archive]:
    """Give what a suite of Debian's has: itself, its updates, and its security archive, at the `mirror` or at the time
    of `snapshot`."""
    suites = {MAIN: (suite, f"{suite}-updates"), SECURITY: (f"{suite}-security",)}
    return [
        Archive(
            name=name,
            uri=snapshot.url(name) if snapshot else mirror.url(name, "").rstrip("/"),
            suites=of,
            components=("main",),
            keys=keyring.debian_keyring(),
            snapshot=snapshot,
        )
        for name, of in suites.items()
    ]
