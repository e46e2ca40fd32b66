"""`cogpack push`."""

from collections.abc import Mapping, Sequence

import msgspec

from cogpack.artifacts import Artifact
from cogpack.commands.addresses import tell_of_hub
from cogpack.commands.gather import locked_weights
from cogpack.commands.lock import write_lock
from cogpack.commands.prepare import Prepared, open_project, prepare
from cogpack.commands.session import Session
from cogpack.digest import DiffID, Digest
from cogpack.errors import InputError
from cogpack.image import LAYER_KEY
from cogpack.layers.layer import Form
from cogpack.layers.wheels import check_clashes
from cogpack.lock import Lock, Result, Results
from cogpack.notes import Code, Note
from cogpack.oci import CONFIG_LIMIT, INDEX_TYPES, Descriptor, ImageConfig, LayerInfo, Manifest, decode, read_config
from cogpack.plan import PROJECT, Plan, weights_plan
from cogpack.project import Project
from cogpack.reference import Reference
from cogpack.registry.client import Repository
from cogpack.registry.credentials.clouds import aws
from cogpack.registry.quirks import profile
from cogpack.sinks.registry import RegistrySink
from cogpack.transfer import Moved, known_image, learn, transfer, vouched


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """`sent` and `reused` in bytes; `requests`: blobs and manifests that were sent."""

    reference: str
    digest: Digest
    sent: int
    reused: int
    requests: int
    layers: tuple[Moved, ...]


def push(
    session: Session,
    target: str | None,
    *,
    rebuild: bool = False,
    weights_only: bool = False,
    create_repository: bool = False,
    tag_cache: bool = True,
) -> Pushed:
    """Build what is missing, send what the target lacks, move the tag last.

    `weights_only`: an image of the weight layers and nothing else. `create_repository`: where the registry wants that
    before the first push. `tag_cache`: the tag's present manifest may say what layers come out as.
    """
    project = open_project(session)
    reference = registry_reference(session, target, project)
    prepared = prepare(session, project, writes=True)
    if weights_only:
        prepared = msgspec.structs.replace(prepared, plan=weights_plan(prepared.plan))
    tag = reference.tag or "latest"
    repository = session.repository(reference, push=True)
    present, word = present_layers(repository, reference.with_tag(tag))
    read_new_files(session, prepared)
    if not rebuild:
        who = f"the tag {reference.name}:{tag}"
        believe_known(session, prepared.plan, prepared.lock, word, who, tag_cache=tag_cache)
    check_wheels(session, prepared.plan)
    read_project(session, prepared)
    _tell_of_limits(session, prepared.plan, reference)
    if create_repository and aws.create_repository(reference.registry, reference.repository):
        session.progress.note(Note(Code.REPOSITORY_MADE, f"made the repository {reference.name}"))
    image = known_image(prepared.plan)
    sink = RegistrySink(repository, reference, session.homes)
    if image is not None and (image.descriptor.digest == present or repository.manifest(image.descriptor.digest)):
        # This very image is there: the registry would not have it without its blobs.
        tagged = image.descriptor.digest == present
        if not tagged:
            sink.commit(image.descriptor, [tag])
        layers = tuple(
            Moved(name=layer.name, key=layer.key, info=layer.known, sent=0, vouched=vouched(layer))
            for layer in prepared.plan.layers
            if layer.known
        )
        digest = image.descriptor.digest
        sent, requests = (0, 0) if tagged else (len(image.manifest), 1)
    else:
        done = transfer(
            prepared.plan,
            sink,
            tags=[tag],
            jobs=session.settings.jobs,
            facts=session.facts,
            progress=session.progress,
            cancellation=session.cancellation,
        )
        layers, digest, image = done.layers, done.descriptor.digest, done.image
        documents = len(image.config) + len(image.manifest)
        sent = sum(layer.sent for layer in layers) + documents
        requests = sum(1 for layer in layers if layer.sent) + 2
    record_results(session, prepared, {layer.key: layer.info for layer in layers})
    return Pushed(
        reference=f"{reference.name}@{digest}",
        digest=digest,
        sent=sent,
        reused=sum(layer.info.descriptor.size for layer in layers if not layer.sent),
        requests=requests,
        layers=layers,
    )


def _tell_of_limits(session: Session, plan: Plan, reference: Reference) -> None:
    """A push that can't work should be told of before it has run for an hour."""
    known = profile(reference.registry)
    for layer in plan.layers:
        size = layer.size(Form.STORED)
        if known.largest is not None and size is not None and size > known.largest:
            text = f"{layer.name} has {size} bytes; {known.name} takes {known.largest} in a layer ({known.source})"
            session.progress.note(Note(Code.LAYER_ABOVE_LIMIT, text))


def push_reference(target: str | None, project: Project) -> Reference:
    if target:
        reference = Reference.parse(target)
    elif project.config.image:
        reference = Reference.parse(
            project.config.image, where=project.config.where("model" if "model" in project.config.places else "image")
        )
    else:
        raise InputError(
            "no target: none was given and cog.yaml has no image",
            next_step="run cogpack push HOST/NAME:TAG, or write image: HOST/NAME into cog.yaml",
        )
    if reference.digest:
        raise InputError(f"{reference}: a push makes its own digest", next_step="leave out the part from @ on")
    return reference


def registry_reference(session: Session, target: str | None, project: Project) -> Reference:
    """As `push_reference`, and somebody's to push to: Docker Hub's official images are not."""
    reference = push_reference(target, project)
    written = target or project.config.image or ""
    if is_bare(reference):
        config = project.config_path.name
        raise InputError(
            f"{written}: names no registry" if target else f"{config}: image: {written} names no registry",
            next_step="write HOST/NAME:TAG"
            if target
            else f"run cogpack push HOST/NAME:TAG, or write image: HOST/NAME into {config}",
        )
    tell_of_hub(session, written, reference)
    return reference


def is_bare(reference: Reference) -> bool:
    """A name without a registry and without an owner: enough for this machine, and nobody's to push to."""
    return reference.name.startswith("docker.io/library/")


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


def read_new_files(session: Session, prepared: Prepared) -> None:
    """Learn the digests of layers of files that no run has read yet, before a target is asked for them."""
    learn(prepared.plan, facts=session.facts, progress=session.progress, cancellation=session.cancellation)
    prepared.fingerprints.save()


def read_project(session: Session, prepared: Prepared) -> None:
    """Make the project's own layer, which no lock remembers, where it is all that is not known of the image."""
    unknown = [layer for layer in prepared.plan.built if layer.known is None]
    if [layer.name for layer in unknown] == [PROJECT]:
        unknown[0].learn(lambda _: session.cancellation.check())


def believe_known(
    session: Session,
    plan: Plan,
    lock: Lock,
    word: Mapping[str, LayerInfo] = {},
    who: str = "",
    *,
    tag_cache: bool = True,
) -> None:
    """Lock, facts and the target's tag `who` say what layers come out as; where two differ, it is an error.

    Whoever could move the tag once could lay any layer there under the right key. So its `word` is used with a note,
    and never written down; it is not asked of the project's own layer, which is made in no time.
    """
    pinned = {result.key: result.info for result in lock.results.layers}
    for layer in plan.built:
        layer.ask(pinned, vouched="cogpack.lock")
        layer.ask(session.facts, vouched="the cache")
        if tag_cache and layer.name != PROJECT:
            layer.ask(word, vouched=who, hearsay=True)
        if layer.known is None and not layer.unread and (session.facts.doubtful(layer.key) or layer.key in word):
            layer.suspect()
    if names := ", ".join(layer.name for layer in plan.built if layer.hearsay):
        text = f"{who} alone says what these layers come out as: {names}; --no-tag-cache makes them here"
        session.progress.note(Note(Code.TAG_VOUCHED, text))


def check_wheels(session: Session, plan: Plan) -> None:
    """Before a new layer of wheels is made: do two wheels hold different files of one name?

    Wheels of layers that are known are looked at where they are here already; they are not fetched for this.
    """
    unknown = {layer.key for layer in plan.built if layer.known is None and not layer.unread}
    if any(key in unknown for key, _ in plan.wheels):
        check_clashes(
            wheel
            for key, wheel in plan.wheels
            if key in unknown or session.store.find(Artifact(wheel.filename, Digest(f"sha256:{wheel.sha256}"), None))
        )


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
