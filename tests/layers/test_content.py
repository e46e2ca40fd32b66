import io
from typing import BinaryIO

from cogpack.layers.content import read_anywhere


class OnlyForward:
    """Is content as a compressed member gives it. `opened`: how often that was."""

    def __init__(self, data: bytes, *, seekable: bool = False) -> None:
        self.data = data
        self.opened = 0
        self._seekable = seekable

    @property
    def size(self) -> int:
        return len(self.data)

    def open(self) -> BinaryIO:
        self.opened += 1
        stream = io.BytesIO(self.data)
        stream.seekable = lambda: self._seekable  # type: ignore[method-assign]
        return stream


def test_what_lies_behind_is_read_by_opening_it_again() -> None:
    content = OnlyForward(bytes(range(200)))
    with read_anywhere(content) as read:
        assert [read(0, 2), read(150, 2), read(152, 1), read(7, 3)] == [b"\0\1", b"\x96\x97", b"\x98", b"\7\10\t"]
    assert content.opened == 2


def test_what_can_seek_is_opened_once() -> None:
    content = OnlyForward(bytes(range(200)), seekable=True)
    with read_anywhere(content) as read:
        assert [read(150, 2), read(7, 1)] == [b"\x96\x97", b"\7"]
    assert content.opened == 1


def test_behind_the_end_is_nothing() -> None:
    with read_anywhere(OnlyForward(b"abc")) as read:
        assert [read(2, 5), read(3, 1), read(1 << 70, 1)] == [b"c", b"", b""]
