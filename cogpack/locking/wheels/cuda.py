"""CUDA's libraries are added for wheels that load them and require none, where no other wheel brings them: in Cog's
images they are the base's.

What each loads was read in the wheels named, 2026-11-29: DT_NEEDED of onnxruntime's CUDA provider, the names that
ctranslate2 and cupy give to dlopen(3), Provides-Extra of the others. No wheel of llama-cpp-python for CUDA was read:
what the loader misses of them is in its issues 1822 and 1460.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cogpack.config import Config
from cogpack.errors import InputError
from cogpack.lockfile import LockedWheel
from cogpack.notes import Code, Note
from cogpack.resolve.wheels.resolver import Resolved
from cogpack.text import count_text

_ORT = ("cublas", "cuda-runtime", "cufft", "curand")
_CUPY = ("cublas", "cuda-nvrtc", "cuda-runtime", "cufft", "curand", "cusolver", "cusparse")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Says what is required for a wheel of these `versions`; `address`: what one for CUDA has in it, where
    its name is that of the one for CPU."""

    versions: str
    address: str = ""
    requires: Sequence[str]


def _of(generation: int, names: Sequence[str], cudnn: str = "") -> tuple[str, ...]:
    libraries = tuple(f"nvidia-{name}-cu{generation}" for name in names)
    return (*libraries, f"nvidia-cudnn-cu{generation}{cudnn}") if cudnn else libraries


_NAMED = ("cublas", "cuda-nvrtc", "cuda-runtime", "cudnn-cu13", "cufft", "curand", "nvjitlink")

WANTED: Mapping[str, Sequence[Wanted]] = {
    "ctranslate2": (
        Wanted(versions="<4", requires=_of(11, ["cublas"], "==8.*")),  # 3.24.0
        Wanted(versions=">=4,<4.5", requires=_of(12, ["cublas"], "==8.*")),  # 4.4.0
        Wanted(versions=">=4.5,<4.6.3", requires=_of(12, ["cublas"], "==9.*")),  # 4.5.0, 4.6.0
        Wanted(versions=">=4.6.3", requires=_of(12, ["cublas"])),  # 4.6.3, 4.7.0, 4.8.0, 4.8.5
    ),
    "cupy-cuda11x": (Wanted(versions=">=12", requires=_of(11, _CUPY)),),
    "cupy-cuda12x": (
        Wanted(versions=">=12,<14", requires=_of(12, [*_CUPY, "nvjitlink"])),
        Wanted(versions=">=14", requires=("cupy-cuda12x[ctk]",)),  # 14.0.0
    ),
    "cupy-cuda13x": (Wanted(versions=">=14", requires=("cupy-cuda13x[ctk]",)),),  # 14.0.0
    "llama-cpp-python": (Wanted(versions=">=0.2", address="cu12", requires=_of(12, ["cublas", "cuda-runtime"])),),
    "onnxruntime-gpu": (
        Wanted(versions="<1.19", requires=_of(11, _ORT, "==8.*")),  # 1.17.1, 1.18.1
        Wanted(versions=">=1.19,<1.21", requires=_of(12, _ORT, "==9.*")),  # 1.19.2
        Wanted(versions=">=1.21,<1.27", requires=("onnxruntime-gpu[cuda,cudnn]",)),  # 1.21.1, 1.22.0, 1.23.2, 1.26.0
        # Its extra names wheels that there are not.
        Wanted(versions=">=1.27,<1.28", requires=tuple(f"nvidia-{name}" for name in _NAMED)),
        Wanted(versions=">=1.28", requires=("onnxruntime-gpu[cuda,cudnn]",)),  # 1.28.0, 1.31.1
    ),
}
"""By the canonical name of the wheel; faster-whisper requires ctranslate2. Not of them: bitsandbytes, which has what
torch brings, and tensorflow and jax, whose users name the extra."""


def with_cuda(config: Config, resolved: Resolved, again: Callable[[Sequence[str]], Resolved]) -> Resolved:
    """Add CUDA to what is `resolved` where that wants it. `again` resolves with further lines.

    A base of one's own may have CUDA: there nothing is added.
    """
    if not config.gpu or config.pack.base is not None:
        return resolved
    found = {wheel.name: wheel for wheel in resolved.wheels}
    lacking = [(wheel, lines) for wheel, lines in _wanted(found, resolved.addresses) if lines]
    if not lacking:
        return resolved
    names = " and ".join(f"{wheel.name} {wheel.version}" for wheel, _ in lacking)
    try:
        more = again([line for _, lines in lacking for line in lines])
    except InputError as error:
        text = f"{names}: loads libraries of CUDA that no wheel brings, and none can be added: {error.message}"
        return msgspec.structs.replace(resolved, notes=(*resolved.notes, Note(Code.CUDA_MISSING, text)))
    added = [f"{wheel.name} {wheel.version}" for wheel in more.wheels if wheel.name not in found]
    if not added:
        return resolved
    text = f"{names}: loads libraries of CUDA and requires none: {count_text(len(added), 'wheel')} added"
    note = Note(Code.CUDA_ADDED, f"{text}: {', '.join(added)}")
    return msgspec.structs.replace(more, notes=(*more.notes, note))


def _wanted(
    found: Mapping[str, LockedWheel], addresses: Mapping[str, str]
) -> Iterator[tuple[LockedWheel, Sequence[str]]]:
    for name, rows in WANTED.items():
        if wheel := found.get(name):
            address = wheel.url or addresses.get(wheel.sha256, "")
            for row in rows:
                if row.address in address and SpecifierSet(row.versions).contains(wheel.version, prereleases=True):
                    yield wheel, [line for line in row.requires if not _is_there(Requirement(line), found)]


def _is_there(requirement: Requirement, found: Mapping[str, LockedWheel]) -> bool:
    wheel = found.get(requirement.name)
    return not requirement.extras and wheel is not None and requirement.specifier.contains(wheel.version)
