"""Which layers other models may have: nothing that a private server or image has."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from locking.test_deviations import HASH, base
from planning.test_bytecode_layers import BASE, DEB, LARGE, MAKER, never, wheel

from cogpack.layers.debs.deb.package import DebFile
from cogpack.layers.debs.source import DebianSource, PackageSource, PackagesSource
from cogpack.layers.library_cache import LibraryCacheSource
from cogpack.layers.wheels.source import WheelFile, WheelsSource
from cogpack.lockfile import Decisions, LockedWheel
from cogpack.lockfile.base_kinds import Base, LockedArchive, SystemPackages
from cogpack.planning.plan import Plan
from cogpack.planning.recipes.bytecode import BytecodeLayers
from cogpack.planning.shared_layers.sharing import shared_of

UNPACKING: Any = None
DEBIAN = "debian: trixie, 1 package"


def deb(name: str) -> DebFile:
    return DebFile(name=name, version="1", arch="amd64", size=9, sha256=HASH, locate=never)


def shared(upon: Base, *wheels: LockedWheel) -> list[str]:
    """Name what is shared of layers of all kinds, upon this base, with each wheel in a layer."""
    debian = DebianSource([deb("python3.13")], suite="trixie", arch="amd64", unpacking=UNPACKING, slim=False)
    sources = [
        debian,
        *(PackageSource(deb(name), arch="amd64", unpacking=UNPACKING) for name in ("git", "own")),
        PackagesSource(debian, [deb("git")], name="packages"),
        LibraryCacheSource([], lambda _: (), ground=(), below=lambda _: None, arch="amd64"),
        *(WheelsSource([WheelFile(filename=one.filename, sha256=one.sha256, locate=never)]) for one in wheels),
    ]
    plan = SimpleNamespace(own=tuple(MAKER.compress(source) for source in sources), built=(), bytecode=BytecodeLayers())
    found = shared_of(cast("Plan", plan), Decisions(base=upon, wheels=wheels, clashes=()))
    return [layer.name for layer in found]


def over(uri: str) -> Base:
    """Give Debian with `own` from this archive."""
    own = msgspec.structs.replace(DEB, name="own", archive=uri)
    archive = LockedArchive(uri=uri, suites=("x",), key="AA==", fingerprints=("0" * 40,))
    return msgspec.structs.replace(BASE, system_packages=SystemPackages(packages=(own,), archives=(archive,)))


def test_of_a_private_archive_neither_packages_are_shared_nor_what_lists_all_packages() -> None:
    everything = [DEBIAN, "package: git 1", "package: own 1", "packages", "library cache"]
    assert shared(BASE) == everything
    assert shared(over("https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/x86_64")) == everything
    assert shared(over("https://apt.example/debian")) == [DEBIAN, "package: git 1"]


def test_over_an_image_of_a_registry_what_lists_all_that_is_in_it_is_not_shared() -> None:
    assert "packages" not in shared(base())
    assert "library cache" not in shared(base())


@pytest.mark.parametrize(
    ("url", "public"),
    [
        (None, True),
        ("https://data.pyg.org/whl/torch-2.6.0%2Bcu124/a-1-py3-none-any.whl", True),
        ("https://github.com/Dao-AILab/flash-attention/releases/download/v1/a-1-py3-none-any.whl", True),
        ("https://github.com/me/own/releases/download/v1/a-1-py3-none-any.whl", False),
        ("https://wheels.example/a-1-py3-none-any.whl", False),
        ("https://data.pyg.org.example/whl/a-1-py3-none-any.whl", False),
    ],
)
def test_a_wheel_that_is_named_by_an_address_is_shared_only_where_everybody_may_ask(
    url: str | None, public: bool
) -> None:
    found = shared(BASE, msgspec.structs.replace(wheel("a", LARGE), url=url))
    assert ("wheels: a 1" in found) is public
