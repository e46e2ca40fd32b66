"""Over an image that others made, what is installed moves where it must, and apt would move it."""

import lzma
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.debs import stanza

from cogpack.errors import InputError
from cogpack.resolve.debs.archives.index import parse_index
from cogpack.resolve.debs.over.installed import Installed, InstalledIndex
from cogpack.resolve.debs.solving.solver import solve
from cogpack.resolve.debs.solving.universe import DebCandidate, Universe
from cogpack.seal import Seal


def solved(
    directory: Path, archive: Sequence[str], there: Sequence[str], *requests: str, recommends: bool = False
) -> list[str]:
    text = "".join(archive)
    index = parse_index(
        lzma.compress(text.encode()),
        url="http://m/Packages.xz",
        size=len(text),
        directory=directory,
        sha256="0" * 64,
        seal=Seal(),
    )
    named = [(one, one.split("\n")[0].partition(": ")[2]) for one in there]
    installed = InstalledIndex(
        [Installed(name=name, version="", control=one.encode()) for one, name in named], where="x"
    )
    base = [DebCandidate(package, 1) for package in installed.all()]
    universe = Universe([index, installed], ["suite", "base"])
    found = solve(universe, requests, base=base, upgrades=True, recommends=recommends).packages
    return [f"{one.name}={one.package.version}" for one in found]


def test_what_is_installed_stays_where_nothing_needs_another(tmp_path: Path) -> None:
    archive = [stanza("lib", "2"), stanza("app", "1", Depends="lib")]
    assert solved(tmp_path, archive, [stanza("lib", "1")], "app") == ["app=1"]


def test_what_is_installed_and_asked_for_is_upgraded_as_apt_get_install_does(tmp_path: Path) -> None:
    assert solved(tmp_path, [stanza("lib", "2")], [stanza("lib", "1")], "lib") == ["lib=2"]
    assert solved(tmp_path, [stanza("lib", "1")], [stanza("lib", "1")], "lib") == []
    assert solved(tmp_path, [stanza("lib", "1")], [stanza("lib", "3")], "lib") == []


def test_a_newer_one_comes_where_something_needs_it_with_what_it_needs_itself(tmp_path: Path) -> None:
    archive = [stanza("lib", "2", Depends="deep (>= 2)"), stanza("deep", "2"), stanza("app", "1", Depends="lib (>= 2)")]
    assert solved(tmp_path, archive, [stanza("lib", "1"), stanza("deep", "1")], "app") == ["app=1", "deep=2", "lib=2"]


def test_who_needs_just_the_old_one_moves_along(tmp_path: Path) -> None:
    archive = [stanza("lib", "2"), stanza("dev", "2", Depends="lib (= 2)"), stanza("app", "1", Depends="lib (>= 2)")]
    there = [stanza("lib", "1"), stanza("dev", "1", Depends="lib (= 1)")]
    assert solved(tmp_path, archive, there, "app") == ["app=1", "dev=2", "lib=2"]


def test_who_is_broken_by_a_newer_one_moves_along(tmp_path: Path) -> None:
    archive = [stanza("lib", "2", Breaks="old (<< 2)"), stanza("old", "2"), stanza("app", "1", Depends="lib (>= 2)")]
    there = [stanza("lib", "1"), stanza("old", "1")]
    assert solved(tmp_path, archive, there, "app") == ["app=1", "lib=2", "old=2"]


def test_packages_of_one_source_move_together(tmp_path: Path) -> None:
    archive = [stanza("libssl-dev", "2", Source="openssl"), stanza("openssl", "2"), stanza("other", "2")]
    there = [stanza("openssl", "1"), stanza("other", "1")]
    assert solved(tmp_path, archive, there, "libssl-dev") == ["libssl-dev=2", "openssl=2"]


def test_an_upgrade_brings_no_recommendation_that_was_there_before(tmp_path: Path) -> None:
    archive = [stanza("app", "2", Recommends="old, new"), stanza("old"), stanza("new")]
    there = [stanza("app", "1", Recommends="old")]
    assert solved(tmp_path, archive, there, "app", recommends=True) == ["app=2", "new=1"]


def test_what_was_broken_in_the_image_before_is_left_alone(tmp_path: Path) -> None:
    archive = [stanza("lib", "2"), stanza("app", "1", Depends="lib (>= 2)")]
    there = [stanza("lib", "1"), stanza("half", "1", Depends="gone")]
    assert solved(tmp_path, archive, there, "app") == ["app=1", "lib=2"]


@pytest.mark.parametrize(
    ("archive", "there", "words"),
    [
        ([stanza("lib", "1")], [stanza("lib", "2")], "lib is in the base as 2, and asked for as 1"),
        (
            [stanza("lib", "2"), stanza("app", "1", Depends="lib (>= 2)")],
            [stanza("lib", "1"), stanza("dev", "1", Depends="lib (= 1)")],
            "dev 1 needs lib (= 1): lib is taken as 2",
        ),
    ],
)
def test_what_can_not_be_is_an_error_with_the_package_of_the_image(
    tmp_path: Path, archive: list[str], there: list[str], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        solved(tmp_path, archive, there, "lib=1" if len(archive) == 1 else "app")
    assert words in caught.value.message


def test_a_stanza_of_the_image_that_can_not_be_read_is_the_bases_and_no_mirrors() -> None:
    broken = Installed(name="a", version="", control=b"Package: a\nVersion: 1\n")
    with pytest.raises(InputError) as caught:
        InstalledIndex([broken], where="cog.yaml:2: cogpack.base: some/image")
    assert caught.value.message.startswith("cog.yaml:2: cogpack.base: some/image: a: missing or wrong field 'arch'")
    assert caught.value.next_step.startswith("choose another base")
