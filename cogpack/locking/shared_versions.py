"""The versions of another lock's wheels can be held, so that images of a fleet share their layers."""

from pathlib import PurePosixPath

from packaging.version import Version

from cogpack.lockfile import Decisions
from cogpack.locking.shared_base import is_shared, read_other, read_shared_base
from cogpack.patterns import pattern
from cogpack.project import Project
from cogpack.requirements.model import RequirementLine

_OF_SDK = frozenset({"cog", "coglet"})
"""Of which build.sdk_version decides, where it is written."""
_WHEEL = pattern(r'\s*\{ name = "([^"]+)"')


def shared_versions(project: Project) -> tuple[RequirementLine, ...]:
    """Give a constraint for each wheel of the lock that `cogpack.constraints_from` names."""
    found = read_other(project, "constraints_from")
    if found is None:
        return ()
    name, data, decisions = found
    lines: dict[str, int] = {}
    for number, text in enumerate(data.decode().splitlines(), 1):
        if wheel_line := _WHEEL.match(text):
            lines.setdefault(wheel_line[1], number)
    path = PurePosixPath(name).as_posix()
    return tuple(
        RequirementLine(
            name=wheel.name, text=f"{wheel.name}=={wheel.version}", path=path, line=lines.get(wheel.name, 1)
        )
        for wheel in decisions.wheels
        if not (project.config.sdk_version and wheel.name in _OF_SDK)
    )


def moved_locks(project: Project, decisions: Decisions) -> list[str]:
    """Name the other locks that have something else by now than `decisions` took of them: a base, or the public version
    (PEP 440) of a wheel that requirements chose, and no address or file."""
    pack = project.config.pack
    moved: dict[str, None] = {}
    if (shared := read_shared_base(project)) and not is_shared(decisions.base, shared):
        moved[shared.name] = None
    held = {line.name: line.text.partition("==")[2] for line in shared_versions(project)}
    for wheel in decisions.required:
        version = held.get(wheel.name, wheel.version)
        if pack.constraints_from and not (wheel.url or wheel.path) and _public(wheel.version) != _public(version):
            moved[pack.constraints_from] = None
    return [*moved]


def _public(version: str) -> str:
    return Version(version).public
