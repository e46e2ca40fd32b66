"""Which trees and blobs a clone has is told by walking through its commits, the newest first."""

from collections.abc import Sequence

import msgspec

from cogpack.git.objects import raw_entries
from cogpack.git.reader import Objects
from cogpack.git.trees import History

_TREE_MODES = (b"40000", b"040000")
_GITLINK = b"160000"


class Paths(msgspec.Struct, frozen=True):
    """Holds trees and blobs of a history, each once, by the path at which it is met first; the newest first."""

    trees: dict[bytes, list[bytes]]
    blobs: dict[bytes, list[bytes]]

    @property
    def count(self) -> int:
        return sum(map(len, self.trees.values())) + sum(map(len, self.blobs.values()))


def walk(objects: Objects, history: History) -> Paths:
    """Find all trees and blobs of `history`."""
    found = Paths({}, {})
    seen: set[bytes] = set()
    for commit in history.commits.values():
        level = [(b"", bytes.fromhex(commit.tree))]
        level = _new(level, found.trees, seen)
        while level:
            paths = [path for path, _ in level]
            below: list[tuple[bytes, bytes]] = []
            for path, (_, data) in zip(paths, objects.read_all([oid.hex() for _, oid in level], "tree"), strict=True):
                for mode, name, oid in raw_entries(data):
                    if oid in seen or mode == _GITLINK:
                        continue
                    if mode in _TREE_MODES:
                        below.append((path + name + b"/", oid))
                    else:
                        seen.add(oid)
                        found.blobs.setdefault(path + name, []).append(oid)
            level = _new(below, found.trees, seen)
    return found


def _new(
    level: Sequence[tuple[bytes, bytes]], trees: dict[bytes, list[bytes]], seen: set[bytes]
) -> list[tuple[bytes, bytes]]:
    new = []
    for path, oid in level:
        if oid not in seen:
            seen.add(oid)
            trees.setdefault(path, []).append(oid)
            new.append((path, oid))
    return new
