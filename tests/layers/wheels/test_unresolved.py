"""What modules of wheels are linked with and nobody has."""

from collections.abc import Mapping, Sequence

import pytest

from cogpack.elf.file import AMD64, ARM64
from cogpack.elf.linking import Elf, VersionNeed
from cogpack.elf.system_versions import SystemVersions
from cogpack.layers.wheels.libraries import Unresolved, WheelLibrary
from cogpack.layers.wheels.unresolved import System, unresolved
from cogpack.layers.wheels.venv import SITE


def one(
    path: str, *needed: str, soname: str | None = None, machine: int = AMD64, versions: Mapping[str, str] = {}
) -> WheelLibrary:
    wants = tuple(VersionNeed(name, tuple(listed.split())) for name, listed in versions.items())
    elf = Elf(machine=machine, shared=True, soname=soname, needed=("libc.so.6", *needed), versions=wants)
    return WheelLibrary(f"{SITE}/{path}", 1, elf)


def missing(wheels: Mapping[str, Sequence[WheelLibrary]], *system: str) -> list[tuple[str, str, str]]:
    found = unresolved(wheels, SITE, AMD64, System(frozenset(system), SystemVersions("2.36", "12.2.0")))
    return [(one.wheel, one.by, one.soname) for one in found]


CV2 = one("cv2/cv2.abi3.so", "libGL.so.1", "libavcodec-0d2.so.60", "libgthread-2.0.so.0")
CODEC = one("opencv.libs/libavcodec-0d2.so.60", "libXext.so.6", soname="libavcodec-0d2.so.60")


def test_what_a_module_or_what_it_is_linked_with_wants_and_nobody_has_is_found() -> None:
    assert missing({"opencv 4": [CV2, CODEC]}, "libgthread-2.0.so.0") == [
        ("opencv 4", "cv2/cv2.abi3.so", "libGL.so.1"),
        ("opencv 4", "opencv.libs/libavcodec-0d2.so.60", "libXext.so.6"),
    ]
    assert missing({"opencv 4": [CV2, CODEC]}, "libgthread-2.0.so.0", "libGL.so.1", "libXext.so.6") == []


def test_a_library_of_another_wheel_counts_wherever_it_lies() -> None:
    torch = one("torch/lib/libtorch.so", soname="libtorch.so")
    assert missing({"torch 2": [torch], "torchvision 0": [one("torchvision/_C.so", "libtorch.so")]}) == []


@pytest.mark.parametrize(
    "library",
    [
        one("onnxruntime/capi/libonnxruntime_providers_tensorrt.so", "libnvinfer.so.10"),
        one("bitsandbytes/libbitsandbytes_cuda118.so", "libcublas.so.11"),
        one("numba/np/ufunc/tbbpool.cpython-313-x86_64-linux-gnu.so", "libtbb.so.12"),
        one("a/_foreign.so", "libGL.so.1", machine=ARM64),
        one("torch/_C.so", "libcuda.so.1", "libstdc++.so.6", "ld-linux-x86-64.so.2"),
    ],
)
def test_what_is_loaded_by_name_or_brought_by_any_machine_is_not_told(library: WheelLibrary) -> None:
    assert missing({"a 1": [library]}) == []


def test_a_version_of_the_c_library_or_of_c_plus_plus_that_the_system_is_too_old_for_is_found() -> None:
    flash = one(
        "flash_attn_2_cuda.so",
        versions={
            "libc.so.6": "GLIBC_2.14 GLIBC_2.38 GLIBC_2.4 GLIBC_PRIVATE GLIBC_2.36",
            "libm.so.6": "GLIBC_2.29",
            "libstdc++.so.6": "GLIBCXX_3.4.32 CXXABI_1.3.13 GLIBCXX_3.4.30 CXXABI_TM_1 GLIBCXX_3.4.99",
            "libcudart.so.12": "libcudart.so.12",
        },
    )
    also = one("flash_attn_3_cuda.so", versions={"libc.so.6": "GLIBC_2.37"})
    system = System(frozenset(), SystemVersions("2.36", "12.2.0"))
    by = ("flash-attn 2", "flash_attn_2_cuda.so")
    assert unresolved({"flash-attn 2": [flash, also]}, SITE, AMD64, system) == (
        Unresolved(*by, "libc.so.6", "GLIBC_2.38", "glibc 2.36"),
        Unresolved(*by, "libstdc++.so.6", "GLIBCXX_3.4.32", "the libstdc++ of GCC 12.2.0"),
    )
    unknown = System(frozenset(), SystemVersions("2.41"))
    assert unresolved({"flash-attn 2": [flash, also]}, SITE, AMD64, unknown) == ()


def test_a_library_that_a_wheel_brings_is_not_the_systems() -> None:
    own = one("x.libs/libstdc++.so.6", soname="libstdc++.so.6")
    module = one("x.so", "libstdc++.so.6", versions={"libstdc++.so.6": "GLIBCXX_3.4.32"})
    assert missing({"x 1": [own, module]}) == []
