"""One package is read as the tree takes it in."""

from collections.abc import Callable

import msgspec

from cogpack.errors import MismatchError
from cogpack.layers.content import LocalFile
from cogpack.layers.debs.deb.archive import DebContents, read_data, read_deb
from cogpack.layers.debs.deb.control import parse_control
from cogpack.layers.debs.deb.kept import KeptPackages
from cogpack.layers.spool import Spool, Spooled
from cogpack.patterns import pattern
from cogpack.untar import Member

_SIMPLE = pattern(r"\s*([A-Za-z0-9][A-Za-z0-9+.-]*)")


class DebFile(msgspec.Struct, frozen=True, kw_only=True):
    """Knows a .deb by its digest. `locate` gives a verified copy, fetching it when it must. `foreign`: it is of another
    archive than Debian's, and its scripts need not be those that Debian's package of the name has."""

    name: str
    version: str
    arch: str
    size: int
    sha256: str  # hex
    foreign: bool = False
    locate: Callable[[], LocalFile]


class UnpackedPackage(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a package in its parts. `fields`: of its control file; `control`: the files beside it (scripts, md5sums,
    ...)."""

    file: DebFile
    fields: dict[str, str]
    control: dict[str, bytes]
    data: list[tuple[Member, Spooled | None]]

    @property
    def name(self) -> str:
        return self.file.name

    def script(self, kind: str) -> str:
        return self.control.get(kind, b"").decode("utf-8", "replace")

    def conffiles(self) -> list[str]:
        """Give their paths, without the leading slash."""
        return [line.strip().lstrip("/") for line in self._conffile_lines() if line.startswith("/")]

    def leaving_conffiles(self) -> list[str]:
        """Give the paths of those that older versions had, and an upgrade is to remove (deb-conffiles(5))."""
        flag, lines = "remove-on-upgrade ", self._conffile_lines()
        return [line.removeprefix(flag).strip().lstrip("/") for line in lines if line.startswith(flag)]

    def _conffile_lines(self) -> list[str]:
        return self.control.get("conffiles", b"").decode("utf-8", "replace").splitlines()

    def replaces(self, name: str) -> bool:
        """Tell whether it may overwrite files of the package `name`. Versions are left aside: both are of one
        release."""
        groups = self.fields.get("Replaces", "").split(",")
        return any((found := _SIMPLE.match(group)) is not None and found[1] == name for group in groups)


def read_package(file: DebFile, spool: Spool, kept: KeptPackages | None = None) -> UnpackedPackage:
    """Unpack a package, whose contents go to `spool`. `kept`: has some, and keeps some."""
    deb = file.locate()
    where = f"package {file.name} {file.version}"
    if there := kept.find(file.sha256) if kept else None:
        unpacked = DebContents(there[0], read_data(there[1], where, spool))
    else:
        keeping = kept.keeping(file.sha256, file.size) if kept else None
        with deb.buffered() as stream:
            unpacked = read_deb(
                stream, where=where, size=file.size, spool=spool, watch=keeping.watch if keeping else iter
            )
        if keeping:
            keeping.end(unpacked.control)
    fields = parse_control(unpacked.control["control"].decode("utf-8", "replace"))
    found = (fields.get("Package"), fields.get("Version"), fields.get("Architecture"))
    if found != (file.name, file.version, file.arch):
        raise MismatchError(
            f"{deb.path}: expected {file.name} {file.version} {file.arch}, found {' '.join(map(str, found)):.200}",
            next_step="run cogpack lock: the lock and the package disagree",
        )
    return UnpackedPackage(file=file, fields=fields, control=unpacked.control, data=unpacked.data)
