"""Signatures of archives: what a lock's packages have been chosen by is had once more, and they are held to it."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property

import msgspec

from cogpack.depot import described
from cogpack.digest import Digest
from cogpack.disk import open_regular, write_hint
from cogpack.errors import InputError, UnavailableError
from cogpack.images.ground import ground_of
from cogpack.layers.debs.tree import Tree
from cogpack.lockfile.base_kinds import DebianBase, DebianRelease, LockedDeb, RegistryBase
from cogpack.oci import Descriptor
from cogpack.planning.prepare import Prepared
from cogpack.reference import Reference
from cogpack.resolve.base_image import list_base_image
from cogpack.resolve.debs.archives import keyring
from cogpack.resolve.debs.archives.archive import archive_of
from cogpack.resolve.debs.archives.keyring import Keyring
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.signed import RELEASE_LIMIT, SignedFile, check_signed, kept_at
from cogpack.resolve.debs.over.sources import read_archives
from cogpack.session import Session


class Found(msgspec.Struct, frozen=True):
    """Is a file that was read. `name`: in a depot, of one that no lock pins."""

    file: SignedFile
    data: bytes

    @property
    def name(self) -> str:
        return depot_name(self.file) if self.file.kind == "signature" else ""

    @property
    def descriptor(self) -> Descriptor:
        digest = Digest(f"sha256:{hashlib.sha256(self.data).hexdigest()}")
        return described(self.file.what, digest, len(self.data))


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of the `packages` of one `archive` that all were signed for, by `files`; or why nobody can tell, where
    `lacking` is not ""."""

    archive: str
    packages: int
    files: tuple[Found, ...] = ()
    lacking: str = ""


def depot_name(file: SignedFile) -> str:
    return f"signature {file.pin}"


def signed_packages(session: Session, prepared: Prepared) -> Iterator[Signed]:
    """Hold the packages of an image to the signatures of each archive, as they are in the depot that is asked alone, or
    to be had anywhere. A `MismatchError` where a package was not signed for."""
    base = prepared.decisions.base
    over = base.system_packages
    own = base if isinstance(base, DebianBase) else None
    releases = dict.fromkeys((*(own.releases if own else ()), *over.releases))
    packages = dict.fromkeys((*(own.packages if own else ()), *over.packages))
    for archive in dict.fromkeys(one.archive for one in packages):
        reader = _Reader(session, prepared)
        of_it = [one for one in packages if one.archive == archive]
        try:
            _check(reader, prepared, [one for one in releases if one.archive == archive], of_it)
        except UnavailableError as error:
            yield Signed(archive=archive, packages=len(of_it), lacking=error.message)
        else:
            yield Signed(archive=archive, packages=len(of_it), files=tuple(reader.found))


def _check(
    reader: "_Reader", prepared: Prepared, releases: Sequence[DebianRelease], packages: Sequence[LockedDeb]
) -> None:
    base = prepared.decisions.base
    check_signed(
        releases,
        packages,
        arch=base.arch,
        keys={one: reader.keys(one) for one in releases},
        mirror=reader.mirror,
        read=reader,
    )


class _Reader:
    """Reads files of the chain, which are `found` then. An `UnavailableError` of what can't be had."""

    def __init__(self, session: Session, prepared: Prepared) -> None:
        self.found: list[Found] = []
        self.mirror = DebianMirror.choose(prepared.project.config.pack.debian_mirror, session.environment)
        self._session = session
        self._prepared = prepared

    def __call__(self, file: SignedFile, takes: Callable[[bytes], bool]) -> bytes:
        data = self._of_depot(file, takes) if self._session.depot else self._of_anybody(file, takes)
        self.found.append(Found(file, data))
        return data

    def keys(self, release: DebianRelease) -> Keyring:
        """Give the certificates that a Release was held to: of cogpack, of the lock, or of the image that has them."""
        for one in self._prepared.decisions.base.system_packages.archives:
            if one.uri == release.archive and release.suite in one.suites:  # another suite there may have another key
                return archive_of(one).keys
        if release.keyring is None:
            return keyring.debian_keyring()
        what = f"keys that the base has for {release.archive}"
        file = SignedFile(kind="keys", what=what, pin=release.keyring.partition(":")[2], size=0)
        return Keyring(self(file, file.fits), f"a key that the base trusts for {release.archive}")

    def _of_depot(self, file: SignedFile, takes: Callable[[bytes], bool]) -> bytes:
        depot = self._session.depot
        assert depot
        listed = depot.named(depot_name(file)) if file.kind == "signature" else None
        path = depot.find(listed.digest if listed else Digest(f"sha256:{file.pin}"), None)
        if path is None or (file.kind == "signature" and listed is None):
            raise UnavailableError(f"{depot.root}: has no {file.what}", next_step="fetch it where there is a network")
        if not takes(data := path.read_bytes()):
            found = Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")
            raise depot.damaged(path, file.what, found)
        return data

    def _of_anybody(self, file: SignedFile, takes: Callable[[bytes], bool]) -> bytes:
        path = kept_at(self._session.cache, file.kind, file.pin)
        with suppress(OSError), open_regular(path) as stream:
            if takes(data := stream.read(max(file.size, RELEASE_LIMIT) + 1)):
                return data
        why = ""
        for url in file.urls:
            try:
                answer = self._session.http.request("GET", url, origin=url, limit=file.size, tries="few", follow=True)
            except (UnavailableError, InputError) as error:  # or it is larger than it should be
                why = why or error.message
                continue
            if answer.status == 200 and takes(answer.body):
                write_hint(path, answer.body, self._session.progress.note)
                return answer.body
        if file.kind == "keys" and (data := self._of_image.get(file.pin, b"")):
            return data
        said = why or "no server has it any more"
        raise UnavailableError(f"the {file.what}: {said}", next_step="lock and fetch on one machine")

    @cached_property
    def _of_image(self) -> Mapping[str, bytes]:
        """Read the keys of the image below, by their sha256 (hex)."""
        base, session = self._prepared.decisions.base, self._session
        assert isinstance(base, RegistryBase)
        reference = Reference.parse(base.reference, where="base")
        files = list_base_image(reference, base.layers, session.images(reference), session.progress, session.listings)
        tree = Tree(ground_of(files.members))
        found = read_archives(tree, base.arch, self.mirror, where=base.reference)
        return {hashlib.sha256(one.keys.data).hexdigest(): one.keys.data for one in found}
