"""Known lines of `build.run` are decided: what they bring is pinned, one function a kind of effect.

Such a function takes the session, the effects of its kind with their steps' indexes (`Lines.of`) and the pins that are
kept, and gives the pins, and a `LockedSandboxed` of each step that the outside world says to be another than its line
reads. Then all lines are read anew, since those that follow it have another meaning, too.
"""

import msgspec

from cogpack.lockfile import Decisions, LockedSandboxed
from cogpack.lockfile.base_kinds import Base
from cogpack.locking.lines import read_lines
from cogpack.locking.pip_lines import AppliedLines, PipLines
from cogpack.project import Project
from cogpack.resolve.wheels import Resolved, TargetPython
from cogpack.session import Session


class DecidedLines(msgspec.Struct, frozen=True, kw_only=True):
    """Is what the lock says of known lines: see `Decisions`. `pip`: what pip lines made of the wheels."""

    pip: AppliedLines
    sandboxed: tuple[LockedSandboxed, ...] = ()


def decide_lines(
    session: Session,
    project: Project,
    base: Base,
    resolved: Resolved,
    target: TargetPython,
    kept: Decisions | None,
) -> DecidedLines:
    """Read the lines and pin what they bring, until nothing speaks against what was read. `resolved`: what the project
    requires, over which pip lines are."""
    sandboxed: tuple[LockedSandboxed, ...] = ()
    pip_lines = PipLines(session, project, resolved, target, kept)
    while True:
        lines = read_lines(project.config, base, sandboxed)
        pip = pip_lines.apply(lines.effects)
        refused = [*pip.sandboxed]
        if not refused:
            return DecidedLines(pip=pip, sandboxed=sandboxed)
        sandboxed = (*sandboxed, min(refused, key=lambda one: one.step))
