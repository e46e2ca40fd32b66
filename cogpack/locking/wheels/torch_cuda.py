"""Which CUDA a project's torch is for is asked before anything is built with that: of torch alone, without the rest."""

from collections.abc import Iterable

import msgspec

from cogpack.config import Config
from cogpack.errors import InputError
from cogpack.lockfile import LockedWheel
from cogpack.locking.wheels.indexes import indexes_of, uv_of
from cogpack.locking.wheels.outlines import Outlines
from cogpack.locking.wheels.torch_build import cuda_of
from cogpack.project import Project
from cogpack.resolve.wheels.compile import WheelQuestion
from cogpack.resolve.wheels.resolver import resolve_wheels
from cogpack.resolve.wheels.target import TargetPython
from cogpack.resolve.wheels.torch import BUILT, choose_torch
from cogpack.session import Session


def foreseen_cuda(session: Session, project: Project, target: TargetPython) -> str:
    """Tell it as torch's own requirement lines have it, which other packages may still change."""
    config = project.config
    requirements = project.requirements()
    own = tuple(line for line in requirements.required if line.name in BUILT)
    files = tuple(wheel for wheel in requirements.local_wheels if wheel.name in BUILT)
    if not own and not files:
        return _written_cuda(config)
    alone = msgspec.structs.replace(requirements, required=own, local_wheels=files, sources=(), addresses=())
    chosen = choose_torch(config, alone, target.arch)
    indexes = indexes_of(session, project, chosen.requirements, chosen.index)
    resolved = resolve_wheels(
        WheelQuestion(
            requirements=chosen.requirements.lines,
            constraints=chosen.requirements.constraints,
            dependencies="torch" not in {*(line.name for line in own), *(wheel.name for wheel in files)},
            root=project.root,
        ),
        uv_of(session, project, target, indexes),
        title="torch, for its CUDA",
        progress=session.progress,
    )
    outlines = Outlines(session, project, lambda wheel: resolved.addresses[wheel.sha256])
    return cuda_of_torch(config, resolved.wheels, outlines)


def check_torch(project: Project) -> None:
    """Refuse requirements from which no CUDA follows, before anything is resolved, whatever a lock has."""
    requirements = project.requirements()
    names = {*(line.name for line in requirements.required), *(wheel.name for wheel in requirements.local_wheels)}
    if names.isdisjoint(BUILT):
        _written_cuda(project.config)


def cuda_of_torch(config: Config, wheels: Iterable[LockedWheel], outlines: Outlines) -> str:
    """Tell which one the torch among `wheels` is for, as "12.4", else which one cog.yaml names."""
    torch = next((wheel for wheel in wheels if wheel.name == "torch"), None)
    if torch is None:
        return _written_cuda(config)
    if not (found := cuda_of(outlines.of(torch)[1])):
        raise InputError(
            f"{config.where('cogpack.cuda_toolkit')}: {torch.filename} is for no CUDA",
            next_step="write build.gpu: true, or leave cuda_toolkit out",
        )
    return _shortened(found)


def _written_cuda(config: Config) -> str:
    if config.cuda:
        return _shortened(config.cuda)
    raise InputError(
        f"{config.where('cogpack.cuda_toolkit')}: which CUDA is to be compiled for follows from torch, and none is "
        "among the requirements",
        next_step="add torch, or write build.cuda",
    )


def _shortened(version: str) -> str:
    """NVIDIA's packages are of "12.4" where that is "12.4.1"."""
    return ".".join(version.split(".")[:2])
