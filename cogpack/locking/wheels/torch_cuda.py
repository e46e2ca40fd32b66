"""Which CUDA a project's torch is for is asked before anything is built with that: of torch alone, without the rest."""

import msgspec

from cogpack.errors import InputError
from cogpack.lockfile import LockedWheel
from cogpack.locking.wheels.outlines import Outlines
from cogpack.locking.wheels.requirements import indexes_of
from cogpack.locking.wheels.torch_build import cuda_of
from cogpack.project import Project
from cogpack.resolve.wheels import TargetPython, resolve_wheels
from cogpack.resolve.wheels.torch import BUILT, choose_torch
from cogpack.session import Session


def foreseen_cuda(session: Session, project: Project, target: TargetPython) -> str:
    """Tell it as torch's own requirement lines have it, which other packages may still change."""
    config = project.config
    where = config.where("cogpack.cuda_toolkit")
    requirements = project.requirements()
    own = tuple(line for line in requirements.required if line.name in BUILT)
    if not own:
        if config.cuda:
            return ".".join(config.cuda.split(".")[:2])
        raise InputError(
            f"{where}: which CUDA is to be compiled for follows from torch, and none is among the requirements",
            next_step="add torch, or write build.cuda",
        )
    alone = msgspec.structs.replace(requirements, required=own, local_wheels=(), sources=(), addresses=())
    chosen = choose_torch(config, alone, target.arch)
    indexes = indexes_of(session, project, chosen.requirements, chosen.index)
    resolved = resolve_wheels(
        chosen.requirements.lines,
        constraints=chosen.requirements.constraints,
        root=project.root,
        target=target,
        indexes=indexes,
        exclude_newer=config.pack.exclude_newer,
        preferences=(),
        dependencies=False,
        cache=session.cache,
        metadata=session.metadata,
        title="torch, for its CUDA",
        progress=session.progress,
    )
    outlines = Outlines(session, project, lambda wheel: resolved.addresses[wheel.sha256])
    torch = next((wheel for wheel in resolved.wheels if wheel.name == "torch"), None)
    found = cuda_of_wheel(torch, outlines) if torch else config.cuda
    if not found:
        raise InputError(
            f"{where}: {torch.filename if torch else 'torch'} is for no CUDA",
            next_step="write build.gpu: true, or leave cuda_toolkit out",
        )
    return found


def cuda_of_wheel(torch: LockedWheel, outlines: Outlines) -> str | None:
    """Tell it as "12.4"; None of a build for CPU, and where it is not said."""
    found = cuda_of(outlines.of(torch)[1])
    return ".".join(found.split(".")[:2]) if found else None
