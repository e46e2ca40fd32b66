"""What plan, build, push, load and verify begin with: project, lock, schema, plan."""

import os
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from cogpack.layers.fingerprints import Fingerprints
from cogpack.layers.known import Known
from cogpack.lockfile import Decisions, Lock, LockedSteps
from cogpack.locking.current import current_lock, is_pinned
from cogpack.notes import Note
from cogpack.planning.built_wheels import building_of
from cogpack.planning.describing import check_predictor, describe_locked
from cogpack.planning.labels import check_marks, read_marks
from cogpack.planning.plan import Plan, make_plan
from cogpack.planning.recipes.libraries import is_library_cache
from cogpack.planning.recipes.weights import Gathered, gather, weight_notes
from cogpack.planning.supply import suppliers
from cogpack.project import Project, each_platform
from cogpack.result_files import check_result
from cogpack.runtime.schema import Described
from cogpack.session import Session

if TYPE_CHECKING:
    from cogpack.planning.steps.changes import StepChanges


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """`pinned`: the lock was there and is not to be touched; `settled`: what commands change, as this run found it, by
    the decisions' keys."""

    project: Project
    lock: Lock
    plan: Plan
    schema: bytes
    fingerprints: Fingerprints
    gathered: Gathered
    pinned: bool
    settled: Mapping[str, LockedSteps] = {}

    @property
    def decisions(self) -> Decisions:
        """All that the lock decides for the platform."""
        return self.lock.platforms[self.project.config.pack.platform]


def prepare(session: Session, project: Project, *, writes: bool) -> Prepared:
    """Prepare what is done for one platform alone; an `InputError` where the project is for several. The arguments are
    those of `prepare_each`."""
    assert project.config.pack.platform
    (prepared,) = prepare_each(session, project, writes=writes)
    return prepared


def prepare_each(session: Session, project: Project, *, writes: bool, locked: bool = False) -> tuple[Prepared, ...]:
    """Prepare the image of each platform, by one lock.

    Who `writes` may leave a new lock in the project, and what the layers came out as; `locked`: there must be one that
    fits, whatever the settings say.
    """
    check_predictor(project)
    for note in project.notes():  # a mistake in the files, too
        session.progress.note(note)
    check_marks(session, project)
    for path in session.settings.outputs:
        check_result(path)
    session.notes.check()
    locked = locked or session.locked
    pinned = is_pinned(session, project, locked=locked)
    lock = current_lock(session, project, building_of(session, project), writes=writes, locked=locked)
    fingerprints = open_fingerprints(session, project)
    notes: dict[Note, None] = {}
    prepared = []
    for one in each_platform(project):
        described = describe_locked(one, lock)
        plan, gathered = plan_image(session, one, lock, described, fingerprints)
        notes |= dict.fromkeys((*described.notes, *weight_notes(one, gathered)))
        prepared.append(
            Prepared(
                project=one,
                lock=lock,
                plan=plan,
                schema=described.document,
                fingerprints=fingerprints,
                gathered=gathered,
                pinned=pinned,
            )
        )
    for note in notes:
        session.progress.note(note)
    for changes in chain.from_iterable(one.plan.changes for one in prepared):
        from cogpack.planning.steps.changes import check_steps

        check_steps(changes, pinned=pinned, runs=writes)
    marks = read_marks(session, project, lock)
    session.notes.check()
    return tuple(msgspec.structs.replace(one, plan=msgspec.structs.replace(one.plan, marks=marks)) for one in prepared)


def settle(session: Session, prepared: Prepared, *, again: bool = False) -> Prepared:
    """Have it known what commands change, and that no weight lies there: then the plan has all its layers. They are
    run where nobody says it; `again`: although it is known, and held to that."""
    for at in range(len(prepared.plan.changes)):
        changes = prepared.plan.changes[at]
        if again or changes.known is None:
            found = run_steps(session, prepared.plan, changes)
        else:
            found = changes.proven(prepared.plan.taken)
        prepared = with_changes(session, prepared, changes, found)
    return prepared


def run_steps(session: Session, plan: Plan, steps: "StepChanges", *, held: bool = True) -> LockedSteps:
    """Run commands, over all that they see; `held`: to what is known of what they change."""
    from cogpack.planning.steps.changes import check_secrets

    check_secrets(steps)
    session.supply.wait(plan.inputs[steps.steps.key])
    return steps.run(plan.taken, held=held)


def with_changes(session: Session, prepared: Prepared, changes: "StepChanges", found: LockedSteps) -> Prepared:
    """Plan the image anew, now that it is `found` what commands change."""
    if changes.known == found:
        return prepared
    settled = {**prepared.settled, "dpkg" if changes is prepared.plan.dpkg else "steps": found}
    return planned_anew(session, msgspec.structs.replace(prepared, settled=settled))


def planned_anew(session: Session, prepared: Prepared) -> Prepared:
    """Plan the image anew, with what this run has found out."""
    settled = prepared.settled
    lock = with_steps(prepared.lock, prepared.project.config.pack.platform, settled)
    described = describe_locked(prepared.project, lock)
    plan, gathered = plan_image(session, prepared.project, lock, described, prepared.fingerprints)
    plan = msgspec.structs.replace(plan, marks=prepared.plan.marks)
    return msgspec.structs.replace(prepared, plan=plan, gathered=gathered)


def with_told_libraries(session: Session, prepared: Prepared, known: Known) -> Prepared:
    """Plan anew what follows from libraries of wheels that are told since, so that none is fetched to be read."""
    caches = [layer for layer in prepared.plan.own if is_library_cache(layer) and known.of(layer) is None]
    return planned_anew(session, prepared) if caches and session.wheel_libraries.is_told else prepared


def with_steps(lock: Lock, platform: str, settled: Mapping[str, LockedSteps]) -> Lock:
    """Write what commands change into the decisions, by the keys that these have for it."""
    decided = msgspec.structs.replace(lock.platforms[platform], **settled)
    return msgspec.structs.replace(lock, platforms={**lock.platforms, platform: decided})


def open_fingerprints(session: Session, project: Project) -> Fingerprints:
    """Open what earlier runs found in the project's files."""
    store = session.cache / "fingerprints" / blake3(os.fsencode(project.root)).hexdigest()
    session.kept.used(store)
    return Fingerprints(store, session.seal, trusting=not session.settings.paranoid, note=session.progress.note)


def plan_image(
    session: Session, project: Project, lock: Lock, described: Described, fingerprints: Fingerprints
) -> tuple[Plan, Gathered]:
    """Plan the image that the lock makes of the project, by the rules of its format."""
    gathered = gather(session, project, lock)
    weights = {file.path for file in project.weights}
    plan = make_plan(
        project.config,
        lock.platforms[project.config.pack.platform],
        session.formats[lock.format],
        described,
        project.files().without(weights) if weights else project.files(),
        gathered,
        suppliers(session, project, lock, fingerprints, building_of(session, project)),
    )
    return plan, gathered
