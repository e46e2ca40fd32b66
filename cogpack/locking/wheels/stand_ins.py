"""A stand-in is a wheel without files: uv weighs a source by it, of which nobody knows more than name and version."""

import hashlib
import itertools
import zipfile
from collections.abc import Collection, Sequence
from email.parser import HeaderParser
from pathlib import Path

import msgspec
from packaging.version import Version

from cogpack.disk import writing
from cogpack.lockfile import LockedWheel
from cogpack.resolve.pip import Offer

_DATE = (1980, 1, 1, 0, 0, 0)


def write_stand_in(directory: Path, name: str, version: Version, requires: Sequence[str] = ()) -> Path:
    """Write one of a package's normalised `name`, which `requires` what these lines of METADATA say."""
    stem = f"{name.replace('-', '_')}-{version}"
    path = directory / f"{stem}-py3-none-any.whl"
    info = f"{stem}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"{line}\n" for line in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: cogpack\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with writing(path), zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(zipfile.ZipInfo(member, _DATE), text)
    return path


def required_lines(metadata: str) -> tuple[str, ...]:
    """Take from METADATA what a wheel requires."""
    found = HeaderParser().parsestr(metadata)
    return tuple(
        f"{name}: {' '.join(str(value).split())}"
        for name in ("Requires-Dist", "Provides-Extra")
        for value in found.get_all(name, [])
    )


class StandIn(msgspec.Struct, frozen=True):
    """Is the wheel at `path`, which stands for what is built of `origin`, or for one that is kept since it was."""

    name: str
    version: Version
    path: Path
    origin: Offer | LockedWheel

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"


class StandIns:
    """Has stand-ins in directories below `place`, a new one for each change: uv may remember what a path had."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._there: dict[str, StandIn] = {}
        self._assumed: dict[str, tuple[str, ...]] = {}
        self._relaxed: set[str] = set()
        self._numbers = itertools.count()
        self._directories: list[str] = []

    @property
    def directories(self) -> Sequence[str]:
        return self._directories

    @property
    def hashes(self) -> Collection[str]:
        return self._there.keys()

    def all(self) -> Collection[StandIn]:
        return self._there.values()

    def chosen(self, hashes: Collection[str]) -> list[StandIn]:
        return sorted((self._there[one] for one in hashes if one in self._there), key=lambda one: one.name)

    def new_directory(self) -> Path:
        path = self._place / str(next(self._numbers))
        with writing(path):
            path.mkdir()
        self._directories.append(str(path))
        return path

    def add(self, directory: Path, name: str, version: Version, origin: Offer | LockedWheel) -> None:
        path = write_stand_in(directory, name, version, self._assumed.get(name, ()))
        self._there[_sha256(path)] = StandIn(name, version, path, origin)

    def drop(self, stand_in: StandIn) -> None:
        """Offer it no more."""
        stand_in.path.unlink()
        self._there = {key: one for key, one in self._there.items() if one is not stand_in}

    def replace(self, stand_in: StandIn, version: Version, requires: Sequence[str]) -> str:
        """Put one that says what is required in its place, which stays; give its sha256."""
        self.drop(stand_in)
        return _sha256(write_stand_in(self.new_directory(), stand_in.name, version, requires))

    def may_assume(self, name: str) -> bool:
        return name not in self._relaxed

    def assume(self, name: str, requires: tuple[str, ...]) -> None:
        """Let all stand-ins of a package require the same."""
        self._assumed[name] = requires
        directory = self.new_directory()
        for one in [one for one in self._there.values() if one.name == name]:
            self.drop(one)
            self.add(directory, name, one.version, one.origin)

    def relax(self) -> bool:
        """Take that back; tell whether there was any."""
        names = [name for name, requires in self._assumed.items() if requires]
        names = [name for name in names if any(one.name == name for one in self._there.values())]
        for name in names:
            self._relaxed.add(name)
            self.assume(name, ())
        return bool(names)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
