"""A base that a lock has is stood upon: packages are chosen over it, and not over the newest."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from resolve.debs.test_deb_solver import universe
from support.debs import stanza

from cogpack.errors import InputError
from cogpack.lockfile.base_kinds import DebianBase, LockedDeb
from cogpack.resolve.debs.solving.universe import Universe
from cogpack.resolve.debs.standing import ChosenDebs, KeptBase, choose, outdated

NAMES = ["bash", "libc", "ssl"]
BASE = stanza("bash", Essential="yes") + stanza("libc", "2") + stanza("ssl", "3")
TOOLS = stanza("tool", Depends="libc") + stanza("compiler", Depends="libc (= 2+new)")
MAIN, SECURITY = 0, 1


class Archive:
    """An archive as it was when a base was locked, and as it is now."""

    def __init__(self, directory: Path, *, main: str = "", security: str = "") -> None:
        then = universe(directory / "then", BASE, "")
        self.now: Universe = universe(directory / "now", main or BASE + TOOLS, security)
        self.asked: list[str] = []
        self.base = DebianBase(
            suite="trixie",
            arch="amd64",
            python="3.13",
            glibc="2.41",
            releases=(),
            packages=tuple(
                LockedDeb(
                    name=one.name,
                    version=one.package.version,
                    arch="amd64",
                    archive="debian",
                    path=one.package.path,
                    size=one.package.size,
                    sha256=one.package.sha256,
                )
                for one in map(then.request, NAMES)
            ),
        )

    def choose(self, *requests: str, name: str = "", kept: bool = True) -> ChosenDebs:
        there = KeptBase(base=self.base, name=name, read=self._read) if kept else None
        return choose(self.now, NAMES, requests, debian=self.now, recommends=False, kept=there, security=SECURITY)

    def _read(self, deb: LockedDeb) -> bytes:
        self.asked.append(deb.name)
        return f"Package: {deb.name}\nVersion: {deb.version}\nArchitecture: amd64\nProvides: old-{deb.name}\n".encode()


def told(packages: Sequence[object]) -> list[str]:
    return [f"{one.name}={one.package.version}" for one in packages]  # type: ignore[attr-defined]


MOVED = stanza("bash", Essential="yes") + stanza("libc", "2+new") + stanza("ssl", "3") + TOOLS


@pytest.fixture
def unmoved(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


@pytest.fixture
def moved(tmp_path: Path) -> Archive:
    """There was a point release: libc is another, without need."""
    return Archive(tmp_path, main=MOVED)


def test_packages_are_chosen_over_the_base_that_is_there(moved: Archive) -> None:
    found = moved.choose("tool")
    assert found.kept
    assert told(found.base) == ["bash=1", "libc=2", "ssl=3"]
    assert told(found.solution) == ["bash=1", "libc=2", "ssl=3", "tool=1"]
    assert told(moved.choose("tool", kept=False).base) == ["bash=1", "libc=2+new", "ssl=3"]


def test_what_the_archive_has_no_more_is_read_from_the_package_itself(moved: Archive) -> None:
    found = moved.choose("tool")
    assert moved.asked == ["libc"]
    assert [one.package.provides for one in found.base] == ["", "old-libc", ""]


def test_nothing_is_read_while_the_archive_has_all_of_it(unmoved: Archive) -> None:
    assert unmoved.choose("tool").kept
    assert unmoved.asked == []


def test_a_security_update_of_the_base_makes_it_a_new_one(tmp_path: Path) -> None:
    archive = Archive(tmp_path, security=stanza("ssl", "3+fixed") + stanza("other", "9"))
    found = archive.choose("tool")
    assert not found.kept
    assert told(found.base) == ["bash=1", "libc=2", "ssl=3+fixed"]
    assert [deb.name for deb in outdated(archive.now, archive.base.packages, SECURITY)] == ["ssl"]


def test_one_that_is_in_the_main_archive_by_now_counts_as_well(tmp_path: Path) -> None:
    fixed = stanza("ssl", "3+fixed")
    archive = Archive(tmp_path, main=MOVED + fixed, security=fixed)
    assert not archive.choose().kept


def test_the_base_of_another_lock_is_kept_whatever_moved(tmp_path: Path) -> None:
    archive = Archive(tmp_path, security=stanza("ssl", "3+fixed"))
    found = archive.choose("tool", name="../base/cogpack.lock")
    assert found.kept
    assert told(found.solution) == ["bash=1", "libc=2", "ssl=3", "tool=1"]


def test_who_needs_a_newer_package_of_the_base_makes_it_a_new_one(moved: Archive) -> None:
    found = moved.choose("compiler")
    assert not found.kept
    assert told(found.base) == ["bash=1", "libc=2+new", "ssl=3"]


def test_or_has_it_over_the_base_of_another_lock(moved: Archive) -> None:
    found = moved.choose("compiler", name="../base/cogpack.lock")
    assert found.kept
    assert told(found.base) == ["bash=1", "libc=2", "ssl=3"]
    assert told(found.solution) == ["bash=1", "compiler=1", "libc=2+new", "ssl=3"]


def test_a_package_of_the_base_that_is_asked_for_by_name_alone_is_the_one_that_is_there(moved: Archive) -> None:
    assert moved.choose("libc").kept
    asked = moved.choose("libc=2+new", name="../base/cogpack.lock")
    assert (asked.kept, told(asked.solution)) == (True, ["bash=1", "libc=2+new", "ssl=3"])


def test_what_can_be_had_over_no_base_is_an_error(moved: Archive) -> None:
    with pytest.raises(InputError, match="Debian has no package 'gone'"):
        moved.choose("gone")
