"""This sink fills a repository of a registry: ask first, mount what can be mounted, send the rest, the tag last."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from cogpack.digest import Digest
from cogpack.errors import MismatchError
from cogpack.images.registry import RegistryImages
from cogpack.layers.known import Outgoing
from cogpack.layers.layer import Body, Form
from cogpack.notes import Code, Note
from cogpack.oci import OCI_INDEX, OCI_MANIFEST, Descriptor, FoundManifest, Image, ImageIndex, LayerInfo
from cogpack.registry.push.blob_origins import BlobOrigins
from cogpack.registry.refusals import MissingBlobError
from cogpack.sinks.copies import Copies, Copy
from cogpack.trace import TRACE

if TYPE_CHECKING:
    from cogpack.registry.push.protocol import Answer

_LONG = 30 * 60.0
"""Seconds after which a registry may have thrown away what no manifest names yet (Quay: an hour)."""


class _Added(msgspec.Struct, frozen=True):
    layer: Outgoing
    info: LayerInfo
    on_bytes: Callable[[int], None]


class RegistrySink:
    """A sink over the images of a repository.

    `blob_origins`: what this machine remembers of other repositories of the registry, `copies`: of other registries.
    `copied`: the layers that were read there, by digest, with HOST/NAME of where.
    """

    parallel = True
    form = Form.STORED

    def __init__(self, images: RegistryImages, blob_origins: BlobOrigins, copies: Copies | None = None) -> None:
        self.copied: dict[Digest, str] = {}
        self._images = images
        self._repository = images.repository
        self._copies = copies
        self._reference = images.repository.reference
        self._blob_origins = blob_origins
        self._clock = images.repository.requests.http.clock
        self._begun = self._clock()
        self._added: list[_Added] = []
        self._turns: dict[Digest, threading.Lock] = {}
        self._configs: set[Digest] = set()
        self._manifests: dict[Digest, FoundManifest] = {}
        self._lock = threading.Lock()

    def add_layer(self, layer: Outgoing, on_bytes: Callable[[int], None]) -> LayerInfo:
        from cogpack.sinks.sink import drain

        known = layer.known
        if known is None and layer.read_first:
            known = layer.copy_to(lambda body: drain(body, on_bytes))
        if known is None:
            info = self._sent(layer, None, None, on_bytes)
        else:
            with self._turn(known.descriptor.digest):  # one image may name a blob twice
                info = self._mounted_or_sent(layer, known, on_bytes)
        with self._lock:
            self._added.append(_Added(layer, info, on_bytes))
        return info

    def _turn(self, digest: Digest) -> threading.Lock:
        with self._lock:
            return self._turns.setdefault(digest, threading.Lock())

    def _mounted_or_sent(self, layer: Outgoing, known: LayerInfo, on_bytes: Callable[[int], None]) -> LayerInfo:
        """Mount or send the layer, unless it is there: what `known` says is there afterwards."""
        where = f"{layer.name} ({known.descriptor.digest})"
        if self._images.has_blob(known.descriptor):
            if TRACE.level:
                TRACE.decided(f"{where}: {self._reference.name} has it")
            return known
        origins = self._blob_origins.origins(self._reference, layer.recipe.origins, known.descriptor.digest)
        opened = self._repository.mount_or_open(known.descriptor.digest, *origins, name=where)
        if opened is None:
            return known
        if TRACE.level:
            TRACE.decided(f"{where}: {self._reference.name} lacks it")
        return self._sent(layer, known, opened, on_bytes)

    def _sent(
        self, layer: Outgoing, known: LayerInfo | None, opened: "Answer | None", on_bytes: Callable[[int], None]
    ) -> LayerInfo:
        from cogpack.sinks.sink import drain

        if known is not None and self._copies is not None:
            blob = known.descriptor

            def take(copy: Copy, count: Callable[[int], None]) -> None:
                nonlocal opened
                begun, opened = opened, None
                self._repository.upload(
                    copy,
                    descriptor=blob,
                    finished=lambda: blob.digest,
                    on_bytes=count,
                    name=layer.name,
                    opened=begun,
                )

            if name := self._copies.bring(layer, blob, take, on_bytes):
                self.copied[blob.digest] = name
                return known

        def send(body: Body) -> None:
            blocks = _Drained(body, on_bytes)
            self._repository.upload(
                blocks,
                descriptor=known.descriptor if known else None,
                finished=lambda: body.last().descriptor.digest,
                on_bytes=on_bytes,
                name=layer.name,
                opened=opened,
            )
            if not blocks.drained:  # another push brought the blob while this one failed: still say what it is
                drain(body, on_bytes)

        made = layer.copy_to(send)
        if known not in (None, made):
            raise MismatchError(
                f"{layer.name}: was {known.descriptor.digest} when asked for, {made.descriptor.digest} when sent",
                next_step="run it again when nothing writes to the project",
            )
        return made

    def put_config(self, image: Image) -> None:
        """Store the config, once. Where it is known what all layers come out as, it can go beside them."""
        blob = image.config_descriptor
        with self._turn(blob.digest):
            if blob.digest not in self._configs:
                self._images.put_blob(blob, image.config)
                self._configs.add(blob.digest)

    def put(self, image: Image) -> Descriptor:
        if self._clock() - self._begun > _LONG:
            self._restore()
        try:
            self._put_image(image)
        except MissingBlobError:
            self._restore()
            self._put_image(image)
        self._blob_origins.record(
            self._reference.registry, self._reference.repository, (info.descriptor.digest for _, info in image.layers)
        )
        return image.descriptor

    def _put_image(self, image: Image) -> None:
        self.put_config(image)
        self._put_manifest(image.descriptor.digest, OCI_MANIFEST, image.manifest)

    def _put_manifest(self, digest: Digest, media_type: str, data: bytes) -> None:
        self._images.put_manifest(data, media_type, digest)
        self._manifests[digest] = FoundManifest(media_type, data, digest)

    def put_index(self, index: ImageIndex) -> Descriptor:
        """Store it, by digest: its images are there."""
        self._put_manifest(index.descriptor.digest, OCI_INDEX, index.data)
        return index.descriptor

    def _restore(self) -> None:
        """Send again what the registry has thrown away meanwhile: no manifest named it yet."""
        self._configs.clear()
        for added in tuple(self._added):
            if not self._images.has_blob(added.info.descriptor):
                self._sent(added.layer, added.info, None, added.on_bytes)

    def commit(self, root: Descriptor, tags: Sequence[str]) -> None:
        made = self._manifests.get(root.digest) or self._taken(root.digest)
        for tag in tags:
            self._images.put_manifest(made.data, made.media_type, tag)
            now = self._repository.tag_digest(tag) or self._taken(tag).digest
            if now != root.digest:
                self._repository.requests.http.progress.note(
                    Note(
                        Code.TAG_MOVED,
                        f"{self._reference.name}:{tag} is {now} already: another push came right behind this one",
                    )
                )

    def _taken(self, ref: str) -> FoundManifest:
        """Look up the manifest that was put under `ref`."""
        found = self._images.manifest(ref)
        if found is None:
            raise MismatchError(
                f"{self._reference.name}: the registry took the manifest {ref} and does not have it",
                next_step="run it again; if it persists, tell the registry's operator",
            )
        return found


class _Drained:
    """The body, which tells whether any pass over it came to its end.

    `on_bytes` hears when one begins: by then whoever sends it cancels the upload if we are to stop.
    """

    def __init__(self, body: Body, on_bytes: Callable[[int], None]) -> None:
        self._body = body
        self._on_bytes = on_bytes
        self.drained = False

    def __iter__(self) -> Iterator[bytes]:
        self._on_bytes(0)
        yield from self._body
        self.drained = True
