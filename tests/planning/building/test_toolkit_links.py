"""Wheels of CUDA are found at `/usr/local/cuda` by who compiles with them."""

from pathlib import Path

from support.wheels import make_wheel

from cogpack.layers.content import LocalFile
from cogpack.layers.entry import Directory, Symlink
from cogpack.layers.wheels.source import WheelFile
from cogpack.planning.building.toolkit_links import library_links, toolkit_links

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


def test_cudnn_and_nccl_are_where_every_compiler_looks_as_their_packages_have_them(tmp_path: Path) -> None:
    found = library_links(
        [
            wheel(
                tmp_path,
                "nvidia-cudnn-cu12",
                "nvidia/cudnn/include/__init__.py",
                "nvidia/cudnn/include/cudnn.h",
                "nvidia/cudnn/lib/libcudnn.so.9",
            ),
            wheel(tmp_path, "nvidia-nccl-cu12", "nvidia/nccl/include/nccl.h", "nvidia/nccl/lib/libnccl.so.2"),
            wheel(
                tmp_path, "nvidia-cublas-cu12", "nvidia/cublas/include/cublas.h", "nvidia/cublas/lib/libcublas.so.12"
            ),
            wheel(tmp_path, "other", "nvidia/cudnn/include/other.h"),
        ]
    )
    site = "/opt/venv/lib/python/site-packages/nvidia"
    assert {one.path: one.target for one in found.entries() if isinstance(one, Symlink)} == {
        "usr/local/include/cudnn.h": f"{site}/cudnn/include/cudnn.h",
        "usr/local/include/nccl.h": f"{site}/nccl/include/nccl.h",
        "usr/local/lib/libcudnn.so": f"{site}/cudnn/lib/libcudnn.so.9",
        "usr/local/lib/libnccl.so": f"{site}/nccl/lib/libnccl.so.2",
    }, "cuBLAS is the toolkit's"


def test_where_no_wheel_has_them_nothing_is_made(tmp_path: Path) -> None:
    assert not list(library_links([wheel(tmp_path, "torch", "torch/lib/libtorch.so")]).entries())
