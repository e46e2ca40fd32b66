"""`cogpack verify` rebuilds an image from its lock and compares it with one that is in a registry or a layout."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec

from cogpack.commands.results import WheelBuild
from cogpack.decompress import decompressed
from cogpack.digest import Digest, Hasher
from cogpack.errors import InputError, MismatchError
from cogpack.images.assemble import assemble_index
from cogpack.images.graph import choose
from cogpack.images.interface import Images
from cogpack.layers.known import NOTHING, Claims, Known, Outgoing
from cogpack.layers.layer import Body, Form, Layer
from cogpack.oci import (
    DOCKER_CONFIG,
    INDEX_TYPES,
    Descriptor,
    FoundManifest,
    Image,
    Index,
    LayerInfo,
    Manifest,
    Platform,
    decode,
)
from cogpack.opening import open_images, parse_address
from cogpack.planning.delivery.transfer import Moved, Resources, each_once, transfer
from cogpack.planning.describing import find_described
from cogpack.planning.plan import Plan
from cogpack.planning.prepare import Prepared, prepare_each, settle
from cogpack.planning.signatures import signed_packages
from cogpack.session import Session
from cogpack.text import count_text, shortened
from cogpack.untar import Member, Untar

_Entry: TypeAlias = tuple[Member, Digest]
"""Is a member of a layer, and the digest of its bytes."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """`digest`: of the manifest, or of the index of several platforms' images; `layers`: how many there are, those that
    images share once; `not_replayed`: the names of those that were taken as the lock has them; `built`: the wheels that
    were built of sources; `signed`: Debian packages that archives have signed for, as the depot of `--offline` shows;
    None without one."""

    reference: str
    digest: Digest
    layers: int = msgspec.field(name="layer_count")
    not_replayed: tuple[str, ...] = ()
    built: tuple[WheelBuild, ...] = ()
    signed: int | None = None


class _HashOnly:
    """This sink keeps nothing: every layer is made, hashed and dropped, but for `trusted`: of these the lock's word
    counts, or they were made already."""

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

    Of a project for several platforms, the image of each is compared, and the index; of one for one platform, the image
    that an index has for it. `run_steps`: layers of `build.run`, too, which runs its commands; else the lock's word
    counts for them.
    """
    address = parse_address(session, target)
    reference = str(address)
    project = find_described(session)
    each = prepare_each(session, project, writes=False, locked=True)
    images, ref = open_images(session, address)
    found = images.manifest(ref)
    if found is None:
        raise InputError(f"{reference}: there is no such image", next_step="check the name and tag")
    is_index = found.media_type in INDEX_TYPES
    if len(each) > 1 and not is_index:
        raise InputError(
            f"{reference} is one image, and the project is for {' and '.join(project.config.pack.platforms)}",
            next_step=f"say for which it is: --platform {project.config.pack.platforms[0]}",
        )
    signed = _signed(session, each) if session.depot else None
    rebuilt: list[Rebuilt] = []
    for prepared in each:
        of_it = _of_platform(reference, images, found, prepared.plan.platform) if is_index else found
        read = rebuilt[-1].known.read if rebuilt else {}
        rebuilt.append(_rebuilt(session, reference, images, of_it, prepared, read, run_steps=run_steps))
    root = found.digest if len(each) > 1 else rebuilt[0].image.descriptor.digest
    if len(each) > 1:
        index = assemble_index([(one.plan.platform, its.image) for one, its in zip(each, rebuilt, strict=True)])
        if index.descriptor.digest != found.digest:
            raise MismatchError(
                f"{reference}: the image of each platform is equal, but the index differs",
                next_step="it may have more platforms, or annotations of others",
            )
    return Verified(
        reference=f"{images.name}@{root}",
        digest=root,
        layers=len(each_once(its.layers for its in rebuilt)),
        not_replayed=tuple(dict.fromkeys(name for its in rebuilt for name in its.not_replayed)),
        built=WheelBuild.all_of_each(prepared.lock, project.config.pack.platforms),
        signed=signed,
    )


def _signed(session: Session, each: Sequence[Prepared]) -> int:
    """Count the packages that the depot's signatures are for; a `MismatchError` of one that they are not for."""
    found = [archive for one in each for archive in signed_packages(session, one)]
    for archive in found:
        if archive.lacking:
            session.progress.summary(f"not seen whether {archive.archive} has signed: {archive.lacking}")
    return sum(archive.packages for archive in found if not archive.lacking)


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """Is the image of one platform, equal to what is there."""

    image: Image
    layers: tuple[Moved, ...]
    known: Known
    not_replayed: tuple[str, ...]


def _of_platform(reference: str, images: Images, index: FoundManifest, platform: Platform) -> FoundManifest:
    """Find the manifest that an index has for `platform`."""
    child = choose(decode(index.data, Index, where=reference).manifests, platform, reference)
    found = images.manifest(child.digest)
    if found is None:
        raise InputError(
            f"{reference}: there is no {child.digest}, which the index names",
            next_step="push it again, or copy it whole",
        )
    return found


def _rebuilt(
    session: Session,
    reference: str,
    images: Images,
    found: FoundManifest,
    prepared: Prepared,
    read: Mapping[str, LayerInfo],
    *,
    run_steps: bool,
) -> Rebuilt:
    """Make one image anew; a `MismatchError` where it is not the one that was found. `read`: what was made anew for
    another platform."""
    remote = decode(found.data, Manifest, where=reference)
    prepared = settle(session, prepared, again=run_steps)
    trusted = () if run_steps else prepared.plan.ran
    known = NOTHING
    if trusted:
        pinned = {result.key: result.info for result in prepared.lock.results.layers}
        known = Known.weighed(trusted, [Claims(prepared.project.lock_path.name, pinned)])
        if unknown := [layer.name for layer in trusted if known.of(layer) is None]:
            raise InputError(
                f"the lock has no result of the layer {unknown[0]}", next_step="run its commands, with --run-steps"
            )
    known = known.with_read(read)
    made = [layer for layer in prepared.plan.layers if layer.key in read]
    done = transfer(prepared.plan, known, _HashOnly([*trusted, *made]), Resources.of(session), tags=(), outcome="built")
    if done.image.descriptor.digest != found.digest:
        raise _difference(reference, images, prepared.plan, remote, done.image)
    return Rebuilt(
        image=done.image, layers=done.layers, known=done.known, not_replayed=tuple(layer.name for layer in trusted)
    )


def _difference(reference: str, images: Images, plan: Plan, remote: Manifest, image: Image) -> MismatchError:
    advice = "the image was made from other files or by another lock, perhaps of another image format"
    for index, (layer, (_, info), theirs) in enumerate(zip(plan.layers, image.layers, remote.layers, strict=False)):
        if info.descriptor.digest != theirs.digest:
            where = _first_entry(layer, theirs, images)
            return MismatchError(
                f"{reference}: layer {index + 1} ({layer.name}): rebuilt {info.descriptor.digest}, "
                f"the image has {theirs.digest}{where}",
                next_step=advice,
            )
    if len(image.layers) != len(remote.layers):
        return MismatchError(
            f"{reference}: {len(image.layers)} layers rebuilt, the image has {len(remote.layers)}", next_step=advice
        )
    same = image.config_descriptor.digest == remote.config.digest
    if same and remote.config.media_type == DOCKER_CONFIG:
        return MismatchError(
            f"{reference}: all layers and the config are equal, but the manifest is of Docker's own format",
            next_step="something has converted it: copy it as it is, by cogpack copy or skopeo copy --preserve-digests",
        )
    what = "manifest's annotations" if same else "config"
    return MismatchError(f"{reference}: all layers are equal, but the {what} differ", next_step=advice)


def _first_entry(layer: Layer, theirs: Descriptor, images: Images) -> str:
    """Name `; first difference: /path`, and what it is, from reading both layers. Kept are the entries of ours alone:
    theirs may be anybody's, and many."""
    mine: dict[str, _Entry] = {}
    layer.copy_to(lambda body: mine.update(_entries(iter(body), "rebuilt")), Form.PLAIN)
    changed: dict[str, _Entry] = {}
    equal: set[str] = set()
    first, lacking = "", 0
    with images.blob(theirs) as blocks:
        for path, entry in _entries(decompressed(blocks), "the image's"):
            if path not in mine:
                first, lacking = first or path, lacking + 1
            elif mine[path] == entry:
                equal.add(path)
            else:
                changed[path] = entry
    for path in equal - changed.keys():
        del mine[path]
    if not (differ := len(mine) + lacking):
        return "; its files are the same, and their order or the archive's form differs"
    first = next(iter(mine), first)
    more = f" (and {count_text(differ - 1, 'other path')})" if differ > 1 else ""
    return f"; first difference: /{first}{_told(mine.get(first), changed.get(first))}{more}"


def _told(mine: "_Entry | None", other: "_Entry | None") -> str:
    """Tell which side lacks it, or what of it differs."""
    if mine is None or other is None:
        return ", which the rebuilt layer lacks" if mine is None else ", which the image lacks"
    rows = [
        f"{name} {_value(name, old)}, rebuilt {_value(name, new)}"
        for name in Member.__struct_fields__
        if (old := getattr(other[0], name)) != (new := getattr(mine[0], name))
    ]
    return f": {'; '.join(rows) or 'other bytes'}"


def _value(name: str, found: object) -> str:
    return f"{found:o}" if name == "mode" else shortened(str(found), 60)


def _entries(blocks: Iterator[bytes], where: str) -> Iterator[tuple[str, _Entry]]:
    reader = Untar(blocks, where=where)
    for member in reader:
        hasher = Hasher()
        for block in reader.content():
            hasher.update(block)
        yield member.path, (member, hasher.digest)
