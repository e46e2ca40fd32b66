"""`cogpack lock`: decide everything that the image depends on, and write it down.

The work lies in `locking`, since a push that finds no lock makes one, too.
"""

from collections.abc import Sequence

import msgspec

from cogpack.lockfile import FILE, Lock
from cogpack.locking import current
from cogpack.planning.prepare import check_predictor, open_project
from cogpack.session import Session


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """`path`: of cogpack.lock; `lock`: what it says."""

    path: str
    lock: Lock


def lock(session: Session, *, upgrade: bool = False, packages: Sequence[str] = ()) -> Locked:
    """Resolve everything afresh and write cogpack.lock.

    Present pins are kept where they still fit, unless `upgrade`, and but for those of `packages`: names of wheels.
    """
    project = open_project(session)
    check_predictor(project)
    made = current.lock(session, project, upgrade=upgrade, packages=packages)
    return Locked(path=str(project.root / FILE), lock=made)


def check_lock(session: Session) -> Locked:
    """Raise a `MismatchError` where the lock is missing or was made from other inputs. No server is asked."""
    project = open_project(session)
    session.notes.show_all()
    return Locked(path=str(project.root / FILE), lock=current.check_lock(session, project))
