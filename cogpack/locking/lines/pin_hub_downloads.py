"""Lines of `build.run` that download from the Hugging Face hub are pinned: to a commit, and each file to its sha256.

A file in git-lfs is not read for it, since the hub says its sha256; what is in git is small, and is read once.
"""

import hashlib
from collections.abc import Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Self, TypeAlias

import msgspec

from cogpack.config import WeightSource
from cogpack.digest import Hasher
from cogpack.errors import CogpackError, InputError, MismatchError
from cogpack.lockfile import Decisions, LockedHubChoice, LockedHubFile, LockedHubRevision, LockedSandboxed
from cogpack.run_lines import HubDownload
from cogpack.session import Session
from cogpack.threads import each

if TYPE_CHECKING:
    from cogpack.resolve.weights import FoundFile

_Key: TypeAlias = tuple[str, str, str]

_MOST_FILES = 8000
"""Of all downloads together: each takes some 400 bytes of the lock, which has four million at most."""


class _TooManyError(Exception):
    """Says why a download is not pinned."""


class HubPins(msgspec.Struct, frozen=True):
    """Is what the lock says of downloads from the hub."""

    revisions: tuple[LockedHubRevision, ...] = ()
    files: tuple[LockedHubFile, ...] = ()

    @classmethod
    def locked(cls, decisions: Decisions) -> Self:
        return cls(decisions.hub_revisions, decisions.hub_files)

    def revision(self, download: HubDownload) -> LockedHubRevision | None:
        wanted = download.repository, download.kind, download.revision
        return next((one for one in self.revisions if (one.repository, one.kind, one.revision) == wanted), None)

    def of(self, download: HubDownload) -> tuple[LockedHubFile, ...] | None:
        """Give what one download brings, by path; None where the lock doesn't say it."""
        if (revision := self.revision(download)) is None:
            return None
        at = revision.repository, revision.kind, revision.commit
        found = [one for one in self.files if (one.repository, one.kind, one.commit) == at]
        chosen = tuple(one for one in found if _is_chosen(download, one.path))
        if _choice(download, chosen) not in revision.choices:  # somebody may have taken files out of it
            return None
        return chosen if chosen and {one.path for one in chosen}.issuperset(download.files) else None


def pin_hub_downloads(
    session: Session, downloads: Sequence[tuple[int, HubDownload]], kept: HubPins, places: Sequence[str]
) -> tuple[HubPins, tuple[LockedSandboxed, ...]]:
    """Pin each download; what was `kept` stays while a line brings it. Give the first step that brings too many files,
    too. `places`: where each step is written."""
    revisions: dict[_Key, LockedHubRevision] = {}
    files: dict[tuple[str, str, str, str], LockedHubFile] = {}
    for step, download in downloads:
        try:
            revision, found = _pinned(session, download, kept, revisions, room=_MOST_FILES - len(files))
        except _TooManyError as error:
            return kept, (LockedSandboxed(step=step, why=str(error)),)
        except CogpackError as error:
            error.message = f"{places[step]}: {error.message}"
            raise
        revisions[revision.repository, revision.kind, revision.revision] = revision
        files |= {(one.repository, one.kind, one.commit, one.path): one for one in found}
    pins = HubPins(tuple(revisions[key] for key in sorted(revisions)), tuple(files[key] for key in sorted(files)))
    return pins, ()


def _pinned(
    session: Session, download: HubDownload, kept: HubPins, revisions: Mapping[_Key, LockedHubRevision], *, room: int
) -> tuple[LockedHubRevision, Sequence[LockedHubFile]]:
    """Pin one download; `revisions`: of those before it, whose commit it shares, as it does a `kept` one. `room`: files
    that it may have."""
    from cogpack.resolve.weights.listing import choose

    now = revisions.get((download.repository, download.kind, download.revision))
    before = now or kept.revision(download)
    if before is not None and (found := kept.of(download)) is not None:
        return _with_choice(before, now, _choice(download, found)), found
    uri = f"hf://{download.repository}"
    commit, listed = session.servers.hub.list(
        uri, download.repository, before.commit if before else download.revision, download.kind
    )
    source = WeightSource(uri=f"{uri}@{download.revision}", include=download.include, exclude=download.exclude)
    chosen = choose(source, [file for file in listed if _is_chosen(download, file.path)])
    if missing := set(download.files) - {file.path for file in chosen}:
        raise InputError(f"{uri}@{download.revision}: has no file {min(missing)}", next_step="correct the name")
    if len(chosen) > room:
        raise _TooManyError(f"{uri} has {len(chosen)} files for it: with {_MOST_FILES} in all, a lock is too large")
    choice = _choice(download, chosen)
    revision = LockedHubRevision(
        repository=download.repository,
        kind=download.kind,
        revision=download.revision,
        commit=commit,
        choices=(choice,),
    )
    revision = _with_choice(revision, now, choice)
    pin = _Pin(session, revision)
    return revision, each(pin.file, chosen, jobs=session.settings.jobs, name="pin", cancellation=session.cancellation)


def _choice(download: HubDownload, chosen: Sized) -> LockedHubChoice:
    return LockedHubChoice(files=download.files, include=download.include, exclude=download.exclude, count=len(chosen))


def _with_choice(
    revision: LockedHubRevision, before: LockedHubRevision | None, choice: LockedHubChoice
) -> LockedHubRevision:
    choices = dict.fromkeys((*(before.choices if before else ()), choice))
    return msgspec.structs.replace(revision, choices=tuple(choices))


def _is_chosen(download: HubDownload, path: str) -> bool:
    from cogpack.resolve.weights import wanted

    if download.files:
        return path in download.files
    return wanted(WeightSource(uri="", include=download.include, exclude=download.exclude), path)


class _Pin:
    """Pins files of one commit."""

    def __init__(self, session: Session, at: LockedHubRevision) -> None:
        self._session = session
        self._at = at

    def file(self, found: "FoundFile") -> LockedHubFile:
        from cogpack.resolve.weights import HubFile

        assert isinstance(found, HubFile)
        digest, blob = found.sha256, None
        if digest is None:
            at = self._at
            reader = self._session.servers.hub.open_file(at.repository, found.file, at.commit, found.size, at.kind)
            git, whole = hashlib.sha1(b"blob %d\0" % found.size, usedforsecurity=False), Hasher()
            for block in reader.read(0, found.size):
                git.update(block)
                whole.update(block)
            digest, blob = whole.digest, git.hexdigest()
            if found.blob not in (None, blob):
                raise MismatchError(
                    f"{reader!r}: the hub says that git calls it {found.blob}, its bytes are {blob}",
                    next_step="try again later",
                )
        return LockedHubFile(
            repository=self._at.repository,
            kind=self._at.kind,
            commit=self._at.commit,
            path=found.path,
            size=found.size,
            sha256=digest,
            blob=blob,
        )
