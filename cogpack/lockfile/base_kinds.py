"""An image stands on a base: a root file system, and perhaps a Python in it.

A base is one of the classes of `Base`, which all answer the same questions. Which Python runs there is a question of
its own: `Decisions.python` answers it, which is the base's own or one that is laid over it. What differs by kind stands
in three more places, one function a kind in each: how it is decided (`locking/decide_base`), which layers it gives and
how their contents are had (`planning/recipes/base`), and what of it a change of the lock names (`locking/changes`).
"""

import re
from typing import Annotated, TypeAlias

import msgspec

from cogpack.digest import parse_digest
from cogpack.elf.system_versions import SystemVersions
from cogpack.errors import InputError
from cogpack.lockfile.interpreter import Python
from cogpack.lockfile.table import DAMAGED, FILE, LockedDiffID, LockedDigest, LockedPath, LockedSize, LockTable
from cogpack.oci import Descriptor, ImageConfig, LayerInfo, decode, read_config
from cogpack.patterns import pattern
from cogpack.reference import Reference

_PATCH = pattern(r"(?:\d+:)?(\d+\.\d+\.\d+)")

_Minor = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{1,3}\.[0-9]{1,3}\Z")]
_Glibc = Annotated[str, msgspec.Meta(pattern=r"\A2\.[0-9]{1,3}\Z")]
"""Each of its versions up to that one is a name of a platform."""
_Absolute = Annotated[str, msgspec.Meta(pattern=r"\A/[^\0\n]+\Z")]
_Mode = Annotated[int, msgspec.Meta(ge=0, le=0o7777)]
_Owner = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
_Archive = Annotated[str, msgspec.Meta(pattern=r"\A(?:debian|debian-security|https?://[^\s\0]{1,2000})\Z")]
"""One of Debian's two, or the URI of another."""
_NAME = r"\A[a-z0-9][a-z0-9+.-]{0,200}\Z"
_Name = Annotated[str, msgspec.Meta(pattern=_NAME)]
"""A package's (Debian policy 5.6.7)."""
_Suite = Annotated[str, msgspec.Meta(pattern=r"\A[^\s\0]{1,200}\Z")]
_Fingerprint = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{40,64}\Z")]


def is_package_name(text: str) -> bool:
    return re.search(_NAME, text) is not None


class LockedDeb(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """Is one Debian package. `path`: in the archive's pool; `sha256`: hex; `recommended`: by another, and nothing that
    was asked for needs it; `instead_of`: the version of it that an image of others has, over which it is laid."""

    name: str
    version: str
    arch: str
    archive: _Archive
    path: LockedPath
    size: LockedSize
    sha256: str
    essential: bool = False
    requested: bool = False
    recommended: bool = False
    instead_of: str = ""

    def __post_init__(self) -> None:
        parse_digest(f"sha256:{self.sha256}", where=f"{FILE}: package {self.name}")

    @property
    def is_foreign(self) -> bool:
        """Tell whether it is of another archive than Debian's own."""
        return self.archive not in ("debian", "debian-security")


class LeftOut(LockTable, frozen=True):
    """Says what `package` recommends that is not installed, and why."""

    package: str
    wanted: str
    reason: str


class DebianRelease(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """Is one signed index that the packages came from. `snapshot`: the archive's time stamp for Debian's snapshot
    service, if that keeps it; `keyring`: the sha256 of the certificates that it was held to, where an image has
    them."""

    archive: _Archive
    suite: str
    date: str
    sha256: str
    signed_by: str
    snapshot: str = ""
    keyring: LockedDigest | None = None


class LockedArchive(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """Is an archive beside Debian's own (`cogpack.apt`). `key`: the certificates of which one must have signed it,
    base64; `fingerprints`: of these."""

    uri: _Archive
    suites: tuple[_Suite, ...]
    components: tuple[_Suite, ...] = ()
    key: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9+/]+={0,2}\Z")]
    fingerprints: tuple[_Fingerprint, ...]


class InheritedDirectory(LockTable, frozen=True):
    """Is a directory of the base that our layers write again, which keeps the owner and mode that it has there."""

    path: LockedPath
    mode: _Mode
    uid: _Owner
    gid: _Owner


class Present(LockTable, frozen=True):
    """Is a package that was asked for, and that a base from a registry has in a version that will do."""

    name: str
    version: str


class SystemPackages(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """Is what `build.system_packages` brings over a base: it takes the place of what the base has of the same name.

    `dpkg`: names of those that dpkg installs, run in the sandbox, since their scripts or those of what they depend on
    can't be stood in for. `recommends`: whether packages have come that others only recommend; `left_out`: those that
    could not; `archives`: those beside Debian's; `present`: what was asked for, and a base from a registry has;
    `compiler`: names of those that nobody asked for, which come with a compiler, in a layer of their own; `tools`: of
    those that `cogpack.tools` brings whatever else is asked for, in one that all projects with these share; `lacking`:
    what nobody asked for, and could not be had over a base from a registry.
    """

    dpkg: tuple[str, ...] = ()
    recommends: bool = False
    left_out: tuple[LeftOut, ...] = ()
    archives: tuple[LockedArchive, ...] = ()
    releases: tuple[DebianRelease, ...] = ()
    packages: tuple[LockedDeb, ...] = ()
    present: tuple[Present, ...] = ()
    compiler: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    lacking: tuple[_Name, ...] = ()

    def __post_init__(self) -> None:
        names = {package.name for package in self.packages}
        if not names.issuperset(self.dpkg):
            raise InputError(f"{FILE}: dpkg is to install packages that are not in it", next_step=DAMAGED)
        if not names.issuperset(self.compiler):
            raise InputError(f"{FILE}: a compiler of packages that are not in it", next_step=DAMAGED)
        if not names.issuperset(self.tools):
            raise InputError(f"{FILE}: tools of packages that are not in it", next_step=DAMAGED)

    @property
    def requested(self) -> dict[str, str]:
        """Give the versions of what was asked for, whether it came or was there."""
        came = {deb.name: deb.version for deb in self.packages if deb.requested}
        return came | {one.name: one.version for one in self.present}


class DebianBase(LockTable, frozen=True, kw_only=True, tag_field="kind", tag="debian", omit_defaults=True):
    """Is a root file system assembled from Debian's packages, with its own python3 among them.

    `python` and `glibc`: "3.13", "2.41"; `arch`: Debian's name of it; `slim`: there is neither shell nor apt in it.
    `packages`: the base alone, the same for every
    project; `system_packages`: what this one has over it.
    """

    suite: str
    slim: bool = False
    arch: str
    python: _Minor
    glibc: _Glibc
    releases: tuple[DebianRelease, ...]
    packages: Annotated[tuple[LockedDeb, ...], msgspec.Meta(min_length=1)]
    system_packages: SystemPackages = SystemPackages()

    @property
    def title(self) -> str:
        return "Debian slim" if self.slim else "Debian"

    @property
    def installed(self) -> tuple[LockedDeb, ...]:
        """Give all packages that the image has, by name."""
        found = {deb.name: deb for deb in (*self.packages, *self.system_packages.packages)}
        return tuple(found[name] for name in sorted(found))

    @property
    def requested(self) -> dict[str, str]:
        """Give the versions of what was asked for."""
        return {deb.name: deb.version for deb in self.installed if deb.requested}

    @property
    def all_releases(self) -> tuple[DebianRelease, ...]:
        return (*self.releases, *self.system_packages.releases)

    @property
    def init(self) -> str | None:
        """Give the absolute path of tini, if it is there."""
        return "/usr/bin/tini" if any(package.name == "tini" for package in self.installed) else None

    @property
    def own_python(self) -> Python:
        """Give its own CPython, whose full version the packages tell."""
        versions = [package.version for package in self.installed if package.name == f"python{self.python}"]
        found = _PATCH.match(versions[0]) if versions else None
        return Python(self.python, f"/usr/bin/python{self.python}", found[1] if found else None)

    @property
    def versions(self) -> SystemVersions:
        """Tell of the C library and the C++ library that it has."""
        gcc = next((package.version for package in self.installed if package.name == "libstdc++6"), "")
        return SystemVersions(self.glibc, gcc.partition("-")[0])

    @property
    def inherited_directories(self) -> tuple[InheritedDirectory, ...]:
        return ()


class RegistryLayer(LockTable, frozen=True, kw_only=True):
    """Is a layer of a base image, as its manifest and its config tell of it."""

    media_type: str
    digest: LockedDigest
    size: LockedSize
    diff_id: LockedDiffID

    @property
    def info(self) -> LayerInfo:
        return LayerInfo(Descriptor(media_type=self.media_type, digest=self.digest, size=self.size), self.diff_id)


class RegistryBase(LockTable, frozen=True, kw_only=True, tag_field="kind", tag="registry", omit_defaults=True):
    """Is an image of a registry: everything that is needed of it but its layers' bytes.

    `config` is its image config, verbatim JSON. `python` and `interpreter`: version and absolute path of the CPython
    found in it, `init`: path of the tini, if they are there. `system_packages`: what this project
    has over it. `has`: packages of Debian's that a model may want unasked, and that it has, as packages or as programs;
    none where it has no packages of that kind, None of a lock that was made before that was asked. `release`: of that
    CPython, "3.12.4", as the file itself has it, where that is asked for.
    """

    reference: str
    digest: LockedDigest
    python: _Minor | None = None
    glibc: _Glibc
    interpreter: _Absolute | None = None
    release: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\Z")] | None = None
    init: _Absolute | None = None
    config: str
    layers: tuple[RegistryLayer, ...]
    inherited_directories: tuple[InheritedDirectory, ...] = ()
    has: tuple[_Name, ...] | None = None
    system_packages: SystemPackages = SystemPackages()

    def __post_init__(self) -> None:
        Reference.parse(self.reference, where=f"{FILE}: base")
        found = read_config(self.config.encode(), ImageConfig, where=f"{FILE}: config of {self.reference}")
        if found.diff_ids != [layer.diff_id for layer in self.layers]:
            raise InputError(f"{FILE}: {self.reference}: its layers are not those of its config", next_step=DAMAGED)

    @property
    def title(self) -> str:
        return self.reference

    @property
    def installed(self) -> tuple[LockedDeb, ...]:
        """Give the packages over the image: what it has itself, no lock says."""
        return self.system_packages.packages

    @property
    def requested(self) -> dict[str, str]:
        """Give the versions of what was asked for, whether it came or was there."""
        return self.system_packages.requested

    @property
    def all_releases(self) -> tuple[DebianRelease, ...]:
        return self.system_packages.releases

    @property
    def versions(self) -> SystemVersions:
        """Tell of the C library that it has; of the C++ library nobody knows."""
        return SystemVersions(self.glibc)

    @property
    def arch(self) -> str:
        """Give Debian's name of its architecture, which is that of the image-spec for those that we build for."""
        return decode(self.config.encode(), ImageConfig, where=self.reference).architecture

    @property
    def own_python(self) -> Python | None:
        """Give its own CPython, whose full version it was asked for, or Docker's official images tell."""
        if self.python is None or self.interpreter is None:
            return None
        return Python(self.python, self.interpreter, self.release or self.variables.get("PYTHON_VERSION"))

    @property
    def variables(self) -> dict[str, str]:
        """Give those of its environment."""
        settings = decode(self.config.encode(), ImageConfig, where=self.reference).config
        return dict(line.partition("=")[::2] for line in (settings.env if settings else None) or ())


Base: TypeAlias = DebianBase | RegistryBase
