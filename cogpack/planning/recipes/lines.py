"""What known lines of `build.run` make lies in layers of its own: here each kind of effect says in which.

Commands that are run see all of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import msgspec

from cogpack.artifacts import Input
from cogpack.config import Config
from cogpack.digest import sha256
from cogpack.errors import MismatchError
from cogpack.layers.built import BuiltLayer
from cogpack.layers.content import Bytes
from cogpack.layers.entry import Directory, File, Symlink
from cogpack.layers.given import GivenSource
from cogpack.layers.layer import key_of
from cogpack.layers.weights.arrangement import OWN_LAYER, WeightLayer, joint_ratio
from cogpack.lockfile import Decisions, LockedClone, LockedFetch, LockedSandboxed
from cogpack.locking.lines.ground import locked_ground
from cogpack.locking.lines.known_files import KnownFile, KnownFiles, known_files
from cogpack.locking.lines.pin_clones import pin_of
from cogpack.locking.lines.pin_hub_downloads import HubPins
from cogpack.locking.lines.read import Lines
from cogpack.locking.weights.remote import probing
from cogpack.planning.recipes.hub import OpenHubFile, hub_layers
from cogpack.planning.recipes.maker import LayerMaker

if TYPE_CHECKING:
    from cogpack.layers.clones import CloneSource

_LARGE = 32
"""Large files that have layers of their own; of more, neighbours share."""

Cloned: TypeAlias = "Callable[[LockedClone, str], CloneSource]"
"""How a clone at a path is had."""
Fetched = Callable[[LockedFetch, int], Input]
"""How a fetched file is had; told the index of the step that fetches it."""


class LineLayers(msgspec.Struct, frozen=True, kw_only=True):
    """Has the layers of known lines, each kind's in order. `large`: of weight size, which lie among the weights;
    `small`: the rest, right below what commands change; `inputs`: the files that a layer is made of, by its key.
    `places`: what lies where, and the index of the step that made it; `directories`: those that are made."""

    large: tuple[BuiltLayer, ...] = ()
    small: tuple[BuiltLayer, ...] = ()
    inputs: Mapping[str, tuple[Input, ...]] = {}
    places: tuple[tuple[str, int], ...] = ()
    directories: tuple[str, ...] = ()


def line_layers(
    config: Config,
    lines: Lines,
    decisions: Decisions,
    maker: LayerMaker,
    fetched: Fetched,
    opened: OpenHubFile,
    cloned: Cloned,
) -> LineLayers:
    """Plan the layers of what `lines` make, by the pins of `decisions`. `opened`: how files of the hub are had."""
    made = known_files(lines.effects, locked_ground(decisions.base, decisions.places))
    if isinstance(made, LockedSandboxed):
        raise _not_locked(f"that build.run[{made.step}] is run: {made.why}")
    maker = msgspec.structs.replace(maker, inherited={**maker.inherited, **{one.path: one for one in made.inherited}})
    files = _files(made, decisions, maker, fetched, probed=probing(config))
    hub = hub_layers(made.downloads, HubPins.locked(decisions), maker, opened)
    return LineLayers(
        large=files.large + hub.large,
        small=(*files.small, *hub.small, *_clones(made, decisions, maker, cloned)),
        inputs=files.inputs,
        places=files.places + hub.places,
        directories=made.directories,
    )


def _not_locked(what: str) -> MismatchError:
    return MismatchError(f"the lock does not say {what}", next_step="run cogpack lock and commit it")


class _Pinned(msgspec.Struct, frozen=True):
    """Is a fetched file, with its pin and how it is had."""

    file: File
    pin: LockedFetch
    input: Input


def _files(made: KnownFiles, decisions: Decisions, maker: LayerMaker, fetched: Fetched, *, probed: bool) -> LineLayers:
    pins = {pin.url: pin for pin in decisions.fetches}
    pinned = [_pinned(file, pins, fetched) for file in made.files if file.url is not None]
    large = [one for one in pinned if one.pin.size >= OWN_LAYER]
    small = [one for one in pinned if one.pin.size < OWN_LAYER]
    run = max(1, -(-len(large) // _LARGE))
    groups = [large[at : at + run] for at in range(0, len(large), run)]
    layers = [maker.weight(_large(group), probed=probed) for group in groups]
    inputs = {key_of(layer): tuple(one.input for one in group) for layer, group in zip(layers, groups, strict=True)}
    source = GivenSource(
        "files of build.run",
        [*map(_given, small), *(_written(file) for file in made.files if file.url is None)],
        [
            *(Directory(path) for path in made.directories),
            *(Symlink(link.path, link.target) for link in made.links),
        ],
    )
    rest = () if source.is_empty else (maker.compress(source),)
    if rest and small:
        inputs[key_of(rest[0])] = tuple(one.input for one in small)
    places = [(file.path, file.step) for file in made.files] + [(link.path, link.step) for link in made.links]
    return LineLayers(large=tuple(layers), small=rest, inputs=inputs, places=tuple(places))


def _clones(made: KnownFiles, decisions: Decisions, maker: LayerMaker, cloned: Cloned) -> Iterator[BuiltLayer]:
    """Give each clone a layer: none changes with another, and a new line moves none."""
    for one in made.clones:
        if (pin := pin_of(one.effect, decisions.clones)) is None:
            raise _not_locked(f"which commit of {one.effect.url} is cloned")
        yield maker.compress(cloned(pin, one.path))


def _pinned(file: KnownFile, pins: Mapping[str, LockedFetch], fetched: Fetched) -> _Pinned:
    if (pin := pins.get(file.url or "")) is None:
        raise _not_locked(f"what {file.url} is")
    found = fetched(pin, file.step)
    return _Pinned(File(file.path, _Fetched(found), file.mode), pin, found)


def _written(file: KnownFile) -> tuple[File, str]:
    data = file.text.encode()
    return File(file.path, Bytes(data), file.mode), sha256(data)


def _given(one: _Pinned) -> tuple[File, str]:
    return one.file, f"sha256:{one.pin.sha256}"


def _large(group: Sequence[_Pinned]) -> WeightLayer:
    name = f"/{group[0].file.path}" if len(group) == 1 else f"{len(group)} files"
    probed = all(one.pin.ratio is not None for one in group)
    ratio = joint_ratio((one.pin.size, one.pin.ratio) for one in group) if probed else None
    return WeightLayer(GivenSource(f"fetched: {name}", [*map(_given, group)]), ratio=ratio)


class _Fetched(msgspec.Struct, frozen=True):
    """Is the content of a file that is fetched when it is wanted."""

    input: Input

    @property
    def size(self) -> int:
        return self.input.size

    def open(self) -> BinaryIO:
        return self.input.file().open()
