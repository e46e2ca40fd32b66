"""`cogpack verify` rebuilds an image from its lock and compares it with what the registry has."""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import zip_longest

import msgspec

from cogpack.commands.results import WheelBuild
from cogpack.decompress import decompressed
from cogpack.digest import Digest, Hasher
from cogpack.errors import InputError, MismatchError
from cogpack.images.interface import Images
from cogpack.layers.known import NOTHING, Claims, Known, Outgoing
from cogpack.layers.layer import Body, Form, Layer
from cogpack.lockfile import FILE
from cogpack.oci import INDEX_TYPES, Descriptor, Image, LayerInfo, Manifest, decode
from cogpack.opening import parse_reference
from cogpack.planning.delivery.transfer import Resources, transfer
from cogpack.planning.plan import Plan
from cogpack.planning.prepare import open_project, prepare, settle
from cogpack.reference import Reference
from cogpack.session import Session
from cogpack.untar import Untar


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """`layers`: how many there are; `not_replayed`: the names of those that were taken as the lock has them; `built`:
    the wheels that were built of sources."""

    reference: str
    digest: Digest
    layers: int = msgspec.field(name="layer_count")
    not_replayed: tuple[str, ...] = ()
    built: tuple[WheelBuild, ...] = ()


class _HashOnly:
    """This sink keeps nothing: every layer is made, hashed and dropped, but for `trusted`, of which the lock's word
    counts."""

    parallel = True
    form = Form.STORED

    def __init__(self, trusted: Collection[Layer]) -> None:
        self._trusted = trusted

    def add_layer(self, layer: Outgoing, on_bytes: Callable[[int], None]) -> LayerInfo:
        if layer.recipe in self._trusted and layer.known is not None:
            return layer.known

        def consume(body: Body) -> None:
            for block in body:
                on_bytes(len(block))

        return layer.copy_to(consume)

    def put(self, image: Image) -> Descriptor:
        return image.descriptor

    def commit(self, root: Descriptor, tags: Sequence[str]) -> None:
        pass


def verify(session: Session, target: str, *, run_steps: bool = False) -> Verified:
    """Make every layer anew and compare it; the first difference is named down to the file.

    `run_steps`: that of `build.run`, too, which runs its commands; else the lock's word counts for it.
    """
    reference = parse_reference(session, target)
    project = open_project(session)
    prepared = prepare(session, project, writes=False, locked=True)
    images = session.images(reference)
    found = images.manifest(reference.wanted)
    if found is None:
        raise InputError(f"{reference}: the registry has no such image", next_step="check the name and tag")
    if found.media_type in INDEX_TYPES:
        raise InputError(f"{reference} is an index", next_step="name one platform's image by digest")
    remote = decode(found.data, Manifest, where=str(reference))
    prepared = settle(session, prepared, again=run_steps)
    trusted = () if run_steps else prepared.plan.ran
    known = NOTHING
    if trusted:
        pinned = {result.key: result.info for result in prepared.lock.results.layers}
        known = Known.weighed(trusted, [Claims(FILE, pinned)])
        if unknown := [layer.name for layer in trusted if known.of(layer) is None]:
            raise InputError(
                f"{FILE} has no result of the layer {unknown[0]}", next_step="run its commands, with --run-steps"
            )
    done = transfer(prepared.plan, known, _HashOnly(trusted), Resources.of(session), tags=(), outcome="built")
    if done.image.descriptor.digest != found.digest:
        raise _difference(reference, images, prepared.plan, remote, done.image)
    return Verified(
        reference=f"{reference.name}@{found.digest}",
        digest=found.digest,
        layers=len(done.layers),
        not_replayed=tuple(layer.name for layer in trusted),
        built=WheelBuild.all_of(prepared.lock.platforms[project.config.pack.platform]),
    )


def _difference(reference: Reference, images: Images, plan: Plan, remote: Manifest, image: Image) -> MismatchError:
    advice = "the image was made from other files or by another lock, perhaps of another image format"
    for index, (layer, (_, info), theirs) in enumerate(zip(plan.layers, image.layers, remote.layers, strict=False)):
        if info.descriptor.digest != theirs.digest:
            where = _first_entry(layer, theirs, images)
            return MismatchError(
                f"{reference}: layer {index + 1} ({layer.name}): rebuilt {info.descriptor.digest}, "
                f"the registry has {theirs.digest}{where}",
                next_step=advice,
            )
    if len(image.layers) != len(remote.layers):
        return MismatchError(
            f"{reference}: {len(image.layers)} layers rebuilt, the registry has {len(remote.layers)}", next_step=advice
        )
    what = "config" if image.config_descriptor.digest != remote.config.digest else "manifest's annotations"
    return MismatchError(f"{reference}: all layers are equal, but the {what} differ", next_step=advice)


def _first_entry(layer: Layer, theirs: Descriptor, images: Images) -> str:
    """Name `; first difference: /path`, from reading both layers side by side."""
    answer = ""

    def compare(body: Body) -> None:
        nonlocal answer
        with images.blob(theirs) as blocks:
            for mine, other in zip_longest(
                _entries(iter(body), "rebuilt"), _entries(decompressed(blocks), "the registry's")
            ):
                if mine != other and not answer:
                    answer = f"; first difference: /{(mine or other)[0]}"

    layer.copy_to(compare, Form.PLAIN)
    return answer


def _entries(blocks: Iterator[bytes], where: str) -> Iterator[tuple[str, object, Digest]]:
    reader = Untar(blocks, where=where)
    for member in reader:
        hasher = Hasher()
        for block in reader.content():
            hasher.update(block)
        yield member.path, member, hasher.digest
