"""What the lock says of lines of `build.run` that are known, and not run."""

from typing import Annotated, Literal

import msgspec

from cogpack.digest import parse_digest
from cogpack.lockfile.pip_lines import Step
from cogpack.lockfile.table import FILE, LockedPath, LockedSize, LockTable

_Address = Annotated[str, msgspec.Meta(pattern=r"\Ahttps?://[!-~]+\Z")]


class LockedSandboxed(LockTable, frozen=True, kw_only=True):
    """Is a step that is run although what its line does can be read, since the outside world said something else of it.

    `step`: its index among those of cog.yaml; `why`: in words.
    """

    step: Step
    why: str


class LockedFetch(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """Is the file behind an address that a line fetches. `url`: as the line has it; `redirects`: it was followed;
    `address`: where it is asked for, of a `url` that leads elsewhere from time to time; `sha256`: hex; `ratio`: as of a
    weight, where that was asked."""

    url: _Address
    redirects: bool = True
    address: _Address | None = None
    sha256: str
    size: LockedSize
    ratio: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None

    def __post_init__(self) -> None:
        parse_digest(f"sha256:{self.sha256}", where=f"{FILE}: {self.url}")


class LockedPlace(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """Is what a base from a registry has at a path that a known line leads to. `target`: of a link."""

    path: LockedPath
    kind: Literal["directory", "file", "symlink", "special file", "absent"] = "directory"
    mode: Annotated[int, msgspec.Meta(ge=0, le=0o7777)] = 0o755
    uid: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 0
    gid: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 0
    target: str | None = None
