"""blake3 of very many files, in three rows of bytes: a hundred thousand objects would cost more than their hashes.

Files are told by their number: names, statuses and hashes lie in the order of a list that is sorted by the UTF-8 bytes
of its paths. What is known of another list is taken over by name, and only where the status is the same byte by byte.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import cast

import msgspec
from blake3 import blake3

from cogpack.file_stat import LENGTH, Stat

_HASH = 32
_AT_ONCE = 512
"""Files whose statuses are compared at once."""

_EMPTY = blake3().digest()
"""blake3 of no bytes: such a file is never opened."""
_NO_BYTES = bytes(8)


class Rows(msgspec.Struct, frozen=True, array_like=True):
    """Is how hashes are stored. `names`: of files, a zero byte between two; `known`: a byte a file, 1 where its hash
    counts."""

    names: bytes = b""
    stats: bytes = b""
    hashes: bytes = b""
    known: bytes = b""


class Hashes:
    """Holds what is known of the files `names`, which had `stats` when they were listed: rows, as in `Rows`."""

    def __init__(self, names: bytes, stats: bytes) -> None:
        self.names = names
        self.stats = stats
        count = len(stats) // LENGTH
        assert count == (names.count(b"\0") + 1 if names else 0)
        self._hashes = bytearray(_HASH * count)
        self._known = bytearray(count)
        self._young: set[int] = set()
        """Files of which this run alone knows: they may be written to again, and look the same."""
        self.moved: dict[int, Stat] = {}
        """Files that were seen to be others than when they were listed, and what they were then."""
        self._held = bytearray(count)
        """A byte a file, 1 where it is not taken as it is now any more."""

    def __len__(self) -> int:
        return len(self._known)

    def stat(self, number: int) -> Stat:
        return self.moved.get(number) or Stat(self.stats[LENGTH * number : LENGTH * (number + 1)])

    def row_of_stats(self, start: int, end: int) -> bytes:
        if self.moved:
            return b"".join(map(self.stat, range(start, end)))
        return self.stats[LENGTH * start : LENGTH * end]

    def see(self, number: int, stat: Stat) -> None:
        """Take a file, whose hash is not known, as it is now."""
        if stat != self.stat(number):
            self.moved[number] = stat

    def is_held(self, number: int) -> bool:
        return self._held[number] == 1

    def hold(self, number: int) -> None:
        """From now on it is the file that it was seen to be."""
        self._held[number] = 1

    def is_of(self, other: "Hashes") -> bool:
        """Tell whether it is of the same files, as they were then."""
        return not self.moved and self.names == other.names and self.stats == other.stats

    def take_over(self, rows: Rows) -> bool:
        """Take over what is known of those of the files that are as they were; tell whether these are all of both."""
        count = len(rows.known)
        sound = len(rows.stats) == LENGTH * count and len(rows.hashes) == _HASH * count
        if not sound or (rows.names.count(b"\0") + 1 if count else 0) != count:
            return False
        for old, new, length in _common(rows.names, self.names) if count and len(self) else ():
            self._take(rows, old, new, length)
        return rows.names == self.names and rows.stats == self.stats and rows.known == self._known

    def _take(self, rows: Rows, old: int, new: int, length: int) -> None:
        """Take over `length` files from the number `old` on, which is `new` here, where their statuses are the same."""
        if rows.stats[LENGTH * old : LENGTH * (old + length)] == self.stats[LENGTH * new : LENGTH * (new + length)]:
            self._hashes[_HASH * new : _HASH * (new + length)] = rows.hashes[_HASH * old : _HASH * (old + length)]
            self._known[new : new + length] = rows.known[old : old + length]
        elif length > 1:
            step = _AT_ONCE if length > _AT_ONCE else 1
            for start in range(0, length, step):
                self._take(rows, old + start, new + start, min(step, length - start))

    def count_unknown(self) -> int:
        """Count the files whose hashes are not known, empty ones among them."""
        return self._known.count(0)

    def alike(self, start: int, end: int) -> tuple[bool, int]:
        """Tell whether the hash of the file `start` is known, and up to which file before `end` it is the same."""
        known = self._known[start]
        other = self._known.find(1 - known, start, end)
        return bool(known), end if other == -1 else other

    def unknown(self) -> Iterator[int]:
        """Give the numbers of the files whose hashes are not known, but for empty ones, whose are."""
        number = self._known.find(0)
        while number != -1:
            if self.stat(number).startswith(_NO_BYTES):
                self.learn(number, _EMPTY)
            else:
                yield number
            number = self._known.find(0, number + 1)

    def get(self, number: int) -> str | None:
        """Give a hash in hex."""
        return self._hashes[_HASH * number : _HASH * (number + 1)].hex() if self._known[number] else None

    def all_of(self, start: int, end: int) -> list[str]:
        """Give the hashes of files in a row, in hex; they are known."""
        return self._hashes[_HASH * start : _HASH * end].hex(" ", _HASH).split(" ")

    def learn(self, number: int, digest: bytes, *, young: bool = False) -> None:
        self._hashes[_HASH * number : _HASH * (number + 1)] = digest
        self._known[number] = 1
        if young:
            self._young.add(number)

    def learn_run(self, start: int, digests: Sequence[bytes]) -> None:
        """Learn what files in a row are, of which none is young."""
        end = start + len(digests)
        self._hashes[_HASH * start : _HASH * end] = b"".join(digests)
        self._known[start:end] = b"\1" * len(digests)

    def rows(self) -> Rows:
        """Give what is to be remembered: at once, since it is not copied."""
        known, stats = bytearray(self._known), self.stats
        for number in self._young:
            known[number] = 0
        if self.moved:
            changed = bytearray(stats)
            for number, stat in self.moved.items():
                changed[LENGTH * number : LENGTH * (number + 1)] = stat
            stats = bytes(changed)
        return Rows(self.names, stats, cast("bytes", self._hashes), bytes(known))


def _common(old: bytes, new: bytes) -> Iterator[tuple[int, int, int]]:
    """Find the names that two lists have both: numbers of the first of them, in either, and how many follow.

    Lists are mostly the same from some file on and up to some other, so only what lies between is looked at by name.
    """
    if old == new:
        yield 0, 0, old.count(b"\0") + 1
        return
    head = _equal(old, new)
    head = old.rfind(b"\0", 0, head) + 1  # whole names, each with what ends it
    before = old.count(b"\0", 0, head)
    if before:
        yield 0, 0, before
    old, new = old[head:], new[head:]
    tail = _equal(old, new, from_end=True)
    at = old.find(b"\0", len(old) - tail)
    tail = len(old) - at if tail and at != -1 else 0  # a name is whole where one ends before it in both
    behind = old.count(b"\0", len(old) - tail) if tail else 0
    olds, news = old[: len(old) - tail].split(b"\0"), new[: len(new) - tail].split(b"\0")
    places = {name: number for number, name in enumerate(olds)}
    for number, name in enumerate(news):
        if (place := places.get(name)) is not None:
            yield before + place, before + number, 1
    if behind:
        yield before + len(olds), before + len(news), behind


def _equal(one: bytes, other: bytes, *, from_end: bool = False) -> int:
    """Count the bytes in which two texts are the same, from their beginnings or from their ends."""
    most = min(len(one), len(other))

    def differ(length: int) -> bool:
        if from_end:
            return one[len(one) - length :] != other[len(other) - length :]
        return one[:length] != other[:length]

    return bisect_left(range(most + 1), 1, key=differ) - 1 if differ(most) else most
