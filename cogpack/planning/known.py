"""What is known of layers before they are made: by the lock, this machine's facts, and a tag's manifest."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from cogpack.config import PLATFORMS
from cogpack.digest import DiffID, Digest, is_digest
from cogpack.errors import InputError
from cogpack.images.interface import Images
from cogpack.layers.facts import Facts
from cogpack.layers.known import READ, Claims, Known, KnownLayers
from cogpack.layers.layer import Body, Layer, key_of
from cogpack.lockfile import FILE, Result, Results, read_lock
from cogpack.locking.current import write_lock
from cogpack.notes import Code, Note
from cogpack.oci import (
    INDEX_TYPES,
    LAYER_KEY,
    Descriptor,
    FoundManifest,
    ImageConfig,
    Index,
    LayerInfo,
    Manifest,
    decode,
    read_config,
)
from cogpack.planning.delivery.transfer import read_unread
from cogpack.planning.plan import PROJECT, Plan
from cogpack.planning.prepare import Prepared, with_steps
from cogpack.planning.recipes.weights import locked_weights
from cogpack.planning.shared_layers.hear import hear_offers
from cogpack.reference import Reference
from cogpack.session import Session

_WITHOUT_TAG = "find out who pushed that tag; --no-tag-cache pushes without its word"


def look_up(
    session: Session,
    prepared: Prepared,
    tags: Mapping[str, Mapping[str, LayerInfo]],
    *,
    rebuild: bool = False,
    tag_cache: bool = True,
    seen: Mapping[str, LayerInfo] = {},
    delivered: bool = False,
) -> Known:
    """Find out all that a registry can be asked by.

    Layers of files that no run has read yet are read for it; so is the project's own, which no lock remembers. But if
    all is `delivered` next, and of others it is not known what they come out as, the registry can't have the image: the
    project is then made beside them, first of all, so that a file that still changes is not found behind the weights.
    Who delivers remembers what its files are.

    `tags`: what each of the target's tags says, by its name; `tag_cache`: it counts; `rebuild`: all is made anew,
    and must be what lock and facts say. `seen`: what this run has read already, for another platform.
    """
    plan = prepared.plan
    rest = [layer for layer in plan.own if delivered and not rebuild and not layer.remembered]
    others = [layer for layer in plan.own if layer not in rest]
    read = {**seen, **_read(session, others)}
    results, lock = prepared.lock.results, prepared.project.lock_path.name
    if rebuild:
        known = known_layers(plan, results, session.facts, read=read, lock=lock).unheeded().with_read(read)
    else:
        known = known_layers(plan, results, session.facts, tags, read=read, tag_cache=tag_cache, lock=lock)
        _tell_of_tags(session, plan, known, tags)
        known = hear_offers(session, prepared.project, plan, prepared.decisions, known)

    if rest:
        if any(known.of(layer) is None for layer in others):
            return known
        made = Claims(READ, _read(session, rest))
        known = known.looking_for(rest).adding(rest, made)
    prepared.fingerprints.save()

    def consume(body: Body) -> None:
        for _ in body:
            session.cancellation.check()

    unknown = [layer for layer in plan.own if not layer.remembered and known.of(layer) is None]
    return known.with_read({key_of(layer): layer.copy_to(consume) for layer in unknown})


def _read(session: Session, layers: Iterable[Layer]) -> dict[str, LayerInfo]:
    return read_unread(layers, facts=session.facts, progress=session.progress, cancellation=session.cancellation)


class _Tagged:
    """Gives what a tag says, but of layers of which it is not asked; of unread ones the keys come later."""

    def __init__(self, layers: Mapping[str, LayerInfo], unasked: Sequence[Layer]) -> None:
        self._layers = layers
        self._unasked = unasked

    def get(self, key: str, /) -> LayerInfo | None:
        info = self._layers.get(key)
        return info if info is None or all(layer.key != key for layer in self._unasked) else None


class _Heeded:
    """Gives what a source says, but of a layer of steps only what has the diff ID that is decided."""

    def __init__(self, layers: KnownLayers, plan: Plan) -> None:
        self._layers = layers
        self._decided: dict[str, DiffID] = {
            layer.key: layer.diff_id for changes in plan.changes for layer in changes.layers
        }

    def get(self, key: str, /) -> LayerInfo | None:
        info = self._layers.get(key)
        return info if info is None or self._decided.get(key, info.diff_id) == info.diff_id else None


def known_layers(
    plan: Plan,
    results: Results,
    facts: Facts,
    tags: Mapping[str, Mapping[str, LayerInfo]] = {},
    *,
    read: Mapping[str, LayerInfo] = {},
    tag_cache: bool = True,
    lock: str = FILE,
) -> Known:
    """Weigh what the lock's results, the facts and the targets' tags say of layers, and what this run has `read`.
    `lock`: how the lock is called.

    Where two differ, it is an error.

    Whoever could move the tag once could lay any layer there under the right key. So what it says is used with a note
    and never written down; of the project's own layer, which is made in no time, it is not asked, and neither of what
    commands changed, which nobody could bear out without running them.
    """
    pinned = {result.key: result.info for result in results.layers}
    unasked = [layer for layer in plan.own if not layer.remembered or layer in plan.ran]
    claims = [
        Claims(READ, read),
        Claims(lock, _Heeded(pinned, plan)),
        Claims("the cache", _Heeded(facts, plan)),
    ]
    if tag_cache:
        for name, said in tags.items():
            claims.append(Claims(_tag(name), _Tagged(said, unasked), trusted=False, without=_WITHOUT_TAG))
    return Known.weighed(
        plan.own, claims, lambda key: any(key in said for said in tags.values()) or facts.doubtful(key)
    )


def _tell_of_tags(session: Session, plan: Plan, known: Known, tags: Iterable[str]) -> None:
    """Note which layers only a tag knows, for each of `tags`."""
    for name in tags:
        found = [layer.name for layer in plan.own if (said := known.of(layer)) and said.source == _tag(name)]
        if found:
            text = f"{_tag(name)} alone says what these layers come out as: {', '.join(found)}"
            session.progress.note(Note(Code.TAG_VOUCHED, f"{text}; --no-tag-cache makes them here"))


def _tag(name: str) -> str:
    return f"the tag {name}"


def record_results(session: Session, images: Sequence[tuple[Prepared, Known]]) -> None:
    """Write what the layers of `images`, of one lock, came out as into that, unless it is not to be touched. It is only
    remembered there, so nothing ends for it.

    The project's own layer is left out: it changes with each line of code, and is made in no time. So is what only a
    tag says: who reads the lock would take it for ours.
    """
    first = images[0][0]
    if first.pinned:
        return
    made: dict[str, Result] = {
        key_of(layer): Result.of(layer.name, key_of(layer), found.info)
        for prepared, known in images
        for layer in prepared.plan.own
        if layer.remembered and (found := known.of(layer)) and found.trusted
    }
    weights = locked_weights(first.project, first.gathered, first.plan.weights, first.fingerprints, first.lock)
    first.fingerprints.save()
    try:
        lock = read_lock(first.project.lock_path)
        if lock is None or lock.decisions != first.lock.decisions:
            name = first.project.lock_path.name
            raise InputError(
                f"{name} is another one than this run began with",
                next_step="run cogpack push again",
            )
        if len(lock.platforms) > len(images) or not first.plan.whole:  # what was not planned stays
            made = {result.key: result for result in lock.results.layers if result.name != PROJECT} | made
        layers = tuple(sorted(made.values(), key=lambda result: (result.name, result.key)))
        new = msgspec.structs.replace(lock, results=Results(layers, weights))
        for prepared, _ in images:
            for name, changes in (("dpkg", prepared.plan.dpkg), ("steps", prepared.plan.steps)):
                if changes is not None and changes.known is not None:
                    new = with_steps(new, prepared.project.config.pack.platform, {name: changes.known})
        if new != lock:
            write_lock(first.project, new)
    except InputError as error:
        text = f"{error.message}; a machine with nothing but the lock has to build what is known here"
        session.progress.note(Note(Code.RESULTS_UNWRITTEN, text))


class PresentImage(msgspec.Struct, frozen=True):
    """Is what a tag names now. `digest`: None where it names nothing; `layers`: what it says of layer keys; `blobs`:
    all its layers, also those of a base."""

    digest: Digest | None = None
    layers: Mapping[str, LayerInfo] = {}
    blobs: frozenset[Digest] = frozenset()


def present_image(images: Images, tag: Reference, facts: Facts) -> PresentImage:
    """Ask what `tag` names, and what its layer descriptors say that their keys came out as.

    The config, which has the diff IDs, is asked for only where `facts` do not say the same of these keys: so an image
    that was pushed from here costs one request.
    """
    assert tag.tag is not None
    found = images.manifest(tag.tag)
    if found is None:
        return PresentImage()
    try:
        said: dict[str, LayerInfo] = {}
        blobs: set[Digest] = set()
        for manifest in _manifests(images, found, where=str(tag)):
            blobs |= {layer.digest for layer in manifest.layers}
            here = _said_here(manifest, facts)
            if here is None:
                config = images.blob_bytes(manifest.config)
                here = _said(manifest, read_config(config, ImageConfig, where=str(tag)).diff_ids)
            said |= here
    except InputError:  # somebody else's artifact under this tag: nothing to learn
        return PresentImage(found.digest)
    return PresentImage(found.digest, said, frozenset(blobs))


def _manifests(images: Images, found: FoundManifest, *, where: str) -> Iterator[Manifest]:
    """Give the manifest that was found, or those of an index for the platforms that we know, one for each."""
    if found.media_type not in INDEX_TYPES:
        yield decode(found.data, Manifest, where=where)
        return
    index = decode(found.data, Index, where=where)
    for child in {str(child.platform): child for child in index.manifests if str(child.platform) in PLATFORMS}.values():
        image = images.manifest(child.digest)
        if image is not None and image.media_type not in INDEX_TYPES:
            yield decode(image.data, Manifest, where=where)


def _said(manifest: Manifest, diff_ids: Sequence[str]) -> dict[str, LayerInfo]:
    """Read in the annotations of `manifest` what layer keys came out as."""
    if len(diff_ids) != len(manifest.layers):
        return {}
    return {
        key: LayerInfo(blob, DiffID(diff_id))
        for (key, blob), diff_id in zip(_keyed(manifest), diff_ids, strict=True)
        if key is not None
    }


def _said_here(manifest: Manifest, facts: Facts) -> dict[str, LayerInfo] | None:
    """Give the same where `facts` know all of it; None where they don't, or say otherwise."""
    found: dict[str, LayerInfo] = {}
    for key, blob in _keyed(manifest):
        if key is not None:
            info = facts.get(key) if is_digest(key) else None  # it becomes a path
            if info is None or info.descriptor != blob:
                return None
            found[key] = info
    return found


def _keyed(manifest: Manifest) -> Iterator[tuple[str | None, Descriptor]]:
    """Give the key of each layer, where it is annotated, and its blob."""
    for layer in manifest.layers:
        blob = Descriptor(media_type=layer.media_type, digest=layer.digest, size=layer.size)
        yield (layer.annotations or {}).get(LAYER_KEY), blob
