"""dpkg's database of an image that others made is read from its files (dpkg(1), FILES; deb-control(5))."""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property

import msgspec

from cogpack.errors import InputError
from cogpack.layers.debs.deb.control import parse_control
from cogpack.layers.debs.tree import Tree
from cogpack.symlinks import PATH_MAX

DATABASE = "var/lib/dpkg"
STATUS = f"{DATABASE}/status"
_OTHERS = (
    # what lies where, what that is, and what can be done
    (f"{DATABASE}/status.d", "distroless: it lists packages one by one (status.d), and has neither dpkg nor archives"),
    ("lib/apk/db/installed", "of Alpine: its packages are apk's"),
    ("var/lib/rpm", "of the Red Hat kind: its packages are rpm's"),
    ("usr/lib/sysimage/rpm", "of the Red Hat kind: its packages are rpm's"),
    ("var/lib/pacman", "of Arch: its packages are pacman's"),
)
_NEXT = "choose a base of Debian or Ubuntu, or one that has the packages, or leave out cogpack.base"


class InstalledPackage(msgspec.Struct, frozen=True, kw_only=True):
    """Is a package of the database: `text` is its stanza as it stands there, `fields` what that says."""

    name: str
    version: str
    arch: str
    fields: Mapping[str, str]
    text: str

    @property
    def is_installed(self) -> bool:
        return self.fields.get("Status", "").split()[1:] == ["ok", "installed"]

    @property
    def is_whole(self) -> bool:
        """Tell whether it is installed, or nothing of it but settings, and not something between."""
        return self.fields.get("Status", "").split()[2:] in (["installed"], ["config-files"], ["not-installed"])

    @property
    def conffiles(self) -> Mapping[str, str]:
        """Give the MD5 that each conffile had in the package, by path without the leading slash; not of those that only
        older versions had (leaving_lines)."""
        lines = [line.split() for line in self.fields.get("Conffiles", "").splitlines()]
        return {words[0].lstrip("/"): words[1] for words in lines if len(words) >= 2 and words[1] != "newconffile"}


class DpkgDatabase:
    """Holds what dpkg knows in `tree`. `arch`: the image's own; packages of others are left as they are."""

    def __init__(self, tree: Tree, arch: str, *, where: str) -> None:
        self._tree = tree
        self.arch = arch
        self.packages = _packages(tree, where)
        self.own: Mapping[str, InstalledPackage] = {
            one.name: one for one in self.packages if one.arch in (arch, "all") and one.is_installed
        }
        if broken := [one for one in self.packages if not one.is_whole]:
            raise InputError(
                f"{where}: {broken[0].name} is {broken[0].fields.get('Status', '')!r:.60} in its package database",
                next_step="choose a base whose packages are all configured: dpkg --audit says nothing there",
            )

    def info(self, package: InstalledPackage, kind: str) -> bytes | None:
        """Read a file of `info/`: "list", a script, ..."""
        return self._tree.read(f"{DATABASE}/info/{self.info_name(package)}.{kind}")

    def info_name(self, package: InstalledPackage) -> str:
        qualified = f"{package.name}:{package.arch}"
        return qualified if f"{DATABASE}/info/{qualified}.list" in self._tree else package.name

    def control(self, package: InstalledPackage) -> dict[str, bytes]:
        """Read the files beside its control file, by kind."""
        name = self.info_name(package)
        return {kind: self._tree.read(f"{DATABASE}/info/{name}.{kind}") or b"" for kind in self._info.get(name, ())}

    @cached_property
    def _info(self) -> Mapping[str, Collection[str]]:
        """Give the kinds of files that `info/` has, by the names of packages there."""
        found: dict[str, list[str]] = {}
        for file in self._tree.children(f"{DATABASE}/info"):
            name, _, kind = file.rpartition(".")
            found.setdefault(name, []).append(kind)
        return found

    def files(self, package: InstalledPackage) -> list[str]:
        """List what it has, as the package calls it, without the leading slash."""
        lines = (self.info(package, "list") or b"").decode("utf-8", "surrogateescape").splitlines()
        paths = (line.strip("/").removeprefix("./") for line in lines if len(line) <= PATH_MAX)
        return [path for path in paths if path not in ("", ".")]

    @cached_property
    def owners(self) -> Mapping[str, Collection[str]]:
        """Give the names of the packages that have each path, its links followed but for the last."""
        found: dict[str, set[str]] = {}
        real: dict[str, str] = {}
        for package in self.packages:
            if package.is_installed:
                for path in self.files(package):
                    above, slash, name = path.rpartition("/")
                    if above not in real:
                        real[above] = self._tree.real(f"{above}/.") if above else ""
                    found.setdefault(f"{real[above]}{slash}{name}", set()).add(package.name)
        return found


def installed_names(tree: Tree, arch: str, *, where: str) -> Iterator[str]:
    """Name the packages that are installed, though others be half so, over which nothing can be laid."""
    return (one.name for one in _packages(tree, where) if one.arch in (arch, "all") and one.is_installed)


def _packages(tree: Tree, where: str) -> tuple[InstalledPackage, ...]:
    text = tree.read(STATUS)
    if not text or not text.strip():
        raise _no_database(tree, where)
    return tuple(_stanzas(text.decode("utf-8", "surrogateescape")))


def _stanzas(text: str) -> Iterator[InstalledPackage]:
    for stanza in text.split("\n\n"):
        if stanza.strip():
            fields = parse_control(stanza)
            yield InstalledPackage(
                name=fields.get("Package", ""),
                version=fields.get("Version", ""),
                arch=fields.get("Architecture", ""),
                fields=fields,
                text=stanza.strip("\n") + "\n",
            )


def _no_database(tree: Tree, where: str) -> InputError:
    what = next((what for path, what in _OTHERS if path in tree), "without a package database of dpkg's")
    return InputError(f"{where}: no packages can be laid over a base that is {what}", next_step=_NEXT)
