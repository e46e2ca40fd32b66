"""A container of an engine is opened: the image is brought to the engine first."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cogpack.commands.build import load_project
from cogpack.commands.pull_into_engine import DOCKER, PODMAN, pull_into
from cogpack.digest import sha256
from cogpack.images.address import Address
from cogpack.images.image import FoundImage
from cogpack.images.pulled_archive import pieces
from cogpack.oci import encode
from cogpack.opening import open_image, open_registry_image
from cogpack.progress import shown
from cogpack.running.bundle import Bundle
from cogpack.running.container import files_for_engine, gpus_of
from cogpack.running.engine import EngineContainer
from cogpack.running.options import ContainerOptions, Runtime
from cogpack.sandbox.guest import Bind
from cogpack.session import Session
from cogpack.sinks.daemon import Load, ask

_NAME = "localhost/cogpack-run"
"""Of images in an engine that have no other."""


@contextmanager
def open_engine_container(
    session: Session,
    image: str | None,
    bundle: Bundle,
    options: ContainerOptions,
    runtime: Runtime,
    more: Sequence[Bind],
) -> Iterator[EngineContainer]:
    """Open a container of `bundle`, which was made of `image`, by the engine `runtime`, for a `with`; `more`: what it
    sees besides."""
    ask(session.progress, runtime)
    wanted = options.gpus or "all" if gpus_of(session, bundle, options) else None
    name = _in_engine(session, image, bundle, runtime)
    with files_for_engine(session, bundle) as binds:
        yield EngineContainer(
            runtime,
            name,
            bundle,
            session.cancellation,
            binds=[*binds, *more],
            shm_size=options.shm_size,
            gpus=wanted,
        )


def _in_engine(session: Session, image: str | None, bundle: Bundle, runtime: Runtime) -> str:
    """Let the engine have the image, if it has it not; return how it calls it."""
    if image is not None and Address.parse(image).reference:
        pull_into(session, image, DOCKER if runtime == "docker" else PODMAN)
        return open_registry_image(session, image).with_tag
    weights = bundle.source.weights if bundle.source is not None else ()
    parts = [
        *(name for name, _ in (*bundle.layers, *weights)),
        *bundle.environment.items(),
        *bundle.command,
        bundle.user,
    ]
    name = f"{_NAME}:{sha256(encode(parts)).removeprefix('sha256:')[:32]}"
    asked = subprocess.run([runtime, "image", "inspect", name], capture_output=True, check=False)
    if asked.returncode == 0:
        return name
    if bundle.project is not None:
        load_project(session, bundle.project, tags=[name], program=runtime)
    else:
        assert image is not None
        _load(session, open_image(session, image), name, runtime)
    return name


def _load(session: Session, image: FoundImage, name: str, runtime: Runtime) -> None:
    """Stream an image of a layout into the engine."""
    with Load.running(session.cancellation, runtime) as engine:
        for piece in pieces(image.root, image.manifest, name):
            if isinstance(piece.content, bytes):
                engine.write(piece.content)
                continue
            with image.images.blob(piece.content) as blocks:
                for block in blocks:
                    engine.write(block)
        with shown(session.progress, image.name, "load"):
            engine.finish()
