import shutil
import subprocess
from pathlib import Path

import pytest
from support.debs import narrow_object, shared_object
from support.ldcache import parse_cache

from cogpack.layers.debs.effects.ldcache import find_libraries, write_cache
from cogpack.layers.debs.effects.ldcache_file import Cache, Library, format_cache
from cogpack.layers.debs.effects.ldcache_file import parse_cache as read_cache
from cogpack.layers.debs.tree import Tree
from cogpack.layers.entry import Symlink

DIRECTORY = "usr/lib/x86_64-linux-gnu"


@pytest.fixture
def tree() -> Tree:
    tree = Tree()
    tree.directory(DIRECTORY)
    tree.link("lib", "usr/lib")
    tree.write("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n")
    tree.write("etc/ld.so.conf.d/multi.conf", "# both\n/lib/x86_64-linux-gnu\n/usr/lib/x86_64-linux-gnu\n")
    return tree


def names(tree: Tree) -> list[str]:
    return [library.soname for library in find_libraries(tree, "amd64")]


def test_a_library_is_listed_once_under_its_soname(tree: Tree) -> None:
    tree.write(f"{DIRECTORY}/libz.so.1.3", shared_object("libz.so.1"))
    tree.link(f"{DIRECTORY}/libz.so.1", "libz.so.1.3")
    assert find_libraries(tree, "amd64") == [Library("libz.so.1", "/lib/x86_64-linux-gnu/libz.so.1")]


def test_a_missing_link_of_the_soname_is_made(tree: Tree) -> None:
    tree.write(f"{DIRECTORY}/libz.so.1.3", shared_object("libz.so.1"))
    write_cache(tree, "amd64")
    assert tree.get(f"{DIRECTORY}/libz.so.1") == Symlink(f"{DIRECTORY}/libz.so.1", "libz.so.1.3")


def test_the_linkers_name_is_listed_and_other_links_are_not(tree: Tree) -> None:
    tree.write(f"{DIRECTORY}/libz.so.1.3", shared_object("libz.so.1"))
    for link in ("libz.so.1", "libz.so", "libother.so"):
        tree.link(f"{DIRECTORY}/{link}", "libz.so.1.3")
    assert names(tree) == ["libz.so.1", "libz.so"]


def test_numbers_sort_as_numbers_and_from_high_to_low(tree: Tree) -> None:
    for name in ("liba.so.2", "liba.so.10", "libb.so.1"):
        tree.write(f"{DIRECTORY}/{name}", shared_object(name))
    assert names(tree) == ["libb.so.1", "liba.so.10", "liba.so.2"]


def test_only_digits_of_ascii_are_numbers(tree: Tree) -> None:
    for name in ("liba².so", "liba٣.so", "liba3.so"):
        tree.write(f"{DIRECTORY}/{name}", shared_object(name))
    assert names(tree) == ["liba3.so", "liba٣.so", "liba².so"]


def test_a_library_without_a_soname_goes_by_its_file_name(tree: Tree) -> None:
    tree.write(f"{DIRECTORY}/libplain.so", shared_object(None))
    assert names(tree) == ["libplain.so"]


def test_libraries_of_32_bits_are_listed_behind_those_of_64_of_the_same_name(tree: Tree) -> None:
    tree.write(f"{DIRECTORY}/libz.so.1", shared_object("libz.so.1"))
    tree.write("usr/lib32/libz.so.1.3", narrow_object("libz.so.1"))
    tree.write("usr/lib32/ld-linux.so.2", narrow_object("ld-linux.so.2"))
    tree.link("lib32", "usr/lib32")
    tree.write("etc/ld.so.conf.d/a_narrow.conf", "/lib32\n/usr/lib32\n")
    assert find_libraries(tree, "amd64") == [
        Library("libz.so.1", "/lib/x86_64-linux-gnu/libz.so.1"),
        Library("libz.so.1", "/lib32/libz.so.1", 0x0003),
        Library("ld-linux.so.2", "/lib32/ld-linux.so.2", 0x0003),
    ]
    assert tree.get("usr/lib32/libz.so.1") == Symlink("usr/lib32/libz.so.1", "libz.so.1.3")
    assert [one.soname for one in find_libraries(tree, "arm64")] == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"/* GNU ld script */ INPUT(x)",
        shared_object("x", machine=183),
        shared_object("x")[:70],
        b"\x7fELF\x01\x01" + bytes(90),
    ],
)
def test_what_is_no_library_of_this_machine_is_left_out(tree: Tree, data: bytes) -> None:
    tree.write(f"{DIRECTORY}/libx.so.1", data)
    assert names(tree) == []


def test_an_elf_file_that_points_nowhere_does_no_harm(tree: Tree) -> None:
    whole = shared_object("libx.so.1")
    for at in range(16, len(whole), 3):
        tree.write(f"{DIRECTORY}/libx.so.1", whole[:at] + b"\xff" * 8 + whole[at + 8 :])
        names(tree)


def test_what_is_written_is_read_back() -> None:
    libraries = [Library("libb.so.1", "/lib/libb.so.1"), Library("liba.so.1", "/lib/liba.so.1")]
    assert parse_cache(format_cache(Cache(tuple(libraries)))) == libraries


def test_a_cache_of_names_that_no_library_has_is_not_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    longest, most = "/" + "x" * 4094, tuple(f"x86-64-v{number}" for number in range(64))
    taken = Cache((Library("libx.so", longest),), most)
    assert read_cache(format_cache(taken)) == taken
    assert read_cache(format_cache(Cache((Library("libx.so", longest + "x"),)))) == Cache()
    assert read_cache(format_cache(Cache((), (*most, "more")))) == Cache()
    again = format_cache(Cache((Library("libx.so", longest),) * 10))
    assert read_cache(again).libraries
    monkeypatch.setattr("cogpack.layers.debs.effects.ldcache_file._STRINGS", 40_000)
    assert read_cache(again) == Cache()


@pytest.mark.skipif(
    shutil.which("ldconfig", path="/sbin:/usr/sbin") is None, reason="ldconfig, the oracle, is not installed"
)
def test_ldconfig_reads_our_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.write_bytes(format_cache(Cache((Library("libz.so.1", "/lib/x86_64-linux-gnu/libz.so.1"),))))
    shown = subprocess.run(["/sbin/ldconfig", "-p", "-C", cache], capture_output=True, text=True, check=True).stdout
    assert "libz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1" in shown
    assert shown.startswith("1 libs found")
