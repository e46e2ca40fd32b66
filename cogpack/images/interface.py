"""Images have this one interface wherever they lie; `registry` and `layout` implement it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from cogpack.digest import Digest
from cogpack.errors import CogpackError
from cogpack.images.graph import Node
from cogpack.oci import CONFIG_LIMIT, Descriptor, FoundManifest

T = TypeVar("T")


class Blobs(Protocol):
    """Whoever gives the bytes of blobs."""

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        """Open a blob; whoever reads its bytes to their end has read the right ones."""


class Images(Blobs, Protocol):
    """Images that lie in one place and can be read there."""

    @property
    def name(self) -> str:
        """What people call the place: `HOST/NAME`, or the directory."""

    @property
    def origin(self) -> str:
        """The address of the registry, on whose word URLs are followed; "" of a directory."""

    def manifest(self, ref: str) -> FoundManifest | None:
        """Look up a manifest by name (a tag) or digest; None where there is none."""

    def has_name(self, name: str) -> bool:
        """Tell whether the name may be there: no is certain, yes is for `manifest` to find out."""

    def referrers(self, subject: Digest, *, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """List what refers to `subject`, of one artifact type or of all. Nobody looks into the manifests themselves."""

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob is there, in its size."""

    def blob_bytes(self, descriptor: Descriptor, *, limit: int = CONFIG_LIMIT) -> bytes:
        """Read a small blob into memory, verified; one larger than `limit` is an `InputError`."""

    def blame_mirror(self, why: CogpackError) -> bool:
        """Tell of an error in what was made of a blob before its last block. If a mirror may have given wrong bytes, it
        is not asked any more, and the answer is True: another try may come out right."""


class WritableImages(Images, Protocol):
    """Images that lie where more can be put."""

    def has_whole(self, node: Node) -> bool:
        """Tell whether the manifest is here, and all that it names but other manifests."""

    def bring(self, descriptor: Descriptor, source: Blobs, on_bytes: Callable[[int], None]) -> bool:
        """Take a blob from `source`. True: it was mounted, and nothing moved.

        `on_bytes` hears of each block that moves, and of what moves again as a negative number.
        """

    def put_blob(self, descriptor: Descriptor, data: bytes) -> None:
        """Store a small blob, unless it is here."""

    def put_manifest(self, data: bytes, media_type: str, ref: str) -> None:
        """Store a manifest under its digest or a name; all that it names is here."""

    def put_referrer(self, *nodes: Node) -> None:
        """Store manifests that have one subject by digest, and see to it that they are listed."""

    def filling(self) -> AbstractContextManager[None]:
        """Enclose all that brings one image; a place that was made for an image that is refused goes again."""


def trying(act: Callable[[], T], images: Images) -> T:
    """Call `act`, which makes something of blobs before their last bytes are read; again if a mirror's may be wrong."""
    try:
        return act()
    except CogpackError as error:
        if not images.blame_mirror(error):
            raise
        return act()
