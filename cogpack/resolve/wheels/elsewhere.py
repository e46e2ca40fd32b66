"""Where wheels lie that the package index has no wheel of: `elsewhere.toml`, by the torch that they are for."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from cogpack.resolve.wheels.target import TargetPython


class TorchBuild(msgspec.Struct, frozen=True):
    """Is what extensions have to fit. `version`: as the wheel says it; `cuda`: "12.4", "" of a build for CPU;
    `cxx11_abi`: of GNU's C++ library, the newer of its two ABIs for strings."""

    version: str
    cuda: str
    cxx11_abi: bool

    @property
    def minor(self) -> str:
        return ".".join(map(str, Version(self.version).release[:2]))

    @property
    def label(self) -> str:
        """Give the build as PyTorch calls it."""
        return f"cu{self.cuda.replace('.', '')}" if self.cuda else "cpu"

    def __str__(self) -> str:
        abi = "new" if self.cxx11_abi else "old"
        return f"torch {self.minor} for {f'CUDA {self.cuda}' if self.cuda else 'CPU'} with the {abi} C++ ABI"


class Elsewhere(msgspec.Struct, frozen=True):
    """Is a place to look. `page`: it lists files, and is none itself."""

    address: str
    page: bool


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    names: tuple[str, ...]
    address: str
    source: str
    versions: str = ""
    cuda: Mapping[int, tuple[str, ...]] = {}
    builds: tuple[str, ...] = ()
    torch: bool = True


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    file: tuple[_Row, ...]
    page: tuple[_Row, ...]


@cache
def _table() -> _Table:
    text = Path(__file__).with_name("elsewhere.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _Table, strict=False)


def is_elsewhere(name: str) -> bool:
    """Tell whether wheels of the package may lie elsewhere."""
    table = _table()
    return any(name in row.names for row in (*table.file, *table.page))


def wants_torch(name: str) -> bool:
    """Tell whether which of them follows from torch."""
    table = _table()
    return any(row.torch for row in (*table.file, *table.page) if name in row.names)


def places(name: str, version: Version, torch: TorchBuild, target: TargetPython) -> Iterator[Elsewhere]:
    """Give where to look for a wheel of this version, the best first."""
    table = _table()
    values = {
        "name": name,
        "version": str(version),
        "python": f"cp{target.python.replace('.', '')}",
        "machine": target.machine,
        "torch": torch.minor,
        "abi": str(torch.cxx11_abi).upper(),
    }
    for row in table.file:
        if name in row.names and SpecifierSet(row.versions).contains(version, prereleases=True):
            major = int(torch.cuda.partition(".")[0] or 0)
            for cuda in row.cuda.get(major, ()):
                yield Elsewhere(row.address.format_map(values | {"cuda": cuda}), page=False)
    for row in table.page:
        if name in row.names and (build := _build(row, torch)):
            yield Elsewhere(row.address.format_map(values | {"build": build}), page=True)


def _build(row: _Row, torch: TorchBuild) -> str:
    if not row.builds or not torch.cuda:
        return torch.label if not row.builds or "cpu" in row.builds else ""
    major, minor = map(int, torch.cuda.split(".")[:2])
    there = [int(build[-1]) for build in row.builds if build.startswith(f"cu{major}")]
    return f"cu{major}{max((one for one in there if one <= minor), default=min(there))}" if there else ""
