"""What extensions of torch have to fit is read in its wheel: a few small files of it, by ranges."""

import re

from cogpack.layers.wheels.outline import Outline
from cogpack.resolve.wheels.elsewhere import TorchBuild

_CUDA = re.compile(
    r"^cuda(?:\s*:[^=\n]*)?\s*=\s*(?:None|(['\"])([0-9]{1,3}\.[0-9]{1,3}(?:\.[0-9]{1,3})*)\1)\s*$", re.MULTILINE
)
_VERSION_FILE = 64 * 1024
_C10 = 16 * 1024 * 1024
"""Bytes of torch's smallest library in C++, of which a wheel has less than half a megabyte, compressed."""
_OLD_ABI = b"_ZN3c106detail14torchCheckFailEPKcS2_jRKSs"
_NEW_ABI = b"_ZN3c106detail14torchCheckFailEPKcS2_jRKNSt7__cxx1112basic_string"
"""One function of it that takes a string, as the two ABIs of GNU's C++ library have it (_GLIBCXX_USE_CXX11_ABI)."""


def cuda_of(torch: Outline) -> str | None:
    """Tell which CUDA torch is for, "" of a build for CPU; None where that is not said where all look."""
    data = torch.content("torch/version.py", _VERSION_FILE)
    if data is None or (found := _CUDA.search(data.decode(errors="replace"))) is None:
        return None
    return found[2] or ""


def torch_build(torch: Outline, version: str) -> TorchBuild | None:
    """Tell what a build of torch is; None where its wheel does not say it."""
    cuda, library = cuda_of(torch), torch.content("torch/lib/libc10.so", _C10)
    if cuda is None or library is None or (_OLD_ABI in library) == (_NEW_ABI in library):
        return None
    return TorchBuild(version=version, cuda=cuda, cxx11_abi=_NEW_ABI in library)
