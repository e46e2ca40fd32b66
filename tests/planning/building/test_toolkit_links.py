"""Wheels of CUDA are found at `/usr/local/cuda` by who compiles with them."""

from pathlib import Path

from support.wheels import make_wheel

from cogpack.layers.content import LocalFile
from cogpack.layers.entry import Directory, Symlink
from cogpack.layers.wheels.source import WheelFile
from cogpack.planning.building.toolkit_links import toolkit_links

SITE = "/opt/venv/lib/python/site-packages/nvidia/cu13"


def wheel(directory: Path, name: str, *members: str) -> WheelFile:
    path = make_wheel(directory, name, files=dict.fromkeys(members, b""))
    return WheelFile(path.name, "0" * 64, lambda: LocalFile.of(path))


def test_each_directory_is_there_and_each_library_without_its_version_too(tmp_path: Path) -> None:
    found = toolkit_links(
        [
            wheel(tmp_path, "nvidia-cuda-nvcc", "nvidia/cu13/bin/nvcc", "nvidia/cu13/bin/crt/link.stub"),
            wheel(tmp_path, "nvidia-nvvm", "nvidia/cu13/nvvm/bin/cicc", "nvidia/cu13/include/nvvm.h"),
            wheel(
                tmp_path,
                "nvidia-cuda-runtime",
                "nvidia/cu13/include/cuda.h",
                "nvidia/cu13/lib/libcudart.so.13",
                "nvidia/cu13/lib/libcudart_static.a",
                "nvidia/cu13/lib/cmake/x.cmake",
            ),
            wheel(tmp_path, "nvidia-nccl-cu13", "nvidia/nccl/lib/libnccl.so.2"),
            wheel(tmp_path, "torch", "nvidia/cu13/bin/other"),
        ]
    )
    entries = list(found.entries())
    assert [one.path for one in entries if isinstance(one, Directory)] == ["usr/local/cuda", "usr/local/cuda/lib64"]
    assert {one.path.removeprefix("usr/local/cuda/"): one.target for one in entries if isinstance(one, Symlink)} == {
        "bin": f"{SITE}/bin",
        "include": f"{SITE}/include",
        "nvvm": f"{SITE}/nvvm",
        "lib64/libcudart.so": f"{SITE}/lib/libcudart.so.13",
        "lib64/libcudart.so.13": f"{SITE}/lib/libcudart.so.13",
        "lib64/libcudart_static.a": f"{SITE}/lib/libcudart_static.a",
    }
