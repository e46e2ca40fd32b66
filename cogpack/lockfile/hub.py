"""What `cogpack.lock` says of the repositories on the Hugging Face hub that lines of `build.run` download from."""

from typing import Annotated, Literal

import msgspec

from cogpack.lockfile.clones import LockedCommit
from cogpack.lockfile.table import LockedDigest, LockedPath, LockedSize, LockTable

_Repository = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?\Z")]
_Kind = Literal["model", "dataset", "space"]


class LockedHubChoice(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """Which files of a repository a line wants: by name, or by globs; all, where it says neither. `count`: how many
    that are."""

    files: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    count: Annotated[int, msgspec.Meta(ge=1)]


class LockedHubRevision(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """The commit that a revision of a repository is: a branch or a tag, as the line names it, or a commit. `choices`:
    of which files the lock has all; what else a line may want of them is not known to be all."""

    repository: _Repository
    kind: _Kind = "model"
    revision: Annotated[str, msgspec.Meta(pattern=r"\A[^\0-\x20]+\Z")]
    commit: LockedCommit
    choices: Annotated[tuple[LockedHubChoice, ...], msgspec.Meta(min_length=1)]


class LockedHubFile(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """A file of a repository at a commit. `blob`: what the hub's cache calls it, where that is not its sha256."""

    repository: _Repository
    kind: _Kind = "model"
    commit: LockedCommit
    path: LockedPath
    size: LockedSize
    sha256: LockedDigest
    blob: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{40}\Z")] | None = None

    @property
    def cached_as(self) -> str:
        return self.blob or self.sha256.removeprefix("sha256:")
