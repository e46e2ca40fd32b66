"""What a file says to the dynamic linker is learnt while its bytes go by, on their way to somebody else.

The file itself tells where things lie, one after the other: what is ahead then is kept when it comes. What has gone by
is mostly near the beginning (strings and versions, as linkers lay them), and that is kept, or read again up to there.
"""

from typing import NamedTuple

from cogpack.elf.file import ReadAt
from cogpack.elf.linking import Elf, read_elf
from cogpack.sizes import MiB

_HEAD = MiB


class PassingElf:
    """Learns what `read_elf` tells of a file of `size` bytes; `again` reads what has gone by."""

    def __init__(self, size: int, again: ReadAt) -> None:
        self._size = size
        self._again = again
        self._at = 0
        self._wanted = range(min(_HEAD, size))
        self._piece = bytearray()
        self._kept: list[_Piece] = []
        self._told = False
        self._elf: Elf | None = None

    def see(self, block: bytes) -> None:
        """Take the bytes that come next."""
        here, self._at = _Piece(self._at, block), self._at + len(block)
        while not self._told and self._at > self._wanted.start:
            self._piece += here.cut(self._wanted)
            if self._at < self._wanted.stop:
                return
            self._kept.append(_Piece(self._wanted.start, bytes(self._piece)))
            self._piece.clear()
            self._try(here)

    def elf(self) -> Elf | None:
        """Tell it, once all bytes were seen; of a file that came to less than it should, by reading it again."""
        return self._elf if self._told else read_elf(self._again)

    def _try(self, here: "_Piece") -> None:
        """Read all, as far as what was kept and the block that is `here` go; else learn what is wanted next."""

        def read(offset: int, size: int) -> bytes:
            wanted = range(offset, min(offset + size, self._size))
            if not wanted:  # beyond the end of a file that lies
                return b""
            for piece in (here, *self._kept):
                if piece.start <= wanted.start and wanted.stop <= piece.start + len(piece.data):
                    return piece.cut(wanted)
            if wanted.stop > self._at and wanted.start >= here.start:
                raise _AheadError(wanted)
            self._kept.append(_Piece(offset, self._again(offset, len(wanted))))
            return self._kept[-1].data

        try:
            self._elf, self._told = read_elf(read), True
        except _AheadError as ahead:
            self._wanted = ahead.wanted


class _Piece(NamedTuple):
    start: int
    data: bytes

    def cut(self, wanted: range) -> bytes:
        return self.data[max(0, wanted.start - self.start) : max(0, wanted.stop - self.start)]


class _AheadError(Exception):
    def __init__(self, wanted: range) -> None:
        self.wanted = wanted
