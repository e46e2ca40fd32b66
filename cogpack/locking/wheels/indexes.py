"""Where wheels are looked for, and who chooses among them."""

from typing import TYPE_CHECKING

from cogpack.project import Project
from cogpack.requirements.model import Requirements
from cogpack.resolve.wheels.target import TargetPython
from cogpack.session import Session

if TYPE_CHECKING:
    from cogpack.resolve.wheels.compile import Uv
    from cogpack.resolve.wheels.indexes import Indexes


def indexes_of(session: Session, project: Project, requirements: Requirements, torch: str | None) -> "Indexes":
    """Tell where to look. `torch`: the index of torch that the lock names, if any."""
    from cogpack.resolve.wheels.indexes import Indexes
    from cogpack.resolve.wheels.torch import TorchIndex, without_torch_indexes

    return Indexes.from_environment(
        session.environment,
        without_torch_indexes(requirements) if torch else requirements,
        project.root,
        torch=TorchIndex.named(torch),
        url_map=session.http.url_map,
        relay=session.relay,
    )


def uv_of(session: Session, project: Project, target: TargetPython, indexes: "Indexes", *, newer: bool = False) -> "Uv":
    """Give who answers for `target`. `newer`: what was uploaded since is there, too, though the project excludes it."""
    from cogpack.resolve.wheels.compile import Uv

    return Uv(
        target=target,
        indexes=indexes,
        exclude_newer=None if newer else project.config.pack.exclude_newer,
        cache=session.cache,
        metadata=session.metadata,
    )
