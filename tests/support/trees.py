"""Random file trees as layer entries, and contents that behave in chosen ways."""

import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from hypothesis import strategies as st

from cogpack.layers import tar
from cogpack.layers.content import Bytes, Content, Spliceable
from cogpack.layers.entry import Directory, Entry, File, HardLink, Symlink, complete

_names = st.one_of(
    st.text(st.sampled_from("ab.-_ %\n'"), min_size=1, max_size=6),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8),
    st.integers(90, 200).map(lambda size: "n" * size),
).filter(lambda name: name not in (".", "..") and not name.startswith(".wh."))

_ids = st.one_of(st.just(0), st.integers(0, 2**31))
_data = st.one_of(st.binary(max_size=40), st.integers(0, 5000).map(lambda size: b"x\0y" * size))
_xattrs = st.dictionaries(
    st.sampled_from(["user.a", "security.capability"]), st.binary(min_size=1, max_size=120), max_size=2
)


@dataclass(frozen=True)
class Deflated(Spliceable):
    """Content that a zip holds already: a raw deflate stream. What it claims may be false."""

    plain: bytes
    level: int = 6
    stream: bytes | None = None
    claimed_size: int | None = None
    claimed_crc: int | None = None

    @property
    def size(self) -> int:
        return len(self.plain) if self.claimed_size is None else self.claimed_size

    def open(self) -> BinaryIO:
        return io.BytesIO(self.plain)

    def deflated(self) -> "Raw":
        if self.stream is None:
            deflater = zlib.compressobj(self.level, zlib.DEFLATED, -zlib.MAX_WBITS)
            stream = deflater.compress(self.plain) + deflater.flush()
        else:
            stream = self.stream
        crc = zlib.crc32(self.plain) if self.claimed_crc is None else self.claimed_crc
        return Raw(stream, len(stream), crc)


@dataclass(frozen=True)
class Raw:
    stream: bytes
    size: int
    crc32: int

    def open(self) -> BinaryIO:
        return io.BytesIO(self.stream)

    def watch(self) -> None:
        """Nobody wants to see it."""


@dataclass(frozen=True)
class Endless:
    """Content of `size` zero bytes that is never in memory whole."""

    size: int

    def open(self) -> BinaryIO:
        return io.BufferedReader(_Zeros(self.size), 1024 * 1024)


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        super().__init__()
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._left)
        buffer[:count] = bytes(count)
        self._left -= count
        return count


@dataclass
class Source:
    """A `LayerSource` of given entries; `reads` counts how often they were asked for."""

    given: Sequence[Entry]
    name: str = "source"
    identity: str = "key"
    reads: int = field(default=0)

    def key(self) -> str:
        return self.identity

    def entries(self) -> Iterable[Entry]:
        self.reads += 1
        return list(self.given)


def contents() -> st.SearchStrategy[Content]:
    return st.one_of(_data.map(Bytes), st.builds(Deflated, _data, st.sampled_from([0, 1, 6, 9])))


def files() -> st.SearchStrategy[Callable[[str], File]]:
    def make(content: Content, mode: int, uid: int, gid: int, xattrs: dict[str, bytes]) -> Callable[[str], File]:
        return lambda path: File(path, content, mode, uid, gid, tuple(sorted(xattrs.items())))

    return st.builds(make, contents(), st.integers(0, 0o7777), _ids, _ids, _xattrs)


def symlinks() -> st.SearchStrategy[Callable[[str], Symlink]]:
    targets = st.lists(st.one_of(_names, st.just("..")), min_size=1, max_size=6).map("/".join)
    return st.builds(lambda target, uid: lambda path: Symlink(path, target, uid, uid), targets, _ids)


def trees() -> st.SearchStrategy[list[Entry]]:
    """Complete lists of entries: sorted, with parents, hard links among them."""
    nested = st.recursive(
        st.one_of(files(), symlinks()),
        lambda children: st.dictionaries(_names, children, max_size=4),
        max_leaves=8,
    )
    return st.dictionaries(_names, nested, max_size=4).map(lambda tree: complete(_flat("", tree), {}))


def _flat(above: str, tree: dict[str, Any]) -> Iterator[Entry]:
    for name, below in tree.items():
        path = f"{above}/{name}" if above else name
        if isinstance(below, dict):
            yield Directory(path, 0o1777 if len(below) == 2 else 0o755)
            yield from _flat(path, below)
        else:
            entry = below(path)
            yield entry
            if isinstance(entry, File) and entry.mode & 1 and f"{name}~" not in tree:
                yield HardLink(f"{path}~", path, entry.mode, entry.uid, entry.gid)


def tar_bytes(entries: Iterable[Entry]) -> bytes:
    """The plain tar, put together from the segments without the writer's own joining."""
    joined = bytearray()
    for part in tar.segments(entries):
        joined += part if isinstance(part, bytes) else part.open().read()
    return bytes(joined)


def chunked(data: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """`data` in pieces of the given sizes, again and again; zero gives an empty piece."""
    start = turn = 0
    while start < len(data):
        size = sizes[turn % len(sizes)] if any(sizes) else len(data)
        yield data[start : start + size]
        start, turn = start + size, turn + 1


def make_deep(top: Path, name: str, levels: int) -> None:
    """Make directories one in another below `top`, deeper than a path may say."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
