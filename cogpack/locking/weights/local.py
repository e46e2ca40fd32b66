"""Cog's managed `weights:` of directories here are listed: they are read like project files, and nothing pins them."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from cogpack.config import ManagedWeight, WeightSource
from cogpack.errors import InputError
from cogpack.project import Project

DOCUMENT = 16 * 1024 * 1024
"""Bytes of a small file that is read whole, such as config.json."""

_SKIPPED = frozenset({".git", ".cache"})


class LocalWeight(msgspec.Struct, frozen=True):
    """Is a managed weight that is here. `path`: in the image, without the leading slash; `file`: on this machine."""

    path: str
    file: Path
    size: int

    def document(self) -> bytes:
        """Read it, where it may be a small file such as config.json."""
        return self.file.read_bytes() if self.size <= DOCUMENT else b""


def local_weights(project: Project) -> list[LocalWeight]:
    """List the files of sources that are paths, links to files followed (as caches have them)."""
    if not project.config.weights:
        return []
    from cogpack.resolve.weights import is_remote

    found = []
    for index, managed in enumerate(project.config.weights):
        where = project.config.where(f"weights[{index}]")
        for source in managed.sources:
            if not is_remote(source):
                found += list(_local(project, managed, source, where))
    return found


def _local(project: Project, managed: ManagedWeight, source: WeightSource, where: str) -> Iterator[LocalWeight]:
    from cogpack.resolve.weights import wanted

    uri = source.uri
    place = project.root / (unquote(urlsplit(uri).path) if uri.startswith("file://") else uri)
    target = managed.target.strip("/")
    empty = True
    try:
        if place.is_file():
            yield LocalWeight(f"{target}/{place.name}", place.resolve(), place.stat().st_size)
            return
        for directory, names, files in os.walk(place, onerror=_raise):
            names[:] = [
                name for name in names if name not in _SKIPPED and not project.is_its_cache(Path(directory, name))
            ]
            for name in files:
                path = Path(directory) / name
                relative = path.relative_to(place).as_posix()
                if wanted(source, relative) and path.is_file():
                    empty = False
                    yield LocalWeight(f"{target}/{relative}", path.resolve(), path.stat().st_size)
    except OSError as error:
        raise InputError(f"{where}: {managed.name}: {place}: {error.strerror}", next_step="correct the uri") from error
    if empty:
        raise InputError(f"{where}: {managed.name}: {place} holds no such files", next_step="correct the uri")


def _raise(error: OSError) -> None:
    raise error
