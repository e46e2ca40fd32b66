"""`cogpack serve` runs a model's server on this machine, without Docker."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack

import msgspec

from cogpack.commands.containers import open_any_container
from cogpack.errors import InputError
from cogpack.running.bundle import open_bundle, streaming
from cogpack.running.given import given
from cogpack.running.logs import ServerLines
from cogpack.running.options import ContainerOptions
from cogpack.running.playground import Playground
from cogpack.running.predictions import Kind
from cogpack.running.server import LOOPBACK, Server, free_port
from cogpack.runtime.labelled_schema import only_trains
from cogpack.sandbox.run import Streams
from cogpack.session import Session

SETUP_TIMEOUT = 300


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """Is a server that is ready. `url`: where it is asked from here; `image`: whose model it serves; `playground`: the
    page to try it with, None where none was asked for."""

    image: str
    url: str
    port: int
    playground: str | None = None


def serve(
    session: Session,
    *,
    image: str | None = None,
    port: int = 0,
    host: str = LOOPBACK,
    environment: Mapping[str, str] = {},
    container: ContainerOptions = ContainerOptions(),  # noqa: B008 - frozen
    setup_timeout: float = SETUP_TIMEOUT,
    playground: bool = False,
    upload_url: str | None = None,
    streams: Streams,
    ready: Callable[[Served], object],
) -> None:
    """Serve the model of `image`, or of the project, until it is interrupted; `ready` is called once it is.

    `environment`: as `run` takes it. `port`: 0 for any free one. `playground`: serve a page to try it with, too, for
    which the server streams. `upload_url`: where the model's server PUTs files that the model gives. Ends with a
    `ModelError` if the server does. A model that makes no predictions serves its trainings.
    """
    environment, binds = given(environment)
    bundle = open_bundle(session, image, container)
    kind: Kind = "training" if only_trains(bundle.schema) else "prediction"
    if playground and kind == "training":
        raise InputError(f"{bundle.name}: the model makes no predictions to try", next_step="leave out --playground")
    if playground:
        bundle = streaming(bundle)
    with open_any_container(session, image, bundle, container, binds) as running:
        port = port or free_port()
        lines = ServerLines(streams.output)
        with ExitStack() as stack:
            stack.callback(lines.end)
            words = ("--upload-url", upload_url) if upload_url else ()
            server = stack.enter_context(Server(running, port, environment, Streams(lines.hear), host, kind, words))
            server.wait_until_ready(setup_timeout)
            page = stack.enter_context(Playground(server.url, bundle, image)) if playground else None
            ready(Served(image=bundle.name, url=server.url, port=port, playground=page.url if page else None))
            server.wait()
