"""`cogpack pull`: an image of a registry into a directory or a file, over many connections.

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
from cogpack.images.address import parse_reference
from cogpack.images.archive import pieces
from cogpack.images.stored import PLATFORM, tell_present, title
from cogpack.layout import Layout
from cogpack.oci import CONFIG_LIMIT, Descriptor, Manifest, Platform
from cogpack.progress import Task, asking
from cogpack.reference import Reference
from cogpack.registry.graph import Graph, Node, check_platform
from cogpack.registry.pull.connections import Fetcher, Source
from cogpack.registry.pull.foreign import WithForeign
from cogpack.registry.pull.partial import Partial
from cogpack.registry.repository import Repository
from cogpack.session import Session
from cogpack.sinks.archive import names_archive
from cogpack.threads import each

_NAME = 200
"""Bytes of an archive's name that its unfinished file bears."""
_SPARE = 20
"""One part in so many of the disk is left free."""


class PulledBlob(msgspec.Struct, frozen=True, kw_only=True):
    """`fetched`: bytes that came over the network; fewer than `size` where some were here."""

    digest: Digest
    size: int
    fetched: int


class PulledImage(msgspec.Struct, frozen=True, kw_only=True):
    """`reference`: with the digest of what was pulled; `output`: the file or directory, or the engine that has it."""

    reference: str
    digest: Digest
    output: str
    fetched: int
    reused: int
    blobs: tuple[PulledBlob, ...]


class Remote(msgspec.Struct, frozen=True):
    """An image of a registry, read and checked. `source`: of all its blobs."""

    reference: Reference
    repository: Repository
    graph: Graph
    source: Source

    @property
    def root(self) -> Node:
        return self.graph.nodes[-1]

    @property
    def name(self) -> str:
        """HOST/NAME:TAG; a digest is no tag, but engines and archives want one."""
        tag = self.reference.tag or ("latest" if self.reference.digest is None else self.root.descriptor.digest[7:19])
        return str(self.reference.with_tag(tag))

    def image(self) -> tuple[Node, Manifest]:
        """Its one image."""
        if isinstance(self.root.document, Manifest):
            return self.root, self.root.document
        raise InputError(f"{self.reference}: is an index", next_step="name one --platform, or pull it into a directory")

    def pulled(self, output: str, blobs: Sequence[PulledBlob]) -> PulledImage:
        fetched = sum(blob.fetched for blob in blobs)
        return PulledImage(
            reference=str(self.reference.with_digest(self.root.descriptor.digest)),
            digest=self.root.descriptor.digest,
            output=output,
            fetched=fetched,
            reused=sum(max(0, blob.size - blob.fetched) for blob in blobs),  # what was wrong came again
            blobs=tuple(blobs),
        )


def open_remote(session: Session, target: str, platform: Platform | None, *, exact: bool = False) -> Remote:
    """`platform`: which image of an index; None takes them all. `exact`: what is no index must be for it, too."""
    reference = parse_reference(session, target)
    repository = session.repository(reference)
    graph = Graph(repository.manifest, where=reference.name)
    with asking(session.progress, str(reference)):
        root = graph.root(reference.digest or reference.tag or "latest", platform)
    if exact and platform and not graph.chosen and isinstance(root.document, Manifest):
        check_platform(repository.blob_bytes(root.document.config, limit=CONFIG_LIMIT), platform, reference.name)
    elsewhere = session.foreign_layers(repository.requests.base)
    away = {layer.digest: layer for layer in graph.foreign if not repository.has_blob(layer)}
    for layer in away.values():
        if not elsewhere.urls(layer):
            options = elsewhere.advice(layer)
            raise InputError(
                f"{reference}: the registry does not have {layer.digest}, which its maker gives out elsewhere",
                next_step=f"add {options} to take it from there"
                if options
                else "pull it with the engine that is to run it",
            )
    return Remote(reference, repository, graph, WithForeign(repository, elsewhere, away))


def pull(
    session: Session, target: str, output: Path, *, platform: Platform | None = PLATFORM, exact: bool = False
) -> PulledImage:
    """Into `output`: an archive for `docker load` if the name ends in .tar, else an OCI image layout."""
    archive = names_archive(output)
    if not archive:
        Layout.check(output)
    elif is_directory(output):
        raise InputError(f"{output}: is a directory", next_step="name a file for the archive")
    remote = open_remote(session, target, platform, exact=exact)
    fetcher = session.fetcher(remote.source)
    if archive:
        return _into_archive(session, remote, fetcher, output)
    layout = Layout.create(output)
    with layout.filling():
        return _into_layout(session, remote, fetcher, layout)


def _into_layout(session: Session, remote: Remote, fetcher: Fetcher, layout: Layout) -> PulledImage:
    partials = {blob.digest: layout.unfinished / f"{blob.digest[7:]}.partial" for blob in remote.graph.blobs}
    missing = [blob for blob in _largest_first(remote.graph.blobs) if not layout.has(blob)]
    _check_room(layout.root, sum(max(0, blob.size - _size_of(partials[blob.digest])) for blob in missing))

    def fetch(blob: Descriptor, task: Task) -> PulledBlob:
        path = partials[blob.digest]
        with Partial.open(path, {blob.digest: blob.size}, session.cancellation, private=True) as partial:
            if layout.has(blob):  # another process had it in its hands until now
                partial.discard()
                return PulledBlob(digest=blob.digest, size=blob.size, fetched=0)
            region = partial.region(blob.digest)
            try:
                pulled = fetch_blob(task, blob, lambda count: fetcher.into(blob, region, count))
            except CogpackError as error:
                if is_refusal(error):
                    partial.discard()
                raise
            partial.keep(layout.blob_path(blob.digest), blob.size)
        return pulled

    present = [
        PulledBlob(digest=blob.digest, size=blob.size, fetched=0) for blob in remote.graph.blobs if blob not in missing
    ]
    if present:
        tell_present(session, [blob.size for blob in present])
    done = together(session, fetch, missing)
    for node in remote.graph.nodes:
        layout.add(node.data)
    layout.publish({remote.name: remote.root.descriptor})
    with suppress(OSError):  # where another pull goes on
        layout.unfinished.rmdir()
    return remote.pulled(str(layout.root), [*present, *done])


def _into_archive(session: Session, remote: Remote, fetcher: Fetcher, output: Path) -> PulledImage:
    node, manifest = remote.image()
    layout = pieces(node.descriptor, node.data, manifest, remote.name)
    places = {piece.content.digest: piece.offset for piece in layout if isinstance(piece.content, Descriptor)}
    blobs = {blob.digest: blob.size for blob in remote.graph.blobs}
    real = real_path(output)
    path = real.with_name(f".{os.fsdecode(os.fsencode(real.name)[:_NAME])}.partial")
    _check_room(real.parent, max(0, layout[-1].end - _size_of(path)))
    with Partial.open(path, blobs, session.cancellation) as partial:

        def fetch(blob: Descriptor, task: Task) -> PulledBlob:
            region = partial.region(blob.digest, places[blob.digest])
            return fetch_blob(task, blob, lambda count: fetcher.into(blob, region, count))

        try:
            done = together(session, fetch, _largest_first(remote.graph.blobs))
        except CogpackError as error:
            if is_refusal(error):
                partial.discard()
            raise
        for piece in layout:
            if isinstance(piece.content, bytes):
                partial.write(piece.offset, piece.content)
        partial.keep(real, layout[-1].end)
    return remote.pulled(str(output), done)


def fetch_blob(task: Task, blob: Descriptor, move: Callable[[Callable[[int], None]], int]) -> PulledBlob:
    """`move` one blob, seen by the user."""
    task.doing("fetch")
    came = move(task.advance)
    task.done("pulled")
    return PulledBlob(digest=blob.digest, size=blob.size, fetched=came)


def together(
    session: Session, act: Callable[[Descriptor, Task], PulledBlob], blobs: Sequence[Descriptor]
) -> list[PulledBlob]:
    """`act` on all of them; each waits for its blob while the connections serve the first ones first."""
    tasks = [(blob, session.progress.task(title(blob), blob.size)) for blob in blobs]
    return each(
        lambda item: act(*item), tasks, jobs=session.settings.jobs, name="pull", cancellation=session.cancellation
    )


def _largest_first(blobs: Iterable[Descriptor]) -> list[Descriptor]:
    """The last one to end should be a short one."""
    return sorted(blobs, key=lambda blob: -blob.size)


def _size_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _check_room(directory: Path, needed: int) -> None:
    """Before anything is fetched: `needed` bytes must fit, and a little more."""
    with writing(directory):
        found = os.statvfs(directory)
    free = found.f_bavail * found.f_frsize
    if needed > free - free // _SPARE:
        raise DiskError(
            f"{directory}: {needed} bytes are needed, and {free} are free",
            next_step="make room, or choose another place",
        )
