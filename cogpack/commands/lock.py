"""`cogpack lock`: decide everything that the image depends on, and write it down.

The work lies in `locking`, since a push that finds no lock makes one, too.
"""

from collections.abc import Sequence

import msgspec

from cogpack.errors import InputError
from cogpack.lockfile import FILE, Lock, read_lock
from cogpack.locking import current
from cogpack.planning.known import known_layers, record_results
from cogpack.planning.moving import MovingLayer, moving_layers
from cogpack.planning.prepare import check_predictor, open_project, prepare
from cogpack.project import Project
from cogpack.session import Session
from cogpack.sinks.sink import drain


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """`path`: of cogpack.lock; `lock`: what it says. `moving`: the layers that another image format moves; None where
    none was asked for, or that is not known."""

    path: str
    lock: Lock
    moving: tuple[MovingLayer, ...] | None = None

    @property
    def document(self) -> "LockDocument":
        """This as `--json` prints it."""
        return LockDocument(**{name: getattr(self.lock, name) for name in Lock.__struct_fields__}, moving=self.moving)


class LockDocument(Lock, frozen=True, kw_only=True):
    """The lock itself, and `moving` beside it."""

    moving: tuple[MovingLayer, ...] | None = None


def lock(
    session: Session,
    *,
    upgrade: bool = False,
    packages: Sequence[str] = (),
    upgrade_format: bool = False,
    run: bool = False,
) -> Locked:
    """Resolve everything afresh and write cogpack.lock.

    Present pins are kept where they still fit, unless `upgrade`, and but for those of `packages`: names of wheels.
    So is the image format, unless `upgrade_format`: then the newest is taken, and what it moves is told. `run`: the
    commands of `build.run` are run, and what they change is written down, unless it is known.
    """
    project = open_project(session)
    check_predictor(project)
    before = read_lock(project.root)
    made = current.lock(session, project, upgrade=upgrade, packages=packages, upgrade_format=upgrade_format)
    moving = _moving(session, project, before, made) if upgrade_format else None
    if run:
        made = _with_steps(session, project)
    return Locked(path=str(project.root / FILE), lock=made, moving=moving)


def _with_steps(session: Session, project: Project) -> Lock:
    prepared = prepare(session, project, writes=True)
    if (steps := prepared.plan.steps) is not None:
        known = known_layers(prepared.plan, prepared.lock.results, session.facts)
        if (made := known.info(steps)) is None:
            session.supply.wait(prepared.plan.inputs_of(steps))
            made = steps.copy_to(lambda body: drain(body, lambda _: None))
        record_results(session, prepared, known.with_read({steps.key: made}))
    return read_lock(project.root) or prepared.lock


def _moving(session: Session, project: Project, before: Lock | None, made: Lock) -> tuple[MovingLayer, ...] | None:
    try:
        return moving_layers(session, project, before, made)
    except InputError as error:  # the lock is made, and stays
        session.progress.summary(f"which layers move is not known: {error.message}")
        return None


def check_lock(session: Session) -> Locked:
    """Raise a `MismatchError` where the lock is missing or was made from other inputs. No server is asked."""
    project = open_project(session)
    session.notes.show_all()
    return Locked(path=str(project.root / FILE), lock=current.check_lock(session, project))
