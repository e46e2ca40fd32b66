"""The archive that `docker load`, `podman load` and skopeo's `docker-archive:` read (`cogpack build -o FILE.tar`).

Docker image format v1.2, "Combined Image JSON + Filesystem Changeset Format": layers as plain tars, the config, and
last `manifest.json`, without which nothing is loaded. It is written as a stream, so a pipe will do. A layer's name in
it can't be its digest, which is known only behind its bytes; loaders go by `manifest.json`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

from cogpack.disk import is_directory
from cogpack.errors import InputError, MismatchError
from cogpack.layers import tar
from cogpack.layers.known import Outgoing
from cogpack.layers.layer import Body, Form
from cogpack.oci import Descriptor, Image, LayerInfo, encode
from cogpack.progress import counted
from cogpack.result_files import result_file
from cogpack.sinks.sink import drain

_ARCHIVES = (
    *(".tgz", ".tbz", ".tbz2", ".txz", ".tzst", ".tar.gz", ".tar.zst", ".tar.zstd", ".tar.xz", ".tar.bz2", ".tar.lz4"),
    *(".gz", ".zst", ".xz", ".bz2", ".zip", ".7z", ".oci", ".sif", ".iso", ".squashfs"),
)
"""Endings of one file, in which no image is written."""


def names_archive(output: Path) -> bool:
    """Tell whether `output` is to be an archive (.tar), and not the directory of a layout.

    Raises `InputError` where the name is that of another kind of archive, unless it is a directory already.
    """
    name = output.name.lower()
    ending = next((found for found in _ARCHIVES if name.endswith(found)), None)
    if ending and not is_directory(output):
        stem = output.name[: -len(ending)] or "image"
        raise InputError(
            f"{output}: an image is written as FILE.tar, uncompressed, or into a directory, not as {ending}",
            next_step=f"write {output.with_name(f'{stem}.tar')}, or name a DIR",
        )
    return name.endswith(".tar")


def check_no_archive(output: Path) -> None:
    """Refuse, by an `InputError`, the name of an archive where a directory will be written."""
    if names_archive(output) and not is_directory(output):
        raise InputError(f"{output}: a directory is written here, not an archive", next_step="name a DIR")


class Writable(Protocol):
    def write(self, data: bytes, /) -> object: ...


class ArchiveSink:
    """It writes to `stream` from its first byte to its last; the caller opens and closes it."""

    parallel = False
    form = Form.PLAIN

    def __init__(self, stream: Writable) -> None:
        self._stream = stream
        self._layers: list[str] = []
        self._config = ""

    @classmethod
    @contextmanager
    def write(cls, path: Path) -> Iterator[Self]:
        """Write a file that appears at `path`, whole, when the `with` ends without an error."""
        if is_directory(path):
            raise InputError(f"{path}: is a directory", next_step="name a file for the archive")
        with result_file(path) as output:
            yield cls(output)

    def add_layer(self, layer: Outgoing, on_bytes: Callable[[int], None]) -> LayerInfo:
        size = layer.recipe.size(Form.PLAIN)
        if size is None:  # a base image's compressed layer: unpack it once to learn what the header must say
            size = layer.copy_to(lambda body: drain(body, on_bytes), Form.PLAIN).descriptor.size
        name = f"layers/{len(self._layers)}.tar"
        self._stream.write(tar.header(name, b"0", mode=0o644, size=size))

        def write(body: Body) -> None:
            for block in counted(body, on_bytes):
                self._stream.write(block)

        info = layer.copy_to(write, Form.PLAIN)
        if info.descriptor.size != size:
            raise MismatchError(
                f"{layer.name}: expected {size} bytes, found {info.descriptor.size}",
                next_step="run it again when nothing writes to the project",
            )
        self._pad(size)
        self._layers.append(name)
        return info

    def put(self, image: Image) -> Descriptor:
        """Write the config; answers its descriptor, by which an image without a registry is known (the "image ID")."""
        config = image.config_descriptor
        self._config = config.digest.removeprefix("sha256:") + ".json"
        self._file(self._config, image.config)
        return config

    def commit(self, root: Descriptor, tags: Sequence[str]) -> None:  # noqa: ARG002 - the config is in place
        entry = {"Config": self._config, "RepoTags": list(tags), "Layers": self._layers}
        self._file("manifest.json", encode([entry]))
        self._stream.write(bytes(2 * tar.RECORD))

    def _file(self, name: str, data: bytes) -> None:
        self._stream.write(tar.header(name, b"0", mode=0o644, size=len(data)) + data)
        self._pad(len(data))

    def _pad(self, size: int) -> None:
        self._stream.write(bytes(-size % tar.RECORD))
