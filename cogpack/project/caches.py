"""Caches in a project stay out of its image: the one that this run uses, whatever its name and however it is reached,
and those that carry a CACHEDIR.TAG, unless `.dockerignore` takes them in by name."""

import os
from pathlib import Path

from cogpack.cache import is_tagged
from cogpack.errors import InputError
from cogpack.project.ignore import Patterns


class Caches:
    """Answers for the project at `root`. `cache`: of this run, absolute; it need not be there, or inside."""

    def __init__(self, root: str, cache: Path | None, patterns: Patterns) -> None:
        self._root = root
        self._patterns = patterns
        self._place = cache
        self._known: tuple[int, int] | None = None
        self._real = os.path.realpath(cache) if cache else None
        ways = (cache, *cache.parents) if cache else ()
        self._ways = {found for place in ways if (found := _identity(place, follow=False))}
        """Where a link on the way to the cache is one of the project, it leads to nothing that an image has."""

    @property
    def _cache(self) -> tuple[int, int] | None:
        """Find it anew each time: it may be made at any time of a run."""
        if self._known is None and self._place:
            self._known = _identity(self._place)
        return self._known

    def check(self) -> None:
        """Raise `InputError` where the project as a whole is the cache."""
        if self._cache is not None and self._cache == _identity(self._root):
            raise InputError(
                f"{self._root}: the cache is the project itself", next_step="name another directory by --cache-dir"
            )

    def is_own(self, path: str) -> bool:
        """Tell whether the directory `path`, relative to the root or absolute, is this run's cache."""
        return self._cache is not None and _identity(Path(self._root, path), follow=False) == self._cache

    def is_tagged(self, path: str) -> bool:
        """Tell whether the directory `path` says that it is a cache, and nobody says that it is wanted all the same."""
        return is_tagged(f"{self._root}/{path}") and not self._patterns.takes_in(path)

    def above(self, path: str) -> str | None:
        """Name the cache that `path` lies in."""
        directories = path.split("/")[:-1]
        places = ("/".join(directories[: end + 1]) for end in range(len(directories)))
        return next((place for place in places if self.is_own(place) or self.is_tagged(place)), None)

    def leads_there(self, path: str) -> bool:
        """Tell whether the link `path` leads to this run's cache or into it."""
        if self._real is None:
            return False
        place = f"{self._root}/{path}"
        real = os.path.realpath(place)
        return real == self._real or real.startswith(f"{self._real}/") or _identity(place, follow=False) in self._ways


def _identity(path: str | Path, *, follow: bool = True) -> tuple[int, int] | None:
    try:
        found = Path(path).stat(follow_symlinks=follow)
    except OSError:
        return None
    return found.st_dev, found.st_ino
