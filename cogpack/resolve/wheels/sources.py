"""What resolving wants of who has wheels that no index has, since they are built of sources."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from cogpack.errors import InputError
from cogpack.lockfile import LockedWheel
from cogpack.resolve.wheels.torch import BUILT


class Neighbours(msgspec.Struct, frozen=True, kw_only=True):
    """Is the `wheels` that one which is built will be beside. `address`: tells where one is, "" of what is in the
    cache."""

    wheels: tuple[LockedWheel, ...]
    address: Callable[[LockedWheel], str]

    def fit(self, wheel: LockedWheel, requires: Sequence[LockedWheel]) -> bool:
        """Tell whether `wheel`, which was built with `requires`, is for here: code that is compiled against one torch
        does not load beside another."""
        there = {one.sha256 for one in self.wheels}
        pure = wheel.filename.endswith("-none-any.whl")
        return pure or all(one.sha256 in there for one in requires if one.name in BUILT)


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

    def build(self, chosen: Collection[str], neighbours: Callable[[], Neighbours]) -> Mapping[str, InputError] | None:
        """Put wheels in place of stand-ins, by their sha256; tell which packages have none, and why. None: no stand-in
        is among those that are `chosen`. `neighbours`: gives the others that are chosen."""
        ...

    def why_not(self, name: str) -> InputError | None:
        """Tell why none of a package's versions can be had, where that is known."""
        ...

    def built(self, sha256: str) -> LockedWheel | None:
        """Give the wheel of this hash, if it is one of these."""
        ...
