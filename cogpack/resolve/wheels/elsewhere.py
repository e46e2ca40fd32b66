"""Where wheels lie that the package index has no wheel of: `elsewhere.toml`, by the torch that they are for."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

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

    def __str__(self) -> str:
        abi = "new" if self.cxx11_abi else "old"
        return f"torch {self.minor} for {CudaBuild(self.cuda)} with the {abi} C++ ABI"


class CudaBuild(msgspec.Struct, frozen=True):
    """Is what has to fit what is linked with no torch; `cuda`: as of `TorchBuild`."""

    cuda: str

    def __str__(self) -> str:
        return f"CUDA {self.cuda}" if self.cuda else "CPU"


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
    alone: bool = False

    def has(self, name: str, version: Version) -> bool:
        return name in self.names and SpecifierSet(self.versions).contains(version, prereleases=True)


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    file: tuple[_Row, ...]
    page: tuple[_Row, ...]

    def of(self, name: str) -> Iterator[_Row]:
        return (row for row in (*self.file, *self.page) if name in row.names)


@cache
def _table() -> _Table:
    text = Path(__file__).with_name("elsewhere.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _Table, strict=False)


def is_elsewhere(name: str, version: Version) -> bool:
    """Tell whether a wheel of this version may lie elsewhere."""
    return any(row.has(name, version) for row in _table().of(name))


def is_public(url: str) -> bool:
    """Tell whether a wheel of this address lies at one of these places, which everybody may ask."""
    table = _table()
    hosts = {urlsplit(row.address).hostname for row in table.page}
    return urlsplit(url).hostname in hosts or url.startswith(tuple(row.address.partition("{")[0] for row in table.file))


def wants_torch(name: str) -> bool:
    """Tell whether which of them follows from torch."""
    return any(row.torch for row in _table().of(name))


def wants_nvcc(name: str) -> bool:
    """Tell whether nothing comes of the package's source without the compiler of CUDA."""
    return any(row.alone for row in _table().of(name))


def places(name: str, version: Version, build: TorchBuild | CudaBuild, target: TargetPython) -> Iterator[Elsewhere]:
    """Give where to look for a wheel of this version, the best first."""
    table = _table()
    values = {
        "name": name,
        "version": str(version),
        "python": f"cp{target.python.replace('.', '')}",
        "machine": target.machine,
    }
    if isinstance(build, TorchBuild):
        values |= {"torch": build.minor, "abi": str(build.cxx11_abi).upper()}
    for row in table.file:
        if row.has(name, version):
            major = int(build.cuda.partition(".")[0] or 0)
            for cuda in row.cuda.get(major, ()):
                yield Elsewhere(row.address.format_map(values | {"cuda": cuda}), page=False)
    for row in table.page:
        if row.has(name, version) and (label := _label(row, build.cuda)):
            yield Elsewhere(row.address.format_map(values | {"build": label}), page=True)


def _label(row: _Row, cuda: str) -> str:
    """Give the build as PyTorch would call it; "" where the page has none for this CUDA."""
    if not row.builds or not cuda:
        label = f"cu{cuda.replace('.', '')}" if cuda else "cpu"
        return label if not row.builds or label in row.builds else ""
    major, minor = map(int, cuda.split(".")[:2])
    there = [int(build[-1]) for build in row.builds if build.startswith(f"cu{major}")]
    return f"cu{major}{max((one for one in there if one <= minor), default=min(there))}" if there else ""
