"""`cogpack lock`: decide everything that the image depends on, and write it down.

The work lies in `locking`, since a push that finds no lock makes one, too.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from cogpack.errors import InputError, MismatchError
from cogpack.layers.known import Known
from cogpack.layers.layer import key_of
from cogpack.lockfile import Lock, LockedSteps, read_lock
from cogpack.locking import current
from cogpack.locking.changes import package_changes
from cogpack.locking.image_pins import read_image_pins, told_pins
from cogpack.locking.upgrade import Upgrade
from cogpack.planning.built_wheels import building_of
from cogpack.planning.describing import check_predictor, describe_locked, find_described
from cogpack.planning.known import known_layers, record_results
from cogpack.planning.missing_libraries import missing_libraries
from cogpack.planning.moving import MovingLayer, moving_layers
from cogpack.planning.plan import Plan
from cogpack.planning.prepare import (
    Prepared,
    open_fingerprints,
    plan_image,
    prepare_each,
    run_steps,
    settle,
    with_changes,
)
from cogpack.planning.steps.changes import StepChanges, check_secrets, check_steps
from cogpack.planning.steps.moved_paths import moved_paths, told
from cogpack.project import Project, each_platform
from cogpack.session import Session
from cogpack.sinks.sink import drain
from cogpack.text import count_text


class UpgradedPackage(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of a Debian package that moved. `before`: None of one that another one needs now."""

    package: str
    before: str | None = msgspec.field(name="from")
    after: str | None = msgspec.field(name="to")


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """`path`: of the file; `lock`: what it says. `moving`: the layers that another image format moves; None where
    none was asked for, or that is not known; `upgraded`: packages that moved, where those were to."""

    path: str
    lock: Lock
    moving: tuple[MovingLayer, ...] | None = None
    upgraded: tuple[UpgradedPackage, ...] = ()

    @property
    def document(self) -> "LockDocument":
        """This as `--json` prints it."""
        fields = {name: getattr(self.lock, name) for name in Lock.__struct_fields__}
        return LockDocument(**fields, moving=self.moving, upgraded=self.upgraded)


class LockDocument(Lock, frozen=True, kw_only=True):
    """The lock itself, and `moving` and `upgraded` beside it."""

    moving: tuple[MovingLayer, ...] | None = None
    upgraded: tuple[UpgradedPackage, ...] = ()


def lock(
    session: Session,
    *,
    upgrade: bool = False,
    packages: Sequence[str] = (),
    upgrade_format: bool = False,
    run: bool = False,
    upgrade_run: bool = False,
    upgrade_step: int | None = None,
    upgrade_system: bool = False,
    from_image: str | None = None,
) -> Locked:
    """Resolve everything afresh and write cogpack.lock.

    Present pins are kept where they still fit, unless `upgrade`, and but for those of `packages`: names of wheels.
    So is the image format, unless `upgrade_format`: then the newest is taken, and what it moves is told. `run`: the
    commands of `build.run` are run, and what they change is written down, unless it is known; `upgrade_run`: though it
    is, and what known ones bring is pinned anew; `upgrade_step`: the same for the one that has this index alone;
    those that are run are run together. `upgrade_system`: of Debian's packages those that the security archive has
    newer are taken from there, and all other pins are kept. `from_image`: the versions of wheels that this image has go
    before present pins, where they fit.
    """
    project = find_described(session)
    check_predictor(project)
    before = current.own_lock(project)
    pins = read_image_pins(session, from_image, project.config.pack.platforms[0]) if from_image else None
    made = current.lock(
        session,
        project,
        building_of(session, project),
        upgrade=Upgrade(
            all=upgrade,
            wheels=tuple(packages),
            format=upgrade_format,
            run=upgrade_run,
            step=upgrade_step,
            system=upgrade_system,
        ),
        seeds=pins.versions if pins else {},
    )
    if pins:
        for platform in project.config.pack.platforms:
            for line in told_pins(pins, made.platforms[platform]):
                session.progress.summary(line)
    upgraded = tuple(_upgraded(project, before, made)) if upgrade_system and before else ()
    if upgrade_system and not upgraded:
        session.progress.summary("the security archive has no newer version of any package")
    moving = _moving(session, project, before, made) if upgrade_format else None
    if run or upgrade_run or upgrade_step is not None:
        made = _with_steps(session, project, anew=upgrade_run, step=upgrade_step)
    else:
        with suppress(InputError):  # the lock is made, and stays
            for changes in _open(session, project, made):
                open_ = f"{changes.steps.name}: what they change is open"
                session.progress.summary(f"{open_}; cogpack lock --run runs them and records it")
    return Locked(path=str(project.lock_path), lock=made, moving=moving, upgraded=upgraded)


def _upgraded(project: Project, before: Lock, made: Lock) -> Iterator[UpgradedPackage]:
    found = [change for name in project.config.pack.platforms for change in package_changes(before, made, name)]
    for change in dict.fromkeys(found):
        yield UpgradedPackage(package=change.name, before=change.before, after=change.after)


def _open(session: Session, project: Project, made: Lock) -> list[StepChanges]:
    """Find commands of which the lock does not say what they change; nobody else is asked."""
    found: list[StepChanges] = []
    for one in each_platform(project):
        base = made.platforms[one.config.pack.platform].base
        if not project.config.run and not base.system_packages.dpkg:
            continue
        fingerprints = open_fingerprints(session, project)
        plan, _ = plan_image(session, one, made, describe_locked(one, made), fingerprints)
        fingerprints.save()
        found += [changes for changes in plan.changes if changes.locked is None]
    return found


def _with_steps(session: Session, project: Project, *, anew: bool, step: int | None) -> Lock:
    each = prepare_each(session, project, writes=True)
    if any(one.plan.changes for one in each):
        record_results(session, [_ran(session, one, anew=anew, step=step) for one in each])
    return read_lock(project.lock_path) or each[0].lock


def _ran(session: Session, prepared: Prepared, *, anew: bool, step: int | None) -> tuple[Prepared, Known]:
    """Run what is to be run for one platform; give what is known of its layers then."""
    named = any(one.index == step for one in prepared.plan.lines.remaining)
    if anew or named:
        for at in range(len(prepared.plan.changes)):
            changes = prepared.plan.changes[at]
            if named and changes is not prepared.plan.steps and changes.known:
                continue
            prepared = with_changes(session, prepared, changes, _renew(session, prepared.plan, changes))
    else:
        prepared = settle(session, prepared)
    known = known_layers(prepared.plan, prepared.lock.results, session.facts, lock=prepared.project.lock_path.name)
    unknown = [layer for layer in prepared.plan.ran if known.of(layer) is None]
    if unknown:
        session.supply.wait(prepared.plan.inputs_of(unknown[0]))
    made = {key_of(layer): layer.copy_to(lambda body: drain(body, lambda _: None)) for layer in unknown}
    return prepared, known.with_read(made)


def _renew(session: Session, plan: Plan, steps: StepChanges) -> LockedSteps:
    before = [layer.diff_id for layer in steps.locked.layers] if steps.locked else []
    made = run_steps(session, plan, steps, held=False)
    for layer in made.layers:
        if layer.diff_id in before:
            text = f"the same as before, {layer.diff_id}"
        else:
            was = [one.diff_id for one in (steps.locked.layers if steps.locked else ()) if one.name == layer.name]
            text = f"{layer.diff_id}, before {was[0]}" if was else str(layer.diff_id)
        session.progress.summary(f"{layer.name}: {text}")
    return made


def _moving(session: Session, project: Project, before: Lock | None, made: Lock) -> tuple[MovingLayer, ...] | None:
    try:
        return moving_layers(session, project, before, made)
    except InputError as error:  # the lock is made, and stays
        session.progress.summary(f"which layers move is not known: {error.message}")
        return None


def check_lock(session: Session) -> Locked:
    """Raise a `MismatchError` where the lock is missing, was made from other inputs, or does not say what commands
    change. No server is asked."""
    project = find_described(session)
    session.notes.show_all()
    found = current.check_lock(session, project)
    for changes in _open(session, project, found):
        check_steps(changes, pinned=True)
    return Locked(path=str(project.lock_path), lock=found)


def check_libraries(session: Session) -> Locked:
    """Look for libraries that modules of wheels are linked with and nothing in the image has, each a note. All wheels
    are read for it, and fetched where they are not here; nothing is written down."""
    project = find_described(session)
    each = [settle(session, one) for one in prepare_each(session, project, writes=False)]
    if any(one.plan.steps is not None or (one.plan.libraries and not one.plan.libraries.whole) for one in each):
        raise InputError(
            "commands of build.run, or directories in LD_LIBRARY_PATH of the base, may bring libraries, and nobody "
            "knows which",
            next_step="leave out --check-libraries, or try cogpack exec ldd FILE",
        )
    found = list(dict.fromkeys(note for one in each for note in missing_libraries(one.plan, fetch=True)))
    for note in found:
        session.progress.note(note)
    session.notes.check()
    session.progress.summary(f"libraries: {len(found)} missing" if found else "libraries: all there")
    return Locked(path=str(project.lock_path), lock=each[0].lock)


def _check_twice(session: Session, plan: Plan, changes: StepChanges) -> None:
    check_secrets(changes)
    session.supply.wait(plan.inputs[changes.steps.key])
    first, second = changes.try_run(), changes.try_run()
    if moved := moved_paths(first, second):
        paths = f"{count_text(len(moved), 'path')} {'differs' if len(moved) == 1 else 'differ'}"
        raise MismatchError(
            f"{changes.steps.subject} did not do the same twice: {paths}\n{told(moved)}",
            next_step="commit the lock: its layers are taken as they are, and what packages write is theirs"
            if changes.steps.debs
            else "change the commands as it says, until cogpack lock --check-run finds nothing",
        )
    session.progress.summary(f"{changes.steps.name}: the same in both runs, {count_text(len(first), 'path')}")


def check_run(session: Session) -> Locked:
    """Run the commands of `build.run` twice, each time over fresh files; a `MismatchError` names the paths that differ.

    Nothing is kept or written down.
    """
    project = find_described(session)
    each = prepare_each(session, project, writes=False)
    if not any(one.plan.changes for one in each):
        raise InputError("no command of build.run is run: nothing can move", next_step="leave out --check-run")
    for one in each:
        _check_each_twice(session, one)
    return Locked(path=str(project.lock_path), lock=each[0].lock)


def _check_each_twice(session: Session, prepared: Prepared) -> None:
    for at in range(len(prepared.plan.changes)):
        changes = prepared.plan.changes[at]
        _check_twice(session, prepared.plan, changes)
        if changes is not prepared.plan.changes[-1]:  # the next ones see it
            prepared = with_changes(
                session, prepared, changes, changes.known or run_steps(session, prepared.plan, changes)
            )
