"""Images are opened by the addresses that users write: in a registry or a layout, to read them or to write them."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from cogpack.digest import Digest
from cogpack.disk import is_directory
from cogpack.errors import InputError
from cogpack.images.address import Address
from cogpack.images.graph import Graph, Node, check_platform
from cogpack.images.interface import Images, WritableImages
from cogpack.images.registry import RegistryImage, RegistryImages
from cogpack.notes import Code, Note
from cogpack.oci import CONFIG_LIMIT, DOCKER_CONFIG, OCI_CONFIG, Manifest, Platform
from cogpack.progress import asking
from cogpack.reference import DEFAULT_TAG, Reference, names_registry
from cogpack.session import Session

if TYPE_CHECKING:
    from cogpack.images.image import FoundImage


def parse_reference(session: Session, text: str) -> Reference:
    """Read `text` as a reference; the user is told where Docker Hub is taken since no registry is named. A directory is
    an `InputError`."""
    if (text.startswith((".", "/")) or not names_registry(text)) and is_directory(Path(text)):
        of_hub = text if "/" in text and not text.startswith((".", "/")) else f"library/{Path(text).name}"
        raise InputError(
            f"{text:.300}: is a directory, and the image of a registry is asked for",
            next_step=f"write HOST/NAME:TAG, or, if Docker Hub has it, docker.io/{of_hub:.300}",
        )
    reference = Reference.parse(text)
    tell_of_hub(session, text, reference)
    return reference


def parse_address(session: Session, text: str) -> Address:
    """Read `text` as an address, likewise."""
    return _told(session, Address.parse(text))


def parse_target(session: Session, text: str) -> Address:
    """Read `text` as an address that is somebody's to write to."""
    address = Address.parse(text)
    if address.reference and address.reference.name.startswith("docker.io/library/"):  # a directory was meant
        raise InputError(
            f"{text:.300}: names neither a registry nor a directory",
            next_step="write HOST/NAME:TAG, or ./DIR for a directory",
        )
    return _told(session, address)


def _told(session: Session, address: Address) -> Address:
    if address.reference:
        tell_of_hub(session, address.text, address.reference)
    return address


def tell_of_hub(session: Session, text: str, reference: Reference) -> None:
    """Note that `reference` is at Docker Hub where `text` does not say so."""
    if not names_registry(text):
        said = f"{text} names no registry: taken as {reference}"
        session.progress.note(Note(Code.REGISTRY_ASSUMED, said))


def open_image(
    session: Session,
    target: str | Address,
    platform: str | None = None,
    *,
    all_platforms: bool = False,
    connections: ExitStack | None = None,
    digest: Digest | None = None,
) -> "FoundImage":
    """Find the image at `target`: `HOST/NAME[:TAG|@DIGEST]`, or `DIR[:NAME]`, an OCI layout. Its manifests are read.

    `platform`: `OS/ARCH`, which the image must be for; without it, an index gives the one for linux/amd64, or itself
    with `all_platforms`, and what is no index may be for any. `connections`: a registry gives each of its blobs over
    many at once, which end with this. `digest`: what is taken, whatever the name means by now.
    """
    from cogpack.images.image import FoundImage

    address = parse_address(session, target) if isinstance(target, str) else target
    images, ref = open_images(session, address, connections)
    graph, root = _read(session, images, digest or ref, address, platform, all_platforms=all_platforms)
    return FoundImage(address=address, images=images, graph=graph, root=root)


def open_registry_image(
    session: Session, target: str, platform: str | None = None, *, all_platforms: bool = False
) -> RegistryImage:
    """Find the image that the reference `target` names; `platform` and `all_platforms` as of `open_image`."""
    reference = parse_reference(session, target)
    address, images = Address(reference=reference), session.images(reference)
    graph, root = _read(session, images, reference.wanted, address, platform, all_platforms=all_platforms)
    return RegistryImage(address=address, images=images, graph=graph, root=root, reference=reference)


def _read(
    session: Session, images: Images, ref: str, address: Address, platform: str | None, *, all_platforms: bool
) -> tuple[Graph, Node]:
    """Read and check the manifests of what `ref` names among `images`; answers them and their root."""
    from cogpack.images.image import PLATFORM

    # A layout may hold several images: errors name the one that was meant.
    graph = Graph(images.manifest, where=images.name if address.reference else str(address))
    wanted = Platform.parse(platform) if platform else None
    with asking(session.progress, address.text or str(address)):
        root = graph.root(ref, wanted or (None if all_platforms else PLATFORM))
    if wanted and graph.index is None and isinstance(root.document, Manifest):
        config = root.document.config
        if config.media_type not in (OCI_CONFIG, DOCKER_CONFIG) or config.size > CONFIG_LIMIT:
            raise InputError(
                f"{images.name} holds no image but {config.media_type:.100}", next_step="leave out --platform"
            )
        check_platform(images.blob_bytes(config), wanted, images.name)
    return graph, root


def open_images(session: Session, address: Address, connections: ExitStack | None = None) -> tuple[Images, str]:
    """Find where the image is, and its tag or digest there."""
    from cogpack.images.layout import LayoutImages
    from cogpack.layout import Layout

    if reference := address.reference:
        repository = session.repository(reference)
        fetcher = connections.enter_context(session.fetcher(repository)) if connections is not None else None
        return RegistryImages(repository, fetcher), reference.wanted
    layout = Layout.read(address.directory)
    return LayoutImages(layout, session.cancellation), layout.image(address.name).digest


def open_target(session: Session, address: Address, source: Address) -> tuple[WritableImages, str | None]:
    """Open where a copy of `source` goes, and choose its name there: the source's, if none is said.

    None: by digest only. A directory becomes a layout.
    """
    from cogpack.images.layout import LayoutImages
    from cogpack.layout import Layout

    tag: str | None = DEFAULT_TAG
    if source.reference and (source.reference.tag or source.reference.digest):
        tag = source.reference.tag
    if reference := address.reference:
        name = reference.tag or (None if reference.digest else tag)
        return RegistryImages(session.repository(reference, push=True)), name
    name = address.name or source.name
    if name is None and source.reference:
        name = str(source.reference.with_tag(tag or DEFAULT_TAG))
    return LayoutImages(Layout.create(address.directory), session.cancellation), name or DEFAULT_TAG
