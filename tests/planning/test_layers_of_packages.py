"""What nobody asked for is in layers of its own below what somebody did, whoever made the base."""

import msgspec
import pytest
from locking.test_decide_base import TRIXIE
from locking.test_deviations import wheel
from support.locked_bases import IMAGE

from cogpack.digest import sha256
from cogpack.formats import FORMATS
from cogpack.layers.compression import Zstd
from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import Base, LockedDeb, SystemPackages
from cogpack.planning.layer_items import _UNREAD_BASE as UNREAD
from cogpack.planning.layer_items import locked_items
from cogpack.planning.recipes.base import plan_base


def deb(name: str, size: int = 1) -> LockedDeb:
    digest = sha256(name.encode()).removeprefix("sha256:")
    return LockedDeb(name=name, version="1", arch="amd64", archive="debian", path="p", size=size, sha256=digest)


def layers(base: Base, *names: str, unasked: bool = True) -> dict[str, tuple[str, ...]]:
    """The names of the packages of each layer over `base`, by its key."""
    packages = tuple(deb(name, 5_000_000 if name == "large" else 1) for name in ("curl", "gcc", "large", *names))
    over = SystemPackages(packages=packages)
    if unasked:
        over = msgspec.structs.replace(over, tools=("curl",), compiler=("gcc", "large"))
    decisions = Decisions(
        base=msgspec.structs.replace(base, system_packages=over), wheels=(wheel("cog", "1"),), clashes=()
    )
    found = locked_items(decisions, FORMATS[2])
    return {
        key: tuple(item.name for item in items if item.name not in ("python3.13", "cog"))
        for key, items in found.items()
    }


def test_whichever_layer_is_asked_for_first_the_largest_packages_of_the_base_come_first() -> None:
    own = tuple(deb(name, size) for name, size in (("a", 1), ("b", 3), ("c", 2)))
    over = SystemPackages(packages=(deb("app", 100),))
    planned = plan_base(msgspec.structs.replace(TRIXIE, packages=own, system_packages=over), UNREAD, Zstd(), FORMATS[2])
    asked = [[one.size for one in inputs] for inputs in planned.inputs.values()]
    assert asked == [[3, 2, 1], [3, 2, 1, 100]]


@pytest.mark.parametrize("base", [msgspec.structs.replace(TRIXIE, packages=(deb("python3.13"),)), IMAGE])
def test_the_layers_of_what_nobody_asked_for_are_the_same_whatever_is_asked_for(base: Base) -> None:
    one, other = layers(base, "app"), layers(base, "app", "other")
    assert {("curl",), ("gcc",), ("large",), ("app",)} <= {*one.values()}
    assert {names for key, names in one.items() if key not in other} == {("app",)}
    assert ("app", "curl", "gcc") in layers(base, "app", unasked=False).values()
