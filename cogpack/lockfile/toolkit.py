"""The compiler of CUDA is written down: of which version, and its packages where the image does not have them."""

import re
from typing import Annotated, Final, Literal

import msgspec

from cogpack.lockfile.base_kinds import SystemPackages
from cogpack.lockfile.table import LockTable

CUDA_HOME = "/usr/local/cuda"
ENVIRONMENT: Final = 1
"""The newest, of new locks. 0, of locks that don't say it: no LIBRARY_PATH, and no word to builds but the compiler and
TORCH_CUDA_ARCH_LIST."""
_NUMBER = re.compile(r"(\d+)\.(\d[a-z]?)(\+PTX)?")


class LockedToolkit(LockTable, frozen=True, kw_only=True, omit_defaults=True):
    """Is what sources are compiled with, at `/usr/local/cuda`. `cuda`: "12.4"; `architectures`: of GPUs that code is
    made for, as TORCH_CUDA_ARCH_LIST has them; `compiler`: of C++, the newest that this nvcc takes; `packages`: all
    over the base where wheels are built, None where the image has the same; `wheels`: the requirement by which builds
    have nvcc and its headers, "" where these are among the packages; `environment`: which variables this stands for:
    what was built with others is another wheel."""

    cuda: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{1,2}\.[0-9]{1,2}\Z")]
    architectures: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-zA-Z.;+ ]{1,200}\Z")]
    compiler: Annotated[str, msgspec.Meta(pattern=r"\Ag\+\+-[0-9]{1,2}\Z")]
    packages: SystemPackages | None = None
    wheels: str = ""
    environment: Literal[0, 1] = 0

    @property
    def variables(self) -> dict[str, str]:
        """Give what torch's builds, and nvcc, ask the environment for, but `architectures`: what a model compiles when
        it runs is for the GPU that is there."""
        cxx = f"/usr/bin/{self.compiler}"
        cc = cxx.replace("g++", "gcc")
        found = {"CUDA_HOME": CUDA_HOME, "CC": cc, "CXX": cxx, "NVCC_PREPEND_FLAGS": f"-ccbin {cxx}"}
        if self.environment:
            found["LIBRARY_PATH"] = f"{CUDA_HOME}/lib64/stubs"  # -lcuda, which the driver has; as NVIDIA's images
        return found

    @property
    def build_variables(self) -> dict[str, str]:
        """Give those of builds, which have no GPU to ask, and are to compile for one all the same."""
        found = {**self.variables, "TORCH_CUDA_ARCH_LIST": self.architectures}
        if not self.environment:
            return found
        found["FORCE_CUDA"] = "1"
        found["NVCC_PREPEND_FLAGS"] += " -objtemp"  # else its process's number is in what it compiles (since 11.2)
        if numbers := _NUMBER.findall(self.architectures):  # none in "Ampere"
            found["CUDAARCHS"] = ";".join(f"{one}{minor}{'' if ptx else '-real'}" for one, minor, ptx in numbers)
            plain = ";".join(f"{one}{minor}" for one, minor, _ in numbers)
            found |= {"TCNN_CUDA_ARCHITECTURES": plain, "CUDA_ARCHITECTURES": plain}  # the latter of fused-ssim
        return found
