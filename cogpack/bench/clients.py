"""Engines pull by rules that they don't tell of: these were read in their sources, and tried where they run."""

from typing import Final

from cogpack.bench.model import Client

DOCKER: Final = Client("docker", streams=3)
"""moby with its own store, all defaults: `max-concurrent-downloads` is 3, one layer is registered at a time."""

CONTAINERD: Final = Client("containerd", streams=3)
"""Of Kubernetes, all defaults: `max_concurrent_downloads` is 3, `max_concurrent_unpacks` 1."""

PODMAN: Final = Client("podman", streams=6)
"""podman and CRI-O: six layers at once."""

STOCK: Final = (DOCKER, PODMAN, CONTAINERD)
"""What people have, by its defaults."""


def ours(connections: int) -> Client:
    """Give `cogpack pull` into a layout or an archive: ranges of layers over all connections, and nothing unpacked."""
    return Client("cogpack pull", streams=connections, unpackers=0, ranges=True)
