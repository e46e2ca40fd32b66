"""CUDA's libraries in wheels are found as a system's own."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

import pytest
from support.elf import library
from support.wheels import make_wheel, wheel_file
from support.world import noise

from cogpack.digest import sha256
from cogpack.elf.file import AMD64
from cogpack.elf.linking import Elf
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Codec, SplicedGzip, Zstd
from cogpack.layers.debs.effects.ldcache_file import Cache, Library, format_cache, parse_cache
from cogpack.layers.entry import Entry, File, Symlink
from cogpack.layers.library_cache import LibraryCacheSource, has_system_libraries
from cogpack.layers.wheels.libraries import WheelLibraries, WheelLibrary
from cogpack.layers.wheels.source import WheelFile, WheelsSource
from cogpack.layers.wheels.venv import SITE
from cogpack.seal import Seal

TAG = "py3-none-manylinux2014_x86_64"
CONF = "etc/ld.so.conf.d/zz-cogpack.conf"
LIBC = Library("libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6")
BELOW = {
    "etc/ld.so.conf": b"include /etc/ld.so.conf.d/*.conf\n",
    "etc/ld.so.cache": format_cache(Cache((LIBC, Library("libcublas.so.12", "/usr/local/cuda/lib64/libcublas.so.12")))),
}


@pytest.fixture
def cublas(tmp_path: Path) -> WheelFile:
    files = {
        "nvidia/cublas/lib/libcublas.so.12": library(
            "libcublas.so.12", needed=["libcublasLt.so.12"], runpath="$ORIGIN"
        ),
        "nvidia/cublas/lib/libcublasLt.so.12.4.5": library("libcublasLt.so.12"),
        "nvidia/cublas/lib/libforeign.so.1": library("libforeign.so.1", machine=183),
        "nvidia/cublas/lib/liblinked.so": b"INPUT(libcublas.so.12)",
        "nvidia/cublas/plugins/libplugin.so": library("libplugin.so"),
        "nvidia/cublas/include/cublas.h": b"",
        "nvidia/cublas/data/tables": noise(512 * 1024),
    }
    return wheel_file(make_wheel(tmp_path, "nvidia-cublas-cu12", files=files, tag=TAG))


def read(wheels: Sequence[WheelFile]) -> Iterable[WheelLibrary]:
    return chain.from_iterable(map(WheelLibraries().of, wheels))


def made(*wheels: WheelFile, below: Mapping[str, bytes] = BELOW) -> dict[str, Entry]:
    source = LibraryCacheSource(wheels, read, ground=[sha256(b"base")], below=below.get, arch="amd64")
    return {entry.path: entry for entry in source.entries()}


def content(entry: Entry) -> bytes:
    assert isinstance(entry, File)
    return entry.content.open().read()


def test_directories_of_cuda_are_settings_and_their_libraries_in_the_cache_behind_the_systems_own(
    cublas: WheelFile,
) -> None:
    entries = made(cublas)
    directory = f"{SITE}/nvidia/cublas/lib"
    assert content(entries[CONF]) == f"/{directory}\n".encode()
    assert parse_cache(content(entries["etc/ld.so.cache"])).libraries == (
        Library("libcublasLt.so.12", f"/{directory}/libcublasLt.so.12"),
        Library("libcublas.so.12", "/usr/local/cuda/lib64/libcublas.so.12"),
        Library("libcublas.so.12", f"/{directory}/libcublas.so.12"),
        LIBC,
    )
    link = f"{directory}/libcublasLt.so.12"
    assert entries.keys() == {CONF, "etc/ld.so.cache", link}
    assert entries[link] == Symlink(link, "libcublasLt.so.12.4.5")


def test_a_base_that_includes_no_directories_of_settings_does_so_now(cublas: WheelFile) -> None:
    entries = made(cublas, below={"etc/ld.so.conf": b"/usr/local/lib"})
    assert content(entries["etc/ld.so.conf"]) == b"/usr/local/lib\ninclude /etc/ld.so.conf.d/*.conf\n"
    assert content(made(cublas, below={})["etc/ld.so.conf"]) == b"include /etc/ld.so.conf.d/*.conf\n"


def test_the_key_is_of_wheels_and_of_what_lies_below() -> None:
    def key(*wheels: str, ground: bytes = b"base") -> str:
        files = [WheelFile(f"nvidia_{name}-1-{TAG}.whl", name * 64, unread) for name in wheels]
        return LibraryCacheSource(files, read, ground=[sha256(ground)], below=BELOW.get, arch="amd64").key()

    assert key("a", "b") == key("b", "a")
    assert len({key("a"), key("b"), key("a", "b"), key("a", ground=b"other")}) == 4


def unread() -> object:
    raise AssertionError("a wheel was read")


@pytest.mark.parametrize(
    ("filename", "has"),
    [
        (f"nvidia_cublas_cu12-12.4.5.8-{TAG}.whl", True),
        (f"tensorrt_cu12_libs-10.0-{TAG}.whl", True),
        ("nvidia_ml_py-12.0-py3-none-any.whl", False),
        ("torch-2.6.0-cp313-cp313-manylinux1_x86_64.whl", False),
    ],
)
def test_only_wheels_of_nvidia_with_libraries_have_what_belongs_to_a_system(filename: str, has: bool) -> None:
    assert has_system_libraries(filename) is has


def test_a_wheel_is_read_once_on_a_machine_and_by_others_anew(tmp_path: Path, cublas: WheelFile) -> None:
    seal = Seal()
    first = WheelLibraries(tmp_path / "kept", seal).of(cublas)
    assert [one.name for one in first] == [
        "libcublas.so.12",
        "libcublasLt.so.12.4.5",
        "libforeign.so.1",
        "libplugin.so",
    ]
    assert first[0].elf == Elf(
        machine=AMD64,
        shared=True,
        soname="libcublas.so.12",
        needed=("libcublasLt.so.12",),
    )
    again = WheelLibraries(tmp_path / "kept", seal)
    away = WheelFile(cublas.filename, cublas.sha256, unread)  # type: ignore[arg-type]
    assert again.of(away) == first
    assert WheelLibraries(tmp_path / "kept", Seal()).kept(cublas.sha256) is None
    assert WheelLibraries().kept(cublas.sha256) is None


@pytest.mark.parametrize("codec", [SplicedGzip(), Zstd()])
@pytest.mark.parametrize("method", [0, 8])
def test_the_pass_that_makes_a_layer_teaches_the_libraries_of_its_wheels(
    tmp_path: Path, codec: Codec, method: int
) -> None:
    files = {
        "torch/lib/libtorch.so": library("libtorch.so"),
        "torch/_C.so": b"INPUT(x)",
        "torch/a.so": b"",
        "a.py": b"",
    }
    torch = wheel_file(make_wheel(tmp_path, "torch", files=files, tag=TAG, method=method))
    pure = wheel_file(make_wheel(tmp_path, "pure", tag=TAG))
    known = WheelLibraries(tmp_path / "kept", Seal(b"k" * 32))
    layer = BuiltLayer(WheelsSource([torch, pure], watching=known.watched), codec)
    watched = layer.copy_to(lambda body: [None for _ in body])
    assert watched == BuiltLayer(WheelsSource([torch, pure]), codec).copy_to(lambda body: [None for _ in body])
    again = WheelLibraries(tmp_path / "kept", Seal(b"k" * 32))
    assert again.kept(torch.sha256) == WheelLibraries().of(torch)
    assert again.kept(pure.sha256) == ()
    assert again.watched(torch, []) == []


def test_a_pass_that_is_given_up_teaches_nothing_and_the_next_one_does(tmp_path: Path, cublas: WheelFile) -> None:
    known = WheelLibraries()
    layer = BuiltLayer(WheelsSource([cublas], watching=known.watched), SplicedGzip())
    layer.copy_to(lambda body: (next(iter(body)), [None for _ in body]))
    assert known.kept(cublas.sha256) == WheelLibraries().of(cublas)
    given_up = WheelLibraries()
    body = BuiltLayer(WheelsSource([cublas], watching=given_up.watched), SplicedGzip())
    with suppress(AssertionError):
        body.copy_to(lambda body: next(iter(body)))
    assert given_up.kept(cublas.sha256) is None


def test_what_is_kept_of_a_processors_own_libraries_stays() -> None:
    fast = Library("libm.so.6", "/lib/glibc-hwcaps/x86-64-v3/libm.so.6", hwcap=1 << 62)
    cache = Cache((fast, LIBC), ("x86-64-v3",))
    assert parse_cache(format_cache(cache)) == cache
    assert parse_cache(b"ld.so-1.7.0\0 of old".ljust(48, b"\0") + format_cache(cache)) == cache


def test_a_cache_that_is_broken_holds_nothing() -> None:
    whole = format_cache(Cache((LIBC,)))
    assert parse_cache(b"") == parse_cache(b"ld.so-1.7.0") == parse_cache(whole[:60]) == Cache()
    for at in range(20, len(whole), 3):
        parse_cache(whole[:at] + b"\xff" * 4 + whole[at + 4 :])
