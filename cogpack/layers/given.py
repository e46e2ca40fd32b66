"""A layer can be of entries that are given one by one, each file known by its digest before it is read."""

from collections.abc import Iterable, Sequence

from blake3 import blake3

from cogpack.layers.entry import Directory, Entry, File, Symlink
from cogpack.oci import encode

_RECIPE = "given 1"
"""Part of the key: another one whenever the same entries would be others."""


class GivenSource:
    """Gives `files`, each with the digest of its bytes, and `others`, as they are."""

    def __init__(
        self, name: str, files: Sequence[tuple[File, str]], others: Sequence[Directory | Symlink] = ()
    ) -> None:
        self.name = name
        self._files = files
        self._others = others

    @property
    def is_empty(self) -> bool:
        return not self._files and not self._others

    @property
    def files(self) -> Sequence[File]:
        return [file for file, _ in self._files]

    def key(self) -> str:
        files = sorted([file.path, file.mode, digest] for file, digest in self._files)
        directories = sorted([each.path, each.mode] for each in self._others if isinstance(each, Directory))
        links = sorted([each.path, each.target] for each in self._others if isinstance(each, Symlink))
        return blake3(encode([_RECIPE, files, directories, links])).hexdigest()

    def entries(self) -> Iterable[Entry]:
        yield from self._others
        yield from self.files
