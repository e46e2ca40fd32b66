"""Bytecode is the source of a layer: that of wheels, or of an interpreter's library, for what another layer has."""

from collections.abc import Iterable, Sequence

import msgspec

from cogpack.digest import sha256
from cogpack.encodings import is_utf8
from cogpack.layers.bytecode.packs import VERSION, Packs, Unit
from cogpack.layers.entry import Entry, File
from cogpack.layers.spool import Spooled
from cogpack.oci import encode
from cogpack.patterns import pattern

_TESTS = pattern(r"(?:^|/)tests?/")
"""Directories of which nothing is compiled: of scikit-learn, torch and transformers, with what they require, that would
be 50 of 204 MB, and a model that imports them compiles them itself."""
_LONGEST = 255
"""Bytes of a file's name."""


class BytecodePart(msgspec.Struct, frozen=True):
    """Is a unit of a layer, but for the files at `hidden` paths, where another wheel's are seen."""

    unit: Unit
    hidden: frozenset[str] = frozenset()


class BytecodeSource:
    """Gives the bytecode of `parts` by the Python `release`, such as cpython-3.13.5; `title`: what it is of.

    Of a path that several have it is the first one's, as in the layer of those files.
    """

    def __init__(self, title: str, release: str, parts: Sequence[BytecodePart], packs: Packs) -> None:
        self.name = f"bytecode: {title}"
        self._release = release
        self.parts = parts
        self._packs = packs

    def key(self) -> str:
        named = [[part.unit.key, *([sorted(part.hidden)] if part.hidden else [])] for part in self.parts]
        return sha256(encode(["bytecode", VERSION, self._release, named]))

    def entries(self) -> Iterable[Entry]:
        tag = "-".join((self._release.partition("-")[0], minor_of(self._release).replace(".", "")))
        found: dict[str, Spooled] = {}
        for part, compiled in zip(self.parts, self._packs.of([part.unit for part in self.parts]), strict=True):
            for path, bytecode in compiled.items():
                if path not in part.hidden:
                    found.setdefault(path, bytecode)
        for path, bytecode in found.items():
            directory, _, name = path.rpartition("/")
            beside = f"{name.removesuffix('.py')}.{tag}.pyc"
            if bytecode.size and len(beside.encode()) <= _LONGEST:
                yield File(f"{directory}/__pycache__/{beside}", bytecode)


def minor_of(release: str) -> str:
    """Give "3.13" of "cpython-3.13.5"."""
    return release.partition("-")[2].rpartition(".")[0]


def is_module(path: str, directory: str) -> bool:
    """Tell whether the file at `path` is compiled, as a module below `directory`."""
    below = path.startswith(f"{directory}/") and not _TESTS.search(path[len(directory) :])
    return below and path.endswith(".py") and is_utf8(path)


def unit_key(python: str, *words: str) -> str:
    """Name a unit by all that decides what it compiles to. `python`: names the files of the image's own, which may be
    what compiles it, so that what one lock's Python makes is nothing to images with another."""
    return sha256(encode(["bytecode unit", VERSION, python, *words])).removeprefix("sha256:")
