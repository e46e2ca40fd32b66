"""`cogpack exec` runs a command over the files of the project's image, or of another image, without Docker."""

from collections.abc import Mapping, Sequence

from cogpack.commands.containers import open_any_container
from cogpack.running.bundle import open_bundle
from cogpack.running.given import given
from cogpack.running.options import Address, ContainerOptions
from cogpack.sandbox.run import Streams
from cogpack.session import Session


def execute(
    session: Session,
    command: Sequence[str],
    *,
    image: str | None = None,
    environment: Mapping[str, str] = {},
    ports: Sequence[Address] = (),
    container: ContainerOptions = ContainerOptions(),  # noqa: B008 - frozen
    streams: Streams,
) -> int:
    """Run `command` over the files of `image`: `HOST/NAME[:TAG|@DIGEST]`, or `DIR[:NAME]` of a layout; without one, of
    the image that the project would be. Returns its exit status.

    The project is /src, and what is written there stays; all else that is written is lost. `environment`: variables
    besides the image's; `ports`: that it listens on, which an engine's container is to publish.
    """
    environment, binds = given(environment)
    bundle = open_bundle(session, image, container, modelless=True)
    with open_any_container(session, image, bundle, container, binds) as running:
        return running.run(command, environment, streams, ports={address: address.port for address in ports})
