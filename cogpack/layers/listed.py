"""The project's own files as a layer, of which there may be very many: none of them is an object for long.

Where all are as they were listed before, the key of the layer is known, and none is looked up. Where few were never
read, they are read for it. Else the layer is made: that pass reads each once, and teaches its hash.
"""

import os
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path

from blake3 import blake3

from cogpack.disk import open_below
from cogpack.file_stat import Stat, packed, size_of
from cogpack.layers import tar
from cogpack.layers.content import WITHOUT_WAITING, Content, LocalFile, changed
from cogpack.layers.entry import Directory, Entry, Members, Streamed, Symlink
from cogpack.layers.files import LEAST, Placed, drain, equals, key_of_files, read_equal, stored_once
from cogpack.layers.fingerprints import SMALL, Fingerprinted, Fingerprints
from cogpack.layers.hashes import Hashes
from cogpack.project import Files
from cogpack.sizes import BLOCK

_AT_ONCE = 1000
_RUN = BLOCK // 4
"""Bytes of files in a row that are made members at once, or little more."""


class ListedFiles:
    """Gives `files` of the project at `root` as a layer, below the directory `place`; beside them what is `generated`.
    `listing` tells all that decides its key: names, statuses, and what is generated."""

    def __init__(
        self,
        fingerprints: Fingerprints,
        root: str,
        name: str,
        listing: str,
        files: Files,
        place: str,
        generated: Sequence[Placed],
    ) -> None:
        self.name = name
        self._fingerprints = fingerprints
        self._root = root
        self._listing = listing
        self._files = files
        self._place = place
        self._generated = generated
        self._looked_up = False

    def key(self) -> str | None:
        if not self._looked_up and (known := self._fingerprints.key_of(self._listing)) is not None:
            return known
        unknown = list(self._hashes.unknown())
        for number in unknown:
            self._see(number)
        for number in unknown:
            drain(self._placed(number))
        read_equal(self._large.values(), drain)
        key = key_of_files(self._told(), self._directories, self._symlinks, linked=bool(self._equal))
        if not self._hashes.moved:  # else it is the key of other files: those of the listing may come back
            self._fingerprints.learn_key(self._listing, key, self._files.newest())
        return key

    def _told(self) -> Iterator[tuple[str, str | None, bool]]:
        """Tell all that goes into the key of each file, sorted by path."""
        start = 0
        for file in sorted(self._generated, key=lambda file: file.path):
            behind = self._behind(file.path)
            yield from self._told_in_row(start, behind)
            yield file.path, file.content.blake3, file.executable
            start = behind
        yield from self._told_in_row(start, self._files.plain)

    def _told_in_row(self, start: int, end: int) -> Iterator[tuple[str, str | None, bool]]:
        assert not self._hashes.count_unknown()
        place = f"{self._place}/"
        for first in range(start, end, _AT_ONCE):
            behind = min(first + _AT_ONCE, end)
            paths = [place + path for path in self._files.paths(first, behind)]
            yield from zip(
                paths, self._hashes.all_of(first, behind), map(bool, self._files.marks[first:behind]), strict=True
            )

    def unread(self) -> bool:
        """Tell whether most of the files were never read."""
        if not self._looked_up and self._fingerprints.key_of(self._listing) is not None:
            return False
        return self._hashes.count_unknown() * 2 > self._files.plain

    def entries(self) -> Iterable[Entry]:
        read_equal(self._large.values(), drain)
        equal = self._equal
        apart = {file.path: file for one in self._generated for file in (equal.get(one.path, [one])[0], one)}
        few = [
            *map(Directory, self._directories),
            *(Symlink(path, target) for path, target in self._symlinks),
            *(stored_once(file, equal.get(file.path)) for file in apart.values()),
        ]
        return Streamed(few, partial(self._many, equal, apart.keys()), partial(self._runs, equal, apart.keys()))

    def _many(
        self, equal: dict[str, list[Placed]], apart: Container[str], numbers: Iterable[int] | None = None
    ) -> Iterator[Entry]:
        for number in range(self._files.plain) if numbers is None else numbers:
            file = self._placed(number)
            if file.path not in apart:
                yield stored_once(file, equal.get(file.path))

    def _runs(
        self, equal: dict[str, list[Placed]], apart: Container[str], stops: Iterable[str]
    ) -> Iterator[Entry | Members]:
        start = 0
        for stop in (*stops, None):
            end = self._files.plain if stop is None else self._behind(stop)
            while start < end:
                if (behind := self._run(start, end)) > start:
                    yield _Run(self, self._placing(start), start, behind)
                else:
                    behind = start + 1
                    yield from self._many(equal, apart, (start,))
                start = behind

    def _behind(self, path: str) -> int:
        """Tell the number of the first of the files that comes behind this path of the layer."""
        place = f"{self._place}/"
        if path.startswith(place):
            return self._files.behind(path.removeprefix(place))
        return 0 if path < place else self._files.plain

    def _run(self, start: int, end: int) -> int:
        """Tell up to which file before `end` all are small, and known or not."""
        large = self._large
        size = 0
        _, end = self._hashes.alike(start, end)
        for number, length in enumerate(self._files.sizes[start:end], start):
            if length > SMALL or size > _RUN or number in large:
                return number
            size += length + tar.RECORD
        return end

    def pack(self, start: int, end: int) -> bytes:
        """Read small files in a row, which makes their members; if nobody knew what they are, it is known then."""
        known, _ = self._hashes.alike(start, end)
        digests: list[bytes] = []
        made = tar.members(self._read(start, end, None if known else digests))
        if not known:
            self._fingerprints.learn_run(self._hashes, start, digests)
        return made

    def _read(self, start: int, end: int, digests: list[bytes] | None) -> Iterator[tuple[str, int, bytes]]:
        root, place, files, moved = f"{self._root}/", f"{self._place}/", self._files, self._hashes.moved
        rows = zip(files.paths(start, end), files.sizes[start:end], files.marks[start:end], strict=True)
        for number, (path, size, mark) in enumerate(rows, start):
            data = b""
            if size:
                found = None if number in moved else _read_as_listed(root + path, files.stat(number), size)
                data = self._moved(number) if found is None else found
            if digests is not None:
                digests.append(blake3(data).digest())
            yield place + path, 0o755 if mark else 0o644, data

    def _moved(self, number: int) -> bytes:
        """Read a file that is not what was listed: as it is now, if nobody knew it."""
        return b"".join(tar.read(self._placed(number).content))

    def size(self, start: int, end: int) -> int:
        """Count the bytes of such members: what nobody knew is held to what it is now."""
        listed = enumerate(self._files.sizes[start:end], start)
        sizes = (self._size(number) if size else 0 for number, size in listed)
        return sum(map(tar.member_size, map(self._placing, range(start, end)), sizes))

    def _size(self, number: int) -> int:
        """Count the bytes of a file that is none of the `_large`: if it is by now, it might have been stored once."""
        if self._hashes.get(number) is None:
            self._hold(number)
        size = size_of(self._hashes.stat(number))
        if size >= LEAST:
            raise changed(self._path(number))
        return size

    @cached_property
    def _hashes(self) -> Hashes:
        self._looked_up = True
        return self._fingerprints.hashes(self._files.names, self._files.stats)

    @cached_property
    def _large(self) -> dict[int, Placed]:
        """Those that may be stored once, by their numbers, and what is generated by negative ones."""
        found = {number: self._new(number) for number in sorted({*self._files.large(LEAST), *self._hashes.moved})}
        return found | {-1 - at: file for at, file in enumerate(self._generated)}

    @property
    def _equal(self) -> dict[str, list[Placed]]:
        return {file.path: same for same in equals(self._large.values()).values() for file in same}

    @property
    def _directories(self) -> list[str]:
        return [self._place, *(f"{self._place}/{file.path}" for file in self._files.others if file.kind == "directory")]

    @property
    def _symlinks(self) -> list[tuple[str, str]]:
        links = (file for file in self._files.others if file.kind == "symlink")
        return [(f"{self._place}/{file.path}", file.target or "") for file in links]

    def _path(self, number: int) -> str:
        return f"{self._root}/{self._files.path(number)}"

    def _placing(self, number: int) -> str:
        return f"{self._place}/{self._files.path(number)}"

    def _see(self, number: int) -> None:
        if not self._hashes.is_held(number):
            file = file_below(self._root, self._files.path(number), self._hashes.stat(number))
            self._hashes.see(number, file.stat)

    def _hold(self, number: int) -> None:
        """Take a file that nobody knew as it is now, but only once: who asks twice, as for a size, gets the same."""
        self._see(number)
        self._hashes.hold(number)

    def _placed(self, number: int) -> Placed:
        if (large := self._large.get(number)) is not None:
            return large
        self._size(number)
        return self._new(number)

    def _new(self, number: int) -> Placed:
        known = self._hashes.get(number)
        if known is None:
            self._hold(number)
        local = LocalFile(self._path(number), self._hashes.stat(number))
        content = Fingerprinted(local, known, partial(self._learn, number) if known is None else None)
        return Placed(self._placing(number), content, self._files.marks[number] == 1)

    def _learn(self, number: int, content: Content, digest: str) -> None:
        assert isinstance(content, LocalFile)
        self._fingerprints.learn(self._hashes, number, content.stat, digest)


class _Run(Members):
    """Is small files in a row, told by their numbers."""

    __slots__ = ("_end", "_listed", "_start", "path")

    def __init__(self, listed: ListedFiles, path: str, start: int, end: int) -> None:
        self.path = path
        self._listed, self._start, self._end = listed, start, end

    @property
    def size(self) -> int:
        return self._listed.size(self._start, self._end)

    def at_once(self) -> bytes:
        return self._listed.pack(self._start, self._end)


def file_below(root: str | Path, path: str, listed: Stat | None) -> LocalFile:
    """Take the file `path` of the project at `root` as it is now. If it is not the one that was `listed`, a link may
    have taken the place of a directory on the way: what lies behind that is no file of the project's."""
    found = LocalFile.of(f"{root}/{path}")
    if found.stat != listed:
        above, _, name = path.rpartition("/")
        try:
            directory = open_below(root, above)
            try:
                is_same = packed(os.stat(name, dir_fd=directory, follow_symlinks=False)) == found.stat
            finally:
                os.close(directory)
        except OSError as error:
            raise changed(found.path) from error
        if not is_same:
            raise changed(found.path)
    return found


def _read_as_listed(path: str, stat: Stat, size: int) -> bytes | None:
    """Read a small file, of which there may be very many. None where it is not the file that was listed any more, or
    can't be read: `LocalFile` says which."""
    try:
        descriptor = os.open(path, WITHOUT_WAITING)
        try:
            data = os.read(descriptor, size + 1)
            is_same = packed(os.fstat(descriptor)) == stat
        finally:
            os.close(descriptor)
    except OSError:
        return None
    return data if is_same and len(data) == size else None
