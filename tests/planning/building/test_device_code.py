"""A wheel that is linked with CUDA has code for GPUs."""

from pathlib import Path

import pytest
from support.elf import library
from support.wheels import make_wheel

from cogpack.errors import InputError
from cogpack.layers.content import LocalFile
from cogpack.locking.wheels.building import Source
from cogpack.planning.building.compiled_code import check_device_code

OF_CUDA = library(None, needed=("libc10.so", "libc10_cuda.so"))
CODE = OF_CUDA + b"\0.shstrtab\0.nv_fatbin\0"


def check(directory: Path, files: dict[str, bytes]) -> None:
    wheel = make_wheel(directory, "ops", files=files, tag="cp313-cp313-linux_x86_64")
    check_device_code(LocalFile.of(wheel), wheel.name, Source(title="ops 1.0", path=wheel))


@pytest.mark.parametrize(
    "files",
    [
        {"ops/_C.so": CODE},
        {"ops/_C.so": OF_CUDA, "ops/kernels.so": CODE},
        {"ops/_C.so": library(None, needed=("libc10.so",))},
        {"ops/__init__.py": b"libc10_cuda.so"},
    ],
)
def test_code_for_a_gpu_is_there_or_not_wanted(tmp_path: Path, files: dict[str, bytes]) -> None:
    check(tmp_path, files)


def test_an_extension_of_cuda_without_code_for_a_gpu_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ops 1\.0: ops/_C\.so of its wheel is linked with CUDA and has no code for"):
        check(tmp_path, {"ops/_C.so": OF_CUDA, "ops/other.so": library(None)})
