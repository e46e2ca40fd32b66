"""What resolving wants of who has wheels that no index has, since they are built of sources."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from cogpack.errors import InputError
from cogpack.lockfile import LockedWheel


class Sources(Protocol):
    """Has wheels in directories: stand-ins, of names and versions alone, until uv has chosen one, then what is built
    of its source."""

    @property
    def directories(self) -> Sequence[str]: ...

    def offer(self, names: Sequence[str]) -> bool:
        """Look for sources of these packages; tell whether there are any that were not offered yet."""
        ...

    def relax(self) -> bool:
        """Take back what versions were taken to require that nobody has built; tell whether there was any."""
        ...

    def build(self, chosen: Collection[str]) -> Mapping[str, InputError] | None:
        """Put wheels in place of stand-ins, by their sha256; tell which packages have none, and why. None: no stand-in
        is among those that are `chosen`."""
        ...

    def built(self, sha256: str) -> LockedWheel | None:
        """Give the wheel of this hash, if it is one of these."""
        ...
