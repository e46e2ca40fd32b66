"""What uv chose of a package becomes a wheel of the lock."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name, parse_wheel_filename

from cogpack.errors import InputError
from cogpack.lockfile import LockedWheel
from cogpack.requirements.model import anonymous
from cogpack.resolve.wheels.choice import best_wheel, filename_of, named_hashes, no_wheel
from cogpack.resolve.wheels.compile import Uv, WheelQuestion
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.local import local_path
from cogpack.resolve.wheels.sources import Neighbours, Sources

if TYPE_CHECKING:
    from packaging.pylock import Package, PackageArchive, PackageWheel

_DIRECT = re.compile(r"^\S+ @ (\S+)")


class ChosenWheels:
    """Makes such wheels, by what the lines of a question say of them; the rest is as `resolve_wheels` has it."""

    def __init__(self, question: WheelQuestion, uv: Uv, sources: Sources | None) -> None:
        requirements = question.requirements
        self._root = question.root
        self._target = uv.target
        self._indexes = uv.indexes
        self._built = question.built
        self._sources = sources
        self._tags = uv.target.tags()  # a thousand: made once for all wheels
        self._hashes = named_hashes([*requirements, *question.constraints])
        self._local = {Path(path).name: path for path in map(local_path, requirements) if path}
        self._written = _written(requirements, uv.indexes)

    def wheel(self, package: "Package") -> tuple[LockedWheel, str | None]:
        """Choose the wheel of a package, and give the address that uv has of it."""
        if package.archive is not None and (own := self._built.get(filename_of(package.archive))) is not None:
            return own, None
        if self._sources and (own := next(filter(None, map(self._sources.built, hashes_of([package]))), None)):
            return own, own.url
        name = canonicalize_name(package.name)
        allowed = self._hashes.get(name)
        if package.archive is not None:
            return self._of_file(name, package, package.archive, allowed)
        version = str(package.version or "")
        best = best_wheel(package.wheels or (), self._tags, allowed)
        if best is None:
            if allowed is not None and (other := best_wheel(package.wheels or (), self._tags, None)):
                raise _wrong_hash(filename_of(other), other.hashes.get("sha256"))
            raise no_wheel(name, version, self._target)
        sha256 = best.hashes["sha256"]
        wheel = LockedWheel(name=name, version=version, filename=filename_of(best), sha256=sha256, size=_size(best))
        return wheel, best.url

    def neighbours(self, packages: "Sequence[Package]") -> Neighbours:
        """Give the wheels of all those that have one."""
        found: dict[str, tuple[LockedWheel, str]] = {}
        for package in packages:
            with suppress(InputError):  # which is told in the end
                wheel, address = self.wheel(package)
                path = str(self._root / wheel.path) if wheel.path else wheel.url or ""
                found[wheel.sha256] = wheel, self._indexes.authorised(address) if address else path
        return Neighbours(
            wheels=tuple(wheel for wheel, _ in found.values()), address=lambda wheel: found[wheel.sha256][1]
        )

    def _of_file(
        self, name: str, package: "Package", archive: "PackageArchive", allowed: frozenset[str] | None
    ) -> tuple[LockedWheel, str | None]:
        """Take the one file that a requirement names."""
        filename = filename_of(archive)
        if not filename.endswith(".whl"):
            raise no_wheel(name, str(package.version or ""), self._target)
        path = None if archive.url else self._local.get(filename)
        if archive.url is None and path is None:
            raise InputError(
                f"requirements: {name} is required as a file of this machine, by a wheel",
                next_step="name its wheel in the requirements, or take another version of what requires it",
            )
        sha256 = archive.hashes.get("sha256")
        if sha256 is None or (allowed is not None and sha256 not in allowed):
            raise _wrong_hash(filename, sha256)
        address = self._written.get(filename, archive.url) if archive.url else None
        wheel = LockedWheel(
            name=name,
            version=str(package.version or parse_wheel_filename(filename)[1]),
            filename=filename,
            sha256=sha256,
            size=(self._root / path).stat().st_size if path else archive.size,
            # Without user and password, and without the values of variables: the lock is committed.
            url=anonymous(address) if address else None,
            path=path,
        )
        return wheel, address


def hashes_of(packages: "Sequence[Package]") -> frozenset[str]:
    """Give the sha256 of all their wheels."""
    found = (wheel.hashes.get("sha256") for package in packages for wheel in package.wheels or ())
    return frozenset(filter(None, found))


def _written(requirements: Sequence[str], indexes: Indexes) -> dict[str, str]:
    """Give, by file name, addresses of wheels as they are written, where uv is given others: those with variables,
    whose values may be secret, and those that are mapped."""
    found = (_DIRECT.search(line) for line in requirements if indexes.asked_line(indexes.expanded(line)) != line)
    addresses = [match[1].partition("#")[0] for match in found if match]
    return {unquote(urlsplit(address).path.rpartition("/")[2]): address for address in addresses}


def _size(wheel: "PackageWheel") -> int | None:
    """Tell its bytes; of files on this machine, uv does not."""
    if wheel.size is None and wheel.url and wheel.url.startswith("file://"):
        return Path(unquote(urlsplit(wheel.url).path)).stat().st_size
    return wheel.size


def _wrong_hash(filename: str, sha256: str | None) -> InputError:
    if sha256 is None:
        return InputError(f"requirements: {filename} has no sha256 on its index", next_step="use another index")
    return InputError(
        f"requirements: {filename} has sha256:{sha256}, which is none of the hashes named for it",
        next_step="if this is the file you mean, add its hash; if not, find out who changed it",
    )
