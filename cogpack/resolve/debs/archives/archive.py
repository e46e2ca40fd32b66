"""An archive of Debian packages, by the words of sources.list(5): Debian's own, or anybody's."""

import base64
import posixpath
from collections.abc import Sequence

import msgspec

from cogpack.lockfile.base_kinds import LockedArchive
from cogpack.resolve.debs.archives import keyring
from cogpack.resolve.debs.archives.keyring import Keyring
from cogpack.resolve.debs.archives.mirror import MAIN, SECURITY, DebianMirror


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """Says where packages are, and who must have signed for them.

    `name`: what locks call it, "debian", "debian-security" or its URI; `uri`: where it is asked for. `suites`: each a
    name below `dists/`, or, with a slash at its end, a directory below the URI that has an index of all that is there,
    without components (a flat repository). `where`: begins what is said of it, "" of Debian's own.
    """

    name: str
    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...] = ()
    keys: Keyring
    where: str = ""

    @property
    def is_debians(self) -> bool:
        return self.name in (MAIN, SECURITY)

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


def debian_archives(suite: str, mirror: DebianMirror) -> Sequence[Archive]:
    """Give what a suite of Debian's has: itself, its updates, and its security archive."""
    keys = keyring.debian_keyring()
    return (
        Archive(name=MAIN, uri=mirror.main, suites=(suite, f"{suite}-updates"), components=("main",), keys=keys),
        Archive(name=SECURITY, uri=mirror.security, suites=(f"{suite}-security",), components=("main",), keys=keys),
    )
