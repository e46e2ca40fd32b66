"""`cogpack push`."""

from collections.abc import Mapping, Sequence

import msgspec

from cogpack.commands.delivery import Delivery, PushedTo
from cogpack.commands.gather import locked_weights
from cogpack.commands.lock import write_lock
from cogpack.commands.prepare import Prepared, open_project, package_sizes, prepare
from cogpack.commands.results import ImageLayer
from cogpack.commands.session import Session
from cogpack.commands.targets import push_targets
from cogpack.digest import Digest
from cogpack.errors import CogpackError, InputError
from cogpack.lock import Lock, Result, Results
from cogpack.notes import Code, Note
from cogpack.oci import Descriptor, LayerInfo
from cogpack.plan import PROJECT, Plan, weights_plan
from cogpack.transfer import learn


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """`reference`: of the first target, by digest; `descriptor`: the manifest's, `config`: the config's digest;
    `tags`: HOST/NAME:TAG of all that name the image now.

    `sent`, `copied` and `reused` in bytes and `requests` (blobs and manifests that were sent) are those of all
    `targets` together; `layers`: of the image, with what was sent for each to all targets.
    """

    reference: str
    digest: Digest
    config: Digest
    descriptor: Descriptor
    tags: tuple[str, ...]
    sent: int
    copied: int
    reused: int
    requests: int
    layers: tuple[ImageLayer, ...]
    targets: tuple[PushedTo, ...]


def push(
    session: Session,
    targets: Sequence[str] = (),
    *,
    tags: Sequence[str] = (),
    rebuild: bool = False,
    weights_only: bool = False,
    create_repository: bool = False,
    tag_cache: bool = True,
) -> Pushed:
    """Build what is missing and send to each target what it lacks; when all have all of it, move the tags.

    `targets`: `image` of cog.yaml if there is none; `tags`: in each of them, besides its own. `weights_only`: an image
    of the weight layers and nothing else. `create_repository`: where the registry wants that before the first push.
    `tag_cache`: the tags' present manifests may say what layers come out as.
    """
    project = open_project(session)
    named = push_targets(session, targets, tags, project)
    prepared = prepare(session, project, writes=True)
    if weights_only:
        prepared = msgspec.structs.replace(prepared, plan=weights_plan(prepared.plan))
    deliveries = [Delivery(session, prepared.plan, target) for target in named]
    read_new_files(session, prepared)
    if not rebuild:
        words = {who: word for one in deliveries for who, word in one.words.items()}
        believe_known(session, prepared.plan, prepared.lock, words, tag_cache=tag_cache)
    read_project(session, prepared)
    for one in deliveries:
        one.tell_of_limits()
    if create_repository:
        for one in deliveries:
            one.create_repository()
    session.notes.check()
    done: list[str] = []
    try:
        for one in deliveries:
            one.bring(package_sizes(prepared))
        session.notes.check()
        for one in deliveries:
            one.give_names(done, waited=len(deliveries) > 1)
    except CogpackError as error:
        if len(deliveries) == 1:
            raise
        error.message += f"; tags that moved: {', '.join(done) or 'none'}"
        raise
    first = deliveries[0]
    record_results(session, prepared, {layer.key: layer.info for layer in first.layers})
    return _told(deliveries)


def _told(deliveries: "Sequence[Delivery]") -> Pushed:
    told = [one.told() for one in deliveries]
    same_layer = zip(*(one.layers for one in deliveries), strict=True)
    return Pushed(
        reference=told[0].reference,
        digest=deliveries[0].digest,
        config=deliveries[0].image.config_descriptor.digest,
        descriptor=deliveries[0].image.descriptor,
        tags=tuple(name for one in deliveries for name in one.target.names),
        sent=sum(one.sent for one in told),
        copied=sum(one.copied for one in told),
        reused=sum(one.reused for one in told),
        requests=sum(one.requests for one in told),
        layers=tuple(ImageLayer.of(ways[0], sent=sum(way.sent for way in ways)) for ways in same_layer),
        targets=tuple(told),
    )


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
