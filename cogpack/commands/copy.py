"""`cogpack copy` brings an image from where it lies to where it shall lie, byte for byte, with what refers to it.

First everything is read and checked, then blobs move, then manifests by digest, the name last. A copy that was
interrupted is done again by running it again: what is there is not moved.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from cogpack.digest import Digest
from cogpack.errors import InputError, MismatchError
from cogpack.images.graph import Graph, MissingError, Node
from cogpack.images.image import tell_present, title
from cogpack.images.interface import Blobs, Images, WritableImages
from cogpack.images.referrers import cosign_tags
from cogpack.layout import Layout
from cogpack.notes import Code, Note
from cogpack.oci import Descriptor, Manifest, decode, encode
from cogpack.opening import open_image, open_target, parse_address, parse_target
from cogpack.progress import Task, asking
from cogpack.registry.pull.foreign import ForeignLayers
from cogpack.registry.refusals import MissingBlobError
from cogpack.session import Session
from cogpack.sinks.archive import check_no_archive
from cogpack.sinks.copies import STREAMS
from cogpack.threads import each

T = TypeVar("T")
U = TypeVar("U")


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What was copied.

    `sent`, `mounted` and `reused` in bytes; `requests`: blobs and manifests that were sent.

    `manifests`: of the image itself; `referrers`: digests of what was found to refer to it.
    """

    source: str
    reference: str
    digest: Digest
    sent: int
    mounted: int
    reused: int
    requests: int
    manifests: tuple[Digest, ...]
    referrers: tuple[Digest, ...]


def copy(session: Session, source: str, target: str, *, platform: str | None = None, referrers: bool = True) -> Copied:
    """Copy `source` to `target`: each `HOST/NAME[:TAG|@DIGEST]` or `DIR[:NAME]`, an OCI layout.

    All platforms of an index, or the image of one `platform`. `referrers`: signatures and the like too, recursively.
    """
    to, from_ = parse_target(session, target), parse_address(session, source)
    if not to.reference:
        check_no_archive(to.directory)
        Layout.check(to.directory)
    image = open_image(session, from_, platform, all_platforms=platform is None)
    images, graph, root = image.images, image.graph, image.root
    if to.reference and to.reference.digest not in (None, root.descriptor.digest):
        raise MismatchError(
            f"{source} is {root.descriptor.digest}, not {to.reference.digest}",
            next_step="leave out the digest of the target, or name that digest in the source",
        )
    own = graph.nodes
    with asking(session.progress, f"{source}: what refers to it"):
        attached = _add_referrers(session, images, graph) if referrers else ()
        tagged = _add_tagged(session, images, graph, own) if referrers else {}
    foreign = session.foreign_layers(images.origin)
    taken: list[Descriptor] = []
    for layer in graph.foreign:
        if foreign.urls(layer):
            taken.append(layer)
        else:
            advice = foreign.advice(layer)
            takes = f"; {advice} takes it along" if advice else ""
            text = f"{layer.digest} is left where its URL says: no registry need have it{takes}"
            session.progress.note(Note(Code.FOREIGN_LAYER, text))
    there, name = open_target(session, to, from_)
    with there.filling():
        work = _Copy(session, images, foreign, there)
        nodes = graph.nodes
        with asking(session.progress, target):
            whole = _each(session, there.has_whole, nodes)
        work.blobs(nodes, whole, taken)
        put = [work.put(node, there=known) for node, known in zip(nodes, whole, strict=True)]
        moved = work.moved
        tags = _each(session, lambda tag: work.give_name(tagged[tag], tag, adding=True), list(tagged))
        named = name is not None and work.give_name(root, name)
    return Copied(
        source=source,
        reference=f"{there.name}@{root.descriptor.digest}" if to.reference else f"{there.name}:{name}",
        digest=root.descriptor.digest,
        sent=sum(one.sent for one in moved)
        + sum(node.descriptor.size for node, new in zip(nodes, put, strict=True) if new),
        mounted=sum(one.size for one in moved if one.mounted),
        reused=sum(one.size for one in moved if not one.mounted and not one.requests),
        requests=sum(one.requests for one in moved) + sum(put) + sum(tags) + named,
        manifests=tuple(node.descriptor.digest for node in own),
        referrers=tuple(node.descriptor.digest for node in (*attached, *tagged.values())),
    )


def _add_referrers(session: Session, images: Images, graph: Graph) -> tuple[Node, ...]:
    """Add what refers to any manifest of the graph, and to those in turn."""
    attached: list[Node] = []
    asked = 0
    while new := [node.descriptor.digest for node in graph.nodes[asked:]]:
        asked += len(new)
        for subject, entries in zip(new, _each(session, images.referrers, new), strict=True):
            for entry in entries:
                try:
                    node = graph.add(entry)
                except MissingError:
                    text = f"{images.name} lists {entry.digest} and does not have all of it: left out"
                    session.progress.note(Note(Code.INCOMPLETE_COPY, text))
                    continue
                if node.subject is None or node.subject.digest != subject:
                    raise InputError(
                        f"{images.name} lists {entry.digest} as referring to {subject}, and it does not",
                        next_step="copy without what refers to the image: --no-referrers",
                    )
                attached.append(node)
    return tuple(attached)


def _add_tagged(session: Session, images: Images, graph: Graph, image: Sequence[Node]) -> dict[str, Node]:
    """Add what cosign keeps beside the manifests of an image, by tag: three small questions each, mostly in vain."""
    tags = [tag for node in image for tag in cosign_tags(node.descriptor.digest)]
    found = {}
    for tag, there in zip(tags, _each(session, images.has_name, tags), strict=True):
        if there:
            try:
                found[tag] = graph.root(tag)
            except MissingError:
                text = f"{images.name} does not have all of {tag}: left out"
                session.progress.note(Note(Code.INCOMPLETE_COPY, text))
    return found


def _each(session: Session, act: Callable[[T], U], items: Sequence[T]) -> list[U]:
    """Do `act` with all items, in their order; the first failure ends the others."""
    return each(act, items, jobs=min(session.settings.jobs, STREAMS), name="copy", cancellation=session.cancellation)


class _Copy:
    """It copies from one place to another; what the target has is neither read nor sent."""

    def __init__(self, session: Session, source: Images, foreign: ForeignLayers, target: WritableImages) -> None:
        self._session = session
        self._source = source
        self._foreign = foreign
        self._target = target
        self._listed: dict[Digest, set[Digest]] = {}
        self.moved: list[_Moved] = []

    def blobs(self, nodes: Sequence[Node], whole: Sequence[bool], foreign: Sequence[Descriptor]) -> None:
        """Move all blobs that `nodes` name, each once; those of manifests that are `whole` in the target are there.

        `foreign`: layers besides, which those manifests may be without.
        """
        needed = {blob.digest: blob for blob in foreign} | {blob.digest: blob for node in nodes for blob in node.blobs}
        there = {blob.digest for node, known in zip(nodes, whole, strict=True) if known for blob in node.blobs}
        # Largest first: the last to finish should be a short one.
        lacking = sorted((blob for blob in needed.values() if blob.digest not in there), key=lambda blob: -blob.size)
        self.moved += [_Moved(size=needed[digest].size) for digest in there]
        if there:
            tell_present(self._session.progress, [needed[digest].size for digest in there])
        self.moved += self._move_all(lacking)

    def _move_all(self, blobs: Sequence[Descriptor]) -> "list[_Moved]":
        """Move them; all are tasks before the first begins: the total is known then."""
        tasks = [(blob, self._session.progress.task(title(blob), blob.size)) for blob in blobs]
        return _each(self._session, self._move, tasks)

    def _move(self, item: tuple[Descriptor, Task]) -> "_Moved":
        blob, task = item
        task.doing("ask")
        sent = 0

        def count(size: int) -> None:
            nonlocal sent
            if size > 0 and not sent:
                task.doing("send")
            sent += max(size, 0)
            task.advance(size)

        there = self._target.has_blob(blob)
        mounted = not there and self._target.bring(blob, self._source_of(blob), count)
        task.done("reused" if there else "mounted" if mounted else "sent")
        return _Moved(size=blob.size, mounted=mounted, sent=sent, requests=int(not there and not mounted))

    def _source_of(self, blob: Descriptor) -> Blobs:
        return self._foreign if self._foreign.urls(blob) and not self._source.has_blob(blob) else self._source

    def put(self, node: Node, *, there: bool) -> bool:
        """Store by digest; one with a subject is also listed where that is looked for. False: nothing was to be done.

        What the target has thrown away meanwhile, since no manifest named it yet, is moved again (Quay: after an hour).
        """
        try:
            return self._put(node, there=there)
        except MissingBlobError:
            again = self._move_all(node.blobs)
            self.moved += [one for one in again if one.requests or one.mounted]
            return self._put(node, there=there)

    def _put(self, node: Node, *, there: bool) -> bool:
        subject, own = node.subject, node.descriptor
        if subject is not None:
            if subject.digest not in self._listed:
                self._listed[subject.digest] = {entry.digest for entry in self._target.referrers(subject.digest)}
            if own.digest not in self._listed[subject.digest]:
                self._target.put_referrer(node)
                return True
        if not there:
            self._target.put_manifest(node.data, own.media_type, own.digest)
        return not there

    def give_name(self, root: Node, name: str, *, adding: bool = False) -> bool:
        """Give `root` a name. `adding`: only where the target loses nothing that it has under this name."""
        present = self._target.manifest(name)
        if present is not None and present.digest == root.descriptor.digest:
            return False
        if adding and present is not None and not _is_part(present.data, root):
            text = f"{self._target.name}:{name} stays: {self._source.name} has not all of it"
            self._session.progress.note(Note(Code.INCOMPLETE_COPY, text))
            return False
        self._target.put_manifest(root.data, root.descriptor.media_type, name)
        return True


def _is_part(manifest: bytes, of: Node) -> bool:
    """Tell whether all layers of a manifest are layers of another; signatures are annotations of theirs."""
    try:
        mine = decode(manifest, Manifest, where="manifest").layers
    except InputError:
        return False
    return isinstance(of.document, Manifest) and {*map(encode, mine)} <= {*map(encode, of.document.layers)}


class _Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one blob. `sent`: bytes that went out, retries included."""

    size: int
    mounted: bool = False
    sent: int = 0
    requests: int = 0
