"""All that a lock names of the outside world is listed, with how it is had: what a depot holds."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain

import msgspec

from cogpack.artifacts import Input
from cogpack.depot import described
from cogpack.digest import Digest, Hasher, verified
from cogpack.errors import MismatchError
from cogpack.git.mirror import Mirrors, pack_name
from cogpack.layers.built import BaseLayer
from cogpack.layers.weights.remote import Reader
from cogpack.lockfile import GitSource, IndexSource, LockedClone, LockedSubmodule, UrlSource
from cogpack.locking.lines.cloned import make_mirrors, pinned_objects
from cogpack.locking.sources.bring import Sources
from cogpack.locking.wheels.built import source_input
from cogpack.locking.wheels.indexes import indexes_of
from cogpack.oci import Descriptor
from cogpack.planning.emulator import emulator_input
from cogpack.planning.prepare import Prepared
from cogpack.planning.proot import proot_inputs
from cogpack.planning.recipes.hub import open_hub_file
from cogpack.planning.recipes.weights import open_weight
from cogpack.planning.steps.layer import StepsLayer
from cogpack.requirements.environment import MACHINES
from cogpack.resolve.pip import Pages
from cogpack.session import Session


class Streamed(msgspec.Struct, frozen=True, kw_only=True):
    """Is a file that this machine keeps nowhere. `what`: for people; `file`: None where only its bytes tell, and then
    it has a `name`; `blocks`: reads it, and raises at its end if it was another."""

    what: str
    file: Descriptor | None
    name: str = ""
    blocks: Callable[[], Iterable[bytes]]


def tools(session: Session, prepared: Prepared) -> Iterator[Input]:
    """Give what no lock names: programs that run those of the image on machines that allow little, or are of another
    architecture."""
    pack, architecture = prepared.project.config.pack, prepared.plan.platform.architecture
    mirror, bytecode = pack.debian_mirror, prepared.lock.platforms[pack.platform].bytecode
    yield from proot_inputs(session, mirror, MACHINES[architecture])
    if architecture == "arm64" and (prepared.plan.changes or bytecode):
        yield emulator_input(session, mirror)


def sources(session: Session, prepared: Prepared) -> Iterator[Input | Streamed]:
    """Give what wheels were built of, but what lies in the project, or in the image as a clone: no image needs it that
    has the wheels."""
    project, decisions = prepared.project, prepared.decisions
    indexes = indexes_of(session, project, project.requirements(), decisions.torch_index)
    pages = Pages(session.http, indexes)
    brought = Sources(session, project)
    names = {wheel.filename: wheel.name for wheel in (*decisions.wheels, *decisions.replaced)}
    for build in decisions.builds:
        match build.source:
            case IndexSource() as pin:
                one = source_input(session, pages, names[build.wheel], pin)
                yield msgspec.structs.replace(one, hiding=indexes.hiding)
            case UrlSource() as pin:
                yield brought.archive(pin)
            case GitSource(clone=None) as pin:
                name = pack_name([pin.commit], 1)
                yield Streamed(what=f"source: {pin}", file=None, name=name, blocks=partial(brought.pack, pin))


def streamed_files(session: Session, prepared: Prepared, *, weights: bool) -> Iterator[Streamed]:
    """Give all files but the inputs of the plan; managed `weights` where they are wanted."""
    plan, lock = prepared.plan, prepared.lock
    decisions = lock.platforms[prepared.project.config.pack.platform]
    for base in plan.layers[: plan.base_layers]:
        assert isinstance(base, BaseLayer)
        yield Streamed(what=base.name, file=_plain(base.info.descriptor), blocks=base.blocks)
    results = {result.key: result.info.descriptor for result in lock.results.layers}
    for changes in plan.changes:
        if changes.locked is None or not results.keys() >= {layer.key for layer in changes.layers}:
            raise MismatchError(
                f"the lock does not say what {changes.steps.subject} changes ({changes.steps.name}), "
                "which is not to be run where there is no network",
                next_step="run cogpack lock --run, then fetch again",
            )
        for layer in changes.layers:
            yield Streamed(what=layer.name, file=_plain(results[layer.key]), blocks=partial(_blocks, layer))
    for file in decisions.hub_files:
        yield Streamed(
            what=f"{file.repository}/{file.path}",
            file=described(file.path, file.sha256, file.size),
            blocks=partial(_read, partial(open_hub_file, session.servers.hub, file), file.sha256),
        )
    for weight in lock.weights if weights else ():
        yield Streamed(
            what=f"/{weight.path}",
            file=described(weight.file, weight.sha256, weight.size),
            blocks=partial(_read, partial(open_weight, session, weight), weight.sha256),
        )
    if decisions.clones:
        mirrors = make_mirrors(session)
        yield from chain.from_iterable(_packs(mirrors, pin) for pin in decisions.clones)


def _packs(mirrors: Mirrors, pin: LockedClone | LockedSubmodule) -> Iterator[Streamed]:
    """Give the repository of a clone, and those of its submodules."""
    oids = pinned_objects(pin)
    yield Streamed(
        what=f"clone: {pin.url}",
        file=None,
        name=pack_name(oids, pin.depth),
        blocks=partial(mirrors.pack, pin.url, oids, pin.depth),
    )
    for module in pin.submodules:
        yield from _packs(mirrors, module)


def _blocks(layer: StepsLayer) -> Iterator[bytes]:
    return layer.blob().blocks()


def _plain(found: Descriptor) -> Descriptor:
    return Descriptor(media_type=found.media_type, digest=found.digest, size=found.size)


def _read(opened: Callable[[], Reader], digest: Digest) -> Iterator[bytes]:
    """Read a file of a server from its first byte to its last."""
    reader = opened()

    def check(found: Hasher) -> None:
        if found.digest != digest:
            raise MismatchError(f"{reader!r}: expected {digest}, found {found.digest}", next_step=reader.renewed)

    return verified(reader.read(0, reader.size), check)
