"""`cogpack push`: an image into the registries that are to have it."""

from collections.abc import Sequence
from itertools import chain

import msgspec

from cogpack.commands.results import ImageLayer, PlatformImage
from cogpack.digest import Digest
from cogpack.errors import CogpackError
from cogpack.layers.known import Known
from cogpack.oci import Descriptor
from cogpack.planning.delivery.attachments import Attaching
from cogpack.planning.delivery.delivery import BroughtImages, Delivery, PushedTo
from cogpack.planning.delivery.targets import push_targets
from cogpack.planning.describing import find_described
from cogpack.planning.known import look_up, record_results
from cogpack.planning.plan import weights_plan
from cogpack.planning.prepare import prepare_each, settle, with_told_libraries
from cogpack.session import Session


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """Tells what a push did.

    `reference`: of the first target, by digest; `descriptor`: of the manifest or, for several platforms, of the index;
    `config`: the config's digest, None of an index; `images`: each platform's; `tags`: HOST/NAME:TAG of all that name
    it now.

    `sent`, `copied` and `reused` in bytes and `requests` (blobs and manifests that were sent) are those of all
    `targets` together, without what was attached; `layers`: of the images, each once, with what was sent for it to all
    targets; `published`: the names of those that other models may have from now on.
    """

    reference: str
    digest: Digest
    config: Digest | None
    descriptor: Descriptor
    images: tuple[PlatformImage, ...]
    tags: tuple[str, ...]
    sent: int
    copied: int
    reused: int
    requests: int
    layers: tuple[ImageLayer, ...]
    targets: tuple[PushedTo, ...]
    published: tuple[str, ...] = ()


def push(
    session: Session,
    *targets: str,
    tags: Sequence[str] = (),
    rebuild: bool = False,
    weights_only: bool = False,
    create_repository: bool = False,
    tag_cache: bool = True,
    publish_layers: bool = False,
    attach: bool | None = None,
) -> Pushed:
    """Build what is missing and send to each target what it lacks; when all have all of it, move the tags.

    Of a project for several platforms, the image of each, and an index of them, which the tags then name.

    `targets`: `image` of cog.yaml if there is none; `tags`: in each of them, besides its own. `weights_only`: an image
    of the weight layers and nothing else. `create_repository`: where the registry wants that before the first push.
    `tag_cache`: the tags' present manifests may say what layers come out as. `publish_layers`: other models may have
    the layers that they could make, too, by the repository of `cogpack.shared_layers.publish`.
    `attach`: lock and SBOM refer to the image there, unless this or the machine's file says no. True: the registry is
    asked for those that this machine attached before; None: they are believed to be there.
    """
    project = find_described(session)
    named = push_targets(session, targets, tags, project)
    publisher = None
    if publish_layers:
        from cogpack.planning.shared_layers.publish import Publisher

        publisher = Publisher(session, project)
    session.homes = tuple(target.repository for target in named)
    for home in dict.fromkeys(session.homes):
        session.repository(home, push=True).requests.approach()  # connected to while the project is read
    each = prepare_each(session, project, writes=True)
    if weights_only:
        each = tuple(msgspec.structs.replace(one, plan=weights_plan(one.plan)) for one in each)
    deliveries = [Delivery(session, target) for target in named]
    present = {name: image.layers for one in deliveries for name, image in one.present.items()}
    session.notes.check()
    each = tuple(settle(session, one, again=rebuild) for one in each)
    known: list[Known] = []
    for prepared in each:
        seen = known[-1].read if known else {}
        known.append(
            look_up(session, prepared, present, rebuild=rebuild, tag_cache=tag_cache, seen=seen, delivered=True)
        )
    each = tuple(with_told_libraries(session, one, its) for one, its in zip(each, known, strict=True))
    parts = [(prepared.plan, its) for prepared, its in zip(each, known, strict=True)]
    for one in deliveries:
        one.tell_of_limits(parts)
    if create_repository:
        for one in deliveries:
            one.create_repository()
    session.notes.check()
    done: list[str] = []
    attaches = attach is not False and session.machine.attach and not weights_only
    attaching = Attaching(session, each, asks=attach is True) if attaches else None
    attached: list[tuple[Digest, ...]] = []
    try:
        brought: list[BroughtImages] = []
        for one in deliveries:
            brought.append(one.bring(parts))
            attached.append(attaching.attach(one, brought[-1]) if attaching else ())
            parts = [(plan, image.known) for (plan, _), image in zip(parts, brought[-1].images, strict=True)]
        session.notes.check()
        for one, image in zip(deliveries, brought, strict=True):
            one.give_names(image, done, waited=len(deliveries) > 1)
    except CogpackError as error:
        if len(deliveries) == 1:
            raise
        error.message += f"; tags that moved: {', '.join(done) or 'none'}"
        raise
    finally:
        each[0].fingerprints.save()
    record_results(session, [(prepared, its) for prepared, (_, its) in zip(each, parts, strict=True)])
    offered = [
        publisher.publish(plan, prepared.decisions, its, deliveries[0].images)
        for prepared, (plan, its) in zip(each, parts, strict=True)
        if publisher is not None
    ]
    return _told(deliveries, brought, attached, tuple(dict.fromkeys(chain.from_iterable(offered))))


def _told(
    deliveries: Sequence[Delivery],
    brought: Sequence[BroughtImages],
    attached: Sequence[tuple[Digest, ...]],
    published: tuple[str, ...],
) -> Pushed:
    told = [one.told(image, its) for one, image, its in zip(deliveries, brought, attached, strict=True)]
    same_layer = zip(*(image.layers for image in brought), strict=True)
    first = brought[0]
    images = tuple(PlatformImage.of(one.platform, one.image) for one in first.images)
    return Pushed(
        reference=told[0].reference,
        digest=first.root.digest,
        config=images[0].config if first.index is None else None,
        descriptor=first.root,
        images=images,
        tags=tuple(name for one in deliveries for name in one.target.names),
        sent=sum(one.sent for one in told),
        copied=sum(one.copied for one in told),
        reused=sum(one.reused for one in told),
        requests=sum(one.requests for one in told),
        layers=tuple(ImageLayer.of(ways[0], sent=sum(way.sent for way in ways)) for ways in same_layer),
        targets=tuple(told),
        published=published,
    )
