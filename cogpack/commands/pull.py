"""`cogpack pull` fetches an image of a registry into a directory or a file, over many connections.

The manifests are read and checked before any blob is asked for. A pull that was killed is done again by running it
again: what has come is not fetched twice. Blobs that a layout has already were verified when they got their names
there, so only their sizes are looked at.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from cogpack.digest import Digest
from cogpack.disk import DiskError, is_directory, is_refusal, real_path, writing
from cogpack.errors import CogpackError, InputError
from cogpack.images.image import tell_present, title
from cogpack.images.pulled_archive import pieces
from cogpack.images.registry import RegistryImage
from cogpack.layout import Layout
from cogpack.oci import Descriptor
from cogpack.opening import open_registry_image
from cogpack.progress import Task
from cogpack.registry.pull.connections import BlobRequests, Fetcher
from cogpack.registry.pull.foreign import WithForeign
from cogpack.registry.pull.partial import Partial, growing
from cogpack.result_files import check_result, is_stream
from cogpack.session import Session
from cogpack.settings import need_path
from cogpack.sinks.archive import names_archive
from cogpack.threads import each

_SPARE = 20
"""One part in so many of the disk is left free."""


class PulledBlob(msgspec.Struct, frozen=True, kw_only=True):
    """A blob that is there now. `fetched`: bytes that came over the network; fewer than `size` where some were here."""

    digest: Digest
    size: int
    fetched: int


class PulledImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image that is there now.

    `reference`: with the digest of what was pulled; `output`: the file or directory, or the engine that has it.
    """

    reference: str
    digest: Digest
    output: str
    fetched: int
    reused: int
    blobs: tuple[PulledBlob, ...]


def all_blobs(session: Session, image: RegistryImage) -> BlobRequests:
    """Ask the registry for blobs, and their URLs for the layers that it does not have."""
    images = image.images
    foreign = session.foreign_layers(images.origin)
    away = [layer for layer in image.graph.foreign if not images.has_blob(layer)]
    for layer in away:
        if not foreign.urls(layer):
            options = foreign.advice(layer)
            raise InputError(
                f"{image.name}: the registry does not have {layer.digest}, which its maker gives out elsewhere",
                next_step=f"add {options} to take it from there"
                if options
                else "pull it with the engine that is to run it",
            )
    return WithForeign(images.repository, foreign, {layer.digest for layer in away})


def pulled(image: RegistryImage, output: str, blobs: Sequence[PulledBlob]) -> PulledImage:
    return PulledImage(
        reference=image.by_digest,
        digest=image.digest,
        output=output,
        fetched=sum(blob.fetched for blob in blobs),
        reused=sum(max(0, blob.size - blob.fetched) for blob in blobs),  # what was wrong came again
        blobs=tuple(blobs),
    )


def pull(
    session: Session, target: str, output: Path, *, platform: str | None = None, all_platforms: bool = False
) -> PulledImage:
    """Pull into `output`: an archive for `docker load` if the name ends in .tar, else an OCI image layout.

    `platform`: `OS/ARCH`, which image of an index; without it linux/amd64, or the index with `all_platforms`.
    """
    need_path(output, "output")
    archive = names_archive(output)
    if not archive:
        Layout.check(output)
    elif is_directory(output):
        raise InputError(f"{output}: is a directory", next_step="name a file for the archive")
    elif is_stream(output):  # a pull writes blobs as they come, and renames the whole
        raise InputError(f"{output}: is a pipe or a device", next_step="name a file for the archive")
    else:
        check_result(output)
    image = open_registry_image(session, target, platform, all_platforms=all_platforms)
    with session.fetcher(all_blobs(session, image)) as fetcher:
        if archive:
            return _into_archive(session, image, fetcher, output)
        layout = Layout.create(output)
        with layout.filling():
            return _into_layout(session, image, fetcher, layout)


def _into_layout(session: Session, image: RegistryImage, fetcher: Fetcher, layout: Layout) -> PulledImage:
    partials = {blob.digest: layout.unfinished / f"{blob.digest[7:]}.partial" for blob in image.graph.blobs}
    missing = [blob for blob in _largest_first(image.graph.blobs) if not layout.has(blob)]
    _check_room(layout.root, sum(max(0, blob.size - _size_of(partials[blob.digest])) for blob in missing))

    def fetch(blob: Descriptor, task: Task) -> PulledBlob:
        path = partials[blob.digest]
        with Partial.open(path, {blob.digest: blob.size}, session.cancellation, private=True) as partial:
            if layout.has(blob):  # another process had it in its hands until now
                partial.discard()
                return PulledBlob(digest=blob.digest, size=blob.size, fetched=0)
            region = partial.region(blob.digest)
            try:
                fetched = fetch_blob(task, blob, lambda count: fetcher.into(blob, region, count))
            except CogpackError as error:
                if is_refusal(error):
                    partial.discard()
                raise
            partial.keep(layout.blob_path(blob.digest), blob.size)
        return fetched

    lacking = {blob.digest for blob in missing}
    present = [
        PulledBlob(digest=blob.digest, size=blob.size, fetched=0)
        for blob in image.graph.blobs
        if blob.digest not in lacking
    ]
    if present:
        tell_present(session.progress, [blob.size for blob in present])
    done = together(session, fetch, missing)
    for node in image.graph.nodes:
        layout.add(node.data)
    layout.publish({image.with_tag: image.root.descriptor})
    with suppress(OSError):  # where another pull goes on
        layout.unfinished.rmdir()
    return pulled(image, str(layout.root), [*present, *done])


def _into_archive(session: Session, image: RegistryImage, fetcher: Fetcher, output: Path) -> PulledImage:
    layout = pieces(image.root, image.manifest, image.with_tag)
    places = {piece.content.digest: piece.offset for piece in layout if isinstance(piece.content, Descriptor)}
    blobs = {blob.digest: blob.size for blob in image.graph.blobs}
    real = real_path(output)
    path = growing(real)
    _check_room(real.parent, max(0, layout[-1].end - _size_of(path)))
    with Partial.open(path, blobs, session.cancellation) as partial:

        def fetch(blob: Descriptor, task: Task) -> PulledBlob:
            region = partial.region(blob.digest, places[blob.digest])
            return fetch_blob(task, blob, lambda count: fetcher.into(blob, region, count))

        try:
            done = together(session, fetch, _largest_first(image.graph.blobs))
        except CogpackError as error:
            if is_refusal(error):
                partial.discard()
            raise
        for piece in layout:
            if isinstance(piece.content, bytes):
                partial.write(piece.offset, piece.content)
        partial.keep(real, layout[-1].end)
    return pulled(image, str(output), done)


def fetch_blob(task: Task, blob: Descriptor, move: Callable[[Callable[[int], None]], int]) -> PulledBlob:
    """`move` one blob, seen by the user."""
    task.doing("fetch")
    came = move(task.advance)
    task.done("pulled")
    return PulledBlob(digest=blob.digest, size=blob.size, fetched=came)


def together(
    session: Session, act: Callable[[Descriptor, Task], PulledBlob], blobs: Sequence[Descriptor]
) -> list[PulledBlob]:
    """Do `act` with all of them; each waits for its blob while the connections serve the first ones first."""
    tasks = [(blob, session.progress.task(title(blob), blob.size)) for blob in blobs]
    return each(
        lambda item: act(*item), tasks, jobs=session.settings.jobs, name="pull", cancellation=session.cancellation
    )


def _largest_first(blobs: Iterable[Descriptor]) -> list[Descriptor]:
    """Sort blobs so that the last one to end is a short one."""
    return sorted(blobs, key=lambda blob: -blob.size)


def _size_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _check_room(directory: Path, needed: int) -> None:
    """Check before anything is fetched that `needed` bytes fit, and a little more."""
    with writing(directory):
        found = os.statvfs(directory)
    free = found.f_bavail * found.f_frsize
    if needed > free - free // _SPARE:
        raise DiskError(
            f"{directory}: {needed} bytes are needed, and {free} are free",
            next_step="make room, or choose another place",
        )
