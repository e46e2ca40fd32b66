"""What is known of layers before they are made: by the lock, this machine's facts, and a tag's manifest."""

from collections.abc import Mapping, Sequence

import msgspec

from cogpack.digest import DiffID, Digest
from cogpack.errors import InputError
from cogpack.lock import Lock, Result, Results
from cogpack.locking.current import write_lock
from cogpack.notes import Code, Note
from cogpack.oci import (
    CONFIG_LIMIT,
    INDEX_TYPES,
    LAYER_KEY,
    Descriptor,
    ImageConfig,
    LayerInfo,
    Manifest,
    decode,
    read_config,
)
from cogpack.planning.plan import PROJECT, Plan
from cogpack.planning.prepare import Prepared
from cogpack.planning.transfer import learn
from cogpack.planning.weights import locked_weights
from cogpack.reference import Reference
from cogpack.registry.repository import Repository
from cogpack.session import Session


def read_new_files(session: Session, prepared: Prepared) -> None:
    """Learn the digests of layers of files that no run has read yet, before a target is asked for them."""
    learn(prepared.plan, facts=session.facts, progress=session.progress, cancellation=session.cancellation)
    prepared.fingerprints.save()


def read_project(session: Session, prepared: Prepared) -> None:
    """Make the project's own layer, which no lock remembers, before anything is sent: a file that still changes is
    found now, and not behind the weights."""
    for layer in prepared.plan.built:
        if layer.name == PROJECT and layer.known is None:
            layer.learn(lambda _: session.cancellation.check())


def believe_known(
    session: Session,
    plan: Plan,
    lock: Lock,
    words: Mapping[str, Mapping[str, LayerInfo]] = {},
    *,
    tag_cache: bool = True,
) -> None:
    """Lock, facts and the targets' tags say what layers come out as; where two differ, it is an error. `words`: those
    of the tags, by their names.

    Whoever could move the tag once could lay any layer there under the right key. So its word is used with a note,
    and never written down; it is not asked of the project's own layer, which is made in no time.
    """
    pinned = {result.key: result.info for result in lock.results.layers}
    tags = {f"the tag {name}": word for name, word in words.items()}
    for layer in plan.built:
        layer.ask(pinned, vouched="cogpack.lock")
        layer.ask(session.facts, vouched="the cache")
        if tag_cache and layer.name != PROJECT:
            for who, word in tags.items():
                layer.ask(word, vouched=who, hearsay=True)
        if layer.known is None and not layer.unread:
            key = layer.key
            if any(key in word for word in tags.values()) or session.facts.doubtful(key):
                layer.suspect()
    for who in tags:
        if names := ", ".join(layer.name for layer in plan.built if layer.hearsay and layer.vouched == who):
            text = f"{who} alone says what these layers come out as: {names}; --no-tag-cache makes them here"
            session.progress.note(Note(Code.TAG_VOUCHED, text))


def record_results(session: Session, prepared: Prepared, infos: Mapping[str, LayerInfo]) -> None:
    """Write what the layers came out as into the lock, unless it is not to be touched. It is only remembered there, so
    nothing ends for it.

    The project's own layer is left out: it changes with each line of code, and is made in no time. So is what only a
    tag says: who reads the lock would take it for ours.
    """
    if prepared.pinned:
        return
    made: dict[str, Result] = {
        layer.key: Result.of(layer.name, layer.key, infos[layer.key])
        for layer in prepared.plan.built
        if layer.name != PROJECT and not layer.hearsay
    }
    if len(prepared.lock.platforms) > 1 or not prepared.plan.wheels:  # what was not planned stays
        made = {result.key: result for result in prepared.lock.results.layers if result.name != PROJECT} | made
    layers = tuple(sorted(made.values(), key=lambda result: (result.name, result.key)))
    weights = locked_weights(prepared.project, prepared.gathered, prepared.plan, prepared.fingerprints, prepared.lock)
    prepared.fingerprints.save()
    if (results := Results(layers, weights)) != prepared.lock.results:
        try:
            write_lock(prepared.project, msgspec.structs.replace(prepared.lock, results=results))
        except InputError as error:
            text = f"{error.message}; a machine with nothing but the lock has to build what is known here"
            session.progress.note(Note(Code.RESULTS_UNWRITTEN, text))


def present_layers(repository: Repository, tag: Reference) -> tuple[Digest | None, dict[str, LayerInfo]]:
    """The digest that `tag` has now, and what its layer descriptors say their keys came out as."""
    assert tag.tag is not None
    found = repository.manifest(tag.tag)
    if found is None:
        return None, {}
    media_type, data, digest = found
    if media_type in INDEX_TYPES:
        return digest, {}
    try:
        manifest = decode(data, Manifest, where=str(tag))
        config = repository.blob_bytes(manifest.config, limit=CONFIG_LIMIT)
        word = _word(manifest, read_config(config, ImageConfig, where=str(tag)).rootfs.diff_ids)
    except InputError:  # somebody else's artifact under this tag: nothing to learn
        return digest, {}
    return digest, word


def _word(manifest: Manifest, diff_ids: Sequence[str]) -> dict[str, LayerInfo]:
    """What the annotations of `manifest` say that layer keys came out as."""
    if len(diff_ids) != len(manifest.layers):
        return {}
    return {
        layer.annotations[LAYER_KEY]: LayerInfo(
            Descriptor(media_type=layer.media_type, digest=layer.digest, size=layer.size), DiffID(diff_id)
        )
        for layer, diff_id in zip(manifest.layers, diff_ids, strict=True)
        if layer.annotations and LAYER_KEY in layer.annotations
    }
