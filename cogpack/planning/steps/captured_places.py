"""Steps and weights have places of their own: the layers of steps would hide a weight that lies where they changed
something.

The lock records where steps left everything alone. So a weight that comes later is looked for in their layers only
where it lies outside of that.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from cogpack.errors import InputError
from cogpack.layers.entry import WHITEOUT, Directory, Entry, Whiteout, parents
from cogpack.runtime.contract import SOURCE
from cogpack.untar import Untar

_OTHERWISE = "have the command write elsewhere, or leave the weight out of the project"


class Touched(msgspec.Struct, frozen=True):
    """Is where steps changed something. `files`: paths that are no directories, with `removed` ones."""

    files: frozenset[str]
    directories: frozenset[str]
    removed: frozenset[str]

    @classmethod
    def of_entries(cls, entries: Iterable[Entry]) -> "Touched":
        entries = list(entries)
        return cls(
            files=frozenset(entry.path for entry in entries if not isinstance(entry, Directory)),
            directories=frozenset(entry.path for entry in entries if isinstance(entry, Directory)),
            removed=frozenset(entry.path for entry in entries if isinstance(entry, Whiteout)),
        )

    @classmethod
    def of_layer(cls, tar: Iterable[bytes], where: str) -> "Touched":
        """Read it in the tar of a layer; `where` is what errors call it."""
        files: set[str] = set()
        directories: set[str] = set()
        removed: set[str] = set()
        for member in (reader := Untar(tar, where=where)):
            for _ in reader.content():
                pass
            above, slash, last = member.path.rpartition("/")
            if last.startswith(WHITEOUT):
                removed.add(f"{above}{slash}{last.removeprefix(WHITEOUT)}")
            else:
                (directories if member.kind == "directory" else files).add(member.path)
        return cls(frozenset(files | removed), frozenset(directories), frozenset(removed))

    @classmethod
    def of_all(cls, parts: Iterable["Touched"]) -> "Touched":
        parts = list(parts)
        return cls(
            frozenset().union(*(part.files for part in parts)),
            frozenset().union(*(part.directories for part in parts)),
            frozenset().union(*(part.removed for part in parts)),
        )

    def check(self, weights: Mapping[str, str]) -> None:
        """Refuse what would hide one of `weights`: the paths where these lie, each with what it is called."""
        for place, weight in weights.items():
            if place in self.files or place in self.directories:
                raise InputError(
                    f"build.run {self._did(place)} /{place}, where the weight {weight} is to lie", next_step=_OTHERWISE
                )
            if above := next((above for above in parents(place) if above in self.files), None):
                raise InputError(
                    f"build.run {self._did(above)} /{above}, below which the weight {weight} is to lie",
                    next_step=_OTHERWISE,
                )

    def untouched(self, weights: Iterable[str]) -> tuple[str, ...]:
        """Give directories, each with a slash at its end, below which nothing was changed: the outermost above each of
        `weights`, and the project's. A weight whose neighbours were changed is named itself."""
        within = {above for path in self.files | self.directories for above in parents(path)}

        def clear(directory: str) -> bool:
            return directory not in within and self.files.isdisjoint((directory, *parents(directory)))

        found = {f"{SOURCE}/"} if clear(SOURCE) else set()
        for place in weights:
            above = next((above for above in parents(place) if clear(above)), None)
            found.add(place if above is None else f"{above}/")
        return tuple(sorted(found))

    def _did(self, path: str) -> str:
        return "removed" if path in self.removed else "wrote"


def unproven(weights: Mapping[str, str], untouched: Iterable[str]) -> Iterator[str]:
    """Give those of `weights` that lie outside of what is recorded as `untouched`."""
    exact = {place for place in untouched if not place.endswith("/")}
    directories = {place.removesuffix("/") for place in untouched if place.endswith("/")}
    for place in weights:
        if place not in exact and directories.isdisjoint(parents(place)):
            yield place
