"""What of weights that need not be here is pinned: those that git-lfs keeps, and those of a server."""

from typing import Annotated

import msgspec

from cogpack.errors import InputError
from cogpack.lockfile.table import DAMAGED, FILE, LockedDigest, LockedPath, LockedRatio, LockedSize, LockTable
from cogpack.model_files import Rule

_LayerSize = Annotated[int, msgspec.Meta(ge=1, le=2**50)]


class LockedPart(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """A file of the image that holds a weight or a part of one. `blake3`: hex, of its bytes.

    `ratio`: thousandths of them that zstd leaves in a probe, where that was asked: it decides how they are stored.
    """

    path: LockedPath
    size: LockedSize
    blake3: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    ratio: LockedRatio | None = None


class LockedWeight(LockTable, frozen=True, kw_only=True):
    """What a file that git-lfs keeps became: enough to know its layers where only its pointer is checked out.

    `path`: in the project; `oid` and `size`: as in the pointer; `rule`: how it was split, to about `layer_size` bytes.
    """

    path: LockedPath
    oid: LockedDigest
    size: LockedSize
    rule: Rule
    layer_size: _LayerSize
    parts: Annotated[tuple[LockedPart, ...], msgspec.Meta(min_length=1)]


class RemoteWeight(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """A file of a managed weight that lies on a server.

    `path`: in the image, without the leading slash; `uri`: of the source, and `file` what the server calls it;
    `revision`: a commit of the hub, a version or ETag of S3, a generation of Google's; `layer_size`: bytes it was split
    to; `parts`: what it was split into, none for the rule `none`, where `ratio` is of the whole.
    """

    path: LockedPath
    uri: Annotated[str, msgspec.Meta(pattern=r"\A(?:hf|s3|gs|https)://")]
    file: str
    revision: str | None = None
    size: LockedSize
    sha256: LockedDigest
    rule: Rule
    layer_size: _LayerSize
    parts: tuple[LockedPart, ...] = ()
    ratio: LockedRatio | None = None

    def __post_init__(self) -> None:
        if (self.rule == "none") == bool(self.parts):
            raise InputError(f"{FILE}: {self.path}: {len(self.parts)} parts by the rule {self.rule}", next_step=DAMAGED)
