"""Containers are opened for the commands that run something: our own, or those of an engine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cogpack.running.bundle import Bundle
from cogpack.running.container import Container, open_container
from cogpack.running.engine import EngineContainer
from cogpack.running.options import ContainerOptions
from cogpack.sandbox.guest import Bind
from cogpack.session import Session


@contextmanager
def open_any_container(
    session: Session, image: str | None, bundle: Bundle, options: ContainerOptions, binds: Sequence[Bind] = ()
) -> Iterator[Container | EngineContainer]:
    """Open a container of `bundle`, which was made of `image`, for a `with`; `binds`: what it sees besides."""
    if options.runtime is None:
        with open_container(session, bundle, options, binds) as own:
            yield own
        return
    from cogpack.commands.engine_container import open_engine_container  # with servers and sinks, for few runs

    with open_engine_container(session, image, bundle, options, options.runtime, binds) as other:
        yield other
