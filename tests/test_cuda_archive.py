"""Debian's files of CUDA become packages of NVIDIA's names and places."""

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest
from cuda_archive_of_debian import make

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb")

FILES = (
    "usr/bin/ptxas",
    "usr/include/crt/host_config.h",
    "usr/include/cub/cub.cuh",
    "usr/include/cublas_v2.h",
    "usr/include/cuda.h",
    "usr/include/thrust/detail/config.h",
    "usr/lib/nvidia-cuda-toolkit/bin/cicc",
    "usr/lib/nvidia-cuda-toolkit/bin/nvcc",
    "usr/lib/nvidia-cuda-toolkit/libdevice/libdevice.10.bc",
    "usr/lib/x86_64-linux-gnu/libcublas.so.12.4.5.8",
    "usr/lib/x86_64-linux-gnu/libcudart_static.a",
    "usr/lib/x86_64-linux-gnu/stubs/libcuda.so",
    "usr/lib/x86_64-linux-gnu/libother.so.1",
)


def test_each_file_is_in_the_package_and_at_the_place_that_nvidia_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, out = tmp_path / "files", tmp_path / "out"
    for name in FILES:
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_text("x")
    (files / "usr/lib/x86_64-linux-gnu/libcublas.so").symlink_to("libcublas.so.12.4.5.8")
    make(files, "12.4", out)
    assert capsys.readouterr().out == "not taken: usr/lib/x86_64-linux-gnu/libother.so.1\n"

    root = out / "compute/cuda/repos/ubuntu2204/x86_64"
    index = gzip.decompress((root / "Packages.gz").read_bytes()).decode()
    wanted = dict.fromkeys(("cuda-cccl", "cuda-cudart-dev", "cuda-nvcc", "cuda-nvprune"))
    assert "Package: cuda-minimal-build-12-4\nVersion: 12.4.127-1\nArchitecture: amd64\nMaintainer: " in index
    assert "Depends: " + ", ".join(f"{name}-12-4" for name in wanted) + "\n" in index
    assert (root / "InRelease").is_file()
    target = "targets/x86_64-linux"
    for package, paths in {
        "cuda-nvcc-12-4": ["bin/nvcc", "bin/nvcc.profile", "bin/ptxas"],
        "cuda-nvvm-12-4": ["nvvm/bin/cicc", "nvvm/libdevice/libdevice.10.bc"],
        "cuda-crt-12-4": [f"{target}/include/crt/host_config.h"],
        "cuda-cccl-12-4": [f"{target}/include/cub/cub.cuh", f"{target}/include/thrust/detail/config.h"],
        "cuda-cudart-dev-12-4": [f"{target}/include/cuda.h", f"{target}/lib/libcudart_static.a"],
        "cuda-driver-dev-12-4": [f"{target}/lib/stubs/libcuda.so"],
        "libcublas-12-4": [f"{target}/lib/libcublas.so.12.4.5.8"],
        "libcublas-dev-12-4": [f"{target}/include/cublas_v2.h", f"{target}/lib/libcublas.so"],
        "cuda-toolkit-12-4-config-common": ["include", "lib64"],
    }.items():
        unpacked = tmp_path / package
        subprocess.run(["dpkg-deb", "-x", root / f"{package}_12.4.127-1_amd64.deb", unpacked], check=True)
        home = unpacked / "usr/local/cuda-12.4"
        found = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_symlink() or path.is_file()]
        assert sorted(found) == sorted(paths), package
