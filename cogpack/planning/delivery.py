"""A push goes to one repository after the other: each is asked what it has, filled, and named last of all."""

from collections.abc import Mapping

import msgspec

from cogpack.digest import Digest
from cogpack.layers.known import Known
from cogpack.layers.layer import key_of
from cogpack.notes import Code, Note
from cogpack.oci import (
    Image,
    LayerInfo,
)
from cogpack.planning.known import present_layers
from cogpack.planning.plan import Plan
from cogpack.planning.targets import PushTarget
from cogpack.planning.transfer import Moved, known_image, transfer
from cogpack.progress import asking
from cogpack.registry.credentials.clouds import aws
from cogpack.registry.profiles import profile
from cogpack.session import Session
from cogpack.sinks.registry import RegistrySink


class PushedTo(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of one repository: `tags` name the image there. `copied`: bytes of `sent` that another registry gave."""

    reference: str
    tags: tuple[str, ...]
    sent: int
    copied: int
    reused: int
    requests: int


class Delivery:
    """Takes one repository through a push: it is asked, filled, and named."""

    def __init__(self, session: Session, plan: Plan, target: PushTarget) -> None:
        self.target = target
        self.layers: tuple[Moved, ...] = ()
        self._session = session
        self._plan = plan
        self._images = session.images(target.repository, push=True)
        self._sink = RegistrySink(self._images, session.mounts, session.copies(target.repository))
        self._present: dict[str, Digest | None] = {}
        self.present_layers: dict[str, Mapping[str, LayerInfo]] = {}
        """What the manifests that its tags name now say that layers come out as, by the tag's name."""
        for tag, name in zip(target.tags, target.names, strict=True):
            with asking(session.progress, name):
                self._present[tag], self.present_layers[name] = present_layers(
                    self._images, target.repository.with_tag(tag)
                )
        self._image: Image | None = None
        self._moving: list[str] = []
        self._sent = 0
        self._requests = 0

    @property
    def image(self) -> Image:
        assert self._image is not None
        return self._image

    @property
    def digest(self) -> Digest:
        return self.image.descriptor.digest

    def tell_of_limits(self, known: Known) -> None:
        """Note which layers the registry will refuse: who waits for a push that can't work should know it before."""
        host = profile(self.target.repository.registry)
        for layer in self._plan.layers:
            size = known.size(layer)
            if host.largest is not None and size is not None and size > host.largest:
                text = f"{layer.name} has {size} bytes; {host.name} takes {host.largest} in a layer ({host.source})"
                self._session.progress.note(Note(Code.LAYER_ABOVE_LIMIT, text))

    def create_repository(self) -> None:
        where = self.target.repository
        if aws.create_repository(where.registry, where.repository):
            self._session.progress.note(Note(Code.REPOSITORY_MADE, f"made the repository {where.name}"))

    def bring(self, known: Known) -> Known:
        """Send all of the image, by digest. Give back what is known of its layers then."""
        image = known_image(self._plan, known)
        if image is not None and (
            image.descriptor.digest in self._present.values() or self._images.manifest(image.descriptor.digest)
        ):
            # This very image is there: the registry would not have it without its blobs.
            self.layers = tuple(
                Moved(name=layer.name, key=key_of(layer), info=found.info, sent=0, known_from=found.told_by)
                for layer in self._plan.layers
                if (found := known.of(layer))
            )
        else:
            done = transfer(
                self._plan,
                known,
                self._sink,
                tags=(),
                jobs=self._session.settings.jobs,
                supply=self._session.supply,
                facts=self._session.facts,
                progress=self._session.progress,
                cancellation=self._session.cancellation,
            )
            self.layers, image = done.layers, done.image
            self._sent = sum(layer.sent for layer in done.layers) + len(image.config) + len(image.manifest)
            self._requests = sum(1 for layer in done.layers if layer.sent) + 2
            known = done.known
        self._image = image
        self._moving = [tag for tag, present in self._present.items() if present != image.descriptor.digest]
        return known

    def give_names(self, done: list[str], *, waited: bool) -> None:
        """Move the tags, one after the other; `done` gets the name of each that names the image now.

        `waited`: while other targets were filled, no tag named the manifest, and the registry may have thrown it away.
        """
        if waited and self._moving and not self._images.manifest(self.digest):
            self._sink.put(self.image)
        for tag, name in zip(self.target.tags, self.target.names, strict=True):
            if tag in self._moving:
                self._sink.commit(self.image.descriptor, [tag])
            done.append(name)
        if not self._requests:
            self._sent = len(self.image.manifest) * len(self._moving)
            self._requests = len(self._moving)

    def told(self) -> PushedTo:
        copied = {layer.info.descriptor.digest: layer.info.descriptor.size for layer in self.layers}
        return PushedTo(
            reference=f"{self.target.repository.name}@{self.digest}",
            tags=self.target.tags,
            sent=self._sent,
            copied=sum(copied[digest] for digest in self._sink.copied),
            reused=sum(layer.info.descriptor.size for layer in self.layers if not layer.sent),
            requests=self._requests,
        )
