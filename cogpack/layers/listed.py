"""Files of which none has changed are a layer's source without being looked up one by one: there may be very many."""

from collections.abc import Callable, Iterable

from cogpack.layers.entry import Entry
from cogpack.layers.files import FilesSource
from cogpack.layers.fingerprints import Fingerprints


class ListedFiles:
    """Stands for the source that `make` makes. Its key is remembered by `listing`, which tells all that decides it: the
    names of the files, and their statuses. `newest`: when the last of them was touched, in nanoseconds since 1970."""

    def __init__(
        self,
        fingerprints: Fingerprints,
        name: str,
        listing: str,
        newest: Callable[[], int],
        make: Callable[[], FilesSource],
    ) -> None:
        self.name = name
        self._fingerprints = fingerprints
        self._listing = listing
        self._newest = newest
        self._make = make
        self._made: FilesSource | None = None

    def key(self) -> str | None:
        if self._made is None and (known := self._fingerprints.key_of(self._listing)) is not None:
            return known
        key = self._source().key()
        if key is not None:
            self._fingerprints.learn_key(self._listing, key, self._newest())
        return key

    def entries(self) -> Iterable[Entry]:
        return self._source().entries()

    def _source(self) -> FilesSource:
        if self._made is None:
            self._made = self._make()
        return self._made
