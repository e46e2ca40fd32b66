"""Blobs of any size that are made while they are read: nothing of them is kept."""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

KiB = 1024
MiB = 1024 * KiB
BLOCK = MiB
_MARK = struct.Struct("<QQ")


@dataclass(frozen=True)
class Counted:
    """Bytes `start` to `stop` of blocks of a mebibyte: each begins with `seed` and its number, and goes on as `filler`.

    So a block that lies in another's place is noticed. With zeros for filler, a file of it is next to nothing on disk.
    """

    seed: int
    stop: int
    filler: bytes = bytes(BLOCK)
    start: int = 0

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, part: slice) -> "Counted":
        start, stop, _ = part.indices(len(self))
        return replace(self, start=self.start + start, stop=self.start + max(start, stop))

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self.start // BLOCK, -(-self.stop // BLOCK)):
            block = _MARK.pack(self.seed, number) + self.filler[_MARK.size :]
            begin = number * BLOCK
            yield block[max(0, self.start - begin) : self.stop - begin]

    @property
    def digest(self) -> str:
        found = hashlib.sha256()
        for block in self:
            found.update(block)
        return f"sha256:{found.hexdigest()}"

    def write(self, path: Path) -> None:
        """As a file with holes; the filler has to be zeros."""
        assert not any(self.filler)
        with path.open("wb") as file:
            for number in range(-(-self.stop // BLOCK)):
                file.seek(number * BLOCK)
                file.write(_MARK.pack(self.seed, number))
            file.truncate(self.stop)
