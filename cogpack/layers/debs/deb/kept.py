"""Packages of a base are unpacked for each layer over it: what xz has made of one is kept, packed by zstd, which takes
a tenth of the time.

What is kept becomes files of images, so it is under a seal, and is read whole before anything of it counts.
"""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec
from blake3 import blake3

from cogpack import zstd
from cogpack.disk import open_regular, write_hint
from cogpack.notes import Note
from cogpack.seal import Seal
from cogpack.sizes import MiB

_FORMAT = "1"
_PIECE = 4 * MiB
_LEVEL = 1
_WINDOW_LOG = 23
_LARGEST = 32 * MiB
"""Bytes of a package beyond which it is not kept: those of the base have 8 MiB at most."""
_MOST = 16 * _LARGEST
"""Bytes that are read, whatever lies there."""
_SIZE = 8


class _Head(msgspec.Struct, frozen=True, array_like=True):
    control: dict[str, bytes]
    frames: list[int]
    hash: bytes  # of all frames


class KeptPackages:
    """Keeps packages below `directory`, with this `seal`: those whose sha256 (hex) is in `often`. `used` is told of
    each file before it is looked for, and `note` of a disk that takes none."""

    def __init__(
        self,
        directory: Path,
        seal: Seal,
        often: Collection[str],
        *,
        used: Callable[[Path], None],
        note: Callable[[Note], None],
    ) -> None:
        self._directory = directory
        self._seal = seal
        self._often = often
        self._used = used
        self._note = note

    def find(self, sha256: str) -> tuple[dict[str, bytes], Iterator[bytes]] | None:
        """Give the control files of a package, and its data as a plain tar; None of one that is not kept."""
        if sha256 not in self._often:
            return None
        path = self._path(sha256)
        self._used(path)
        try:
            with open_regular(path) as file:
                data = file.read(_MOST)
        except OSError:
            return None
        start = _SIZE + int.from_bytes(data[:_SIZE], "big")
        head, frames = self._seal.open(path.name, data[_SIZE:start]), memoryview(data)[start:]
        if head is None:
            return None
        found = msgspec.msgpack.decode(head, type=_Head)
        return (found.control, _plain(frames, found.frames)) if blake3(frames).digest() == found.hash else None

    def keeping(self, sha256: str, size: int) -> "Keeping | None":
        """Say how a package is kept that is read now; None of one that is not."""
        if sha256 not in self._often or size > _LARGEST:
            return None
        path = self._path(sha256)

        def write(head: _Head, frames: Collection[bytes]) -> None:
            sealed = self._seal.close(path.name, msgspec.msgpack.encode(head))
            write_hint(path, b"".join((len(sealed).to_bytes(_SIZE, "big"), sealed, *frames)), self._refused)

        return Keeping(write)

    def _refused(self, note: Note) -> None:
        """Tell it of the first only: a disk that takes none of them would refuse a hundred."""
        self._often = ()
        self._note(note)

    def _path(self, sha256: str) -> Path:
        return self._directory / f"{sha256}.{_FORMAT}.unpacked"


class Keeping:
    """Packs what goes by."""

    def __init__(self, write: Callable[[_Head, Collection[bytes]], None]) -> None:
        self._write = write
        self._frames: list[bytes] = []
        self._piece = bytearray()

    def watch(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Give `blocks`, the plain data of the package, as they are."""
        for block in blocks:
            self._piece += block
            if len(self._piece) >= _PIECE:
                self._pack()
            yield block

    def end(self, control: dict[str, bytes]) -> None:
        """Keep it, with its control files: all has gone by."""
        self._pack()
        hasher = blake3()
        for frame in self._frames:
            hasher.update(frame)
        self._write(_Head(control, [len(frame) for frame in self._frames], hasher.digest()), self._frames)

    def _pack(self) -> None:
        self._frames.append(zstd.compress(self._piece, _LEVEL))
        self._piece = bytearray()


def _plain(frames: memoryview, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield zstd.decoder(_WINDOW_LOG).decompress(bytes(frames[at : at + size]))
        at += size
