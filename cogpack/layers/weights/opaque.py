"""A file of any kind over several layers: split into pieces of whole pages, joined where the container starts.

In the image its path is a link into a directory that any user may write to. `runtime/inside/join.py` puts the pieces
together there before the server listens. Beside each piece lies its blake3, so that what was joined once, perhaps on a
volume that outlived its image, is known for the same bytes or for others.
"""

import io
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import msgspec
from blake3 import blake3

from cogpack.layers.content import Bytes
from cogpack.layers.entry import Directory, Entry, File, Symlink
from cogpack.layers.files import Placed
from cogpack.oci import encode
from cogpack.runtime.contract import STATE

JOINED = f"{STATE}/joined"
PARTS = f"{STATE}/parts"
MANIFEST = f"{STATE}/join.json"
PROGRAM = f"{STATE}/join.py"
_PAGE = 4096

_RECIPE = "join"
"""Part of the key: another one whenever the same files would give other entries."""


class OpaqueFile(msgspec.Struct, frozen=True):
    """Is in the image as `parts`, which are joined at start; `path`: of the whole file there."""

    path: str
    size: int
    parts: tuple[Placed, ...]

    @property
    def joined(self) -> str:
        return f"{JOINED}/{_folder(self.path)}/{self.path.rpartition('/')[2]}"


def opaque_ranges(size: int, length: int) -> list[tuple[int, int]]:
    """Split `size` bytes into ranges of `length`, rounded down to whole pages, so that a join can clone blocks."""
    length = max(_PAGE, length // _PAGE * _PAGE)
    return [(start, min(length, size - start)) for start in range(0, size, length)]


def part_path(path: str, number: int) -> str:
    return f"{PARTS}/{_folder(path)}/{number:05d}"


def with_digest(part: Placed) -> list[Placed]:
    """Give the piece, and behind it a file with its blake3."""
    return [part, Placed(f"{part.path}.blake3", _DigestOf(part))]


def _folder(path: str) -> str:
    return blake3(path.encode()).hexdigest()[:16]


class _DigestOf:
    """Is 64 hex digits that are known once the piece has been read, which stands before this in its layer."""

    size = 64

    def __init__(self, part: Placed) -> None:
        self._part = part

    @property
    def blake3(self) -> str | None:
        digest = self._part.content.blake3
        return None if digest is None else blake3(digest.encode()).hexdigest()

    def open(self) -> BinaryIO:
        digest = self._part.content.blake3
        assert digest is not None
        return io.BytesIO(digest.encode())


class JoinSource:
    """Gives, as a layer, the link in each file's place, the program that joins, and what it is to join."""

    name = "weights: joined at start"

    def __init__(self, files: Sequence[OpaqueFile], program: bytes) -> None:
        self._files = files
        self._program = program
        self._manifest = encode(
            [
                {
                    "path": f"/{file.path}",
                    "joined": f"/{file.joined}",
                    "size": file.size,
                    "parts": [[f"/{part.path}", part.content.size] for part in file.parts],
                }
                for file in files
            ]
        )

    def key(self) -> str:
        return blake3(encode([_RECIPE, self._manifest, self._program])).hexdigest()

    def entries(self) -> Iterable[Entry]:
        yield Directory(JOINED, mode=0o1777)
        yield File(MANIFEST, Bytes(self._manifest))
        yield File(PROGRAM, Bytes(self._program))
        for file in self._files:
            yield Symlink(file.path, f"/{file.joined}")
