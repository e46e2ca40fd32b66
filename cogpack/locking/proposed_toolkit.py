"""Who needs the compiler of CUDA is told it before a model runs without: what compiles for a GPU when it runs."""

from collections.abc import Iterator

from cogpack.lockfile import Decisions
from cogpack.locking.missing_packages import sources_of
from cogpack.notes import Code, Note
from cogpack.project import Project

_COMPILES = {"deepspeed": "compiles its operators when they are first used (op_builder/builder.py)"}
"""Modules that call torch.utils.cpp_extension.load themselves."""


def proposed_toolkit(project: Project, decisions: Decisions) -> Iterator[Note]:
    """Give a note of the first that wants it, where the image has none and no base of its own that may."""
    config = project.config
    if config.pack.cuda_toolkit == "image" or config.pack.base is not None or not config.gpu:
        return
    sources = sources_of(project)
    wheels = {wheel.name for wheel in decisions.wheels}
    reasons = [
        f"{one.place}: starts nvcc, or has torch's cpp_extension do so, which compiles for a GPU when the model runs"
        for one in sources.programs
        if one.name == "nvcc"
    ]
    reasons += [
        f"{one.place}: imports {one.name}, which {_COMPILES[one.name]}"
        for one in sources.modules
        if one.name in _COMPILES and one.name in wheels
    ]
    if reasons:
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        text = f"{reasons[0]}{more}, and the image has no nvcc: set cogpack: {{cuda_toolkit: image}}"
        yield Note(Code.MISSING_PACKAGE, text)
