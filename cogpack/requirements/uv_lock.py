"""`uv.lock` holds exact packages for all platforms at once: what the project requires of them is followed."""

import re
from collections.abc import Iterator, Sequence

import msgspec
from packaging.markers import InvalidMarker, Marker
from packaging.utils import canonicalize_name

from cogpack.requirements.model import Selection
from cogpack.requirements.pinned import at_address, at_commit, file_in_project, from_index, in_project, pinned
from cogpack.requirements.toml_text import Line, TomlText

_VERSION = 1
_CONFLICT = re.compile(r"(?:extra|group|project)-\d+-")
"""Names that uv gives extras and groups which exclude each other, of which markers speak."""

_EXPORT = "write a lock of the packages alone, uv export --format pylock.toml -o pylock.toml, and name that"


class _Source(msgspec.Struct, frozen=True):
    """Says where a package is from: one of these is there."""

    registry: str | None = None
    git: str | None = None
    url: str | None = None
    path: str | None = None
    directory: str | None = None
    editable: str | None = None
    virtual: str | None = None

    @property
    def local(self) -> str | None:
        return self.editable or self.virtual or self.directory


class _Dependency(msgspec.Struct, frozen=True):
    """Names a package, which has to be told from others of its name by version and source where these are given."""

    name: str
    version: str | None = None
    source: _Source | None = None
    marker: str | None = None
    extra: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True):
    hash: str | None = None


class _Package(msgspec.Struct, frozen=True, rename="kebab"):
    name: str
    version: str | None = None
    source: _Source = _Source()
    dependencies: tuple[_Dependency, ...] = ()
    optional_dependencies: dict[str, tuple[_Dependency, ...]] = {}
    dev_dependencies: dict[str, tuple[_Dependency, ...]] = {}
    wheels: tuple[_File, ...] = ()
    sdist: _File | None = None

    def lines(self) -> Iterator[str]:
        """Write it as lines of a requirements file."""
        files = (*self.wheels, *((self.sdist,) if self.sdist else ()))
        hashes = [file.hash for file in files if file.hash]
        source = self.source
        if source.registry is not None:
            yield pinned(self.name, self.version or "", hashes)
            if "://" not in source.registry:
                yield f"--find-links {in_project(source.registry)}"
            else:
                yield from from_index(source.registry)
        elif source.git is not None:
            address, _, commit = source.git.partition("#")
            directory = re.search(r"[?&]subdirectory=([^&]*)", address)
            yield at_commit(self.name, address.partition("?")[0], commit, directory[1] if directory else None)
        elif source.url is not None:
            yield at_address(self.name, source.url, hashes[0] if hashes else None)
        elif source.path is not None:
            yield file_in_project(source.path, hashes[0] if hashes else None)
        elif source.virtual is None and source.local is not None:
            yield f"{'-e ' if source.editable else ''}{in_project(source.local)}"


class _Lock(msgspec.Struct, frozen=True, rename="kebab"):
    version: int
    requires_python: str | None = None
    package: tuple[_Package, ...] = ()


def uv_lock_lines(file: TomlText, selection: Selection) -> list[Line]:
    """Give what the project in the lock's directory requires, with all that this requires, for the image."""
    try:
        lock = msgspec.convert(file.document, _Lock)
    except msgspec.ValidationError as error:
        file.fail(f"no lock as uv writes it: {error!s:.200}", "make it anew: uv lock")
    if lock.version != _VERSION:
        file.fail(f"lock version {lock.version} is not known, only {_VERSION}", _EXPORT)
    file.check_python(lock.requires_python, selection)
    return _Walk(file, lock, selection).lines()


class _Walk:
    """Follows what packages require."""

    def __init__(self, file: TomlText, lock: _Lock, selection: Selection) -> None:
        self._file = file
        self._selection = selection
        self._named: dict[str, list[_Package]] = {}
        for package in lock.package:
            self._named.setdefault(package.name, []).append(package)
        self._root = next((one for one in lock.package if one.source.local in (".", "./")), None)

    def lines(self) -> list[Line]:
        if (root := self._root) is None:
            self._file.fail("no package of it lies in its own directory", _EXPORT)
        extras: dict[str, str] = {canonicalize_name(name): name for name in root.optional_dependencies}
        groups: dict[str, str] = {canonicalize_name(name): name for name in root.dev_dependencies}
        self._file.check_selection(self._selection, extras=set(extras), groups=set(groups))
        wanted = list(self._applying(root.dependencies))
        for name in self._selection.extras:
            wanted += self._applying(root.optional_dependencies[extras[name]])
        for name in self._selection.groups:
            wanted += self._applying(root.dev_dependencies[groups[name]])
        reached: dict[int, _Package] = {}
        seen = set[tuple[int, str | None]]()
        while wanted:
            package, extra = wanted.pop()
            if package is root or (id(package), extra) in seen:
                continue
            seen.add((id(package), extra))
            reached[id(package)] = package
            required = package.optional_dependencies.get(extra, ()) if extra else package.dependencies
            wanted += self._applying(required)
        numbers = self._file.packages()
        found = sorted(reached.values(), key=lambda one: (one.name, one.version or ""))
        lines = (Line(text, numbers.get(one.name, 1)) for one in found for text in one.lines())
        return list({line.text: line for line in lines}.values())

    def _applying(self, dependencies: Sequence[_Dependency]) -> Iterator[tuple[_Package, str | None]]:
        """Give packages and their extras, each extra beside the package itself."""
        for one in dependencies:
            if one.marker is None or self._applies(one.marker):
                package = self._package(one)
                yield package, None
                for extra in one.extra:
                    yield package, extra

    def _applies(self, marker: str) -> bool:
        if _CONFLICT.search(marker):
            self._file.fail("it has extras or groups that exclude each other", _EXPORT, self._file.number(marker))
        try:
            return Marker(marker).evaluate({**self._selection.environment, "extra": ""})
        except InvalidMarker:
            self._file.fail(f"{marker:.200} is no marker", _EXPORT, self._file.number(marker))

    def _package(self, dependency: _Dependency) -> _Package:
        fitting = [
            one
            for one in self._named.get(dependency.name, ())
            if dependency.version in (None, one.version) and dependency.source in (None, one.source)
        ]
        if len(fitting) != 1:
            self._file.fail(f"{dependency.name} is not one package", "make it anew: uv lock")
        return fitting[0]
