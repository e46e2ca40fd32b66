"""CUDA wants a driver of the machine that runs the model, which no image can bring: which one follows from the wheels.

Source: CUDA's release notes, "CUDA Driver", minor version compatibility: a driver runs all libraries of its CUDA's
generation. What compiles PTX when it runs wants the driver of its own minor version.
"""

from collections.abc import Mapping

import msgspec

from cogpack.lockfile import Decisions
from cogpack.locking.deviations import cuda_of, numbers_of
from cogpack.patterns import pattern

_DRIVERS: Mapping[int, str] = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}
"""Of Linux, the first by the generation of CUDA that it runs."""


_GENERATION = pattern(r"nvidia-.+-cu(\d+)")
"""A library of CUDA, which may be there without the runtime."""


class MinimumDriver(msgspec.Struct, frozen=True, kw_only=True):
    """Is NVIDIA's driver that the image wants at least. `cuda`: the version that the wheel `of` brings."""

    version: str
    cuda: str
    of: str

    def line(self) -> str:
        return f"wants NVIDIA's driver {self.version} or a later one, for CUDA {self.cuda} of {self.of}"


def minimum_driver(decisions: Decisions) -> MinimumDriver | None:
    """Tell which; None where no wheel brings CUDA."""
    libraries = [(wheel.name, of[1]) for wheel in decisions.wheels if (of := _GENERATION.fullmatch(wheel.name))]
    found = [
        (generation, version, name)
        for name, version in (*cuda_of(decisions), *libraries)
        if (generation := next(iter(numbers_of(version)), 0)) in _DRIVERS
    ]
    if not found:
        return None
    generation, version, name = max(found)
    return MinimumDriver(version=_DRIVERS[generation], cuda=".".join(version.split(".")[:2]), of=name)
