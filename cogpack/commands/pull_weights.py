"""`cogpack pull --only weights` and `cogpack weights pull`: files out of an image's layers, into a new directory.

The tar is somebody else's: nothing in it can name a place outside the directory, whatever links it holds or somebody
lays meanwhile. Only files are taken: links, devices and the set-user-ID bits of others stay where they are.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from cogpack.commands.contents import DOCUMENT_LIMIT, joined_files, weight_layers
from cogpack.commands.images import StoredImage, open_image, title, trying
from cogpack.commands.session import Session
from cogpack.commands.tree import Tree
from cogpack.decompress import decompressed
from cogpack.digest import Hasher
from cogpack.disk import writing
from cogpack.errors import InputError, MismatchError
from cogpack.layers.weights.opaque import MANIFEST, ROOT, JoinSource
from cogpack.oci import Descriptor, ImageConfig, Platform, read_config
from cogpack.registry.partial import Partial
from cogpack.runtime.contract import SOURCE
from cogpack.sinks.base import counted
from cogpack.threads import each
from cogpack.untar import Member, Untar

_STREAMS = 6
"""Layers at a time: each has its share of the memory for what has come and is not written yet."""
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    directory: str
    files: tuple[str, ...]
    size: int


def pull_weights(session: Session, target: str, output: Path, *, platform: Platform | None = None) -> Pulled:
    """The files of the weight layers, as the new directory `output`: paths below the image's source directory relative
    to it, others whole. Parts are put together. `target` and `platform` as of `open_image`.

    Nothing is there before all of it was right. A pull that was killed goes on with the layers that it lacks.
    """
    image = open_image(session, target, platform)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output}: is there already, and not an empty directory", next_step="choose another output")
    layers = weight_layers(image)
    if not layers:
        raise InputError(f"{image.name}: has no layer of weights", next_step="check the name and tag")
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    name = f".{output.name}.{image.digest[7:19]}"
    unfinished = output.with_name(f"{name}.files")
    marks = {layer.digest: 1 for layer in layers}  # a byte each, of a file that says which are done
    with Partial.open(output.with_name(f"{name}.partial"), marks, session.cancellation) as done:
        with writing(unfinished):
            unfinished.mkdir(mode=0o700, exist_ok=True)
        try:
            with Tree(unfinished) as tree:
                _Extraction(session, image, tree, done).run(layers)
        except MismatchError:
            shutil.rmtree(unfinished)
            done.discard()
            raise
        with writing(output):
            if output.exists():
                output.rmdir()
            unfinished.chmod(0o755)
            unfinished.rename(output)
        done.discard()
    files = sorted(path for path in output.rglob("*") if path.is_file())
    return Pulled(
        directory=str(output),
        files=tuple(path.relative_to(output).as_posix() for path in files),
        size=sum(path.stat().st_size for path in files),
    )


class _Extraction:
    def __init__(self, session: Session, image: StoredImage, tree: Tree, done: Partial) -> None:
        self._session = session
        self._image = image
        self._tree = tree
        self._done = done
        self._diff_ids = _diff_ids(image)
        self._places: dict[str, tuple[str, int]] = {}
        for path, file in joined_files(_join_document(image), image.name).items():
            offset = 0
            for part, size in file.parts:
                self._places[part.lstrip("/")] = path, offset
                offset += size

    def run(self, layers: Sequence[Descriptor]) -> None:
        """Layers with names are cogpack's, whose files lie apart; all others lie one upon the other, in their order."""
        apart = any(name for name, _ in self._image.layers)
        jobs = min(_STREAMS, self._session.settings.jobs) if apart else 1
        each(self._layer, list(enumerate(layers)), jobs=jobs, name="pull", cancellation=self._session.cancellation)

    def _layer(self, place: tuple[int, Descriptor]) -> None:
        number, layer = place
        mark = self._done.region(layer.digest, number)
        if mark.have:
            return
        trying(lambda: self._unpack(layer), self._image.doubt)
        mark.write(0, b"x")
        mark.save([(0, 1)])

    def _unpack(self, layer: Descriptor) -> None:
        task = self._session.progress.task(title(layer), layer.size)
        hasher = Hasher()
        with self._image.blob(layer) as blocks:
            plain = hasher.watch(decompressed(counted(blocks, task.advance)))
            reader = Untar(plain, where=self._image.name)
            for member in reader:
                self._member(member, reader)
        expected = self._diff_ids[layer.digest]
        if hasher.digest != expected:
            raise MismatchError(
                f"{self._image.name}: layer {layer.digest} unpacks to {hasher.digest}, its config says {expected}",
                next_step="don't use this image",
            )
        task.done("pulled")

    def _member(self, member: Member, reader: Untar) -> None:
        *parents, name = _parts(member.path) or [""]
        if name == _OPAQUE:
            self._tree.clear(parents)
        elif name.startswith(_WHITEOUT):
            if name[len(_WHITEOUT) :] not in ("", ".", ".."):
                self._tree.remove([*parents, name[len(_WHITEOUT) :]])
        elif member.kind == "file":
            if member.path in self._places:
                path, offset = self._places[member.path]
                self._tree.write(_parts(path), member.size, reader.content(), offset=offset)
            elif not member.path.startswith(f"{ROOT}/"):
                self._tree.write([*parents, name], member.size, reader.content())


def _diff_ids(image: StoredImage) -> dict[str, str]:
    """What the config says that each layer unpacks to."""
    config = read_config(image.document(image.manifest.config), ImageConfig, where=f"{image.name}: config")
    if len(config.rootfs.diff_ids) != len(image.manifest.layers):
        raise InputError(
            f"{image.name}: has {len(image.manifest.layers)} layers, and its config lists "
            f"{len(config.rootfs.diff_ids)}",
            next_step="don't use this image",
        )
    layers = zip(image.manifest.layers, config.rootfs.diff_ids, strict=True)
    return {layer.digest: diff_id for layer, diff_id in layers}


def _join_document(image: StoredImage) -> bytes | None:
    for name, layer in image.layers:
        if name == JoinSource.name:
            with image.blob(layer) as blocks:
                reader = Untar(decompressed(blocks), where=image.name)
                for member in reader:
                    if member.path == MANIFEST and member.size <= DOCUMENT_LIMIT:
                        return b"".join(reader.content())
    return None


def _parts(path: str) -> list[str]:
    """Where a path of the image goes; `Untar` refuses every one that would leave, and so does this."""
    parts = [part for part in path.removeprefix(f"{SOURCE}/").split("/") if part]
    if {".", ".."} & set(parts) or any("\0" in part for part in parts):
        raise InputError(f"the image holds the path {path!r}", next_step="don't use this image")
    return parts
