"""That archives have signed for locked packages is shown again, by the files that said so when the lock was made.

A signed Release names an index, and that the packages; each of these files is pinned, by the lock or by the one before
it. `Valid-Until` means nothing here: it counts when a lock is made.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from cogpack.errors import MismatchError
from cogpack.lockfile.base_kinds import DebianRelease, LockedDeb
from cogpack.resolve.debs.archives.archive import directory, is_flat
from cogpack.resolve.debs.archives.index import listed
from cogpack.resolve.debs.archives.keyring import Keyring
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.release_file import Release, verify_release
from cogpack.resolve.debs.archives.urls import snapshot_url

RELEASE_LIMIT = 4 * 1024 * 1024
_CLEAR = b"-----BEGIN PGP SIGNED MESSAGE-----"

Kind: TypeAlias = Literal["release", "signature", "index", "keys"]


class SignedFile(msgspec.Struct, frozen=True, kw_only=True):
    """Is a file of the chain from a key to packages.

    `what`: for people; `pin`: the sha256 (hex) of it, or of a signature that of the Release beside which it lies;
    `size`: bytes that it has at most; `urls`: where it can be had.
    """

    kind: Kind
    what: str
    pin: str
    size: int
    urls: tuple[str, ...] = ()

    def fits(self, data: bytes) -> bool:
        """Tell whether it is pinned: nothing can be said of a signature but by who verifies it."""
        return self.kind == "signature" or hashlib.sha256(data).hexdigest() == self.pin


Read: TypeAlias = Callable[[SignedFile, Callable[[bytes], bool]], bytes]
"""Gives the bytes of a file, of those that are to be had the first that the second argument takes."""


def kept_at(cache: Path, kind: Kind, pin: str) -> Path:
    """Say where a machine's cache keeps one."""
    return cache / "debs" / f"{pin}.{kind}"


def check_signed(
    releases: Sequence[DebianRelease],
    packages: Sequence[LockedDeb],
    *,
    arch: str,
    keys: Mapping[DebianRelease, Keyring],
    mirror: DebianMirror,
    read: Read,
) -> None:
    """Hold `packages` of one archive to the `releases` that the lock names of it, each signed by its `keys`; all of
    these are read. A `MismatchError` where one is not signed, or a package is in no index of them."""
    left = {deb.sha256: deb for deb in packages}
    for locked in releases:
        release = _release(locked, keys[locked], mirror, read)
        for file, size in _indexes(locked, release, arch, left, mirror):
            if not left:
                break
            for found in listed(read(file, file.fits), url=file.what, size=size, wanted=left):
                deb = left.get(found.sha256)
                same = (found.name, found.version, found.arch, found.path, found.size)
                if deb and same == (deb.name, deb.version, deb.arch, deb.path, deb.size):
                    del left[deb.sha256]
    if left:
        first, *more = left.values()
        others = f" and {len(more)} others" if more else ""
        raise MismatchError(
            f"the lock: {first.name} {first.version}{others}: in no index that {first.archive} has signed, of those "
            "that it names",
            next_step="restore the lock from git, or run cogpack lock --upgrade",
        )


def _release(locked: DebianRelease, keys: Keyring, mirror: DebianMirror, read: Read) -> Release:
    called = f"{locked.archive} {locked.suite}"
    place = directory(locked.suite)

    def urls(*names: str) -> tuple[str, ...]:
        return tuple(url for name in names for url in _urls(locked, f"{place}{name}", mirror))

    def file(kind: Kind, what: str, *names: str) -> SignedFile:
        return SignedFile(
            kind=kind, what=f"{what} of {called}", pin=locked.sha256, size=RELEASE_LIMIT, urls=urls(*names)
        )

    signed = file("release", "Release", "InRelease", "Release")
    data = read(signed, signed.fits)

    def verified(signature: bytes | None) -> Release:
        return verify_release(
            data,
            url=signed.what,
            suite=None if is_flat(locked.suite) else locked.suite,
            keys=keys,
            now=datetime.fromisoformat(locked.date),
            signature=signature,
        )

    def signs(signature: bytes) -> bool:
        try:
            verified(signature)
        except MismatchError:
            return False
        return True

    if data.lstrip().startswith(_CLEAR):
        return verified(None)
    return verified(read(file("signature", "signature", "Release.gpg"), signs))


def _indexes(
    locked: DebianRelease, release: Release, arch: str, wanted: Mapping[str, LockedDeb], mirror: DebianMirror
) -> Iterator[tuple[SignedFile, int]]:
    """Give the indexes that may have packages for `arch`, and how long the text of each is: first those of components
    that the paths of `wanted` speak of."""
    for place in _places(locked, release, arch, wanted):
        if (kind := release.packed(place)) is None:
            continue
        name, text = f"{place}Packages{kind}", release.files[f"{place}Packages"]
        packed = release.files[name]
        names = [f"{place}by-hash/SHA256/{packed.sha256}", name] if release.by_hash else [name]
        urls = tuple(url for path in names for url in _urls(locked, f"{directory(locked.suite)}{path}", mirror))
        what = f"{name} of {locked.archive} {locked.suite}"
        yield SignedFile(kind="index", what=what, pin=packed.sha256, size=packed.size, urls=urls), text.size


def _places(locked: DebianRelease, release: Release, arch: str, wanted: Mapping[str, LockedDeb]) -> Iterator[str]:
    """Give the directories of indexes in this order, below that of the suite, with a slash at their ends."""
    if is_flat(locked.suite):
        yield ""
        return
    spoken = {part for deb in wanted.values() for part in deb.path.split("/")[1:3]}  # pool/main, pool/updates/main
    pattern = re.compile(r"(.+)/binary-[^/]+/Packages")
    components = {matched[1] for name in release.files if (matched := pattern.fullmatch(name))}
    for component in sorted(components, key=lambda component: (component not in spoken, component)):
        yield f"{component}/binary-{arch}/"
        if release.apart:
            yield f"{component}/binary-all/"


def _urls(locked: DebianRelease, path: str, mirror: DebianMirror) -> Iterator[str]:
    yield mirror.url(locked.archive, path)
    if locked.snapshot and (kept := snapshot_url(locked.archive, locked.snapshot, path)):
        yield kept
