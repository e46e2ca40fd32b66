"""`cogpack weights pull`: the weights out of an image, and nothing else of it."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from cogpack.commands.contents import DOCUMENT_LIMIT, joined_files, weight_layers
from cogpack.commands.images import StoredImage, open_image
from cogpack.commands.session import Session
from cogpack.decompress import decompressed
from cogpack.disk import writing
from cogpack.errors import InputError
from cogpack.layers.weights.opaque import MANIFEST, ROOT, JoinSource
from cogpack.oci import Descriptor
from cogpack.runtime.contract import SOURCE
from cogpack.sinks.base import counted
from cogpack.untar import Untar


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    directory: str
    files: tuple[str, ...]
    size: int


def pull_weights(session: Session, target: str, output: Path) -> Pulled:
    """The files of the weight layers, as the new directory `output`: paths below the image's source directory relative
    to it, others whole. Parts are put together. Nothing is there before all of it was right."""
    image = open_image(session, target)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output}: is there already, and not an empty directory", next_step="choose another output")
    layers = weight_layers(image)
    if not layers:
        raise InputError(f"{image.name}: has no layer of weights", next_step="check the name and tag")
    unfinished = output.with_name(f".{output.name}.partial")
    with writing(output):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            files = _pull(session, image, layers, unfinished)
            if output.exists():
                output.rmdir()
            unfinished.rename(output)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return Pulled(directory=str(output), files=files, size=sum((output / path).stat().st_size for path in files))


def _pull(session: Session, image: StoredImage, layers: Sequence[Descriptor], root: Path) -> tuple[str, ...]:
    places: dict[str, tuple[Path, int]] = {}
    for path, file in joined_files(_join_document(image), image.name).items():
        offset = 0
        for part, size in file.parts:
            places[part.lstrip("/")] = (_inside(root, path), offset)
            offset += size

    def fetch(layer: Descriptor) -> list[Path]:
        task = session.progress.task(layer.digest[7:19], layer.size)
        with image.blob(layer) as blocks:
            found = _extract(decompressed(counted(blocks, task.advance)), root, places, image.name)
        task.done("pulled")
        return found

    with ThreadPoolExecutor(session.settings.jobs, thread_name_prefix="pull") as pool:
        written = {path for found in pool.map(fetch, layers) for path in found}
    return tuple(sorted(path.relative_to(root).as_posix() for path in written))


def _join_document(image: StoredImage) -> bytes | None:
    for name, layer in image.layers:
        if name == JoinSource.name:
            with image.blob(layer) as blocks:
                reader = Untar(decompressed(blocks), where=image.name)
                for member in reader:
                    if member.path == MANIFEST and member.size <= DOCUMENT_LIMIT:
                        return b"".join(reader.content())
    return None


def _inside(output: Path, path: str) -> Path:
    """Where a path of the image goes; `Untar` and this refuse every path that would leave."""
    parts = path.removeprefix(f"{SOURCE}/").split("/")
    if not all(parts) or {".", ".."} & set(parts):
        raise InputError(f"the image holds the path {path!r}", next_step="don't use this image")
    return output.joinpath(*parts)


def _extract(blocks: Iterator[bytes], output: Path, places: Mapping[str, tuple[Path, int]], where: str) -> list[Path]:
    reader = Untar(blocks, where=where)
    found = []
    for member in reader:
        if member.kind != "file" or (member.path.startswith(f"{ROOT}/") and member.path not in places):
            continue
        path, offset = places.get(member.path) or (_inside(output, member.path), 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            for block in reader.content():
                view = memoryview(block)
                while view:
                    written = os.pwrite(target, view, offset)
                    offset += written
                    view = view[written:]
        finally:
            os.close(target)
        found.append(path)
    return found
