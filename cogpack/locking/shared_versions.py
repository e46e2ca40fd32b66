"""The versions of another lock's wheels can be held, so that images of a fleet share their layers."""

from pathlib import PurePosixPath

from cogpack.locking.shared_base import read_other
from cogpack.project import Project
from cogpack.requirements import RequirementLine

_OF_SDK = frozenset({"cog", "coglet"})
"""Of which build.sdk_version decides, where it is written."""


def shared_versions(project: Project) -> tuple[RequirementLine, ...]:
    """Give a constraint for each wheel of the lock that `cogpack.constraints_from` names."""
    found = read_other(project, "constraints_from")
    if found is None:
        return ()
    name, decisions = found
    data = (project.root / name).read_text(encoding="utf-8")
    lines = {text.strip(): number for number, text in enumerate(data.splitlines(), 1)}
    path = PurePosixPath(name).as_posix()
    return tuple(
        RequirementLine(
            name=wheel.name, text=f"{wheel.name}=={wheel.version}", path=path, line=_line(lines, wheel.name)
        )
        for wheel in decisions.wheels
        if not (project.config.sdk_version and wheel.name in _OF_SDK)
    )


def _line(lines: dict[str, int], name: str) -> int:
    return next((number for text, number in lines.items() if text.startswith(f'{{ name = "{name}"')), 1)
