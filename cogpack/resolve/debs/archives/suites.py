"""What archives have now of their suites is read: signed Release files, and the indexes that these name."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from cogpack.disk import write_hint
from cogpack.errors import CogpackError, InputError, MismatchError, UnavailableError
from cogpack.http import Http
from cogpack.lockfile.base_kinds import DebianRelease
from cogpack.notes import Code, Note
from cogpack.progress import Task
from cogpack.resolve.debs.archives.archive import Archive, directory, is_flat
from cogpack.resolve.debs.archives.index import DebianIndex, open_index, parse_index
from cogpack.resolve.debs.archives.release_file import FRESH, OTHER, IndexFile, Release, verify_release
from cogpack.resolve.debs.archives.signed import RELEASE_LIMIT, Kind, kept_at
from cogpack.resolve.debs.archives.urls import snapshot_url
from cogpack.seal import Seal

_INDEX_LIMIT = 64 * 1024 * 1024
_TEXT_LIMIT = 1024 * 1024 * 1024
# Debian's snapshot service takes a copy every six hours, and a time before the copy was taken leads to the copy before;
# Ubuntu's has each time, and its pools keep for a day what newer versions have taken the place of.
_SNAPSHOT_DELAY = timedelta(hours=12)
_BEHIND = timedelta(days=1)
"""By which mirrors of one archive, and those behind one name, may differ."""


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """Is one index of a suite, of which there is one a component."""

    archive: Archive
    name: str
    release: Release
    index: DebianIndex

    @property
    def locked(self) -> DebianRelease:
        return DebianRelease(
            archive=self.archive.name,
            suite=self.name,
            date=self.release.date.strftime("%Y-%m-%dT%H:%M:%SZ"),
            sha256=self.release.sha256,
            signed_by=self.release.signer,
            snapshot=self.archive.stamp(_snapshot(self.release)),
        )


def indexes_of(suites: Sequence[Suite]) -> tuple[Sequence[DebianIndex], Sequence[str], Sequence[int]]:
    """Give what a universe is made of: the indexes, their suites, and the numbers of those whose packages come last."""
    reluctant = [number for number, one in enumerate(suites) if not one.release.automatic]
    return [one.index for one in suites], [one.name for one in suites], reluctant


class SuiteReader(msgspec.Struct, frozen=True, kw_only=True):
    """Reads suites for `arch`, Debian's name of it ("amd64"). `cache`: the machine's; `seen`: the Releases that a lock
    was made from, than which an older one is told, unless that time is asked for; `now` dates the check of their
    age."""

    arch: str
    http: Http
    cache: Path
    seal: Seal
    seen: Sequence[DebianRelease] = ()
    now: datetime = msgspec.field(default_factory=partial(datetime.now, UTC))

    def task(self, title: str) -> Task:
        """Begin to tell of a resolution."""
        return self.http.progress.task(title, None, "resolve")

    def read(self, archives: Sequence[Archive], task: Task) -> list[Suite]:
        """Read all suites of `archives`, in this order."""
        found = [(archive, name, self._release(archive, name)) for archive in archives for name in archive.suites]
        return [one for archive, name, release in found for one in self._suites(archive, name, release, task)]

    def _release(self, archive: Archive, suite: str) -> Release:
        now = archive.snapshot.moment if archive.snapshot else self.now
        called = None if is_flat(suite) else suite
        url = archive.url(f"{directory(suite)}InRelease")
        with _named(archive):
            try:
                data, signature = _get(self.http, url, RELEASE_LIMIT), None
            except _RefusedError:  # as apt
                if archive.is_debians:
                    raise
                url = archive.url(f"{directory(suite)}Release")
                data = _get(self.http, url, RELEASE_LIMIT)
                signature = _get(self.http, f"{url}.gpg", RELEASE_LIMIT)
            release = verify_release(data, url=url, suite=called, keys=archive.keys, now=now, signature=signature)
        self._keep("release", release.sha256, data)
        self._keep("keys", hashlib.sha256(archive.keys.data).hexdigest(), archive.keys.data)
        if signature is not None:
            self._keep("signature", release.sha256, signature)
        if archive.snapshot and release.date > archive.snapshot.moment:
            raise MismatchError(
                f"{archive.uri}: expected {suite} as it was then, found that of {release.date:%Y-%m-%d %H:%M}",
                next_step="find out who answers for the snapshot service (COGPACK_URL_MAP)",
            )
        if not archive.snapshot:
            self._compare(archive, suite, release, url)
        return release

    def _compare(self, archive: Archive, suite: str, release: Release, url: str) -> None:
        dates = [one.date for one in self.seen if (one.archive, one.suite) == (archive.name, suite)]
        known = max(map(datetime.fromisoformat, dates), default=release.date)
        if known - release.date > _BEHIND:
            text = f"{self.http.shown(url)} is of {release.date:%Y-%m-%d %H:%M}, and the lock has seen that of"
            text += f" {known:%Y-%m-%d %H:%M}: the mirror is behind, or keeps updates back"
            self.http.progress.note(Note(Code.RELEASE_OLDER, text))

    def _suites(self, archive: Archive, name: str, release: Release, task: Task) -> Iterator[Suite]:
        with _named(archive):
            places = self._places(archive, name, release)
            indexes = [self._index(archive, name, release, place, task) for place in places]
        for index in indexes:
            yield Suite(archive=archive, name=name, release=release, index=index)

    def _places(self, archive: Archive, suite: str, release: Release) -> Iterator[str]:
        """Name the directories of indexes, below that of the suite, with a slash at their ends."""
        if is_flat(suite):
            yield ""
        for component in archive.components:
            places = [f"{component}/binary-{self.arch}/"]
            if release.apart:
                places.append(f"{component}/binary-all/")
            there = [place for place in places if release.packed(place) is not None]
            if not there:
                raise InputError(
                    f"{_called(archive, suite)} has no packages for {self.arch}"
                    + ("" if archive.is_debians else f" in its component {component!r:.80}"),
                    next_step="choose another platform: linux/amd64 or linux/arm64",
                )
            yield from there

    def _index(self, archive: Archive, suite: str, release: Release, place: str, task: Task) -> DebianIndex:
        cache = self.cache / "debs"
        kind = release.packed(place)
        if kind is None:
            raise MismatchError(f"{_called(archive, suite)}: its Release names no index", next_step=OTHER)
        text, name = release.files[f"{place}Packages"], f"{place}Packages{kind}"
        packed = release.files[name]
        if packed.size > _INDEX_LIMIT or text.size > _TEXT_LIMIT:
            raise MismatchError(
                f"{_called(archive, suite)}: {name} is larger than any index should be", next_step=OTHER
            )
        index = open_index(cache, packed.sha256, self.seal, arch=self.arch)
        if index is not None:
            return index
        names = [f"{place}by-hash/SHA256/{packed.sha256}", name] if release.by_hash else [name]
        urls = [archive.url(f"{directory(suite)}{path}") for path in names]
        if kept := snapshot_url(archive.name, _snapshot(release), f"dists/{suite}/{name}"):
            urls.append(kept)
        url, data = _first(self.http, urls, packed)
        task.advance(len(data))
        self._keep("index", packed.sha256, data)
        return parse_index(
            data, url=url, size=text.size, directory=cache, sha256=packed.sha256, seal=self.seal, arch=self.arch
        )

    def _keep(self, kind: Kind, pin: str, data: bytes) -> None:
        """Keep what shows later that the archive has signed."""
        if not (path := kept_at(self.cache, kind, pin)).exists():
            write_hint(path, data, self.http.progress.note)


def _called(archive: Archive, suite: str) -> str:
    return f"Debian {suite}" if archive.is_debians else f"{archive.uri} {suite}"


@contextmanager
def _named(archive: Archive) -> Iterator[None]:
    """Say of what goes wrong which archive it is, and who can help: of Debian's, any mirror has the same."""
    try:
        yield
    except (InputError, MismatchError, UnavailableError) as error:
        if archive.where:
            error.message = f"{archive.where}: {error.message}"
            if archive.snapshot and isinstance(error, UnavailableError):
                error.next_step = "name another time: Debian's service goes back to 2005, Ubuntu's to March 2023"
            elif isinstance(error, MismatchError) or error.next_step in (OTHER, FRESH):
                error.next_step = "ask who publishes the archive, or leave it out"
        raise


def _snapshot(release: Release) -> str:
    """Give the time stamp by which the snapshot service has the archive of a Release."""
    return (release.date + _SNAPSHOT_DELAY).strftime("%Y%m%dT%H%M%SZ")


def _first(http: Http, urls: Sequence[str], file: IndexFile) -> tuple[str, bytes]:
    """Get a file from the first address that has it: a mirror may have gone on to the next Release since it gave this
    one. What has another file by then is passed over, but for a name that says which it is."""
    refused: CogpackError | None = None
    for url in urls:
        try:
            data = _get(http, url, file.size)
        except (_RefusedError, InputError) as error:  # or it is larger than it should be
            refused = refused or error
            continue
        found = hashlib.sha256(data).hexdigest()
        if found == file.sha256:
            return url, data
        wrong = MismatchError(f"{http.shown(url)}: expected sha256 {file.sha256}, found {found}", next_step=OTHER)
        if "/by-hash/" in url:
            raise wrong
        refused = refused or wrong
    assert refused is not None
    raise refused


class _RefusedError(UnavailableError):
    """Raised where a server does not give a file, which means that it has none: S3 and Artifactory answer 403 then."""


def _get(http: Http, url: str, limit: int) -> bytes:
    answer = http.request("GET", url, origin=url, limit=limit, follow=True)
    if answer.status != 200:
        kind = _RefusedError if 400 <= answer.status < 500 else UnavailableError
        raise kind(f"{http.shown(url)}: HTTP {answer.status}", next_step=OTHER)
    return answer.body
