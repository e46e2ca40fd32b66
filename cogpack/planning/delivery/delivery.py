"""A push goes to one repository after the other: each is asked what it has, filled, and named last of all."""

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from cogpack.digest import Digest
from cogpack.errors import CogpackError
from cogpack.images.assemble import assemble_index
from cogpack.layers.known import Known
from cogpack.notes import Code, Note
from cogpack.oci import Descriptor, Image, ImageIndex, Platform
from cogpack.planning.built_wheels import attach_wheels
from cogpack.planning.delivery.targets import PushTarget
from cogpack.planning.delivery.transfer import (
    Moved,
    Resources,
    Transferred,
    each_once,
    known_image,
    reused,
    transfer,
)
from cogpack.planning.known import PresentImage, present_image
from cogpack.planning.plan import Plan
from cogpack.progress import asking
from cogpack.registry.profiles import profile
from cogpack.session import Session
from cogpack.sinks.registry import RegistrySink
from cogpack.threads import each


class PushedTo(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of one repository: `tags` name the image there. `copied`: bytes of `sent` that another registry gave;
    `attached`: artifacts that were put there, and refer to the image."""

    reference: str
    tags: tuple[str, ...]
    sent: int
    copied: int
    reused: int
    requests: int
    attached: tuple[Digest, ...] = ()


class BroughtImage(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of an image that is whole at a target, by digest. `known`: what is known of its layers then; `sent`: bytes,
    and `requests` for blobs and manifests: none where it was there already."""

    platform: Platform
    image: Image
    layers: tuple[Moved, ...]
    known: Known
    sent: int = 0
    requests: int = 0


class BroughtImages(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of what is whole at a target: the images, and of several the `index`. `sent` and `requests` are those of
    all of it."""

    images: tuple[BroughtImage, ...]
    index: ImageIndex | None = None
    sent: int
    requests: int

    @property
    def root(self) -> Descriptor:
        """Tell what the tags are to name."""
        return self.index.descriptor if self.index else self.images[0].image.descriptor

    @property
    def layers(self) -> tuple[Moved, ...]:
        """Give the layers of all images; one that an image shares with one before it is there once."""
        return each_once(one.layers for one in self.images)


class Delivery:
    """Takes one repository through a push: it is asked, filled (`bring`), and named (`give_names`).

    `images`: the repository's; `present`: what each of the target's tags names now, by its name.
    """

    def __init__(self, session: Session, target: PushTarget) -> None:
        self.target = target
        self._session = session
        self.images = session.images(target.repository, push=True)
        self._sink = RegistrySink(self.images, session.blob_origins, session.copies(target.repository))
        self.present: dict[str, PresentImage] = {}
        for tag, name in zip(target.tags, target.names, strict=True):
            with asking(session.progress, name):
                self.present[name] = present_image(self.images, target.repository.with_tag(tag), session.facts)

    def tell_of_limits(self, parts: Sequence[tuple[Plan, Known]]) -> None:
        """Note which layers the registry will refuse: who waits for a push that can't work should know it before."""
        host = profile(self.target.repository.registry)
        sizes = [(layer.name, known.size(layer)) for plan, known in parts for layer in plan.layers]
        for name, size in dict.fromkeys(sizes):
            if host.largest is not None and size is not None and size > host.largest:
                text = f"{name} has {size} bytes; {host.name} takes {host.largest} in a layer ({host.source})"
                self._session.progress.note(Note(Code.LAYER_ABOVE_LIMIT, text))

    def create_repository(self) -> None:
        from cogpack.registry.credentials.clouds import aws

        where = self.target.repository
        if aws.create_repository(where.registry, where.repository):
            self._session.progress.note(Note(Code.REPOSITORY_MADE, f"made the repository {where.name}"))

    def bring(self, parts: Sequence[tuple[Plan, Known]]) -> BroughtImages:
        """Send all of the image of each plan, by digest, and of several their index. What a plan shares with one before
        it is made and sent once."""
        images: list[BroughtImage] = []
        for plan, known in parts:
            images.append(self._bring(plan, known.with_read(images[-1].known.read) if images else known))
        sent, requests = sum(one.sent for one in images), sum(one.requests for one in images)
        if len(images) == 1:
            return BroughtImages(images=tuple(images), sent=sent, requests=requests)
        index = assemble_index([(one.platform, one.image) for one in images])
        if not self._has(index.descriptor.digest):
            self._put(images, index)
            sent, requests = sent + len(index.data), requests + 1
        return BroughtImages(images=tuple(images), index=index, sent=sent, requests=requests)

    def _bring(self, plan: Plan, known: Known) -> BroughtImage:
        image = known_image(plan, known)
        if image is not None and self._has(image.descriptor.digest):
            self._leave_wheels(plan, image)
            return BroughtImage(platform=plan.platform, image=image, layers=reused(plan, known), known=known)
        self.images.repository.requests.connect(min(self._session.settings.jobs, len(plan.layers)))
        done = self._transferred(plan, known, image)
        self._leave_wheels(plan, done.image)
        return BroughtImage(
            platform=plan.platform,
            image=done.image,
            layers=done.layers,
            known=done.known,
            sent=sum(layer.sent for layer in done.layers) + len(done.image.config) + len(done.image.manifest),
            requests=sum(1 for layer in done.layers if layer.sent) + 2,
        )

    def _transferred(self, plan: Plan, known: Known, image: Image | None) -> Transferred:
        """Move all of it; of an `image` that is known the config goes beside the layers, for which it is three round
        trips less."""
        done: list[Transferred] = []

        def move() -> None:
            done.append(transfer(plan, known, self._sink, Resources.of(self._session), tags=()))

        acts: list[Callable[[], None]] = [move] if image is None else [move, partial(self._sink.put_config, image)]
        cancellation = self._session.cancellation
        each(lambda act: act(), acts, jobs=len(acts), name="image", cancellation=cancellation)
        return done[0]

    def _leave_wheels(self, plan: Plan, image: Image) -> None:
        """Leave what was built beside the image. A registry that won't have that has the image all the same."""
        if not plan.built:
            return
        try:
            attach_wheels(self.images, self._session.store, image.descriptor, plan.built)
        except CogpackError as error:
            text = f"{self.target.repository.name}: the wheels that were built are not left beside the image: "
            self._session.progress.note(Note(Code.WHEELS_NOT_LEFT, f"{text}{error.message}"))

    def _has(self, digest: Digest) -> bool:
        """Tell whether this very image is there: the registry would not have it without its blobs."""
        return any(one.digest == digest for one in self.present.values()) or self.images.manifest(digest) is not None

    def give_names(self, brought: BroughtImages, done: list[str], *, waited: bool) -> None:
        """Move the tags, one after the other; `done` gets the name of each that names the image now.

        `waited`: while other targets were filled, no tag named the manifest, and the registry may have thrown it away.
        """
        root, moving = brought.root, self._moving(brought)
        if waited and moving and not self.images.manifest(root.digest):
            self._put(brought.images, brought.index)
        for tag, name in zip(self.target.tags, self.target.names, strict=True):
            if name in moving:
                self._sink.commit(root, [tag])
            done.append(name)

    def _put(self, images: Sequence[BroughtImage], index: ImageIndex | None) -> None:
        """Have the manifests of all `images` there, and then the index; the registry may have thrown some away while
        others came."""
        for one in images:
            if not self.images.manifest(one.image.descriptor.digest):
                self._sink.put(one.image)
        if index is not None:
            self._sink.put_index(index)

    def _moving(self, brought: BroughtImages) -> list[str]:
        """Name the tags that do not name the image yet."""
        return [name for name, one in self.present.items() if one.digest != brought.root.digest]

    def told(self, brought: BroughtImages, attached: tuple[Digest, ...]) -> PushedTo:
        sizes = {layer.info.descriptor.digest: layer.info.descriptor.size for layer in brought.layers}
        moving = len(self._moving(brought))
        return PushedTo(
            reference=f"{self.target.repository.name}@{brought.root.digest}",
            tags=self.target.tags,
            sent=brought.sent or brought.root.size * moving,
            copied=sum(sizes[digest] for digest in self._sink.copied),
            reused=sum(layer.info.descriptor.size for layer in brought.layers if not layer.sent),
            requests=brought.requests or moving,
            attached=attached,
        )
