"""The config label names CUDA and cuDNN of an image with a GPU, as Cog's does: by it others choose a machine.

What cog.yaml names stays, as with Cog. Else Cog writes those of the base that it chose for torch. Here they are those
in the image: of its wheels, or of a base whose variables tell them. Where there is none, none is named.
"""

import re
from collections.abc import Mapping

import msgspec

from cogpack.config import Config
from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import RegistryBase
from cogpack.locking.deviations import cuda_of, cudnn_of

_WITH_CUDNN_9 = (12, 3)
"""From this CUDA on, Cog's bases have cuDNN 9, before it 8 (NVIDIA's tags of `nvidia/cuda`)."""
_VERSION = re.compile(r"\d+(?:\.\d+)*")


def with_cuda(config: Config, decisions: Decisions) -> Config:
    """Fill `cuda`, as "12.4", and `cudnn`, as "9", where `gpu` is asked for and cog.yaml leaves them open."""
    if not config.gpu:
        return config
    variables = decisions.base.variables if isinstance(decisions.base, RegistryBase) else {}
    return msgspec.structs.replace(
        config,
        cuda=config.cuda or _cuda(decisions, variables),
        cudnn=config.cudnn or _cudnn(decisions, variables),
    )


def _cuda(decisions: Decisions, variables: Mapping[str, str]) -> str | None:
    """Give the newest that wheels bring, else the base's."""
    versions = [_numbers(version) for _, version in cuda_of(decisions)] or [_numbers(variables.get("CUDA_VERSION", ""))]
    return ".".join(map(str, max(versions)[:2])) or None


def _cudnn(decisions: Decisions, variables: Mapping[str, str]) -> str | None:
    found = [_numbers(version) for _, version in cudnn_of(decisions)]
    if not found and (bundled := [_numbers(version) for name, version in cuda_of(decisions) if name == "torch"]):
        return "9" if max(bundled) >= _WITH_CUDNN_9 else "8"  # it holds its own, and does not say which
    of_base = variables.get("NV_CUDNN_VERSION") or variables.get("CUDNN_VERSION") or ""
    return ".".join(map(str, max(found or [_numbers(of_base)])[:1])) or None


def _numbers(version: str) -> tuple[int, ...]:
    """Read what a version begins with; () where that is no number, as in what a base says."""
    found = _VERSION.match(version)
    return tuple(int(part) for part in found[0].split(".")) if found and len(found[0]) < 40 else ()
