"""A root file system is what a container sees of all layers so far (image-spec layer.md, "Whiteouts")."""

from collections.abc import Callable
from typing import Generic, NoReturn, TypeVar

from cogpack.errors import InputError
from cogpack.layers.entry import OPAQUE, WHITEOUT

E = TypeVar("E")

_ENTRY = 400
"""Bytes that an entry takes besides its path."""
_LIMIT = 256 * 1024 * 1024
"""Half a million files, five times those of a large CUDA image."""


class RootFileSystem(Generic[E]):
    """Holds entries by path. `refuse` raises what is wrong with an image of too many files; `weigh`: bytes that an
    entry takes besides its path, as for contents."""

    def __init__(self, refuse: Callable[[str], NoReturn], weigh: Callable[[E], int] = lambda _: 0) -> None:
        self.entries: dict[str, E] = {}
        self.hidden: set[str] = set()
        """Whiteouts of what was in no layer that was applied."""
        self._inside: dict[str, set[str]] = {}
        """By directory, what is right below it; also of directories that have no entry."""
        self._refuse = refuse
        self._weigh = weigh
        self._size = 0

    def apply(self, path: str, entry: E, *, directory: bool) -> bool:
        """Take in one entry of a layer; False where it was a whiteout, which has been obeyed."""
        parent, _, name = path.rpartition("/")
        if name == OPAQUE:
            self._remove_below(parent)
        elif name.startswith(WHITEOUT):
            hidden = f"{parent}/{name[len(WHITEOUT) :]}".lstrip("/")
            if not self._remove(hidden) and hidden not in self._inside:
                self._count(hidden)
                self.hidden.add(hidden)
            self._remove_below(hidden)
        else:
            if not directory:
                self._remove_below(path)
            self.hidden.discard(path)
            self._remove(path)
            self.entries[path] = entry
            self._size += self._weigh(entry)
            self._add(path)
            return True
        return False

    def is_above(self, path: str) -> bool:
        """Tell whether anything is below `path`."""
        return bool(self._inside.get(path))

    def _add(self, path: str) -> None:
        while path:
            self._count(path)
            directory = path.rpartition("/")[0]
            inside = self._inside.setdefault(directory, set())
            if path in inside:
                break
            inside.add(path)
            path = directory

    def _count(self, path: str) -> None:
        self._size += _ENTRY + len(path)
        if self._size > _LIMIT:
            self._refuse(
                f"its layers have so many files, or so much in those whose contents are kept, that the list of them "
                f"takes {_LIMIT} bytes"
            )

    def _remove_below(self, directory: str) -> None:
        waiting = [directory]
        while waiting:
            below = self._inside.pop(waiting.pop(), set())
            waiting += below
            for path in below:
                self._remove(path)

    def _remove(self, path: str) -> bool:
        entry = self.entries.pop(path, None)
        if entry is not None:
            self._size -= self._weigh(entry)
        return entry is not None


def is_whiteout(path: str) -> bool:
    return path.rpartition("/")[2].startswith(WHITEOUT)


def too_many(where: str) -> Callable[[str], NoReturn]:
    """Make the `refuse` of an image that is only looked at."""

    def refuse(why: str) -> NoReturn:
        raise InputError(f"{where}: {why}", next_step="choose another image")

    return refuse
