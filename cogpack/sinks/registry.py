"""A repository of a registry as sink: ask first, mount what can be mounted, send the rest, the tag last."""

from collections.abc import Callable, Iterator, Sequence

from cogpack.errors import MismatchError
from cogpack.layers.layer import Body, Form, Layer
from cogpack.oci import OCI_MANIFEST, Descriptor, Image, LayerInfo
from cogpack.reference import Reference
from cogpack.registry.client import Repository
from cogpack.sinks.base import counted


class RegistrySink:
    parallel = True
    form = Form.STORED

    def __init__(self, repository: Repository, reference: Reference) -> None:
        self._repository = repository
        self._reference = reference

    def has(self, blob: Descriptor) -> bool:
        return self._repository.has_blob(blob)

    def add_layer(self, layer: Layer, on_bytes: Callable[[int], None]) -> LayerInfo:
        known = layer.known
        if known is None and layer.size(Form.STORED) is not None:
            # A plain tar: reading costs little beside sending, so learn the digest first and ask.
            known = layer.copy_to(_drain)
        if known is not None:
            if self.has(known.descriptor) or self._mounted(layer, known):
                return known
            descriptor = known.descriptor
            return layer.copy_to(
                lambda body: self._repository.upload(
                    _Replayable(body, on_bytes), descriptor=descriptor, finished=lambda: body.last().descriptor.digest
                )
            )
        return layer.copy_to(
            lambda body: self._repository.upload(
                _Replayable(body, on_bytes), descriptor=None, finished=lambda: body.last().descriptor.digest
            )
        )

    def _mounted(self, layer: Layer, known: LayerInfo) -> bool:
        return any(
            self._repository.mount(known.descriptor.digest, origin.repository)
            for origin in layer.origins
            if origin.registry == self._reference.registry and origin.repository != self._reference.repository
        )

    def put(self, image: Image) -> Descriptor:
        config = image.config_descriptor
        if not self.has(config):
            self._repository.upload([image.config], descriptor=config, finished=lambda: config.digest)
        root = image.descriptor
        self._repository.put_manifest(image.manifest, OCI_MANIFEST, root.digest)
        return root

    def commit(self, root: Descriptor, tags: Sequence[str]) -> None:
        found = self._repository.manifest(root.digest)
        if found is None:
            raise MismatchError(
                f"{self._reference.name}@{root.digest}: the registry took the manifest and does not have it",
                next_step="run it again; if it persists, tell the registry's operator",
            )
        for tag in tags:
            self._repository.put_manifest(found[1], found[0], tag)


class _Replayable:
    """The body, with each block reported. Iterating again reports again: those bytes are sent again."""

    def __init__(self, body: Body, on_bytes: Callable[[int], None]) -> None:
        self._body = body
        self._on_bytes = on_bytes

    def __iter__(self) -> Iterator[bytes]:
        return counted(self._body, self._on_bytes)


def _drain(body: Body) -> None:
    for _ in body:
        pass
