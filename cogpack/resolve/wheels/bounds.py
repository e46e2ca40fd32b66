"""What versions don't go together though their publishers let them, or lack what sources import: `bounds.toml`."""

import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

import msgspec
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version


class Bound(msgspec.Struct, frozen=True):
    """Says what `package`, or a place in sources, needs, as a requirement, and why nothing else will do."""

    package: str
    needs: str
    why: str

    @property
    def name(self) -> str:
        return Requirement(self.needs).name


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    names: tuple[str, ...]
    versions: str
    needs: str
    why: str
    source: str
    python: str = ""


class _Import(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    module: str
    needs: str
    why: str
    source: str
    versions: str = ""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bound: tuple[_Row, ...]
    imported: tuple[_Import, ...]


def broken_bounds(
    versions: Mapping[str, str], python: str, tried: Collection[Bound], imported: Callable[[str], str]
) -> Iterator[Bound]:
    """Give what holds of `versions` (by normalized name) on `python` and is not kept, but what was `tried`. `imported`:
    tells where sources import a module, "" where they don't."""
    for row in _table().bound:
        if SpecifierSet(row.python).contains(python) and _breaks(row.needs, versions):
            for name in row.names:
                if name in versions and _is_in(row.versions, versions[name]):
                    bound = Bound(name, row.needs, row.why)
                    if bound not in tried:
                        yield bound
    for one in _table().imported:
        name = Requirement(one.needs).name
        if not _breaks(one.needs, versions) or not _is_in(one.versions, versions[name]):
            continue
        if place := imported(one.module):
            bound = Bound(place, one.needs, one.why)
            if bound not in tried:
                yield bound


def _breaks(needs: str, versions: Mapping[str, str]) -> bool:
    other = Requirement(needs)
    return other.name in versions and not other.specifier.contains(versions[other.name], prereleases=True)


def _is_in(specifier: str, version: str) -> bool:
    return SpecifierSet(specifier).contains(Version(version), prereleases=True)


@cache
def _table() -> _Table:
    return msgspec.convert(tomllib.loads(Path(__file__).with_suffix(".toml").read_text()), _Table)
