"""`cogpack.lock`: all that was decided, and what the layers came out as.

TOML, one file for all platforms, sorted for readable diffs. `platforms` holds the decisions: they follow from the
inputs, whose digests say when they are stale. `results` says what each layer key came out as: never part of an
identity, ignored when no layer has the key, an error when a rebuild contradicts it.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from cogpack import toml
from cogpack.bases import LOCK_FILE, Base, LockedDiffID, LockedDigest, LockedSize
from cogpack.digest import parse_digest
from cogpack.disk import open_file
from cogpack.errors import InputError
from cogpack.model_files import Rule
from cogpack.oci import Descriptor, LayerInfo

FILE = LOCK_FILE
VERSION = 1

_HEADER = b"# Made by cogpack from cog.yaml and the files named under [inputs]. Commit it; do not edit it.\n\n"


_LIMIT = 4 * 1024 * 1024
"""Bytes; one of a large model with 10,000 parts of weights has two million."""
_PARTS = 8
"""Of a dotted key; ours have four."""
_LONG = ('"""', "'''")
_QUOTED = re.compile(r'"""|"(?:[^"\\\n]|\\.)*+"|' + r"'''|'[^'\n]*+'|#[^\n]*+")
_DEEP = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{_PARTS}}}")

_Ratio = Annotated[int, msgspec.Meta(ge=0, le=1000)]
_Time = Annotated[int, msgspec.Meta(ge=0, le=253402300799)]
"""Seconds since 1970, up to the last with a year of four digits."""


class LockedWheel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One wheel, found by file name and hash on whatever index is configured.

    `url` only where the requirement named one; `path` only for a wheel of the project.
    """

    name: str
    version: str
    filename: str
    sha256: str
    size: LockedSize | None = None
    url: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        parse_digest(f"sha256:{self.sha256}", where=f"{FILE}: wheel {self.filename}")


class LockedClash(msgspec.Struct, frozen=True, kw_only=True):
    """`paths` of the image, which several wheels hold, are those of `wheel`, not those of `over`: by file names."""

    wheel: str
    over: tuple[str, ...]
    paths: tuple[str, ...]


class Decisions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is decided for one platform. `created`: seconds since 1970.

    `clashes`: None in a lock from before they were looked for.
    """

    base: Base
    created: _Time | None = None
    wheels: tuple[LockedWheel, ...] = ()
    clashes: tuple[LockedClash, ...] | None = None

    def __post_init__(self) -> None:
        names = {wheel.filename for wheel in self.wheels}
        for clash in self.clashes or ():
            if not names.issuperset((clash.wheel, *clash.over)):
                raise InputError(f"{FILE}: a clash of wheels that are not in it", next_step="run cogpack lock")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What the layer of `key` came out as. The key covers the codec, so there is one result a codec."""

    name: str
    key: str
    media_type: str
    digest: LockedDigest
    size: LockedSize
    diff_id: LockedDiffID

    @property
    def info(self) -> LayerInfo:
        return LayerInfo(Descriptor(media_type=self.media_type, digest=self.digest, size=self.size), self.diff_id)

    @classmethod
    def of(cls, name: str, key: str, info: LayerInfo) -> "Result":
        found = info.descriptor
        return cls(
            name=name,
            key=key,
            media_type=found.media_type,
            digest=found.digest,
            size=found.size,
            diff_id=info.diff_id,
        )


class LockedPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file of the image that holds a weight or a part of one. `blake3`: hex, of its bytes.

    `ratio`: thousandths of them that zstd leaves in a probe, where that was asked: it decides how they are stored.
    """

    path: str
    size: LockedSize
    blake3: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    ratio: _Ratio | None = None


class LockedWeight(msgspec.Struct, frozen=True, kw_only=True):
    """What a file that git-lfs keeps became: enough to know its layers where only its pointer is checked out.

    `path`: in the project; `oid` and `size`: as in the pointer; `rule`: how it was cut.
    """

    path: str
    oid: LockedDigest
    size: LockedSize
    rule: Rule
    parts: tuple[LockedPart, ...]


class RemoteWeight(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file of a managed weight that lies on a server.

    `path`: in the image, without the leading slash; `uri`: of the source, and `file` what the server calls it;
    `revision`: a commit of the hub, a version or ETag of S3, a generation of Google's; `layer_size`: bytes it was cut
    to; `parts`: what it was cut into, none for the rule `none`, where `ratio` is of the whole.
    """

    path: str
    uri: str
    file: str
    revision: str | None = None
    size: LockedSize
    sha256: LockedDigest
    rule: Rule
    layer_size: Annotated[int, msgspec.Meta(ge=1, le=2**50)]
    parts: tuple[LockedPart, ...] = ()
    ratio: _Ratio | None = None


class Results(msgspec.Struct, frozen=True, omit_defaults=True):
    layers: tuple[Result, ...] = ()
    weights: tuple[LockedWeight, ...] = ()


class Lock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    version: int
    inputs: dict[str, str]
    platforms: dict[str, Decisions]
    weights: tuple[RemoteWeight, ...] = ()
    results: Results = Results()

    def stale(self, inputs: Mapping[str, str]) -> list[str]:
        """The names of inputs that are new, gone or changed since the lock was made, sorted."""
        names = self.inputs.keys() | inputs.keys()
        return sorted(name for name in names if self.inputs.get(name) != inputs.get(name))


def input_digests(inputs: Mapping[str, bytes]) -> dict[str, str]:
    return {name: "sha256:" + hashlib.sha256(data).hexdigest() for name, data in sorted(inputs.items())}


def parse_lock(data: bytes, *, path: str = FILE) -> Lock:
    """What we could not have written is an `InputError`, also where only reading it would cost minutes (`_check`)."""
    for number, line in enumerate(data.splitlines(), 1):
        if line.startswith((b"<<<<<<< ", b">>>>>>> ")):
            raise InputError(
                f"{path}:{number}: a merge has left its conflict markers",
                next_step=f"take either side (git checkout --ours {path}), run cogpack lock, and commit it",
            )
    try:
        text = data.decode()
        _check(text)
        document: Any = tomllib.loads(text)
        if (version := document.get("version")) != VERSION:
            raise InputError(
                f"{path}: lock version {version!r}, this cogpack reads {VERSION}",
                next_step="use the cogpack that made it, or delete it and run cogpack lock",
            )
        return msgspec.convert(document, Lock)
    except (ValueError, msgspec.ValidationError, RecursionError) as error:
        raise InputError(
            f"{path}: {error}", next_step="restore it from git, or delete it and run cogpack lock"
        ) from error


def _check(text: str) -> None:
    """`ValueError` of a lock that tomllib would need minutes for: its time is more than that of the length where keys
    have many parts, and strings of several lines could hide them."""
    if len(text) > _LIMIT:
        raise ValueError(f"more than {_LIMIT} characters")
    bare = _QUOTED.sub(lambda found: found[0] if found[0] in _LONG else "s", text)
    if any(sign in bare for sign in _LONG):
        raise ValueError("a string of several lines, which cogpack does not write")
    if _DEEP.search(bare):
        raise ValueError(f"a key of more than {_PARTS} parts")


def read_lock(root: Path) -> Lock | None:
    try:
        with open_file(root / FILE) as stream:
            data = stream.read(_LIMIT + 1)
    except FileNotFoundError:
        return None
    return parse_lock(data)


def encode_lock(lock: Lock) -> bytes:
    """TOML with one line per package, wheel and result: what changed is what a diff shows."""
    layers = sorted(lock.results.layers, key=lambda result: (result.name, result.key))
    weights = sorted(lock.results.weights, key=lambda weight: weight.path)
    document = msgspec.to_builtins(lock)
    if layers:
        document["results"] = msgspec.to_builtins(Results(tuple(layers), tuple(weights)))
    return _HEADER + toml.encode(document)
