"""What `cogpack.lock` says of the repositories that `git clone` lines of `build.run` bring."""

from typing import Annotated

import msgspec

from cogpack.lockfile.table import LockedPath, LockTable

LockedCommit = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{40}\Z")]
LockedTag = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00-\x20\x7f~^:?*\[\\]+ [0-9a-f]{40}\Z")]
"""The name of a tag (git-check-ref-format(1)), and the object that it was: a commit, or an annotated tag."""
_Url = Annotated[str, msgspec.Meta(pattern=r"\Ahttps?://[!-~]+\Z")]
_Branch = Annotated[str, msgspec.Meta(pattern=r"\A(?![-/.])[A-Za-z0-9._/+@#=,-]*\Z")]
_Name = Annotated[str, msgspec.Meta(pattern=r"\A(?:(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._ +-]+(?:/(?=[^/])|\Z))+\Z")]
"""Of a submodule: a path within .git/modules, and a section of git's config."""
_Depth = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class LockedSubmodule(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """A repository within another one. `path`: in the tree that has it; `name`: as .gitmodules calls it; `tags`: those
    of its history; `depth`: commits of it, 0 for all."""

    path: LockedPath
    name: _Name
    url: _Url
    commit: LockedCommit
    depth: _Depth = 0
    tags: tuple[LockedTag, ...] = ()
    submodules: "tuple[LockedSubmodule, ...]" = ()

    @property
    def newest(self) -> str:
        """The commit whose history it has."""
        return self.commit


class LockedClone(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """What one clone is.

    Of the line: `url`; `directory`, in the image, without the leading slash; `wanted`: the branch or tag that it names;
    `revision`: what is checked out then, or, `moved`, the branch is reset to; `depth`; `single_branch`; `recursive`:
    with submodules, of which `shallow_submodules` have one commit.
    Of the server: `commit`, `branch` that it is on, "" for none, `default`: whether it is the one of the server's HEAD;
    `tags` of its history, which is that of `server_commit`, where the branch was moved from that.
    """

    url: _Url
    directory: LockedPath
    wanted: _Branch = ""
    revision: _Branch = ""
    moved: bool = False
    depth: _Depth = 0
    single_branch: bool = False
    recursive: bool = False
    shallow_submodules: bool = False
    large_files: bool = True
    commit: LockedCommit
    branch: _Branch = ""
    default: bool = False
    server_commit: LockedCommit | None = None
    tags: tuple[LockedTag, ...] = ()
    submodules: tuple[LockedSubmodule, ...] = ()

    @property
    def newest(self) -> str:
        """The commit whose history it has."""
        return self.server_commit or self.commit
