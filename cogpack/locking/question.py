"""What the decisions of a platform follow from is one struct, which is made at the top and handed down whole."""

from collections.abc import Mapping

import msgspec

from cogpack.lockfile import Decisions
from cogpack.locking.wheels.building import Building
from cogpack.project import Project
from cogpack.session import Session


class PlatformQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Asks what a lock has for one platform, which is the project's.

    `kept`: whose pins stay where they still fit; `same_format`: the rules by which these were decided are those that
    hold; `last`: those of the lock that there was; `beside`: those of another platform; `seeds`: versions of wheels
    that go before pins; `building`: of wheels that nobody publishes, None where nobody builds; `upgrade_system`: as
    `BaseQuestion` has it.
    """

    session: Session
    project: Project
    kept: Decisions | None = None
    last: Decisions | None = None
    beside: Decisions | None = None
    building: Building | None = None
    seeds: Mapping[str, str] = {}
    same_format: bool = True
    upgrade_system: bool = False
