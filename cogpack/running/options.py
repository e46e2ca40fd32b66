"""What a user chooses of a container, besides what is run in it (runtime-spec, and Docker's HostConfig)."""

from typing import Literal, NamedTuple, TypeAlias

import msgspec

from cogpack.sizes import GiB

Runtime: TypeAlias = Literal["docker", "podman"]


class Address(NamedTuple):
    """Is where a server is asked."""

    host: str
    port: int


class ContainerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Is what is chosen of one container.

    `isolated`: a project is seen as its image would hold it, and not its directory; `caches`: what models download into
    the user's cache directory is kept for the next container; `shm_size`: bytes of /dev/shm; `gpus`: as docker's
    `--gpus` takes them, None for all that there are where the image wants some; `runtime`: an engine in place of our
    own containers.
    """

    isolated: bool = False
    caches: bool = True
    shm_size: int = 6 * GiB
    gpus: str | None = None
    runtime: Runtime | None = None
