"""The config label names CUDA and cuDNN of an image with a GPU, as Cog's does: by it others choose a machine.

What cog.yaml names stays, as with Cog. Else Cog writes those of the base that it chose for torch; here they are those
of the image's wheels, or of a base whose variables tell them. Where nothing in the image tells, they are what Cog takes
where nothing asks for another, since its readers expect both.
"""

from collections.abc import Mapping

import msgspec

from cogpack.config import Config
from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import RegistryBase
from cogpack.locking.deviations import cuda_of, cudnn_of, numbers_of

_COGS = (11, 8)
"""The CUDA that Cog takes where no requirement asks for one."""
_WITH_CUDNN_9 = (12, 3)
"""From this CUDA on, Cog's bases have cuDNN 9, before it 8 (NVIDIA's tags of `nvidia/cuda`)."""


def with_cuda(config: Config, decisions: Decisions) -> Config:
    """Fill `cuda`, as "12.4", and `cudnn`, as "9", where `gpu` is asked for and cog.yaml leaves them open."""
    if not config.gpu:
        return config
    variables = decisions.base.variables if isinstance(decisions.base, RegistryBase) else {}
    cuda = config.cuda or ".".join(map(str, _cuda(decisions, variables)[:2]))
    return msgspec.structs.replace(config, cuda=cuda, cudnn=config.cudnn or _cudnn(decisions, variables, cuda))


def _cuda(decisions: Decisions, variables: Mapping[str, str]) -> tuple[int, ...]:
    """Give the newest that wheels bring, else the base's."""
    found = [numbers_of(version) for _, version in cuda_of(decisions)]
    return max(found, default=()) or numbers_of(variables.get("CUDA_VERSION", "")) or _COGS


def _cudnn(decisions: Decisions, variables: Mapping[str, str], cuda: str) -> str:
    """Give the major version; a torch that holds its own does not say which."""
    found = max((numbers_of(version) for _, version in cudnn_of(decisions)), default=())
    found = found or numbers_of(variables.get("NV_CUDNN_VERSION") or variables.get("CUDNN_VERSION") or "")
    return str(found[0]) if found else "9" if numbers_of(cuda) >= _WITH_CUDNN_9 else "8"
