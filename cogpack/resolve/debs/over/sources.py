"""An image's own apt says which archives it asks, and whose keys sign them (sources.list(5), apt-secure(8))."""

import re
from collections.abc import Iterable, Sequence

import msgspec

from cogpack.config.steps import has_host
from cogpack.errors import InputError
from cogpack.resolve.debs.archives.apt_sources import Entry, Files, entries
from cogpack.resolve.debs.archives.archive import Archive
from cogpack.resolve.debs.archives.keyring import Keyring, read_keyring
from cogpack.resolve.debs.archives.mirror import MAIN, SECURITY, DebianMirror
from cogpack.resolve.debs.archives.snapshot import Snapshot
from cogpack.resolve.debs.archives.urls import snapshot_url

_APT = "etc/apt"
_MOST = 200
"""Entries, each a suite of an archive, that are asked; Ubuntu's images have four."""
_DEBIANS = re.compile(r"https?://(?:deb|ftp|(?:ftp\.)?[a-z]{2}|httpredir|cdn-fastly\.deb|security)\.debian\.org/(.+)")
"""What Debian's mirrors are called by images of it (https://www.debian.org/mirror/list)."""
_FINGERPRINT = re.compile(r"(?:0x)?([0-9A-Fa-f]{16,64})!?")


def read_archives(
    files: Files, arch: str, mirror: DebianMirror, *, where: str, snapshot: Snapshot | None = None
) -> Sequence[Archive]:
    """Read which archives the image asks for packages of `arch`. Debian's own are asked for at `mirror`, and what a
    snapshot service keeps as it was at `snapshot`, if that is given; `where` begins what is said of the image."""
    found: dict[Archive, None] = {}
    keys: dict[str, Keyring] = {}
    for number, entry in enumerate(entries(files, _APT)):
        if number == _MOST:
            raise InputError(
                f"{where}: its apt asks more than {_MOST} archives (/etc/apt/sources.list, /etc/apt/sources.list.d)",
                next_step="choose another base",
            )
        uri = entry.uri.replace("$(ARCH)", arch).rstrip("/")
        if entry.architectures and arch not in entry.architectures:
            continue
        if not re.fullmatch(r"https?://[^\s\0@]+", uri) or not has_host(uri):
            raise InputError(
                f"{where}: /{entry.file} names {uri!r:.200}, which only that image's own apt could ask",
                next_step="choose a base whose archives have http:// or https:// addresses, and no password in them",
            )
        if entry.signed_by not in keys:
            keys[entry.signed_by] = _keyring(files, entry, where)
        name = _name(uri)
        then = snapshot if snapshot and snapshot_url(name, snapshot.stamp) else None
        found[
            Archive(
                name=name,
                uri=then.url(name) if then else mirror.url(name, "").rstrip("/"),
                suites=(entry.suite.replace("$(ARCH)", arch),),
                components=entry.components,
                keys=keys[entry.signed_by],
                where="" if name in (MAIN, SECURITY) else f"{where}: /{entry.file}",
                snapshot=then,
            )
        ] = None
    if not found:
        raise InputError(
            f"{where}: the image names no archive of packages (/etc/apt/sources.list, /etc/apt/sources.list.d)",
            next_step="choose a base whose apt-get update works, or one that has the packages",
        )
    return _merged(found)


def _merged(found: Iterable[Archive]) -> Sequence[Archive]:
    """Make one of those that have a suite, and its keys, in common."""
    kept: dict[tuple[str, tuple[str, ...], Keyring], Archive] = {}
    for archive in found:
        same = archive.uri, archive.suites, archive.keys
        components = kept[same].components if same in kept else ()
        components += tuple(one for one in archive.components if one not in components)
        kept[same] = msgspec.structs.replace(kept.get(same, archive), components=components)
    return list(kept.values())


def _name(uri: str) -> str:
    """Give what locks call the archive: Debian's by one name, whichever mirror the image has."""
    matched = _DEBIANS.fullmatch(uri)
    if matched is None:
        return uri
    return {"debian": MAIN, "debian-security": SECURITY}.get(matched[1], uri)


def _keyring(files: Files, entry: Entry, where: str) -> Keyring:
    """Read the keys of an entry: a certificate that stands in it, the files that it names, or those that apt trusts."""
    if "-----BEGIN PGP PUBLIC KEY BLOCK-----" in entry.signed_by:
        text = "\n".join("" if line.strip() == "." else line.strip() for line in entry.signed_by.splitlines())
        return _read([text.strip().encode()], entry, f"{where}: /{entry.file}")
    words = entry.signed_by.replace(",", " ").split()
    paths = [word.lstrip("/") for word in words if word.startswith("/")]
    wanted = {matched[1].lower() for word in words if (matched := _FINGERPRINT.fullmatch(word))}
    if not paths:
        parts = f"{_APT}/trusted.gpg.d"
        names = [name for name in files.children(parts) if name.endswith((".gpg", ".asc"))]
        paths = [f"{_APT}/trusted.gpg", *(f"{parts}/{name}" for name in names)]
    found = [data for path in paths if (data := files.read(path)) is not None]
    if not found:
        raise InputError(
            f"{where}: /{entry.file} has {entry.uri} signed by {', '.join(f'/{path}' for path in paths)}, which the "
            "image has not",
            next_step="choose a base whose apt-get update works",
        )
    keys = _read(found, entry, f"{where}: /{paths[0]}")
    if not wanted:
        return keys
    chosen = [key for key in keys.certificates if any(key.fingerprint.endswith(one) for one in wanted)]
    return Keyring(b"".join(map(bytes, chosen)), keys.whose)


def _read(found: Sequence[bytes], entry: Entry, where: str) -> Keyring:
    whose = f"a key that the base trusts for {entry.uri}"
    return Keyring(b"".join(read_keyring(data, where=where, whose=whose).data for data in found), whose)
