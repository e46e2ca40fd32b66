"""What versions don't go together though their publishers let them: `bounds.toml`."""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

import msgspec
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version


class Bound(msgspec.Struct, frozen=True):
    """Says what `package` needs, as a requirement, and why nothing else will do."""

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


def broken_bounds(versions: Mapping[str, str], python: str, tried: Collection[Bound]) -> Iterator[Bound]:
    """Give what holds of `versions` (by normalized name) on `python` and is not kept, but what was `tried`."""
    for row in _rows():
        if not SpecifierSet(row.python).contains(python):
            continue
        other = Requirement(row.needs)
        if other.name not in versions or other.specifier.contains(versions[other.name], prereleases=True):
            continue
        for name in row.names:
            if name in versions and SpecifierSet(row.versions).contains(Version(versions[name]), prereleases=True):
                bound = Bound(name, row.needs, row.why)
                if bound not in tried:
                    yield bound


@cache
def _rows() -> tuple[_Row, ...]:
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
    return msgspec.convert(table["bound"], tuple[_Row, ...])
