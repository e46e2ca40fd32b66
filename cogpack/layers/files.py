"""Files of the project, as layers: the source tree, and weights.

Modes are normal ones (0755 where the owner may execute, else 0644) and the owner is root, so that neither umask nor
checkout changes the image and any user of the container can read it.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec
from blake3 import blake3

from cogpack.layers.content import Bytes, Content
from cogpack.layers.entry import Directory, Entry, File, Symlink
from cogpack.layers.fingerprints import Fingerprinted
from cogpack.oci import encode


class Hashed(Content, Protocol):
    """Content whose blake3 is known in hex, at the latest when it has been read."""

    @property
    def blake3(self) -> str | None: ...


class Placed(msgspec.Struct, frozen=True):
    """A file at its place in the image. `ratio`: of a weight, thousandths of its bytes that zstd leaves in a probe."""

    path: str
    content: Hashed
    executable: bool = False
    ratio: int | None = None


def generated(path: str, data: bytes, *, executable: bool = False) -> Placed:
    return Placed(path, Fingerprinted(Bytes(data), blake3(data).hexdigest()), executable)


class FilesSource:
    """A `LayerSource` of files: its key is known once each has been read, in this run or an earlier one."""

    def __init__(
        self,
        name: str,
        files: Sequence[Placed],
        *,
        directories: Sequence[str] = (),
        symlinks: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.name = name
        self._files = files
        self._directories = directories
        self._symlinks = symlinks

    def key(self) -> str | None:
        if any(file.content.blake3 is None for file in self._files):
            return None
        files = sorted((file.path, file.content.blake3, file.executable) for file in self._files)
        return blake3(encode(["files", files, sorted(self._directories), sorted(self._symlinks)])).hexdigest()

    def entries(self) -> Iterable[Entry]:
        for path in self._directories:
            yield Directory(path)
        for path, target in self._symlinks:
            yield Symlink(path, target)
        for file in self._files:
            yield File(file.path, file.content, mode=0o755 if file.executable else 0o644)
