"""Files that two wheels hold differently are found when the lock is made, and told whenever it is used."""

from collections.abc import Iterator, Sequence

import msgspec

from cogpack.errors import InputError
from cogpack.layers.wheels.venv import SITE
from cogpack.lockfile import Decisions, LockedClash, LockedPipLine, LockedWheel
from cogpack.locking.wheels.outlines import Outlines
from cogpack.notes import Code, Note
from cogpack.project import Project
from cogpack.resolve.wheels.target import TargetPython
from cogpack.session import Session
from cogpack.text import count_text
from cogpack.threads import each

_JOBS = 16


def compare_wheels(
    session: Session,
    outlines: Outlines,
    wheels: Sequence[LockedWheel],
    target: TargetPython,
    kept: Decisions | None,
    *,
    lines: Sequence[LockedPipLine] = (),
) -> tuple[tuple[LockedWheel, ...], tuple[LockedClash, ...]]:
    """Give the wheels, each with its size, and their clashes. Of wheels that are not here the ends are read, no more.

    What `kept` says of just these wheels and this Python still holds. What `lines` lay is laid last, in their order.
    """
    from cogpack.layers.wheels.clashes import find_clashes

    if kept and kept.python.minor == target.python and kept.pip_lines == tuple(lines):
        sizes = {wheel.sha256: wheel.size for wheel in kept.wheels}
        sized = tuple(
            msgspec.structs.replace(wheel, size=sizes.get(wheel.sha256)) if wheel.size is None else wheel
            for wheel in wheels
        )
        if sized == kept.wheels:
            return sized, kept.clashes
    task = session.progress.task(f"clashes in {count_text(len(wheels), 'wheel')}", None, "look for")
    found = each(outlines.of, wheels, jobs=_JOBS, name="wheel", cancellation=session.cancellation)
    laid = {filename: place for place, line in enumerate(lines, 1) for filename in line.wheels}
    clashes = find_clashes([outline for _, outline in found], target.environment(), laid)
    task.done("looked for")
    return tuple(wheel for wheel, _ in found), clashes


def check_clashes(project: Project, decisions: Decisions) -> None:
    """Raise an `InputError` of the first, where cog.yaml wants that."""
    config = project.config
    if config.pack.clashes == "error":
        for text in _texts(project, decisions):
            raise InputError(
                f"{text}; {config.where('cogpack.clashes')} makes that an error",
                next_step="remove one of the packages, or write clashes: note",
            )


def clash_notes(project: Project, decisions: Decisions) -> Iterator[Note]:
    """Give a note for each set of wheels that clash."""
    for text in _texts(project, decisions):
        yield Note(Code.CLASH, text)


def _texts(project: Project, decisions: Decisions) -> Iterator[str]:
    wheels = {wheel.filename: wheel for wheel in decisions.wheels}
    for clash in decisions.clashes:
        yield _told(project, clash.paths, wheels[clash.wheel], [wheels[filename] for filename in clash.over])


def _told(project: Project, paths: Sequence[str], winner: LockedWheel, others: Sequence[LockedWheel]) -> str:
    lines = ", ".join(project.requirements().places(" ".join(wheel.name for wheel in (winner, *others))))
    first = paths[0].removeprefix(f"{SITE}/") if paths[0].startswith(f"{SITE}/") else f"/{paths[0]}"
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    who = " and ".join(f"{wheel.name} {wheel.version}" for wheel in (*others, winner))
    text = f"{first}{more}: in {who}; the image has {winner.name}'s, which pip would install last"
    return f"{lines}: {text}" if lines else text
