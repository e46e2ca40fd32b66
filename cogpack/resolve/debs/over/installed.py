"""What an image has is an index beside those of archives: the solver begins with it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from cogpack.errors import InputError, MismatchError
from cogpack.resolve.debs.archives.index import IndexedPackage, indexed
from cogpack.resolve.debs.solving.relation import parse_relations

_NO_DIGEST = "0" * 64


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """Is a package that an image has. `control`: its stanza in the image's database; `scripts`: of it, by kind."""

    name: str
    version: str
    control: bytes
    scripts: Mapping[str, bytes] = {}


class InstalledIndex:
    """Finds what is installed by name, as `DebianIndex` finds what an archive has. `where` begins errors."""

    def __init__(self, packages: Iterable[Installed], *, where: str) -> None:
        try:
            self._packages: Mapping[str, IndexedPackage] = {
                one.name: indexed(one.control, path="-", size=0, sha256=_NO_DIGEST, where=where) for one in packages
            }
        except MismatchError as error:
            raise InputError(
                f"{error.message} in its package database",
                next_step="choose another base, or one whose dpkg --audit says nothing",
            ) from None
        self._providers: dict[str, list[str]] = {}
        for package in self._packages.values():
            for group in parse_relations(package.provides):
                self._providers.setdefault(group[0].name, []).append(package.name)

    @property
    def essential(self) -> Sequence[str]:
        return [package.name for package in self._packages.values() if package.essential]

    def names(self) -> Iterable[str]:
        return self._packages

    def packages(self, name: str) -> Sequence[IndexedPackage]:
        found = self._packages.get(name)
        return [found] if found else []

    def all(self) -> Iterator[IndexedPackage]:
        yield from self._packages.values()

    def providers(self, name: str) -> Sequence[str]:
        return self._providers.get(name, [])
