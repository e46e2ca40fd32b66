"""Steps are the commands of `build.run`: what they are, what they see, and what running them takes.

They see base, packages and wheels; never weights or the project, which Cog lays above them.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from cogpack.cache import Kept
from cogpack.config import Config, Isolation, RunStep, StepLimits
from cogpack.digest import Digest, sha256
from cogpack.images.assemble import DEFAULT_PATH
from cogpack.layers.built import BaseLayer, BlobSource, BuiltLayer
from cogpack.layers.debs.deb.package import DebFile
from cogpack.layers.facts import Facts
from cogpack.locking.lines.read import SETTINGS, Lines
from cogpack.oci import encode
from cogpack.planning.steps import java_keystore
from cogpack.planning.steps.layer import OpenLayer, StepsLayer
from cogpack.planning.steps.laying import Laying
from cogpack.progress import Cancellation, Progress
from cogpack.runtime import contract
from cogpack.seal import Seal
from cogpack.text import count_text

if TYPE_CHECKING:
    from cogpack.sandbox.rungs.proot import Proot

_VERSION = 3
"""Part of each key: raised when the same commands would be run otherwise."""

Seen: TypeAlias = BuiltLayer | BaseLayer | StepsLayer | OpenLayer

NAMED = 3
"""Packages that the name of a layer tells."""

DEBS = "run/cogpack/debs"
"""Where packages lie that dpkg installs."""


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """Is what is run, and what it sees.

    `numbers`: of the commands in cog.yaml, from 1 on, among `total`; `seen`: the layers below, the lowest first, of
    which the files of the first `shared` are kept laid;
    `directory`: the base image's, where each begins; `python`: the minor version; `keep`: paths that are captured
    though their like is dropped; `debs`: Debian packages that lie in `DEBS`; `subject`: the key of cog.yaml; `instead`:
    what to write there so that nothing has to be run.
    """

    commands: tuple[RunStep, ...]
    numbers: tuple[int, ...]
    total: int
    seen: tuple[Seen, ...]
    shared: int = 0
    environment: Mapping[str, str]
    directory: str
    python: str
    keep: tuple[str, ...] = ()
    debs: tuple[DebFile, ...] = ()
    subject: str = "build.run"
    instead: str = ""

    @property
    def name(self) -> str:
        if self.debs:
            names = [deb.name for deb in self.debs]
            return f"dpkg: {', '.join(names[:NAMED])}" + (f" and {len(names) - NAMED} more" if names[NAMED:] else "")
        return f"run: {count_text(len(self.commands), 'step')}"

    @property
    def key(self) -> Digest:
        """Name commands, secrets (not what they are), variables and all that they see, however layers are stored: so
        that an empty machine knows without making a layer that nothing has to be run."""
        commands = [[step.command, [[s.id, s.target] for s in step.secrets]] for step in self.commands]
        seen = [layer.contents for layer in self.seen]
        variables = sorted(self.environment.items())
        kept = [sorted(self.keep)] if self.keep or self.debs else []
        debs = [sorted(deb.sha256 for deb in self.debs)] if self.debs else []
        return sha256(encode(["cogpack steps", _VERSION, commands, variables, self.directory, seen, *kept, *debs]))


def make_steps(config: Config, lines: Lines, seen: Sequence[Seen], *, shared: int = 0) -> Steps | None:
    """Give what is left of `lines` to be run over the layers `seen`; None where all of them are known.

    `uv pip install --system` goes past environments, to Debian's Python, which takes nothing: so uv is told which one
    is meant, as Cog's own images tell it.
    """
    if not lines.remaining:
        return None
    return Steps(
        commands=tuple(one.step for one in lines.remaining),
        numbers=tuple(one.index + 1 for one in lines.remaining),
        total=len(lines.steps),
        seen=tuple(seen),
        shared=shared,
        environment={"UV_PYTHON": f"/{contract.VENV}/bin/python", **lines.surroundings.environment},
        directory=lines.surroundings.directory,
        python=lines.surroundings.python,
        keep=config.pack.keep,
    )


def dpkg_steps(debs: Sequence[DebFile], seen: Sequence[Seen], *, shared: int = 0, instead: str = "") -> Steps | None:
    """Have dpkg install `debs` over the layers `seen`; None where there are none. apt puts them in order. A package
    that has links to libraries alone triggers no `ldconfig`: among the others that are here already, it would have."""
    if not debs:
        return None
    commands = [f"apt-get install --yes --no-install-recommends /{DEBS}/*.deb", "ldconfig"]
    if any(deb.name == java_keystore.PACKAGE for deb in debs):
        commands.append(java_keystore.COMMAND)
    return Steps(
        commands=tuple(RunStep(command=command) for command in commands),
        numbers=tuple([1] * len(commands)),
        total=1,
        seen=tuple(seen),
        shared=shared,
        environment=dict(SETTINGS) | {"PATH": DEFAULT_PATH, "FORCE_SOURCE_DATE": "1"},  # which is for TeX
        directory="/",
        python="",
        debs=tuple(debs),
        subject="build.system_packages",
        instead=instead,
    )


def blob_of(layer: Seen) -> BuiltLayer | BaseLayer:
    """Give a layer that can be laid, once it is known what commands change."""
    assert not isinstance(layer, OpenLayer)
    return layer.blob() if isinstance(layer, StepsLayer) else layer


class Home(msgspec.Struct, frozen=True):
    """Is a repository that may have a layer which was recorded elsewhere: `image` of cog.yaml."""

    name: str
    read: BlobSource


class Runner(msgspec.Struct, frozen=True, kw_only=True):
    """Has what running steps takes.

    `cache`: the machine's; in it, `kept`: where blobs are kept; `scratch`: where trees are laid; `laying`: how fast.
    `seal`: tells what this user wrote there. `architecture`: the image's, "amd64" or "arm64"; `emulator`: makes one for
    arm64 in a directory. `network`: whether steps have one; `secrets`: what they are, by id;
    `places`: where each step is written; `home`: None where none is named.

    Of this machine's network, which names no layer: `variables`, as of proxies; `mirrors` of Debian's addresses;
    `authorities`, the file of them that its programs use, since whoever reads along there is one.
    """

    kept: Path
    scratch: Path
    laying: Laying
    cache: Kept
    isolation: Isolation
    architecture: str
    network: bool
    limits: StepLimits
    secrets: Mapping[str, bytes]
    places: Sequence[str]
    home: Home | None
    variables: Mapping[str, str]
    mirrors: Mapping[str, str]
    authorities: Callable[[], Path | None]
    proot: "Callable[[Path, Path], Proot]"
    emulator: Callable[[Path], Path]
    facts: Facts
    seal: Seal
    progress: Progress
    cancellation: Cancellation
    jobs: int
