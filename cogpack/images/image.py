"""A found image is what a name or digest stands for where it lies: its manifests are read, its blobs can be."""

from collections.abc import Sequence

import msgspec

from cogpack.digest import Digest
from cogpack.errors import InputError
from cogpack.images.address import Address
from cogpack.images.graph import Graph, Node
from cogpack.images.interface import Images
from cogpack.layers.weights import WEIGHTS
from cogpack.oci import (
    AUTHOR,
    DOCKER_CONFIG,
    LAYER_NAME,
    OCI_CONFIG,
    TITLE,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
    decode,
    read_config,
)
from cogpack.progress import Progress
from cogpack.text import count_text, one_line

PLATFORM = Platform(architecture="amd64", os="linux")
"""What is taken of an index if nothing is said, whatever machine this is."""


class FoundImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image, or an index of several, found at `address` among `images`."""

    address: Address
    images: Images
    graph: Graph
    root: Node

    @property
    def name(self) -> str:
        """Name it as the user does."""
        return str(self.address)

    @property
    def digest(self) -> Digest:
        return self.root.descriptor.digest

    @property
    def manifest(self) -> Manifest:
        """Give the manifest of its one image; `InputError` where it is an index of several."""
        if isinstance(self.root.document, Manifest):
            return self.root.document
        raise InputError(f"{self.name}: is an index", next_step="name one --platform, or pull it into a directory")

    @property
    def layers(self) -> list[tuple[str, Descriptor]]:
        """List name ("" where nobody gave one) and descriptor of each layer, bottom first."""
        return [((layer.annotations or {}).get(LAYER_NAME, ""), layer) for layer in self.manifest.layers]

    @property
    def weight_layers(self) -> list[Descriptor]:
        """List the layers with weights; all of them in an image whose layers have no names."""
        names = [name for name, _ in self.layers]
        if not any(names):
            names = self._names_of_history()
        named = [layer for name, layer in zip(names, self.manifest.layers, strict=True) if name.startswith(WEIGHTS)]
        return named if any(names) else list(self.manifest.layers)

    def _names_of_history(self) -> list[str]:
        """List the names that the config has of its layers: a manifest that becomes one of Docker's loses its own."""
        steps = [step for step in self.config().history or () if not step.get("empty_layer")]
        if len(steps) != len(self.manifest.layers):
            return [""] * len(self.manifest.layers)
        return [str(step.get("comment", "")) if step.get("created_by") == AUTHOR else "" for step in steps]

    def config(self) -> ImageConfig:
        """Read its image config."""
        return read_config(self.images.blob_bytes(self.manifest.config), ImageConfig, where=f"{self.name}: config")

    @property
    def platforms(self) -> tuple[str, ...]:
        """List what the index that it was chosen from offers, in the index's order; none where there was no index."""
        if self.graph.index is None:
            return ()
        index = decode(self.graph.index.data, Index, where=self.name)
        # Builders list attestations as of an unknown platform.
        found = (str(child.platform) for child in index.manifests if child.platform and child.platform.os != "unknown")
        return tuple(dict.fromkeys(found))


def tell_present(progress: Progress, sizes: Sequence[int]) -> None:
    """Show in one line blobs that need not move."""
    progress.task(count_text(len(sizes), "blob"), sum(sizes)).done("reused")


def title(blob: Descriptor) -> str:
    """Name a blob for people."""
    if blob.media_type in (OCI_CONFIG, DOCKER_CONFIG):
        return "config"
    named = blob.annotations or {}
    return one_line(named.get(LAYER_NAME) or named.get(TITLE) or f"blob {blob.digest[7:19]}")
