"""A project may be for several platforms; most of what is done is done for one of them after the other."""

from collections.abc import Iterable

import msgspec

from cogpack.config import Arch
from cogpack.project.project import Project

_DIFFERS = "_inputs"
"""What is read of a project otherwise for another platform: a lock of uv's lists wheels for all."""


def for_platforms(project: Project, platforms: Iterable[Arch]) -> Project:
    """Give the project as if its config named these. What was read of it is not read again."""
    pack = msgspec.structs.replace(project.config.pack, platforms=tuple(sorted(set(platforms))))
    made = msgspec.structs.replace(project, config=msgspec.structs.replace(project.config, pack=pack))
    vars(made).update({name: value for name, value in vars(project).items() if name != _DIFFERS})
    return made


def each_platform(project: Project) -> tuple[Project, ...]:
    """Give the project once for each of its platforms, itself where that is one."""
    platforms = project.config.pack.platforms
    if len(platforms) == 1:
        return (project,)
    project.files()  # is listed once for all
    return tuple(for_platforms(project, [one]) for one in platforms)
