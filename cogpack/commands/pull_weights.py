"""`cogpack weights pull` and `pull --only weights` write files out of an image's layers into a new directory.

The tar is somebody else's: nothing in it can name a place outside the directory, whatever links it holds or somebody
lays meanwhile. Only files are taken, by all their names: symbolic links, devices and the set-user-ID bits of
others stay where they are.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from cogpack.decompress import decompressed
from cogpack.digest import Digest, Hasher, sha256
from cogpack.disk import real_path
from cogpack.errors import InputError, MismatchError
from cogpack.images.image import FoundImage, title
from cogpack.images.interface import trying
from cogpack.images.unfinished import check_free, unfinished
from cogpack.images.unpack import LEVELS, Tree
from cogpack.layers.entry import OPAQUE, WHITEOUT
from cogpack.layers.weights.join_document import DOCUMENT_LIMIT, Joined, joined_files
from cogpack.layers.weights.opaque import MANIFEST, JoinSource
from cogpack.oci import Descriptor
from cogpack.opening import open_image
from cogpack.progress import Task, counted
from cogpack.registry.pull.partial import Partial
from cogpack.runtime.contract import SOURCE, STATE
from cogpack.session import Session
from cogpack.settings import need_path
from cogpack.sinks.archive import check_no_archive
from cogpack.threads import each
from cogpack.untar import Member, Untar

_STREAMS = 6
"""Layers at a time: each has its share of the memory for what has come and is not written yet."""


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    directory: str
    files: tuple[str, ...]
    size: int


def pull_weights(session: Session, target: str, output: Path, *, platform: str | None = None) -> Pulled:
    """Write the files of the weight layers as the new directory `output`, their parts put together.

    Paths below the image's source directory are relative to it, others whole. `target` and `platform` as of
    `open_image`.

    Nothing is there before all of it was right. A pull that was killed goes on with the layers that it lacks.
    """
    need_path(output, "output")
    check_no_archive(output)
    with ExitStack() as connections:
        return _pulled(session, open_image(session, target, platform, connections=connections), output)


def _pulled(session: Session, image: FoundImage, output: Path) -> Pulled:
    real, short = real_path(output), image.digest[7:19]
    check_free(real, short)
    layers = image.weight_layers
    if not layers:
        raise InputError(f"{image.name}: has no layer of weights", next_step="check the name and tag")
    joined = joined_files(_join_document(image), image.name)
    # A byte each, of a file that says which are done.
    marks = {layer.digest: 1 for layer in layers} | {
        _mark(part): 1 for file in joined.values() for part, _ in file.parts
    }
    with unfinished(real, short, marks, session.cancellation) as growing:
        with Tree(growing.files) as tree:
            extraction = _Extraction(session, image, tree, growing.done, joined)
            extraction.run(layers)
            files = tree.files()
        growing.finish()
    return Pulled(directory=str(output), files=tuple(path for path, _ in files), size=sum(size for _, size in files))


class _Extraction:
    def __init__(
        self, session: Session, image: FoundImage, tree: Tree, done: Partial, joined: Mapping[str, Joined]
    ) -> None:
        self._session = session
        self._image = image
        self._tree = tree
        self._done = done
        self._diff_ids = _diff_ids(image)
        self._whole = {"/".join(_parts(path)) for path in joined}
        if len(self._whole) != len(joined):
            raise self._wrong(f"two files of /{MANIFEST} have one place")
        self._places: dict[str, _Place] = {}
        for path, file in joined.items():
            offset = 0
            for part, size in file.parts:
                self._places[part.lstrip("/")] = _Place(path, offset, size, len(self._diff_ids) + len(self._places))
                offset += size

    def run(self, layers: Sequence[Descriptor]) -> None:
        """Unpack the layers. Those with names are cogpack's, whose files lie apart; others lie upon each other."""
        apart = any(name for name, _ in self._image.layers)
        jobs = min(_STREAMS, self._session.settings.jobs) if apart else 1
        left = [
            (number, layer, self._session.progress.task(title(layer), layer.size))
            for number, layer in enumerate(layers)
            if not self._done.region(layer.digest, number).have
        ]
        each(self._layer, left, jobs=jobs, name="pull", cancellation=self._session.cancellation)
        for part, place in self._places.items():
            if not self._done.region(_mark(part), place.number).have:
                raise InputError(
                    f"{self._image.name}: /{part}, a part of /{place.path}, is in none of its layers",
                    next_step="push the model again",
                )

    def _layer(self, place: tuple[int, Descriptor, Task]) -> None:
        number, layer, task = place
        mark = self._done.region(layer.digest, number)
        if mark.have:  # the same layer, which an image may have twice
            task.done("")
            return
        came_of_it = 0

        def tell(size: int) -> None:
            nonlocal came_of_it
            came_of_it += size
            task.advance(size)

        def unpack() -> set[str]:
            task.doing("fetch")
            tell(-came_of_it)  # of a place that did not have it right
            return self._unpack(layer, tell)

        came = trying(unpack, self._image.images)
        task.done("pulled")
        self._tree.sync()
        for part in came:
            self._done.write(self._places[part].number, b"x")
            self._done.note(_mark(part), [(0, 1)])
        mark.write(0, b"x")
        mark.save([(0, 1)])

    def _unpack(self, layer: Descriptor, tell: Callable[[int], object]) -> set[str]:
        """Unpack one layer; answers which parts of files were in it."""
        came: set[str] = set()
        hasher = Hasher()
        with self._image.images.blob(layer) as blocks:
            plain = hasher.watch(decompressed(counted(blocks, tell)))
            reader = Untar(plain, where=self._image.name)
            for member in reader:
                self._member(member, reader, came)
        expected = self._diff_ids[layer.digest]
        if hasher.digest != expected:
            raise MismatchError(
                f"{self._image.name}: layer {layer.digest} unpacks to {hasher.digest}, its config says {expected}",
                next_step="don't use this image",
            )
        return came

    def _member(self, member: Member, reader: Untar, came: set[str]) -> None:
        *parents, name = _parts(member.path) or [""]
        if name == OPAQUE:
            self._tree.clear(parents)
        elif name.startswith(WHITEOUT):
            if name[len(WHITEOUT) :] not in ("", ".", ".."):
                self._tree.remove([*parents, name[len(WHITEOUT) :]])
        elif member.kind == "file":
            if place := self._places.get(member.path):
                if member.size != place.size:
                    raise self._wrong(f"/{member.path} has {member.size} bytes, where /{MANIFEST} says {place.size}")
                self._tree.write(_parts(place.path), member.size, reader.content(), offset=place.offset)
                came.add(member.path)
            elif "/".join([*parents, name]) in self._whole:
                raise self._wrong(f"/{member.path} is there whole and in parts")
            elif not member.path.startswith(f"{STATE}/"):
                self._tree.write([*parents, name], member.size, reader.content())
        elif member.kind == "hardlink":
            self._link(member, came)

    def _link(self, member: Member, came: set[str]) -> None:
        """Make another name of a file that came before. A part is copied from where the bytes of the other went."""
        place, other = self._places.get(member.path), self._places.get(member.target)
        stray = self._wrong(f"/{member.path} is a hard link to /{member.target}, which is no such file before it")
        if place is not None:
            if other is None or other.size != place.size or member.target not in came:
                raise stray
            blocks = self._tree.read(_parts(other.path), other.offset, other.size)
            self._tree.write(_parts(place.path), place.size, blocks, offset=place.offset)
            came.add(member.path)
        elif not member.path.startswith(f"{STATE}/"):
            source, path = _parts(member.target), _parts(member.path)
            if not source or {"/".join(source), "/".join(path)} & self._whole:
                raise stray
            try:
                self._tree.link(source, path)
            except FileNotFoundError:
                raise stray from None

    def _wrong(self, what: str) -> InputError:
        return InputError(f"{self._image.name}: {what}", next_step="don't use this image")


class _Place(msgspec.Struct, frozen=True):
    """A place says where a part of `size` bytes belongs: in the file `path` at `offset`. `number`: of its mark."""

    path: str
    offset: int
    size: int
    number: int


def _mark(part: str) -> Digest:
    """Name what a part's arrival is remembered under."""
    return sha256(part.strip("/").encode("utf-8", "surrogateescape"))


def _diff_ids(image: FoundImage) -> dict[str, str]:
    """Read what the config says that each layer unpacks to."""
    config = image.config()
    if len(config.diff_ids) != len(image.manifest.layers):
        raise InputError(
            f"{image.name}: has {len(image.manifest.layers)} layers, and its config lists {len(config.diff_ids)}",
            next_step="don't use this image",
        )
    layers = zip(image.manifest.layers, config.diff_ids, strict=True)
    return {layer.digest: diff_id for layer, diff_id in layers}


def _join_document(image: FoundImage) -> bytes | None:
    for name, layer in image.layers:
        if name == JoinSource.name:
            with image.images.blob(layer) as blocks:
                reader = Untar(decompressed(blocks), where=image.name)
                for member in reader:
                    if member.path == MANIFEST and member.size <= DOCUMENT_LIMIT:
                        return b"".join(reader.content())
    return None


def _parts(path: str) -> list[str]:
    """Say where a path of the image goes; `Untar` refuses every one that would leave, and so does this."""
    parts = [part for part in path.removeprefix(f"{SOURCE}/").split("/") if part]
    if len(parts) > LEVELS or {".", ".."} & set(parts) or any("\0" in part for part in parts):
        raise InputError(f"the image holds the path {path!r:.200}", next_step="don't use this image")
    return parts
