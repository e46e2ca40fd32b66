"""A lock is decided again where what was decided wants something else below it."""

from typing import Protocol

import msgspec

from cogpack.config import Config, Suite
from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.locking.asked_base import has_named, is_asked_for, usual_suite
from cogpack.locking.executable_stacks import suite_for
from cogpack.locking.unasked import Unasked, unasked_for, unasked_of
from cogpack.project import Project
from cogpack.session import Session


class Decide(Protocol):
    """Decides over this `suite` of Debian, with what is there `unasked`, or None for a guess."""

    def __call__(self, suite: Suite | None, /, *, unasked: Unasked | None) -> Decisions: ...


def decide_fitting(session: Session, project: Project, kept: Decisions | None, decide: Decide) -> Decisions:
    """Decide once more where the wheels want another suite of Debian, and where they or the sources want packages that
    nobody asked for."""
    usual = usual_suite(project.config)
    suite = suite_for(project.config, usual, kept)
    held = _held(project.config, kept, suite)
    decided = decide(suite, unasked=held)
    wanted = suite_for(project.config, usual, decided)
    if wanted and isinstance(decided.base, DebianBase) and decided.base.suite != wanted:
        session.progress.summary(f"Debian {decided.base.suite} does not go with the wheels: {wanted} is taken")
        decided = decide(wanted, unasked=None)  # each suite has packages of its own
    for _ in range(2):  # a tool may be a compiler
        if (needed := unasked_for(project, decided)).is_like(unasked_of(decided)):
            return msgspec.structs.replace(decided, compiler=needed.compiler, tools=needed.tools)
        decided = decide(wanted, unasked=needed)
    return decided


def _held(config: Config, kept: Decisions | None, suite: Suite | None) -> Unasked | None:
    """Give what a lock has unasked, where it has the base, the Python and the packages that cog.yaml asks for. Else
    None: what lacks is looked for as if there were no lock, so that both ways end in the same one."""
    if kept is None:
        return None
    unasked = unasked_of(kept)
    same = is_asked_for(kept.base, config, suite) and kept.python.minor == config.python_minor
    return unasked if same and has_named(kept.base, config, sorted(unasked.packages)) else None
