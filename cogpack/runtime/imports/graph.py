"""The files of a project that its predictor imports, at whatever remove, and what they import that none of them is.

Python looks in the project's root, and where the sources say; the predictor's own directory is no such place.
"""

import posixpath
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from cogpack.runtime.contract import WORKING_DIRECTORY
from cogpack.runtime.imports.of_file import Import, imports_of
from cogpack.runtime.schema.source import SourceFiles

_MOST_FILES = 2000
_MOST_BYTES = 32 * 1024 * 1024
_MOST_DIRECTORIES = 50
_MOST_LOOKED = 5_000_000
"""Characters of the paths that are looked for, each counted with `_EACH` more."""
_EACH = 30


class _TooMuchError(Exception):
    """Stops looking for modules at ever more places."""


class ImportedFiles(SourceFiles, Protocol):
    """Gives a project's files, and the names that are in a directory of it, "" for its root."""

    def names(self, directory: str) -> frozenset[str]: ...


class Imports(msgspec.Struct, frozen=True):
    """Is what is imported and is no source file of the project, in the order of the sources. `directories`: of the
    project, in which Python looks; `outside`: other ones, absolute; `given`: modules that sources put in place;
    `open`: why something may be there that is not seen here, "" where nothing speaks for it; `files`: those read."""

    modules: tuple[Import, ...]
    directories: tuple[str, ...] = ("",)
    outside: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()
    open: str = ""
    files: tuple[str, ...] = ()

    def places(self, one: Import) -> list[str]:
        """Name the paths of the project, without what files end with, at which a module may lie: where it is looked
        for, and what it is in."""
        return list(_places(one, self.directories))

    def named(self, files: SourceFiles, directories: Sequence[str]) -> str:
        """Say which call has the name of one of `directories`, and may bring it; "" where none has."""
        from cogpack.runtime.imports.named import named_by_call

        for path in self.files:
            line, directory = named_by_call(files.read(path) or b"", path, directories)
            if line:
                return f"{path}:{line} may bring {directory}"
        return ""

    def lies_in(self, files: ImportedFiles, one: Import) -> bool:
        """Tell whether the project has it in a form that is no source file: a directory of modules, or compiled."""
        return any(_lies_at(files, place) for place in self.places(one))


def read_imports(files: SourceFiles, roots: Iterable[str]) -> Imports:
    """Read the files `roots` and all that they import for sure. What is too much, or can't be read, is passed over."""
    reading = _Reading(files)
    reading.read(roots)
    return Imports(
        tuple(reading.unanswered()),
        tuple(reading.directories),
        tuple(dict.fromkeys(reading.outside)),
        frozenset(reading.given),
        reading.open,
        reading.paths(),
    )


class _Reading:
    def __init__(self, files: SourceFiles) -> None:
        self.directories = [""]
        self.outside: list[str] = []
        self.given: list[str] = []
        self.open = ""
        self._files = files
        self._read_files = self._bytes = self._looked = 0
        self._there: dict[str, bytes | None] = {}
        """Files that were asked for; read ones are held until it is their turn."""
        self._queue: deque[str] = deque()
        self._imports: list[Import] = []
        self._answered: set[Import] = set()

    def read(self, roots: Iterable[str]) -> None:
        try:
            for root in dict.fromkeys(roots):
                self._want(root)
            self._follow_all()
        except _TooMuchError:
            self.open = self.open or "modules may lie at too many places"

    def _follow_all(self) -> None:
        looked_in = 0
        while self._queue or looked_in < len(self.directories):
            if not self._queue:  # a directory was put on the path behind imports that it is for
                looked_in = len(self.directories)
                self._follow([one for one in self._imports if one not in self._answered])
                continue
            path = self._queue.popleft()
            data, self._there[path] = self._there[path], b""
            self._read(path, data or b"")

    def unanswered(self) -> Iterator[Import]:
        yield from (one for one in self._imports if one not in self._answered)

    def paths(self) -> tuple[str, ...]:
        return tuple(path for path, data in self._there.items() if data is not None)

    def _read(self, path: str, data: bytes) -> None:
        found = imports_of(data, path)
        if found is None:
            return
        self.open = self.open or found.open
        self.given += found.given
        for directory in found.directories:
            absolute = posixpath.normpath(posixpath.join(WORKING_DIRECTORY, directory))
            if absolute != WORKING_DIRECTORY and not absolute.startswith(f"{WORKING_DIRECTORY}/"):
                self.outside.append(absolute)
            elif (inside := absolute[len(WORKING_DIRECTORY) + 1 :]) not in self.directories:
                if len(self.directories) == _MOST_DIRECTORIES:
                    raise _TooMuchError
                self.directories.append(inside)
        self._imports += found.imports
        self._follow(found.imports)

    def _follow(self, imports: Iterable[Import]) -> None:
        for one in imports:
            for place in _places(one, self.directories):
                if self._has(place):
                    self._answered.add(one)
                for name in one.names:  # of a package; else they are no modules
                    self._has(f"{place}/{name}" if place else name)
            if one.names and one.level and not one.module.strip("."):
                self._answered.add(one)  # what a package has of its own nobody knows here

    def _has(self, place: str) -> bool:
        """Tell whether a module of the project lies there, or whatever it is in is a module; all that are run by
        importing it are wanted."""
        self._count(place)
        parts = place.split("/")
        for length in range(1, len(parts) + 1):
            found = "/".join(parts[:length])
            package = self._want(f"{found}/__init__.py")
            if not package and self._want(f"{found}.py"):
                return True
        return package

    def _count(self, path: str) -> None:
        self._looked += len(path) + _EACH
        if self._looked > _MOST_LOOKED:
            raise _TooMuchError

    def _want(self, path: str) -> bool:
        self._count(path)
        if path in self._there:
            return self._there[path] is not None
        data = None if path.startswith("../") else self._files.read(path)
        self._there[path] = data
        if data is not None:
            self._read_files += 1
            self._bytes += len(data)
            if self._read_files > _MOST_FILES or self._bytes > _MOST_BYTES:
                self._there[path] = b""
            else:
                self._queue.append(path)
        return data is not None


def _places(one: Import, directories: Iterable[str]) -> Iterator[str]:
    parts = [part for part in one.module.strip(".").split(".") if part]
    if not one.level:
        yield from (posixpath.join(directory, *parts) for directory in directories)
        return
    directory = posixpath.dirname(one.path)
    for _ in range(min(one.level - 1, directory.count("/") + 1)):
        directory = posixpath.dirname(directory)
    yield posixpath.join(directory, *parts)


def _lies_at(files: ImportedFiles, place: str) -> bool:
    """Tell whether there is a directory of that name, or a file that begins so."""
    directory, _, name = place.rpartition("/")
    return any(found == name or found.startswith(f"{name}.") for found in files.names(directory))
