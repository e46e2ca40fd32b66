"""The lock that holds for a run: the present one where it fits the project, else a new one, written or not."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cogpack.disk import check_writable, write_whole
from cogpack.errors import InputError, MismatchError
from cogpack.formats import check_format
from cogpack.lockfile import (
    Decisions,
    Lock,
    encode_lock,
    input_digests,
    read_lock,
)
from cogpack.locking.deviations import check_cuda, notes_of
from cogpack.locking.executable_stacks import stack_notes
from cogpack.locking.lines.lacking import lacks_pins
from cogpack.locking.lines.pip.breaks import break_notes
from cogpack.locking.minimum_driver import minimum_driver
from cogpack.locking.missing_imports import local_modules, look_at_imports
from cogpack.locking.recommended import recommended
from cogpack.locking.unasked import other_unasked, unasked_lines, unasked_notes
from cogpack.locking.weights.remote import changed_uses
from cogpack.locking.wheels.building import Building
from cogpack.locking.wheels.clashes import check_clashes, clash_notes
from cogpack.locking.wheels.requirements import check_requirements
from cogpack.notes import Code, Note
from cogpack.project import Project, each_platform
from cogpack.session import Session
from cogpack.text import time_text
from cogpack.trace import TRACE

if TYPE_CHECKING:
    from cogpack.locking.upgrade import Upgrade


def lock(
    session: Session,
    project: Project,
    building: Building | None = None,
    *,
    upgrade: "Upgrade",
    seeds: Mapping[str, str] = {},
) -> Lock:
    """Resolve afresh and write `cogpack.lock`, and say what changed.

    Present pins are kept where they still fit, but for those of `upgrade`. `building`: of wheels that nobody
    publishes; `seeds`: versions of wheels that go before present pins.
    """
    from cogpack.locking.changes import build_lines, change_lines, changes, holdings, unlike_versions

    began = time.monotonic()
    session.notes.show_all()
    check_requirements(session, project, building)
    previous = own_lock(project)
    _tell_left(session, project, previous)
    if previous and previous.format > max(session.formats):
        _check_format(session, project, previous)
    _try_writing(project)
    from cogpack.locking.decide import named_wheels, resolve_lock  # what decides is not loaded where a lock fits

    made = resolve_lock(session, project, previous, building, upgrade=upgrade, seeds=seeds)
    named_wheels(upgrade.wheels, made.platforms.values())  # where no lock was there to ask
    _tell(session, project, made)
    session.notes.check()
    write_lock(project, made)
    same = previous and (previous.weights, previous.platforms) == (made.weights, made.platforms)
    what = "unchanged" if same else "locked"
    took = time_text(time.monotonic() - began)
    platforms = project.config.pack.platforms
    for platform in platforms:
        of = f"{platform}: " if len(platforms) > 1 else ""
        found = changes(previous, made, platform) if previous else []
        lines = [*change_lines(found, whole=upgrade.system), *build_lines(previous, made, platform)]
        lines.append(f"{what}: {holdings(made.platforms[platform])}, in {took}")
        if extra := recommended(made.platforms[platform].base):
            lines += extra.lines()
        lines += unasked_lines(made.platforms[platform])
        if driver := minimum_driver(made.platforms[platform]):
            lines.append(driver.line())
        for line in lines:
            session.progress.summary(f"{of}{line}")
    for line in unlike_versions(made.platforms):
        session.progress.summary(line)
    if made.format < (newest := max(session.formats)):
        text = f"cogpack lock --upgrade-format takes {newest}, and tells which layers move"
        session.progress.summary(f"the image is of format {made.format}; {text}")
    return made


def check_lock(session: Session, project: Project) -> Lock:
    """The lock; `MismatchError` where it is absent or was made from other inputs, those of other locks among them. No
    server is asked."""
    from cogpack.locking.shared_versions import moved_locks

    found = own_lock(project)
    if found is None:
        raise MismatchError(f"{project.lock_path}: there is no lock", next_step="run cogpack lock and commit it")
    _check_format(session, project, found)
    stale = _changed(project, found)
    if not stale:
        moved = (name for one, decisions in _decided(project, found) for name in moved_locks(one, decisions))
        stale = list(dict.fromkeys(moved))
    if not stale and found.format == max(session.formats):
        other = (name for one in _decided(project, found) for name in other_unasked(*one))
        stale = list(dict.fromkeys(other))
    if stale or _lacking(project, found):
        raise _stale(project, found, stale)
    return found


def _changed(project: Project, lock: Lock) -> list[str]:
    """Name what the lock was made from that is otherwise now."""
    found = [*lock.stale(input_digests(project.inputs())), *changed_uses(project, lock)]
    if not found and any(lacks_pins(one.config, decisions) for one, decisions in _decided(project, lock)):
        return ["reading of build.run"]
    return found


def _decided(project: Project, lock: Lock) -> list[tuple[Project, Decisions]]:
    """Give the project for each of its platforms that the lock has, with what was decided for that."""
    each = ((one, lock.platforms.get(one.config.pack.platform)) for one in each_platform(project))
    return [(one, decisions) for one, decisions in each if decisions]


def _lacking(project: Project, lock: Lock) -> list[str]:
    """Name the platforms of the project that the lock lacks."""
    return [platform for platform in project.config.pack.platforms if platform not in lock.platforms]


def own_lock(project: Project) -> Lock | None:
    """Read the lock of the project's config; None where there is none. A `MismatchError` says which one has to be moved
    before (`check_others`)."""
    found = read_lock(project.lock_path)
    if found is None or project.config_path.name not in found.inputs:
        from cogpack.locking.other_locks import check_others

        check_others(project, found)
    return found


def _tell_left(session: Session, project: Project, found: Lock | None) -> None:
    """Note a lock that may be the config's under another name, where it has none."""
    if found is None:
        from cogpack.locking.other_locks import left_note

        if note := left_note(project):
            session.progress.note(note)


def _check_format(session: Session, project: Project, lock: Lock) -> None:
    check_format(lock.format, session.formats, where=project.lock_path.name, requires=lock.requires)


def _stale(project: Project, lock: Lock, stale: Sequence[str]) -> MismatchError:
    from cogpack.locking.other_locks import other_config

    other, there = other_config(project, lock)
    name = project.lock_path.name
    if other:
        what = f"{other}{'' if there else ', which is not there'}, and this is {project.config_path.name}"
    else:
        what = f"another {' and another '.join(stale)}" if stale else f"no {' and no '.join(_lacking(project, lock))}"
    return MismatchError(
        f"{name} was made {'from' if stale else 'for'} {what}",
        next_step=f"run cogpack lock and commit {name}",
    )


def _tell(session: Session, project: Project, lock: Lock) -> None:
    notes = (
        note
        for one, decisions in _decided(project, lock)
        for note in (
            *notes_of(one.config, decisions),
            *stack_notes(one.config, decisions),
            *clash_notes(one, decisions),
            *break_notes(one, decisions),
            *unasked_notes(one, decisions),
        )
    )
    for note in dict.fromkeys(notes):
        session.progress.note(note)


def is_pinned(session: Session, project: Project, *, locked: bool) -> bool:
    """Whether the lock is to be taken as it is: neither resolved anew nor added to."""
    return locked or (session.in_ci and os.path.lexists(project.lock_path))


def current_lock(
    session: Session, project: Project, building: Building | None = None, *, writes: bool, locked: bool
) -> Lock:
    """The lock, if it fits the project's inputs; else a new one, or a `MismatchError` where it is pinned.

    Only who `writes` leaves the new one in the project, and is told at once if that can't be.
    """
    check_requirements(session, project, building)
    found = own_lock(project)
    name = project.lock_path.name
    if found is None:
        if locked:
            raise MismatchError(
                f"{project.lock_path}: there is no lock, and with --locked or for verify none is made",
                next_step=f"run cogpack lock and commit {name}",
            )
        return _renewed(session, project, None, building, writes=writes)
    _check_format(session, project, found)
    stale = _changed(project, found)
    lacking = _lacking(project, found)
    if not stale and not lacking:
        for one, decisions in _decided(project, found):
            check_clashes(one, decisions)
            check_cuda(one.config, decisions)
        _tell(session, project, found)
        for one, decisions in _decided(project, found):
            for note in look_at_imports(one, decisions, local_modules(session, one)).notes:
                session.progress.note(note)
        if TRACE.level:
            TRACE.decided(f"{name} was made from these inputs: nothing is resolved")
        return found
    if is_pinned(session, project, locked=locked):
        raise _stale(project, found, stale)
    if stale:
        from cogpack.locking.other_locks import other_config

        other, there = other_config(project, found)
        why = f"{', '.join(stale)} changed"
        if other:
            why = f"it was made from {other}{'' if there else ', which is not there'}"
        text = f"{name} is stale ({why}): resolving"
        session.progress.note(Note(Code.LOCK_STALE, text))
    else:
        text = f"{name} has no {' and no '.join(lacking)} yet: resolving"
        session.progress.note(Note(Code.LOCK_LACKS_PLATFORM, text))
    return _renewed(session, project, found, building, writes=writes)


def _renewed(
    session: Session, project: Project, found: Lock | None, building: Building | None, *, writes: bool
) -> Lock:
    if writes:
        from cogpack.locking.upgrade import NOTHING

        return lock(session, project, building, upgrade=NOTHING)
    from cogpack.locking.decide import resolve_lock  # as in `lock`

    session.notes.show_all()
    _tell_left(session, project, found)
    made = resolve_lock(session, project, found, building)
    _tell(session, project, made)
    lacking = _lacking(project, found) if found else []
    lacks = f"has no {' and no '.join(lacking)}" if lacking else "is stale"
    what = f"{project.lock_path.name} {'is not there' if found is None else lacks}"
    text = f"{what}: resolved for this run only, cogpack lock writes it"
    session.progress.note(Note(Code.LOCK_UNWRITTEN, text))
    return made


def write_lock(project: Project, made: Lock) -> None:
    write_whole(project.lock_path, [encode_lock(made, config=project.config_path.name)])


def _try_writing(project: Project) -> None:
    """A directory that takes no lock should be known before the work of a resolution."""
    try:
        check_writable(project.lock_path)
    except InputError as error:
        what = f"cogpack lock where the project can be written, and commit {project.lock_path.name}"
        raise InputError(
            error.message,
            next_step=f"run {what}",
        ) from error
