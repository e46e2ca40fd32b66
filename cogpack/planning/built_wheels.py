"""Wheels that nobody publishes: who builds them for a project, and where they lie once it was pushed.

They are an artifact beside the image, which refers to it: so a registry keeps them as long as the image, and whoever
pushes the next one from an empty machine has them by their digests.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cogpack.artifacts import Store
from cogpack.digest import Digest
from cogpack.errors import DeniedError, InputError, UnavailableError
from cogpack.images.interface import WritableImages
from cogpack.lockfile import LockedWheel
from cogpack.locking.wheels.building import Building, Built, Ground, Source
from cogpack.locking.wheels.outlines import wheel_artifact
from cogpack.oci import TITLE, Descriptor
from cogpack.planning.delivery.targets import is_bare, push_reference
from cogpack.project import Project
from cogpack.reference import Reference
from cogpack.session import Session
from cogpack.sizes import BLOCK
from cogpack.trace import TRACE

if TYPE_CHECKING:
    from cogpack.planning.building.builder import SourceBuilder

ARTIFACT = "application/vnd.cogpack.wheels.v1"
"""The type of the artifact, of which each layer is a wheel."""
WHEEL = "application/zip"


def building_of(session: Session, project: Project) -> Building:
    """Say how wheels of the project's sources are had."""
    return Building(builder=_Builder(session, project), pushed=partial(_pushed, session, project))


class _Builder:
    """Is a `WheelBuilder` that loads what it takes once there is something to build, which few projects have."""

    def __init__(self, session: Session, project: Project) -> None:
        self._session = session
        self._project = project

    def build(self, sources: Sequence[Source], ground: Ground) -> Sequence[Built | InputError]:
        return self._loaded().build(sources, ground)

    def rebuild(self, source: Source, requires: Sequence[LockedWheel], ground: Ground) -> Built:
        return self._loaded().rebuild(source, requires, ground)

    def _loaded(self) -> "SourceBuilder":
        from cogpack.planning.building.builder import SourceBuilder

        return SourceBuilder(self._session, self._project)


def _pushed(session: Session, project: Project, wheel: LockedWheel) -> Path | None:
    """Fetch a wheel from a repository that the project is pushed to. One that can't be asked has none."""
    if session.depot or wheel.size is None:
        return None
    descriptor = _described(wheel)
    for reference in _repositories(session, project):
        repository = session.repository(reference, patient=False)
        try:
            if repository.has_blob(descriptor):
                with repository.blob(descriptor) as blocks:
                    session.store.take(wheel.filename, blocks)
                TRACE.decided(f"{wheel.filename}: {reference.name} has it")
                return session.store.find(wheel_artifact(wheel))
        except (DeniedError, UnavailableError) as error:
            TRACE.decided(f"{wheel.filename}: {reference.name} does not say whether it has it: {error.message}")
    return None


def _repositories(session: Session, project: Project) -> Iterator[Reference]:
    """Give those that are to be pushed to, and the one that cog.yaml names."""
    yield from session.homes
    if project.config.image:
        with suppress(InputError):  # which who needs the name is told
            reference = push_reference(None, project)
            if not is_bare(reference) and reference.name not in {home.name for home in session.homes}:
                yield reference


def _described(wheel: LockedWheel) -> Descriptor:
    assert wheel.size is not None
    digest = Digest(f"sha256:{wheel.sha256}")
    return Descriptor(media_type=WHEEL, digest=digest, size=wheel.size, annotations={TITLE: wheel.filename})


def attach_wheels(images: WritableImages, store: Store, image: Descriptor, wheels: Sequence[LockedWheel]) -> None:
    """Leave `wheels` beside the image that is there: what `images` have of them already, and what is here."""
    from cogpack.images.referrers import artifact_of, put_artifact

    layers = [_described(wheel) for wheel in wheels if wheel.size is not None and _leave(images, store, wheel)]
    if not layers:
        return
    node = artifact_of(image, ARTIFACT, layers)
    if images.manifest(node.descriptor.digest) is None:
        put_artifact(images, node)


def _leave(images: WritableImages, store: Store, wheel: LockedWheel) -> bool:
    descriptor = _described(wheel)
    if images.has_blob(descriptor):
        return True
    if store.find(wheel_artifact(wheel)) is None:
        return False
    images.bring(descriptor, _Stored(store, wheel), lambda _: None)
    return True


class _Stored:
    """Is the `Blobs` of one wheel of the store."""

    def __init__(self, store: Store, wheel: LockedWheel) -> None:
        self._store = store
        self._wheel = wheel

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        artifact = wheel_artifact(self._wheel)
        assert descriptor.digest == artifact.digest
        path, _ = self._store.verified(artifact, tuple)
        with path.open("rb") as stream:
            yield iter(lambda: stream.read(BLOCK), b"")
