"""What `cogpack.lock` says of wheels that were built of sources: what of, and with which other wheels."""

from typing import Annotated, TypeAlias

import msgspec

from cogpack.digest import parse_digest
from cogpack.lockfile.clones import LockedCommit
from cogpack.lockfile.table import FILE, LockedDigest, LockedPath, LockedSize, LockTable

_Filename = Annotated[str, msgspec.Meta(pattern=r"\A[^/\0]+\Z")]
_Address = Annotated[str, msgspec.Meta(pattern=r"\A[!-~]+\Z")]
_Members = Annotated[str, msgspec.Meta(pattern=r"\A(?:[A-Za-z0-9+/]{4})*\Z")]


class _Archive(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    sha256: str
    size: LockedSize | None = None

    def __post_init__(self) -> None:
        parse_digest(f"sha256:{self.sha256}", where=f"{FILE}: the source {self}")


class IndexSource(_Archive, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="index"):
    """Is a source archive, found by file name and hash on whatever index is configured."""

    filename: _Filename

    def __str__(self) -> str:
        return self.filename


class UrlSource(_Archive, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="url"):
    """Is an archive that a requirement names by its address: bare, with `${NAME}` as it is written."""

    url: _Address
    subdirectory: LockedPath | None = None

    def __str__(self) -> str:
        return self.url


class GitSource(LockTable, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="git"):
    """Is a commit of a repository. `url`: bare; `requested`: the branch, tag or commit that is written, "" for none;
    `describe`: what `git describe` said of it, where its version is made of that; `clone`: where the image
    has it already; `editable`: the wheel leads to that, or else has all of its files, and leads to them."""

    url: _Address
    commit: LockedCommit
    requested: str = ""
    subdirectory: LockedPath | None = None
    describe: Annotated[str, msgspec.Meta(pattern=r"\A[^\x00-\x20\x7f]*\Z")] = ""
    clone: LockedPath | None = None
    editable: bool = False

    def __str__(self) -> str:
        return f"git+{self.url}@{self.commit}"


class ProjectSource(LockTable, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="project"):
    """Is an archive or a directory of the project. `digest`: of the archive, or of the directory's files; `editable`:
    the wheel leads to the directory, and has no files of its own."""

    path: Annotated[str, msgspec.Meta(pattern=r"\A(?:\.|(?:(?!\.{1,2}(?:/|\Z))[^/\0]+(?:/(?=[^/])|\Z))+)\Z")]
    digest: LockedDigest
    editable: bool = False

    def __str__(self) -> str:
        return f"./{self.path}" if self.path != "." else "."


BuildSource: TypeAlias = IndexSource | UrlSource | GitSource | ProjectSource


class LockedBuild(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """Says what a wheel was built of. `wheel`: its file name; `requires`: those of build requirements; `members`: of
    each file of the wheel the first three bytes of a hash, in base64, by which another build's are told apart;
    `compiled`: with the compiler that nothing else is built with."""

    wheel: str
    source: BuildSource
    requires: tuple[str, ...] = ()
    members: _Members = ""
    compiled: bool = False
