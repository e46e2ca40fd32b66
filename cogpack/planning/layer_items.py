"""What layers hold, one by one: packages, wheels, Python, clones, files. Of a plan, and of layers that a lock names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NoReturn

import msgspec

from cogpack.artifacts import Artifact, Input, Supply
from cogpack.digest import Digest
from cogpack.formats import ImageRules
from cogpack.layers.built import BuiltLayer
from cogpack.layers.clones import CloneSource
from cogpack.layers.compression import Gzip, SplicedGzip, Zstd
from cogpack.layers.files import FilesSource
from cogpack.layers.given import GivenSource
from cogpack.layers.layer import Layer, key_of
from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.locking.maintainer_scripts import deb_artifact
from cogpack.locking.wheels.outlines import wheel_artifact
from cogpack.planning.plan import PROJECT, Plan
from cogpack.planning.recipes.base import BaseSupply, plan_base
from cogpack.planning.recipes.maker import LayerMaker, inherited_directories
from cogpack.planning.recipes.python import plan_environment, plan_interpreter
from cogpack.progress import Cancellation, Silent

ItemKind = Literal["package", "wheel", "python", "clone", "file"]


class LayerItem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a layer holds. `name`: of a file, its path in the image; `version`: empty of a file; `size`: bytes
    of the file, or of the package or wheel as it is fetched; None where nobody says."""

    kind: ItemKind
    name: str
    version: str = ""
    size: int | None = None


def planned_items(plan: Plan, decisions: Decisions) -> Sequence[tuple[LayerItem, ...]]:
    """Tell of each layer of `plan`. The project's own files are too many to be told of with every plan, and not known
    are those of layers that others made, of bytecode, and of what commands leave."""
    of_inputs = _of_inputs(plan.layers, plan.inputs, _named(decisions))
    return [inputs or tuple(_of_source(layer)) for layer, inputs in zip(plan.layers, of_inputs, strict=True)]


def locked_items(decisions: Decisions, rules: ImageRules) -> Mapping[str, tuple[LayerItem, ...]]:
    """Tell, by their keys, of the layers of Debian's packages, Python and wheels that these decisions make, whichever
    way they are stored. No file is read."""
    named = _named(decisions)
    inherited = inherited_directories(decisions.base)
    zstd = Zstd()
    found: dict[str, tuple[LayerItem, ...]] = {}
    for maker in (
        LayerMaker(compressed=Gzip(), spliced=SplicedGzip(), inherited=inherited),
        LayerMaker(compressed=zstd, spliced=zstd, inherited=inherited),
    ):
        base = plan_base(decisions.base, _UNREAD_BASE, maker.compressed, rules)
        cpython = plan_interpreter(
            decisions.interpreter,
            _UNREAD_BASE,
            lambda one: _unread(Artifact(one.url, Digest(f"sha256:{one.sha256}"), one.size)),
            maker,
        )
        python = plan_environment(decisions, rules, maker, lambda wheel: _unread(wheel_artifact(wheel)), local=())
        layers = (*base.layers, *cpython.layers, *base.packages, *python.large, *python.small)
        items = _of_inputs(layers, {**base.inputs, **cpython.inputs, **python.inputs}, named)
        found |= {key_of(layer): its for layer, its in zip(layers, items, strict=True) if its}
    return found


def _of_inputs(
    layers: Iterable[Layer], inputs: Mapping[str, tuple[Input, ...]], named: Mapping[str, LayerItem]
) -> Iterator[tuple[LayerItem, ...]]:
    """Tell of each, bottom first, what it is made of and no layer below."""
    below: set[Digest] = set()
    for layer in layers:
        its = inputs.get(layer.key or "", ())
        new = {one.artifact.digest: one.artifact for one in its if one.artifact.digest not in below}
        below |= new.keys()
        items = [named.get(digest) or _file(artifact.name, artifact.size) for digest, artifact in new.items()]
        yield tuple(sorted(items, key=lambda item: (item.name, item.version)))


def _of_source(layer: Layer) -> Iterator[LayerItem]:
    match layer.source if isinstance(layer, BuiltLayer) and layer.name != PROJECT else None:
        case FilesSource(files=files):
            for placed in files:
                yield _file(f"/{placed.path}", placed.content.size)
        case GivenSource(files=given):
            for file in given:
                yield _file(f"/{file.path}", file.content.size)
        case CloneSource(clone=clone):
            yield LayerItem(kind="clone", name=clone.url, version=clone.commit)


def _file(name: str, size: int | None) -> LayerItem:
    return LayerItem(kind="file", name=name, size=size)


def _named(decisions: Decisions) -> Mapping[str, LayerItem]:
    """Tell what locked files hold, by their digests."""
    base = decisions.base
    debs = (*(base.packages if isinstance(base, DebianBase) else ()), *base.system_packages.packages)
    found = {
        f"sha256:{deb.sha256}": LayerItem(kind="package", name=deb.name, version=deb.version, size=deb.size)
        for deb in debs
    }
    found |= {
        f"sha256:{wheel.sha256}": LayerItem(kind="wheel", name=wheel.name, version=wheel.version, size=wheel.size)
        for wheel in decisions.wheels
    }
    if python := decisions.interpreter:
        item = LayerItem(kind="python", name="CPython", version=python.version, size=python.size)
        found[f"sha256:{python.sha256}"] = item
    return found


class _NoSupply(Supply):
    """Brings nothing: keys are asked for, and no bytes."""

    def __init__(self) -> None:
        pass


def _unread(artifact: Artifact) -> Input:
    return Input(supply=_NO_SUPPLY, artifact=artifact, noun="file", urls=tuple)


def _never(*_: object) -> NoReturn:
    raise AssertionError("a layer is read of which only the key is wanted")


_NO_SUPPLY = _NoSupply()
_UNREAD_BASE = BaseSupply(
    package=lambda _, deb: _unread(deb_artifact(deb)),
    blob=_never,
    ground=_never,
    spool=Path(),
    kept=_never,
    progress=Silent(),
    cancellation=Cancellation(),
)
