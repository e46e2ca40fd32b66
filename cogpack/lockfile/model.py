"""What `cogpack.lock` holds: all that was decided, and what the layers came out as.

`platforms` holds the decisions: they follow from the inputs, whose digests say when they are stale. `results` says what
each layer key came out as: never part of an identity, ignored when no layer has the key, an error when a rebuild
contradicts it.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from cogpack.config.model import PLAIN_TORCH_INDEX, TORCH_INDEX
from cogpack.digest import parse_digest
from cogpack.errors import InputError
from cogpack.lockfile.base_kinds import Base, SystemPackages
from cogpack.lockfile.builds import LockedBuild
from cogpack.lockfile.clones import LockedClone
from cogpack.lockfile.hub import LockedHubFile, LockedHubRevision
from cogpack.lockfile.interpreter import LockedInterpreter, Python
from cogpack.lockfile.line_pins import LockedFetch, LockedPlace, LockedSandboxed
from cogpack.lockfile.pip_lines import LockedBreak, LockedPipLine
from cogpack.lockfile.table import (
    DAMAGED,
    FILE,
    LockedDiffID,
    LockedDigest,
    LockedPath,
    LockedRatio,
    LockedSize,
    LockTable,
)
from cogpack.lockfile.toolkit import LockedToolkit
from cogpack.lockfile.unasked import LockedUnasked
from cogpack.lockfile.weights import LockedWeight, RemoteWeight
from cogpack.oci import Descriptor, LayerInfo
from cogpack.patterns import pattern

VERSION = 2
"""Of the lock's text; another one when keys change their meaning. What an image is made like, `format` says."""
REQUIRES = "0.2.0"
"""The first cogpack that knows all keys that this one writes: raised with each new key, which older ones refuse."""
REQUIREMENT = r"\Acogpack>=[0-9]{1,6}(\.[0-9]{1,6}){0,3}\Z"

_Filename = Annotated[str, msgspec.Meta(pattern=r"\A[^-/\0]+(?:-[^-/\0]+){4,5}\.whl\Z")]
_VERSION = pattern(
    r"v?([0-9]+!)?[0-9]+(\.[0-9]+)*([-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?[0-9]*)?"
    r"(-[0-9]+|[-_.]?(post|rev|r)[-_.]?[0-9]*)?([-_.]?dev[-_.]?[0-9]*)?(\+[a-z0-9]+([-_.][a-z0-9]+)*)?",
    re.IGNORECASE | re.ASCII,
)
"""PEP 440, appendix B."""
_TorchIndex = Annotated[str, msgspec.Meta(pattern=rf"\A(?:{PLAIN_TORCH_INDEX}|{TORCH_INDEX.pattern})\Z")]
_Release = Annotated[str, msgspec.Meta(pattern=r"\Acpython-[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\Z")]
_Time = Annotated[int, msgspec.Meta(ge=0, le=253402300799)]
"""Seconds since 1970, up to the last with a year of four digits."""

StepsLayerKind: TypeAlias = Literal["weights", "files", "distribution", "rest"]
"""`weights`, and other `files` as large: they hide nothing, and lie among the weights; `distribution`: one, as pip
installs it."""


class LockedWheel(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """One wheel, found by file name and hash on whatever index is configured.

    `url` only where the requirement named one, or it lies beside every index; `path` only for a wheel of the project;
    `first_use`: nobody said its sha256 when it was pinned, which is of what came then.
    """

    name: str
    version: str
    filename: _Filename
    sha256: str
    size: LockedSize | None = None
    url: Annotated[str, msgspec.Meta(pattern=r"\A[^\0]+\Z")] | None = None
    path: LockedPath | None = None
    first_use: bool = False

    def __post_init__(self) -> None:
        where = f"{FILE}: wheel {self.filename}"
        if not _VERSION.fullmatch(self.version):
            raise InputError(f"{where}: {self.version!r:.80} is no version", next_step=DAMAGED)
        parse_digest(f"sha256:{self.sha256}", where=where)
        try:
            urlsplit(self.url or "")
        except ValueError as error:
            raise InputError(f"{where}: url: {error}", next_step=DAMAGED) from error


class LockedClash(LockTable, frozen=True, kw_only=True):
    """`paths` of the image, which several wheels hold, are those of `wheel`, not those of `over`: by file names."""

    wheel: str
    over: tuple[str, ...]
    paths: Annotated[tuple[LockedPath, ...], msgspec.Meta(min_length=1)]


class LockedExecutableStack(LockTable, frozen=True):
    """A library of `wheel` that asks for an executable stack, which not every C library gives it."""

    wheel: str
    library: str


class LockedStepsLayer(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """A layer of what steps changed. `ratio`: thousandths that zstd leaves of its files, where these are weights."""

    name: str
    kind: StepsLayerKind = "rest"
    diff_id: LockedDiffID
    ratio: LockedRatio | None = None


class LockedDistribution(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """A distribution that steps installed in the environment, or removed from it: then it has no `version`."""

    name: Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9]+(?:-[a-z0-9]+)*\Z")]
    version: Annotated[str, msgspec.Meta(pattern=r"\A[^\s\0]{1,200}\Z")] | None = None


class LockedSteps(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """What the commands of `build.run` changed. A decision, and no result: they need not do the same again.

    `key`: of the commands and all that they see, however layers are stored (`planning.steps`); `layers`: bottom first;
    `untouched`: places of weights that they left alone, and directories, which end with a slash, with all below them.
    """

    key: LockedDigest
    layers: Annotated[tuple[LockedStepsLayer, ...], msgspec.Meta(min_length=1)]
    untouched: tuple[Annotated[str, msgspec.Meta(pattern=r"\A[^/\0]+(?:/[^/\0]+)*/?\Z")], ...] = ()
    distributions: tuple[LockedDistribution, ...] = ()


class Decisions(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """All that is decided for one platform. `interpreter`: what is laid over the base, of which the image has another
    CPython than the base's own; `created`: seconds since 1970; `sandboxed`: steps of which the lines alone don't tell
    that they are run; `places`: what a base from a registry has where known lines write; `fetches`: what they fetch, by
    address; `clones`: what they clone; `steps`: None until they were run; `dpkg`: the same of packages that dpkg
    installs. `torch_index`: where torch and its like come from, `pypi` or an index of PyTorch's by its name.
    `compiler`: what was added for who compiles when the model runs, `tools`: of what Cog's images have; `bytecode`: the
    Python whose bytecode the image has of its Python files, such as cpython-3.13.5; None: it has none.

    `wheels`: of the image; `replaced`: those that pip lines of `build.run` have taken away, `pip_lines`: how, and
    `breaks`: what they broke; `builds`: what those were built of that nobody publishes, `build_requirements`: the
    wheels that this took, `toolkit`: with which compiler of CUDA, `build_compiler`: what lies over the base for it.
    """

    base: Base
    interpreter: LockedInterpreter | None = None
    created: _Time | None = None
    torch_index: _TorchIndex | None = None
    bytecode: _Release | None = None
    compiler: LockedUnasked | None = None
    tools: tuple[LockedUnasked, ...] = ()
    wheels: Annotated[tuple[LockedWheel, ...], msgspec.Meta(min_length=1)]
    builds: tuple[LockedBuild, ...] = ()
    build_requirements: tuple[LockedWheel, ...] = ()
    toolkit: LockedToolkit | None = None
    build_compiler: SystemPackages | None = None
    clashes: tuple[LockedClash, ...]
    executable_stacks: tuple[LockedExecutableStack, ...] = ()
    sandboxed: tuple[LockedSandboxed, ...] = ()
    replaced: tuple[LockedWheel, ...] = ()
    pip_lines: tuple[LockedPipLine, ...] = ()
    breaks: tuple[LockedBreak, ...] = ()
    places: tuple[LockedPlace, ...] = ()
    fetches: tuple[LockedFetch, ...] = ()
    hub_revisions: tuple[LockedHubRevision, ...] = ()
    hub_files: tuple[LockedHubFile, ...] = ()
    clones: tuple[LockedClone, ...] = ()
    steps: LockedSteps | None = None
    dpkg: LockedSteps | None = None

    def __post_init__(self) -> None:
        names = {wheel.filename for wheel in self.wheels}
        if min(len(names), len({wheel.name for wheel in self.wheels})) < len(self.wheels):
            raise InputError(f"{FILE}: two wheels of one name", next_step=DAMAGED)
        for clash in self.clashes:
            if not names.issuperset((clash.wheel, *clash.over)):
                raise InputError(f"{FILE}: a clash of wheels that are not in it", next_step="run cogpack lock")
        if not names.issuperset(one.wheel for one in self.executable_stacks):
            raise InputError(f"{FILE}: a library of a wheel that is not in it", next_step=DAMAGED)
        known = names | {wheel.filename for wheel in self.replaced}
        if not known.issuperset(filename for line in self.pip_lines for filename in line.wheels):
            raise InputError(f"{FILE}: a pip line with wheels that are not in it", next_step="run cogpack lock")
        if not (
            known.issuperset(build.wheel for build in self.builds)
            and {wheel.filename for wheel in self.build_requirements}.issuperset(
                filename for build in self.builds for filename in build.requires
            )
        ):
            raise InputError(f"{FILE}: a build with wheels that are not in it", next_step="run cogpack lock")
        if self.build_compiler is None and any(build.compiled for build in self.builds):
            raise InputError(f"{FILE}: a build with a compiler that is not in it", next_step="run cogpack lock")
        if self.interpreter is None and self.base.own_python is None:
            raise InputError(f"{FILE}: no Python is in {self.base.title} or over it", next_step=DAMAGED)
        if self.bytecode not in (None, f"cpython-{self.python.release}"):
            raise InputError(f"{FILE}: bytecode of another Python than the image's", next_step="run cogpack lock")

    @property
    def python(self) -> Python:
        """Give the CPython that runs the model."""
        python = self.interpreter.python if self.interpreter else self.base.own_python
        assert python is not None
        return python

    @property
    def build_base(self) -> Base:
        """Give what wheels are built over: the base, with a compiler of CUDA that the image may not have."""
        packages = self.toolkit.packages if self.toolkit else None
        return self.base if packages is None else msgspec.structs.replace(self.base, system_packages=packages)

    @property
    def required(self) -> tuple[LockedWheel, ...]:
        """Give those that were chosen for what the project requires, before any pip line."""
        later = {name for line in self.pip_lines for name in line.wheels if name not in line.again}
        return tuple(wheel for wheel in (*self.wheels, *self.replaced) if wheel.filename not in later)

    @property
    def known_wheels(self) -> dict[str, LockedWheel]:
        """Give those of the image and those that pip lines have taken away, by file name."""
        return {wheel.filename: wheel for wheel in (*self.replaced, *self.wheels)}

    def before_pip_lines(self) -> "Decisions":
        """Give the same without what pip lines did."""
        if not self.pip_lines:
            return self
        left = self.required
        return msgspec.structs.replace(
            self,
            wheels=left,
            builds=self.builds_of(left),
            executable_stacks=(),
            clashes=(),
            replaced=(),
            pip_lines=(),
            breaks=(),
        )

    def builds_of(self, wheels: Iterable[LockedWheel]) -> tuple[LockedBuild, ...]:
        """Tell how those of `wheels` were built that were."""
        names = {wheel.filename for wheel in wheels}
        return tuple(build for build in self.builds if build.wheel in names)

    @property
    def built_of(self) -> dict[str, str]:
        """Give what wheels of the image were built of, by their names and versions, for people."""
        names = {wheel.filename: f"{wheel.name} {wheel.version}" for wheel in self.wheels}
        return {names[build.wheel]: str(build.source) for build in self.builds if build.wheel in names}

    @property
    def sdk_version(self) -> str:
        """Tell the version of Cog's SDK, "" where it is not among the wheels."""
        return next((wheel.version for wheel in self.wheels if wheel.name == "cog"), "")


class Result(LockTable, frozen=True, kw_only=True):
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


class Results(LockTable, frozen=True, omit_defaults=True):
    layers: tuple[Result, ...] = ()
    weights: tuple[LockedWeight, ...] = ()


_NO_RESULTS = Results()


class Lock(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """`version`: of this text. `requires`: the cogpack that knows all of it, as a requirement (PEP 508), which is for
    those that do not. `format`: see `cogpack.formats`."""

    version: Annotated[int, msgspec.Meta(ge=VERSION, le=VERSION)]
    requires: Annotated[str, msgspec.Meta(pattern=REQUIREMENT)]
    format: Annotated[int, msgspec.Meta(ge=1, le=10**9)]
    inputs: dict[str, str]
    platforms: dict[str, Decisions]
    weights: tuple[RemoteWeight, ...] = ()
    results: Results = _NO_RESULTS

    def stale(self, inputs: Mapping[str, str]) -> list[str]:
        """The names of inputs that are new, gone or changed since the lock was made, sorted."""
        names = self.inputs.keys() | inputs.keys()
        return sorted(name for name in names if self.inputs.get(name) != inputs.get(name))

    @property
    def without_results(self) -> "Lock":
        return msgspec.structs.replace(self, results=_NO_RESULTS)

    @property
    def decisions(self) -> tuple[object, ...]:
        """All that decides the image: two locks that are equal in it differ in results at most."""
        return self.format, self.inputs, self.platforms, self.weights


def input_digests(inputs: Mapping[str, bytes]) -> dict[str, str]:
    return {name: "sha256:" + hashlib.sha256(data).hexdigest() for name, data in sorted(inputs.items())}
