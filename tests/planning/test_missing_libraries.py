"""What wheels lack of the image is found once they are here, and told once and for all."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from planning.building.test_symbols import ARCH, compiled
from support.elf import library
from support.wheels import make_wheel, wheel_file

from cogpack.elf.system_versions import SystemVersions
from cogpack.images.listings import Listed
from cogpack.layers.built import BaseLayer, BuiltLayer
from cogpack.layers.compression import Gzip
from cogpack.layers.content import LocalFile
from cogpack.layers.debs.effects.ldcache_file import Cache, Library, format_cache
from cogpack.layers.files import FilesSource, generated
from cogpack.layers.wheels.libraries import Unresolved, WheelLibraries
from cogpack.layers.wheels.venv import SITE
from cogpack.lockfile import LockedClash, LockedWheel
from cogpack.planning.missing_libraries import missing_libraries
from cogpack.planning.recipes.libraries import Libraries, LibrarySupply, _read
from cogpack.progress import Cancellation
from cogpack.seal import Seal


class Here:
    """Stands for an `Input`. `here`: whether it need not be fetched; `reads`: how often it was asked for."""

    def __init__(self, path: Path, *, here: bool = True) -> None:
        self.path = path
        self.here = here
        self.reads = 0

    def is_here(self) -> bool:
        return self.here

    def file(self) -> LocalFile:
        self.reads += 1
        return LocalFile.of(self.path)


class Image:
    def __init__(
        self, directory: Path, *, system: str = "libm.so.6", here: bool = True, base_here: bool = True
    ) -> None:
        files = {"cv2/cv2.abi3.so": library(None, needed=["libGL.so.1", "libc.so.6"])}
        path = make_wheel(directory, "opencv-python", files=files, tag="cp37-abi3-manylinux_2_28_x86_64")
        self.wheel = Here(path, here=here)
        cache = format_cache(Cache((Library(system, f"/usr/lib/{system}"),)))
        source = FilesSource("base", [generated("etc/ld.so.cache", cache)], directories=[], symlinks=[])
        locked = LockedWheel(
            name="opencv-python", version="1.0", filename=path.name, sha256=wheel_file(path).sha256, size=1
        )
        self._wheels: Any = [(locked, self.wheel)]
        self._below = [BuiltLayer(source, Gzip())]
        self._packages: Any = [Here(path, here=base_here)]
        self._libraries = WheelLibraries(directory / "kept", Seal(b"k" * 32))

    def add(self, path: Path, name: str) -> None:
        """Have another wheel, which is laid after those before it."""
        locked = LockedWheel(name=name, version="1.0", filename=path.name, sha256=wheel_file(path).sha256, size=1)
        self._wheels.append((locked, Here(path)))

    def unsound(self, torch: Path, extension: Path, *, here: bool = True, fetch: bool = False) -> list[Unresolved]:
        """Ask for an extension of a publisher's own page beside that torch."""
        self.add(torch, "torch")
        self.add(extension, "flash-attn")
        locked, had = self._wheels.pop()
        had.here = here
        url = f"https://github.com/Dao-AILab/flash-attention/releases/download/v1/{extension.name}"
        self._wheels.append((msgspec.structs.replace(locked, url=url), had))
        return list(self._made().unsound(fetch=fetch))

    def lacking(
        self, *, fetch: bool = False, whole: bool = True, clashes: Sequence[LockedClash] = ()
    ) -> tuple[Unresolved, ...] | None:
        return self._made(whole=whole, clashes=clashes).lacking(fetch=fetch)

    def _made(self, *, whole: bool = True, clashes: Sequence[LockedClash] = ()) -> Libraries:
        supply = LibrarySupply(wheels=self._libraries, members=lambda _: (), cancellation=Cancellation())
        return Libraries(
            self._wheels,
            self._below,
            self._packages,
            supply,
            "amd64",
            SystemVersions("2.41"),
            clashes=clashes,
            whole=whole,
        )


LACKS = (Unresolved("opencv-python 1.0", "cv2/cv2.abi3.so", "libGL.so.1"),)


def test_a_library_that_the_image_lacks_is_found_and_wheels_are_read_once_for_it(tmp_path: Path) -> None:
    image = Image(tmp_path)
    assert image.lacking() == LACKS
    assert Image(tmp_path, here=False, base_here=False).lacking() == LACKS
    assert image.wheel.reads == 1


def test_of_a_file_that_two_wheels_have_the_one_in_the_image_counts(tmp_path: Path) -> None:
    image = Image(tmp_path)
    name = "opencv-python-headless"
    files = {"cv2/cv2.abi3.so": library(None, needed=["libc.so.6"])}
    headless = make_wheel(tmp_path, name, files=files, tag="cp37-abi3-manylinux_2_28_x86_64")
    image.add(headless, name)
    full = image.wheel.path.name
    paths = (f"{SITE}/cv2/cv2.abi3.so",)
    assert image.lacking(clashes=[LockedClash(wheel=full, over=(headless.name,), paths=paths)]) == LACKS
    assert image.lacking(clashes=[LockedClash(wheel=headless.name, over=(full,), paths=paths)]) == ()


def test_a_library_whose_version_has_a_letter_is_one(tmp_path: Path) -> None:
    image = Image(tmp_path, system="libGL.so.1")
    name = "libssl-5d1.so.1.1.1k"
    files = {
        "x/_x.so": library(None, needed=[name]),
        f"x.libs/{name}": library(name, needed=["libGL.so.1"]),
        "x/table.so.html": b"no library",
    }
    image.add(make_wheel(tmp_path, "x", files=files, tag="cp37-abi3-manylinux_2_28_x86_64"), "x")
    assert image.lacking() == ()


def test_what_a_package_has_is_not_missing(tmp_path: Path) -> None:
    assert Image(tmp_path, system="libGL.so.1").lacking() == ()


@pytest.mark.parametrize("away", [{"here": False}, {"base_here": False}])
def test_nothing_is_told_of_what_is_not_here_unless_it_is_to_be_fetched(tmp_path: Path, away: dict[str, bool]) -> None:
    assert Image(tmp_path, **away).lacking() is None  # type: ignore[arg-type]
    assert Image(tmp_path, **away).lacking(fetch=True) == LACKS  # type: ignore[arg-type]


def test_nothing_is_told_where_commands_may_bring_libraries(tmp_path: Path) -> None:
    assert Image(tmp_path).lacking(whole=False) is None


def listed(path: str, kind: str = "file", *, link: str = "", data: bytes | None = None) -> Listed:
    return Listed(path, kind, 0o644, 0, 0, 0, link, data)


CACHE = listed("etc/ld.so.cache", data=b"cache")
FOREIGN = object.__new__(BaseLayer)


@pytest.mark.parametrize(
    ("upper", "data"),
    [
        ([listed("etc/hosts")], b"cache"),
        ([listed("etc/.wh.ld.so.cache")], None),
        ([listed("etc/.wh..wh..opq")], None),
        ([listed(".wh.etc")], None),
        ([listed(".wh..wh..opq")], None),
        ([listed("etc/ld.so.cache", data=b"new"), listed("etc/.wh..wh..opq")], b"new"),
        ([listed("etc/x", data=b"x"), listed("etc/ld.so.cache", "symlink", link="/etc/x")], b"x"),
        ([listed("etc/ld.so.cache", "hardlink", link="etc/x"), listed("etc/x", data=b"x")], b"x"),
        ([listed("etc/ld.so.cache", "symlink", link="/run/none")], None),
    ],
)
def test_the_library_cache_of_an_image_is_what_a_container_would_see(upper: list[Listed], data: bytes | None) -> None:
    layers = iter([[listed("etc", "directory"), CACHE], upper])
    found = _read([FOREIGN, FOREIGN], lambda _: next(layers))
    assert found.get("etc/ld.so.cache") == data


def test_a_layer_of_our_own_is_read_through_the_links_of_the_image() -> None:
    source = FilesSource("mine", [generated("etc/cache", b"mine")], directories=[], symlinks=[])
    layer = [listed("etc/ld.so.cache", "symlink", link="cache"), listed("etc/cache", data=b"old")]
    assert _read([FOREIGN, BuiltLayer(source, Gzip())], lambda _: layer)["etc/ld.so.cache"] == b"mine"


@pytest.mark.skipif(ARCH != "amd64" or not shutil.which("g++"), reason="compiles for amd64")
def test_what_a_wheel_of_a_publishers_page_wants_of_another_torch_is_told(tmp_path: Path) -> None:
    platform = "cp313-cp313-linux_x86_64"
    source = "namespace at { void sum(int); void mean(int); } void run() { at::sum(1); at::mean(1); }"
    torches = {}
    for version, has in (("1.0", "void sum(int) {}"), ("2.0", "void sum(int) {} void mean(int) {}")):
        library = compiled(tmp_path, "libtorch_cpu.so", f"namespace at {{ {has} }}")
        files = {"torch/lib/libtorch_cpu.so": library}
        torches[version] = make_wheel(tmp_path / version, "torch", version, files=files, tag=platform)
    files = {"flash.so": compiled(tmp_path, "flash.so", source, "-Wl,--no-as-needed", "-ltorch_cpu")}
    flash = make_wheel(tmp_path, "flash-attn", files=files, tag=platform)
    (lack,) = Image(tmp_path / "a").unsound(torches["1.0"], flash)
    assert lack == Unresolved("flash-attn 1.0", "flash.so", "", symbol="_ZN2at4meanEi")
    assert Image(tmp_path / "b").unsound(torches["2.0"], flash) == []
    assert Image(tmp_path / "c").unsound(torches["1.0"], flash, here=False) == []
    image = Image(tmp_path / "d")
    assert image.unsound(torches["1.0"], flash, here=False, fetch=True) == [lack]
    found = SimpleNamespace(lacking=lambda **_: (), unsound=lambda **_: [lack, lack])
    noted = list(missing_libraries(cast("Any", SimpleNamespace(libraries=found))))
    assert "flash.so wants _ZN2at4meanEi and 1 more, which neither torch nor another library" in noted[0].text
