"""Locked wheels are found: of pip lines on each line's own indexes, of requirements on those that are configured."""

from collections.abc import Sequence

from cogpack.lockfile import Decisions, LockedWheel
from cogpack.locking.lines.pip.wheels import PipWheels
from cogpack.locking.wheels.building import Ground
from cogpack.locking.wheels.indexes import uv_of
from cogpack.oci import Platform
from cogpack.project import Project
from cogpack.resolve.wheels.addresses import wheel_urls
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.session import Session


def wheel_addresses(
    session: Session, project: Project, decisions: Decisions, indexes: Indexes, wheels: Sequence[LockedWheel]
) -> dict[str, list[str]]:
    """Give addresses by sha256, of `wheels` of the lock that have none in it and are not of the project; what no index
    has is missing. They may hold credentials: not to be shown or kept."""
    target = Ground.of(decisions, Platform.parse(project.config.pack.platform)).target
    of_lines = PipWheels(session, project, decisions)
    own = {wheel.sha256: of_lines.address(wheel) for wheel in wheels if of_lines.has(wheel)}
    return {sha256: [address] for sha256, address in own.items() if address is not None} | wheel_urls(
        [wheel for wheel in wheels if wheel.sha256 not in own],
        uv_of(session, project, target, indexes, newer=True),
    )
