"""A repository of a registry as sink: ask first, mount what can be mounted, send the rest, the tag last."""

from collections.abc import Callable, Iterator, Sequence

from cogpack.errors import MismatchError
from cogpack.layers.layer import Body, Form, Layer
from cogpack.oci import OCI_MANIFEST, Descriptor, Image, LayerInfo
from cogpack.reference import Reference
from cogpack.registry.client import Repository
from cogpack.registry.protocol import Answer

_MOUNTS = 3
"""Repositories that a layer is asked to be mounted from, before it is sent."""


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
        if known is None and layer.read_first:
            known = layer.copy_to(_drain)
        session: Answer | None = None
        if known is not None:
            if self.has(known.descriptor):
                return known
            for origin in self._homes(layer):
                if session is not None:
                    self._repository.cancel(session)
                session = self._repository.mount_or_open(known.descriptor.digest, origin)
                if session is None:
                    return known
        made = layer.copy_to(lambda body: self._send(layer.name, body, known, session, on_bytes))
        if known not in (None, made):
            raise MismatchError(
                f"{layer.name}: was {known.descriptor.digest} when asked for, {made.descriptor.digest} when sent",
                next_step="run it again when nothing writes to the project",
            )
        return made

    def _send(
        self,
        name: str,
        body: Body,
        known: LayerInfo | None,
        session: Answer | None,
        on_bytes: Callable[[int], None],
    ) -> None:
        blocks = _Drained(body)
        self._repository.upload(
            blocks,
            descriptor=known.descriptor if known else None,
            finished=lambda: body.last().descriptor.digest,
            on_bytes=on_bytes,
            name=name,
            session=session,
        )
        if not blocks.drained:  # another push brought the blob while this one failed: still say what it is
            _drain(body)

    def _homes(self, layer: Layer) -> list[str]:
        """Repositories of this registry that the layer may be mounted from."""
        here = self._reference
        return [
            origin.repository
            for origin in layer.origins
            if origin.registry == here.registry and origin.repository != here.repository
        ][:_MOUNTS]

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


class _Drained:
    """The body, and whether any pass over it came to its end."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.drained = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._body
        self.drained = True


def _drain(body: Body) -> None:
    for _ in body:
        pass
