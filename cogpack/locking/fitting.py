"""A lock is decided again where what was decided wants something else below it."""

from typing import Protocol

from cogpack.config import Config, Suite
from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.locking.asked_base import has_named, is_asked_for, usual_suite
from cogpack.locking.executable_stacks import suite_for
from cogpack.locking.unasked import Unasked, unasked_for, unasked_of
from cogpack.notes import Note
from cogpack.project import Project
from cogpack.session import Session


class Decide(Protocol):
    """Decides over this `suite` of Debian, with what is there `unasked`. `told`: notes that are not told again."""

    def __call__(self, suite: Suite | None, /, *, unasked: Unasked, told: tuple[Note, ...]) -> Decisions: ...


def decide_fitting(
    session: Session, project: Project, kept: Decisions | None, decide: Decide, *, told: bool
) -> Decisions:
    """Decide once more where the wheels want another suite of Debian, and where they or the sources want packages that
    nobody asked for. `told`: notes so far are not told again."""
    usual = usual_suite(project.config)
    suite = suite_for(project.config, usual, kept)
    unasked = _held(project.config, kept, suite)
    decided = decide(suite, unasked=unasked, told=tuple(session.notes.all) if told else ())
    wanted = suite_for(project.config, usual, decided)
    if wanted and isinstance(decided.base, DebianBase) and decided.base.suite != wanted:
        session.progress.summary(f"Debian {decided.base.suite} does not go with the wheels: {wanted} is taken")
        unasked = Unasked()  # one suite has not all packages of the other
        decided = decide(wanted, unasked=unasked, told=tuple(session.notes.all))
    for _ in range(2):  # a tool may be a compiler
        if (needed := unasked_for(project, decided)) == unasked:
            break
        unasked = needed
        decided = decide(wanted, unasked=unasked, told=tuple(session.notes.all))
    return decided


def _held(config: Config, kept: Decisions | None, suite: Suite | None) -> Unasked:
    """Give what a lock has unasked, where it has the base, the Python and the packages that cog.yaml asks for. Else
    nothing: what lacks is looked for as if there were no lock, so that both ways end in the same one."""
    if kept is None:
        return Unasked()
    unasked = unasked_of(kept)
    same = is_asked_for(kept.base, config, suite) and kept.python.minor == config.python_minor
    return unasked if same and has_named(kept.base, config, sorted(unasked.packages)) else Unasked()
