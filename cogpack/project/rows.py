"""The files of a project, of which there may be very many, in rows of bytes: an object each, with what it holds, would
take 300 bytes a file for as long as the run lasts."""

import struct
import sys
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from operator import attrgetter
from typing import Literal

import msgspec
from blake3 import blake3

from cogpack.file_stat import LENGTH, Stat, size_of, touched_ns
from cogpack.project.lfs import LfsPointer

_AT_ONCE = 1000
"""Files that are objects at once."""

_PATH = attrgetter("path")


class ProjectFile(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Describes a file, directory or link. `path` is relative POSIX text; `size` (bytes) and `executable` (by its
    owner) are of files, `target` of links.

    `pointer`: of a weight that git-lfs has not fetched; `size` is then that of the file that should be there. `stat`:
    of a file, when it was listed.
    """

    path: str
    kind: Literal["file", "symlink", "directory"]
    executable: bool = False
    size: int = 0
    target: str | None = None
    pointer: LfsPointer | None = None
    stat: Stat | None = None


class Files(Collection[ProjectFile]):
    """Gives what was found, sorted by the UTF-8 bytes of the paths; each is made an object when it is asked for.

    Plain files have numbers, from 0: `names` has their paths, a zero byte between two, `stats` their statuses, and
    `marks` a byte a file, 1 where its owner may execute it. `others`, sorted too: directories, links, pointers.
    """

    def __init__(self, names: bytes, stats: bytes, marks: bytes, others: Sequence[ProjectFile] = ()) -> None:
        assert len(stats) == LENGTH * len(marks)
        self.names = names
        self.stats = stats
        self.marks = marks
        self.others = others
        self.plain = len(marks)
        """How many of them are plain files."""

    @classmethod
    def found(
        cls, paths: Sequence[str], stats: Sequence[Stat], marks: Sequence[int], others: Iterable[ProjectFile]
    ) -> "Files":
        """Sort what was found in any order."""
        order = sorted(range(len(paths)), key=paths.__getitem__)  # code point order of text is byte order of its UTF-8
        return cls(
            "\0".join([paths[number] for number in order]).encode("utf-8", "surrogateescape"),
            b"".join([stats[number] for number in order]),
            bytes([marks[number] for number in order]),
            tuple(sorted(others, key=_PATH)),
        )

    def __len__(self) -> int:
        return self.plain + len(self.others)

    def __iter__(self) -> Iterator[ProjectFile]:
        paths = self.paths()
        start = 0
        for other in self.others:
            end = bisect_left(paths, other.path, start)
            yield from self._made(start, end)
            yield other
            start = end
        yield from self._made(start, self.plain)

    def __contains__(self, file: object) -> bool:
        return isinstance(file, ProjectFile) and self.find(file.path) == file

    def _made(self, start: int, end: int) -> Iterator[ProjectFile]:
        for first in range(start, end, _AT_ONCE):
            behind = min(first + _AT_ONCE, end)
            yield from map(self._new, range(first, behind), self.paths(first, behind))

    def _new(self, number: int, path: str) -> ProjectFile:
        stat = self.stat(number)
        return ProjectFile(path=path, kind="file", executable=self.marks[number] == 1, size=size_of(stat), stat=stat)

    def file(self, number: int) -> ProjectFile:
        return self._new(number, self.path(number))

    def path(self, number: int) -> str:
        return self.paths(number, number + 1)[0]

    def paths(self, start: int = 0, end: int | None = None) -> list[str]:
        """Give the paths of plain files."""
        end = self.plain if end is None else end
        if start >= end:
            return []
        names = self.names[self._ends[start] + start : self._ends[end] + end - 1]
        return names.decode("utf-8", "surrogateescape").split("\0")

    def all_paths(self, *, directories: bool = True) -> list[str]:
        return sorted([*self.paths(), *(file.path for file in self.others if directories or file.kind != "directory")])

    @cached_property
    def _ends(self) -> "memoryview[int]":
        """Where the name of each ends, but for the zero bytes before, from 0 on."""
        ends = list(accumulate(map(len, self.names.split(b"\0")), initial=0))
        return memoryview(struct.pack(f"{len(ends)}I", *ends)).cast("I")

    def behind(self, path: str) -> int:
        """Tell the number of the first plain file whose path is this one or comes behind it."""
        return bisect_left(range(self.plain), path, key=self.path)

    def find(self, path: str) -> ProjectFile | None:
        number = self.behind(path)
        if number < self.plain and self.path(number) == path:
            return self.file(number)
        at = bisect_left(self.others, path, key=_PATH)
        return self.others[at] if at < len(self.others) and self.others[at].path == path else None

    def stat(self, number: int) -> Stat:
        return Stat(self.stats[LENGTH * number : LENGTH * (number + 1)])

    @property
    def sizes(self) -> Sequence[int]:
        """The bytes of each plain file."""
        return memoryview(self.stats).cast("Q")[::5] if self.plain else ()

    def large(self, least: int) -> list[int]:
        """Give the numbers of plain files that have so many bytes."""
        if max(self.sizes, default=-1) < least:
            return []
        return [number for number, size in enumerate(self.sizes) if size >= least]

    @cached_property
    def ends(self) -> "Mapping[str, memoryview[int]]":
        """The numbers of plain files by what begins with the last dot of their paths, or by the last character: of very
        many files there are few such ends, and most questions are about these."""
        found: dict[str, bytearray] = {}
        for number, path in enumerate(self.paths()):
            end = path[path.rfind(".") :]
            if (same := found.get(end)) is None:
                found[end] = bytearray(number.to_bytes(4, sys.byteorder))
            else:
                same += number.to_bytes(4, sys.byteorder)
        return {end: memoryview(numbers).cast("I") for end, numbers in found.items()}

    def with_ends(self, ends: Iterable[str]) -> Iterator[ProjectFile]:
        for end in ends:
            yield from map(self.file, self.ends.get(end, ()))

    def without(self, paths: Collection[str]) -> "Files":
        gone = {number for number, path in enumerate(self.paths()) if path in paths}
        return self._left(gone, [file for file in self.others if file.path not in paths])

    def replacing(self, others: Mapping[int, ProjectFile]) -> "Files":
        """Give the same with `others` for the plain files of these numbers."""
        return self._left(others.keys(), sorted([*self.others, *others.values()], key=_PATH)) if others else self

    def _left(self, gone: Collection[int], others: Sequence[ProjectFile]) -> "Files":
        left = [number for number in range(self.plain) if number not in gone] if gone else range(self.plain)
        paths = self.paths()
        return Files.found(
            [paths[n] for n in left], [self.stat(n) for n in left], [self.marks[n] for n in left], others
        )

    def digest(self, *more: bytes) -> str:
        """Hash all that tells whether files are what they were, and `more`, in hex."""
        marks = "\0".join([f"{file.path}\0{file.kind[0]}{file.target or ''}" for file in self.others])
        digest = blake3()
        for part in (self.names, self.stats, self.marks, marks.encode("utf-8", "surrogateescape"), *more):
            digest.update(len(part).to_bytes(8, "big")).update(part)
        return digest.hexdigest()

    def newest(self) -> int:
        """Tell when the last plain file was touched, in nanoseconds since 1970."""
        return touched_ns(self.stats) if self.plain else 0
