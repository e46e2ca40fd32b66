"""Names that are packages of other archives, as those that the images that Cog builds upon have: who brings what is in
them is told, since no look-alike of Debian's does."""

import re
from collections.abc import Sequence

import msgspec

from cogpack.resolve.debs.solving.request import parse_request


class NvidiaLibrary(msgspec.Struct, frozen=True):
    """Says that wheels bring what a package of NVIDIA's has: `title`, and `wheel`, which is called so or has `-cu12`
    behind it."""

    title: str
    wheel: str

    def is_by(self, name: str, version: str) -> bool:
        """Tell whether this wheel has it: its own, or a build of torch that holds NVIDIA's libraries itself."""
        return bool(re.fullmatch(rf"{self.wheel}(?:-cu\d+)?(?:-libs)?", name)) or (
            name == "torch" and "+cu" in version and self.title != "TensorRT"
        )


_CUDA = r"(?:-cuda)?-?\d[\d.-]*"
_WHEELS: Sequence[tuple[re.Pattern[str], NvidiaLibrary]] = tuple(
    (re.compile(pattern), NvidiaLibrary(title, wheel))
    for pattern, title, wheel in (
        (rf"(?:lib|nvidia-)?cudnn\d*(?:-dev)?(?:{_CUDA})?", "cuDNN", "nvidia-cudnn"),
        (rf"libcublas(?:-dev)?(?:{_CUDA})?", "cuBLAS", "nvidia-cublas"),
        (rf"libcufft(?:-dev)?(?:{_CUDA})?", "cuFFT", "nvidia-cufft"),
        (rf"libcurand(?:-dev)?(?:{_CUDA})?", "cuRAND", "nvidia-curand"),
        (rf"libcusolver(?:-dev)?(?:{_CUDA})?", "cuSOLVER", "nvidia-cusolver"),
        (rf"libcusparse(?:-dev)?(?:{_CUDA})?", "cuSPARSE", "nvidia-cusparse"),
        (rf"libnccl(?:2|-dev)(?:{_CUDA})?", "NCCL", "nvidia-nccl"),
        (rf"libnpp(?:-dev)?(?:{_CUDA})?", "NPP", "nvidia-npp"),
        (rf"libnvjpeg(?:-dev)?(?:{_CUDA})?", "nvJPEG", "nvidia-nvjpeg"),
        (rf"libnvjitlink(?:-dev)?(?:{_CUDA})?", "nvJitLink", "nvidia-nvjitlink"),
        (rf"(?:cuda-nvrtc|libnvrtc)(?:{_CUDA})?", "NVRTC", "nvidia-cuda-nvrtc"),
        (
            rf"(?:cuda-cudart|cuda-runtime|cuda-libraries|libcudart)(?:{_CUDA})?",
            "CUDA's runtime",
            "nvidia-cuda-runtime",
        ),
        (rf"(?:libnvinfer(?:-plugin)?(?:\d*|-dev)|tensorrt(?:-libs)?)(?:{_CUDA})?", "TensorRT", "tensorrt"),
    )
)
"""Libraries of NVIDIA's archive, as it and Ubuntu call them (developer.download.nvidia.com/compute/cuda/repos)."""

_NO_COMPILER = (
    "leave it out, and write cuda_toolkit: build under cogpack, which has NVIDIA's compiler where wheels are built "
    "(image: in the image, too); nvidia-cuda-nvcc-cu12 is a wheel with ptxas and libdevice, for Triton, XLA and numba"
)
_BOOKWORM = "bookworm has it: base: debian:bookworm under cogpack"
_OF_THE_HOST = "leave it out: the driver of the machine that runs the image brings it"
_THIRD_PARTY = "it is of its maker's own archive: name that under cogpack.apt"
_PYTHON = re.compile(r"(?:lib)?python(3\.\d+)(?:-(?:dev|venv|distutils|minimal|full))?")
_ADVICE: Sequence[tuple[re.Pattern[str], str]] = tuple(
    (re.compile(pattern), advice)
    for pattern, advice in (
        (
            r"cuda(?:-(?:toolkit|nvcc|compiler|minimal-build|command-line-tools|[a-z-]*dev))?(?:-\d[\d-]*)?",
            _NO_COMPILER,
        ),
        (r"nvidia-cuda-(?:toolkit|dev)", _NO_COMPILER),
        (
            r"(?:nvidia-(?:driver|utils|compute-utils)|libnvidia-[a-z]+|cuda-(?:drivers|compat))(?:-\d[\d-]*)?",
            _OF_THE_HOST,
        ),
        (r"nvidia-container-toolkit|nvidia-docker2?|ubuntu-drivers-common", _OF_THE_HOST),
        (r"google-cloud-(?:cli|sdk)|gcsfuse|docker-ce(?:-cli)?|nsight-(?:systems|compute)[\d.-]*", _THIRD_PARTY),
        (
            r"intel-mkl|libmkl-[a-z0-9-]+",
            "require the wheel mkl, or name libopenblas-dev",
        ),
        (r"ttf-mscorefonts-installer|msttcorefonts", "name fonts-liberation, whose letters are as wide"),
        (r"unrar|rar|p7zip-rar|7zip-rar", "name unar or unrar-free, which are in Debian's main archive"),
        (r"libfdk-aac(?:2|-dev)", "leave it out: ffmpeg has an AAC encoder of its own; this one is not free"),
        (r"software-properties-common", "leave it out: archives are named under cogpack.apt"),
        (r"libgconf-2-4|gconf-service", f"leave it out: no Chrome of today wants it; {_BOOKWORM}"),
        (r"wkhtmltopdf", f"name chromium, or require the wheel weasyprint: its makers gave it up; {_BOOKWORM}"),
        (
            _PYTHON.pattern,
            "leave it out: a Python that Debian has not comes with its headers and all its modules",
        ),
        (r"language-pack-[a-z-]+", "name locales-all, which has all of them; C.UTF-8 needs none"),
    )
)


def of_wheels(request: str) -> NvidiaLibrary | None:
    """Find what wheels bring instead of this package, which no suite of Debian's has."""
    name = parse_request(request).name
    return next((found for pattern, found in _WHEELS if pattern.fullmatch(name)), None)


def of_interpreter(request: str, python: str) -> bool:
    """Tell whether a `python`, "3.10", that is laid over the base brings what this package has."""
    found = _PYTHON.fullmatch(parse_request(request).name)
    return found is not None and found[1] == python


def advice(name: str) -> str | None:
    """Say what to do about a package that a suite has not, and why no other of its packages will do."""
    return next((found for pattern, found in _ADVICE if pattern.fullmatch(name)), None)
